"""Ids and chance, from one place, so that a test can repeat them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

__all__ = ["Chance", "jitter", "short_id", "use_chance"]

ID_DIGITS = 12


class Chance(Protocol):
    """A source of random numbers; :class:`random.Random` is one."""

    def random(self) -> float:
        """Return a number in [0, 1)."""

    def getrandbits(self, k: int, /) -> int:
        """Return an integer of ``k`` random bits."""


class _SystemChance:
    """The operating system's generator: nothing to seed, nothing that a forked process could repeat."""

    def random(self) -> float:
        return self.getrandbits(53) / (1 << 53)

    def getrandbits(self, k: int, /) -> int:
        return int.from_bytes(os.urandom((k + 7) // 8), "big") >> (-k % 8)


_current: ContextVar[Chance] = ContextVar("lk_agents_chance", default=_SystemChance())  # noqa: B039  stateless


def short_id(prefix: str = "") -> str:
    """Return ``prefix`` followed by 12 hexadecimal digits."""
    return f"{prefix}{_current.get().getrandbits(4 * ID_DIGITS):0{ID_DIGITS}x}"


def jitter(seconds: float, *, share: float = 0.25) -> float:
    """Return ``seconds`` moved by up to ``share`` of itself in either direction."""
    return seconds * (1 + share * (2 * _current.get().random() - 1))


@contextmanager
def use_chance(seed: int) -> Iterator[None]:
    """Make ids and jitter repeatable for this context."""
    token = _current.set(random.Random(seed))
    try:
        yield
    finally:
        _current.reset(token)
