"""The user's shutdown callbacks."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from lk_agents.foundation.errors import ConfigError, JobError
from lk_agents.foundation.log import logger
from lk_agents.job.tasks import say_unfinished, start_contained

if TYPE_CHECKING:
    from lk_agents.job.deadline import EndDeadline

__all__ = ["ShutdownCallback", "ShutdownCallbacks"]

ShutdownCallback = Callable[[], Awaitable[None]] | Callable[[str], Awaitable[None]]
"""A coroutine function of no argument, or of one: the reason."""

CANCEL_SECONDS = 0.2
"""What a callback that ran out of time gets to follow its cancellation."""


class _Takes(Enum):
    """How a callback wants the reason."""

    NOTHING = "nothing"
    POSITIONAL = "positional"
    KEYWORD = "keyword"


def _what_it_takes(callback: Callable[..., Any]) -> _Takes:
    """Tell from its signature how to call ``callback``.

    A parameter that has a default is left alone (``async def save(session=session)`` is how a value is bound in a
    loop) unless it is named ``reason``.

    :raises ConfigError: it needs more than the reason, or cannot be called at all.
    """
    if not callable(callback):
        raise ConfigError(f"a shutdown callback must be a coroutine function, not {callback!r}")
    try:
        parameters = inspect.signature(callback).parameters.values()
    except ValueError:  # some callables written in C do not tell
        return _Takes.NOTHING
    positional = [p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    needed = [p for p in parameters if p.default is p.empty and p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}]
    bound = callback.keywords if isinstance(callback, functools.partial) else {}
    keyword = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name == "reason" and p.name not in bound]
    if len(needed) > 1 or any(p.kind is p.KEYWORD_ONLY and p not in keyword for p in needed):
        names = ", ".join(p.name for p in needed)
        raise ConfigError(
            f"shutdown callback {callback!r} needs the arguments ({names}); it gets at most one, the reason: "
            f"bind the others with functools.partial"
        )
    if keyword:
        return _Takes.KEYWORD
    if any(p.kind is p.VAR_POSITIONAL for p in parameters) or any(
        p in needed or p.name == "reason" for p in positional[:1]
    ):
        return _Takes.POSITIONAL
    return _Takes.NOTHING


class ShutdownCallbacks:
    """Keeps a job's shutdown callbacks and runs them once, all at the same time.

    :param job_id: goes into every log line.
    """

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._callbacks: list[tuple[Callable[..., Any], _Takes]] = []
        self._begun = False

    def add(self, callback: ShutdownCallback) -> None:
        """Add a callback; the same one twice is called twice.

        :raises ConfigError: it needs more than one argument.
        :raises JobError: the callbacks are running already, so it would never be called.
        """
        if self._begun:
            raise JobError(f"shutdown callback {callback!r} comes too late: the callbacks are running already")
        self._callbacks.append((callback, _what_it_takes(callback)))

    def remove(self, callback: ShutdownCallback) -> None:
        """Take a callback back, once if it was added twice; an unknown one, or one that runs, is ignored."""
        known = [each for each, _ in self._callbacks]
        if callback in known:
            del self._callbacks[known.index(callback)]

    async def run(self, reason: str, deadline: EndDeadline) -> None:
        """Call them all and wait until the deadline; one that fails is logged and stops none of the others."""
        self._begun = True
        tasks = {
            start_contained(_call(callback, takes, reason), name="job_shutdown_callback"): callback
            for callback, takes in self._callbacks
        }
        late = await deadline.wait(set(tasks))
        for task in late:
            logger.error(
                "a shutdown callback did not end in time and is cancelled",
                extra={"job_id": self._job_id, "callback": _name(tasks[task])},
            )
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=CANCEL_SECONDS)
            say_unfinished((task for task in late if not task.done()), job_id=self._job_id)
        for task, callback in tasks.items():
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                logger.error(
                    "a shutdown callback failed",
                    exc_info=error,
                    extra={"job_id": self._job_id, "callback": _name(callback)},
                )


async def _call(callback: Callable[..., Any], takes: _Takes, reason: str) -> None:
    arguments = (reason,) if takes is _Takes.POSITIONAL else ()
    keywords = {"reason": reason} if takes is _Takes.KEYWORD else {}
    result = callback(*arguments, **keywords)
    if inspect.isawaitable(result):
        await result


def _name(callback: Callable[..., Any]) -> str:
    return getattr(callback, "__qualname__", None) or repr(callback)
