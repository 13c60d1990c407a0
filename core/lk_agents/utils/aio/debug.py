"""Finding what blocks an event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger

__all__ = ["hook_slow_callbacks"]

_slow_seconds: float | None = None  # owned by hook_slow_callbacks; None until it has been called


def hook_slow_callbacks(slow_duration: float) -> None:
    """Log a warning for every callback that keeps an event loop of this process for ``slow_duration`` seconds or more.

    It works without asyncio's debug mode. Calling it again only changes the limit; the hook is put in once.
    """
    global _slow_seconds
    first = _slow_seconds is None
    _slow_seconds = slow_duration
    if first:
        _hook()


def _hook() -> None:
    run_handle = asyncio.events.Handle._run  # noqa: SLF001  the only place that every callback passes through

    def timed_run(self: asyncio.events.Handle) -> Any:
        start = clock.monotonic()
        result = run_handle(self)
        took = clock.monotonic() - start
        if _slow_seconds is not None and took >= _slow_seconds:
            logger.warning(
                "a callback kept the event loop from everything else",
                extra={"callback": _describe(self), "seconds": round(took, 3)},
            )
        return result

    asyncio.events.Handle._run = timed_run  # type: ignore[method-assign]  # noqa: SLF001


def _describe(handle: asyncio.events.Handle) -> str:
    """Name a task by itself and any other callback by its function: arguments may hold what users said."""
    callback = handle._callback  # type: ignore[attr-defined]  # noqa: SLF001
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        coroutine = owner.get_coro()
        return f"{owner.get_name()} ({getattr(coroutine, '__qualname__', type(coroutine).__name__)})"
    return str(getattr(callback, "__qualname__", type(callback).__name__))
