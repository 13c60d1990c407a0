"""Logging what a function raises."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

__all__ = ["log_exceptions"]

P = ParamSpec("P")
R = TypeVar("R")


def log_exceptions(
    msg: str = "", logger: logging.Logger = logging.getLogger()
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that logs, with its traceback, what a function raises, and raises it again.

    It takes plain and coroutine functions. A cancellation is not logged.

    :param msg: the message; the function's name is in the field ``function`` in any case.
    :param logger: where to.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        message = msg or "a function failed"
        fields = {"function": getattr(function, "__qualname__", repr(function))}

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapped_async(*args: P.args, **kwargs: P.kwargs) -> Any:
                try:
                    return await function(*args, **kwargs)
                except Exception:
                    logger.exception(message, extra=fields)
                    raise

            return wrapped_async  # type: ignore[return-value]  # R is the coroutine here

        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except Exception:
                logger.exception(message, extra=fields)
                raise

        return wrapped

    return decorate
