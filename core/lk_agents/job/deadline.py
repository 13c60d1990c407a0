"""The moment by which a job must have ended."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

from lk_agents.job.ending import plan_end

__all__ = ["EndDeadline"]

FutureT = TypeVar("FutureT", bound="asyncio.Future[Any]")


class EndDeadline:
    """Bounds every wait of a job's end; it can come closer while somebody waits, never recede.

    :param seconds: from now.
    """

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._at = self._loop.time() + seconds
        self._scope: asyncio.Timeout | None = None
        self._keeps_closing = False
        self.plan = plan_end(seconds)

    @property
    def left(self) -> float:
        """Seconds that are left; 0 when there are none."""
        return max(0.0, self._at - self._loop.time())

    def shorten(self, seconds: float) -> None:
        """Move the moment to ``seconds`` from now, if that is sooner; a wait under way sees it."""
        at = self._loop.time() + seconds
        if at >= self._at:
            return
        self._at = at
        self.plan = plan_end(seconds)
        scope = self._scope
        if scope is not None and not scope.expired():
            limit = self._limit(keep_closing=self._keeps_closing)
            if (when := scope.when()) is None or when > limit:
                scope.reschedule(limit)

    async def wait(
        self, tasks: AbstractSet[FutureT], *, at_most: float = math.inf, keep_closing: bool = True
    ) -> set[FutureT]:
        """Wait until all ``tasks`` are done, ``at_most`` seconds or until the moment; return those that are not.

        Nothing is cancelled here, and nothing that a task raises comes out: one that ignores its cancellation
        cannot hold up the end.

        :param keep_closing: stop early enough for the report of the end and for leaving the room.
        """
        if not tasks:
            return set()
        limit = min(self._loop.time() + at_most, self._limit(keep_closing=keep_closing))
        self._keeps_closing = keep_closing
        try:
            async with asyncio.timeout_at(limit) as self._scope:
                await asyncio.wait(tasks)
        except TimeoutError:
            pass  # what is not done is returned
        finally:
            self._scope = None
        return {task for task in tasks if not task.done()}

    def _limit(self, *, keep_closing: bool) -> float:
        return self._at - (self.plan.closing if keep_closing else 0.0)
