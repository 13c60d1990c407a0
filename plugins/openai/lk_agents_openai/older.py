"""Older names of what has another one now."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from lk_agents.foundation.log import logger

__all__ = ["older_name"]

P = ParamSpec("P")
R = TypeVar("R")


def older_name(name: str, use: str, function: Callable[P, R]) -> Callable[P, R]:
    """Return the function under its older name, which says in the log what it is called now."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        logger.warning("an older name was used", extra={"used": name, "use": use})
        return function(*args, **kwargs)

    return call
