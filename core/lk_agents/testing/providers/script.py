"""What scripted providers share: things that go wrong at a given point, and a script that must be used up."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from lk_agents.foundation.errors import APIConnectionError, LkAgentsError

__all__ = ["Break", "BreakKind", "Breaks", "ScriptError"]

ROUNDING: Final = 1e-6
"""What adding up seconds may cost."""
NEVER: Final = 10_000.0
"""Seconds that stand for ever; in virtual time they pass at once, so whoever waits longer is seen."""


class ScriptError(LkAgentsError, AssertionError):
    """A scripted provider was asked for what is not in its script, or was left with a part of it."""


class BreakKind(enum.Enum):
    """What goes wrong."""

    ERROR = "error"
    """An error is raised."""
    STALL = "stall"
    """Nothing more comes."""
    END = "end"
    """It ends there, as if that had been all."""
    EMPTY = "empty"
    """Something without content comes, then it goes on: an empty frame, a chunk without text."""


def _scripted_fault() -> Exception:
    return APIConnectionError("scripted fault")


@dataclass(frozen=True)
class Break:
    """Something that goes wrong in a scripted provider.

    :param at: where: seconds of audio that were heard (recogniser, detector) or given (synthesizer); chunks that were
        given (language model).
    :param kind: what.
    :param error: what is raised, or what makes it anew for each time; by default an ``APIConnectionError`` that may be
        retried.
    :param times: in how many attempts; the later ones go well.
    """

    at: float = 0.0
    kind: BreakKind = BreakKind.ERROR
    error: Exception | Callable[[], Exception] = _scripted_fault
    times: int = 1


class Breaks:
    """The breaks of one provider, each of which strikes so often and no more."""

    def __init__(self, breaks: Iterable[Break]) -> None:
        self._left: list[list[Break | int]] = [[each, each.times] for each in breaks]
        self.attempts = 0
        """How many attempts have begun."""

    def attempt(self) -> BreaksOfAttempt:
        """Return those that may strike in the attempt that begins now."""
        self.attempts += 1
        return BreaksOfAttempt(self._left)

    def unused(self) -> list[str]:
        """Return in words what has not struck as often as it should."""
        return [f"{each} has {left} times left" for each, left in self._left if left]


class BreaksOfAttempt:
    """Strikes each break at most once."""

    def __init__(self, left: Sequence[list[Break | int]]) -> None:
        self._left = [entry for entry in left if entry[1]]

    async def pass_(self, position: float) -> Break | None:
        """Let whatever lies at or before ``position`` happen.

        :returns: a break of kind END or EMPTY that the provider has to play itself; None to go on.
        :raises Exception: the error of a break.
        """
        for entry in list(self._left):
            each, times = entry
            assert isinstance(each, Break)
            assert isinstance(times, int)
            if each.at > position + ROUNDING:
                continue
            self._left.remove(entry)
            entry[1] = times - 1
            if each.kind is BreakKind.ERROR:
                raise each.error if isinstance(each.error, Exception) else each.error()
            if each.kind is BreakKind.STALL:
                await asyncio.sleep(NEVER)
            return each
        return None
