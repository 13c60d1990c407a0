"""Ends work that has gone quiet although something is owed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lk_agents.foundation import clock

__all__ = ["Owed", "Watch"]


@dataclass(frozen=True)
class Owed:
    """What is waited for, and since when (``clock.monotonic()``)."""

    phase: str
    since: float


class Watch:
    """Watches over one piece of work, and cancels it when something has been owed for too long.

    :param seconds: how long that is.
    :param owed: what the work owes at the moment; None if it may be quiet.
    :param looks_again: whether it looks by itself, every ``seconds``, whether something is owed; otherwise :meth:`look`
        tells it when something begins to be.
    """

    def __init__(self, *, seconds: float, owed: Callable[[], Owed | None], looks_again: bool = True) -> None:
        self._seconds = seconds
        self._owed = owed
        self._looks_again = looks_again
        self._limit: asyncio.Timeout | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._given_up = ""

    async def over(self, work: Awaitable[None]) -> str:
        """Await ``work``, once.

        :returns: the phase in which it was given up; an empty text if it ended by itself.
        """
        self._limit = limit = asyncio.timeout(None)
        try:
            async with limit:
                self.look()
                await work
        except TimeoutError:
            if not limit.expired():
                raise
        finally:
            self._limit = None
            self._disarm()
        return self._given_up

    def look(self) -> None:
        """Look whether something is owed now, and since when."""
        self._disarm()
        if self._limit is None:
            return
        loop, owed = asyncio.get_running_loop(), self._owed()
        if owed is None:
            if self._looks_again:  # nothing that begins to be owed now is overdue before that
                self._timer = loop.call_later(self._seconds, self.look)
            return
        left = owed.since + self._seconds - clock.monotonic()
        if left > 0:
            self._timer = loop.call_later(left, self.look)
        else:
            self._given_up = owed.phase
            self._limit.reschedule(loop.time())

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
