"""Ending tasks, and keeping hold of them until they end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

__all__ = ["TaskSet", "cancel_and_wait", "failure_of", "gracefully_cancel"]

T = TypeVar("T")


async def cancel_and_wait(*futures: asyncio.Future[Any]) -> None:
    """Cancel all ``futures`` and return when every one is done; what they return or raise is dropped.

    A task that ignores its cancellation makes this wait as long; put ``asyncio.timeout()`` around it where that
    matters. Cancelled itself, it stops waiting; the futures stay cancelled.
    """
    for future in futures:
        future.cancel()
    if pending := [future for future in futures if not future.done()]:
        await asyncio.wait(pending)
    for future in futures:
        if not future.cancelled():
            future.exception()  # marks it as seen, so that asyncio does not report it as lost


gracefully_cancel: Final = cancel_and_wait


def failure_of(error: BaseException) -> Exception:
    """Return what somebody else's code has failed with; raise it again if it is our own task that is being cancelled.

    Code that awaits a task which was cancelled raises ``CancelledError`` too: that is a failure like any other, and
    nobody has asked our task to end.

    :raises asyncio.CancelledError: the running task was asked to end.
    """
    if isinstance(error, Exception):
        return error
    task = asyncio.current_task()
    if not isinstance(error, asyncio.CancelledError) or (task is not None and task.cancelling()):
        raise error
    failure = RuntimeError("something that was awaited had been cancelled")
    failure.__cause__ = error
    return failure


class TaskSet:
    """Holds tasks until they end: asyncio itself keeps no strong reference to a task.

    :param loop: where the tasks run; by default the loop that is running when a task is made.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def create_task(self, coro: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
        """Start ``coro`` as a task and hold it until it ends.

        :raises RuntimeError: the set has been closed; ``coro`` is closed as well.
        """
        if self._closed:
            coro.close()
            raise RuntimeError("this TaskSet has been closed: it takes no more tasks")
        task = (self._loop or asyncio.get_running_loop()).create_task(coro, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """Take no more tasks and wait for those there are; nothing is cancelled, what they raise is dropped.

        Cancelled itself, it stops waiting; the tasks go on.
        """
        self._closed = True
        if self._tasks:
            tasks = tuple(self._tasks)
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    task.exception()  # marks it as seen
