"""Ends an attempt that says nothing, without the provider's help."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from lk_agents.foundation.errors import APITimeoutError

__all__ = ["OutputDeadline"]


class OutputDeadline:
    """Watches one attempt: its first output must come in time, and so must every further sign of life.

    Most chunks of an answer come within milliseconds of each other, so they only leave a note of the time; one timer
    looks at it now and then.

    :param seconds: how long the provider may be silent.
    :param is_excused: tells that it is not the provider who is slow: nobody reads what it has sent.
    """

    def __init__(self, seconds: float, *, is_excused: Callable[[], bool]) -> None:
        self._seconds = seconds
        self._is_excused = is_excused
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._scope = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None
        self.begun = False
        """Whether the provider has begun to answer."""

    def heard(self, *, output: bool) -> None:
        """Note a sign of life; before the first output, only output is one."""
        self.begun = self.begun or output
        if self.begun:
            self._heard_at = self._loop.time()

    async def limit(self, work: Awaitable[None]) -> None:
        """Await ``work``; cancel it when it has been silent for too long.

        :raises APITimeoutError: it was; its phase is ``first_output`` or ``idle``.
        """
        try:
            async with self._scope:
                self._arm(self._heard_at)
                try:
                    await work
                finally:
                    self._disarm()
        except Exception as error:
            if not self._scope.expired():
                raise
            raise self._too_late() from (None if isinstance(error, TimeoutError) else error)
        if self._scope.expired():
            raise self._too_late()

    def _arm(self, since: float) -> None:
        self._timer = self._loop.call_at(since + self._seconds, self._look, since)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self, since: float) -> None:
        if self._is_excused():
            self._heard_at = self._loop.time()
        if self._heard_at > since:
            self._arm(self._heard_at)
        else:
            self._scope.reschedule(self._loop.time())

    def _too_late(self) -> APITimeoutError:
        what = "went silent in its answer" if self.begun else "did not begin to answer"
        return APITimeoutError(f"the model {what} for {self._seconds:g} s").located(
            phase="idle" if self.begun else "first_output"
        )
