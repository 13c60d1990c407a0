"""Calling blocking functions beside the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar, cast

__all__ = ["call_in_thread"]

T = TypeVar("T")


def call_in_thread(function: Callable[[], T], *, name: str) -> asyncio.Future[T]:
    """Call ``function`` in a daemon thread of its own, with this context, and return the future of its result.

    Unlike the loop's executor, the thread cannot be kept waiting by other calls, and one that never comes back
    does not keep the process from ending. Cancelling the future drops the result; the thread runs on.

    :param name: the thread's name.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def deliver(result: T | None, error: Exception | None) -> None:
        if future.done():  # cancelled, or given up
            return
        if error is None:
            future.set_result(cast(T, result))
        else:
            future.set_exception(error)

    def run() -> None:
        result: T | None = None
        error: Exception | None = None
        try:
            result = context.run(function)
        except BaseException as raised:  # noqa: BLE001  whatever it is, the caller gets it
            if isinstance(raised, Exception) and not isinstance(raised, StopIteration):
                error = raised
            else:  # a future does not take StopIteration, and SystemExit would end the loop from within a thread
                error = RuntimeError(f"the function called in the thread {name!r} raised {raised!r}")
                error.__cause__ = raised
        try:
            loop.call_soon_threadsafe(deliver, result, error)
        except RuntimeError:
            return  # the loop has been closed: nobody waits any more

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
