"""A regular beat, and a sleep whose end can be moved."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from lk_agents.foundation.errors import ConfigError, LkAgentsError

__all__ = ["Interval", "Sleep", "SleepFinished", "interval", "sleep"]


class Interval:
    """Ticks once per period: ``async for number in Interval(0.5)`` or ``await beat.tick()``.

    The first tick comes at once. Each further one is due a full period after the one before it was taken: a caller who
    comes late gets it at once, and the beat goes on from there, without catching up.

    :param interval: seconds from tick to tick.
    :raises ConfigError: ``interval`` is not positive.
    """

    def __init__(self, interval: float) -> None:
        if not interval > 0:
            raise ConfigError(f"the interval is {interval!r} s; it must be more than 0")
        self._period = interval
        self._number = 0
        self._due: float | None = None  # None: the next tick is immediate and does not count on
        self._waiting = 0

    def reset(self) -> None:
        """Begin anew: a tick that is being waited for comes a full period from now; else the next one comes at once.

        A tick that comes at once after a reset carries the number of the one before it.
        """
        self._due = asyncio.get_running_loop().time() + self._period if self._waiting else None

    async def tick(self) -> int:
        """Wait for the next tick and return its number, which starts at 0.

        Cancelled while it waits, it takes no tick: the next call waits for the same one.
        """
        loop = asyncio.get_running_loop()
        number = self._number
        if self._due is not None:
            number += 1
            await self._until_due(loop)
        self._number = number
        self._due = loop.time() + self._period
        return number

    async def _until_due(self, loop: asyncio.AbstractEventLoop) -> None:
        self._waiting += 1
        try:
            while self._due is not None and (rest := self._due - loop.time()) > 0:  # noqa: ASYNC110  a reset may move the moment
                await asyncio.sleep(rest)
        finally:
            self._waiting -= 1

    def __aiter__(self) -> Interval:
        return self

    async def __anext__(self) -> int:
        return await self.tick()


def interval(interval: float) -> Interval:
    """Return an :class:`Interval` that ticks every ``interval`` seconds."""
    return Interval(interval)


class SleepFinished(LkAgentsError):  # noqa: N818  its name is part of the public surface
    """A sleep cannot be reset any more: it has ended, or was cancelled."""


class Sleep:
    """A sleep that one task awaits and others may prolong or cancel.

    The time counts from the ``await``. A task that is cancelled while it sleeps ends the sleep.

    :param delay: seconds; 0 or less does not sleep at all.
    """

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._awaited = False
        self._over = False
        self._end: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def reset(self, new_delay: float | None = None) -> None:
        """Sleep the full time from now on; before the sleep has begun, only the new time is kept.

        :param new_delay: seconds to sleep instead of those before.
        :raises SleepFinished: the sleep has ended, or was cancelled.
        """
        if self._over or (self._end is not None and self._end.done()):
            raise SleepFinished("this sleep has ended: begin a new one")
        if new_delay is not None:
            self._delay = new_delay
        if self._end is not None:
            self._start_timer(self._end)

    def cancel(self) -> None:
        """End the sleep: who awaits it, now or later, gets a ``CancelledError``. Ended already, nothing happens."""
        self._over = True
        if self._end is not None:
            self._end.cancel()

    def __await__(self) -> Generator[Any, None, None]:
        return self._sleep().__await__()

    async def _sleep(self) -> None:
        if self._awaited:
            raise RuntimeError("this Sleep is awaited a second time: each one serves one await, make another")
        self._awaited = True
        if self._over:
            raise asyncio.CancelledError
        if self._delay <= 0:
            return
        self._end = asyncio.get_running_loop().create_future()
        self._start_timer(self._end)
        try:
            await self._end
        finally:
            self._over = True
            self._stop_timer()

    def _start_timer(self, end: asyncio.Future[None]) -> None:
        self._stop_timer()
        self._timer = end.get_loop().call_later(self._delay, _finish, end)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _finish(end: asyncio.Future[None]) -> None:
    if not end.done():
        end.set_result(None)


def sleep(delay: float) -> Sleep:
    """Return a :class:`Sleep` of ``delay`` seconds, to be awaited."""
    return Sleep(delay)
