"""The functions that a model may call, and how they are marked."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger
from lk_agents.llm.annotations import read_arguments
from lk_agents.llm.function_call import FunctionInfo

__all__ = ["USE_DOCSTRING", "FunctionContext", "ai_callable"]

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

_MARK: Final = "__lk_agents_ai_callable__"
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class _UseDocstring:
    """Type of :data:`USE_DOCSTRING`."""

    def __repr__(self) -> str:
        return "USE_DOCSTRING"


USE_DOCSTRING: Final = _UseDocstring()
"""Take the function's docstring as its description."""


@dataclass(frozen=True)
class _Mark:
    """What :func:`ai_callable` leaves on a function."""

    name: str
    description: str
    auto_retry: bool


def ai_callable(
    *, name: str | None = None, description: str | _UseDocstring = USE_DOCSTRING, auto_retry: bool = False
) -> Callable[[FunctionT], FunctionT]:
    """Mark a method of a :class:`FunctionContext` as one that the model may call; the method itself stays as it is.

    :param name: what the model calls it; the method's own name by default.
    :param description: tells the model what it is for; the method's docstring by default.
    :param auto_retry: kept in ``FunctionInfo``; nothing acts on it.
    :raises ConfigError: there is neither a description nor a docstring.
    """

    def mark(function: FunctionT) -> FunctionT:
        setattr(function, _MARK, _Mark(name or function.__name__, _description(function, description), auto_retry))
        return function

    return mark


class FunctionContext:
    """The functions that a model may call: the marked methods of a subclass, and what is registered at run time.

    Methods come first, in the alphabetical order of their attributes, then the others as they were registered; this is
    the order in which the model sees them. A subclass with a constructor of its own calls ``super().__init__()``.

    :raises ConfigError: a marked method cannot be offered: see :meth:`ai_callable`.
    """

    def __init__(self) -> None:
        self._functions: dict[str, FunctionInfo] = {}
        for attribute in dir(self):
            found = inspect.getattr_static(self, attribute)  # asking for the value of a property would run it
            if (mark := _mark_of(found)) is None:
                continue
            if isinstance(found, staticmethod):
                logger.warning(
                    "a function is not offered to the model because it is a static method; make it an ordinary one",
                    extra={"function": found.__qualname__},
                )
                continue
            self._add(getattr(self, attribute), mark)

    @property
    def ai_functions(self) -> dict[str, FunctionInfo]:
        """The functions by the names that the model knows; the dictionary itself, not a copy."""
        return self._functions

    def ai_callable(
        self, *, name: str | None = None, description: str | _UseDocstring = USE_DOCSTRING, auto_retry: bool = True
    ) -> Callable[[FunctionT], FunctionT]:
        """Register a function at once, as a decorator; the function itself stays as it is.

        :param name: what the model calls it; the function's own name by default.
        :param description: tells the model what it is for; the function's docstring by default.
        :param auto_retry: kept in ``FunctionInfo``; nothing acts on it.
        :raises ConfigError: the description is missing, the name is taken or unfit, or a parameter is of a kind that no
            model can be told.
        """

        def register(function: FunctionT) -> FunctionT:
            self._add(function, _Mark(name or function.__name__, _description(function, description), auto_retry))
            return function

        return register

    def _register_ai_function(self, function: Callable[..., Any]) -> None:
        """Offer a marked function; one that is not marked is ignored with a warning."""
        mark = _mark_of(function)
        if mark is None:
            logger.warning(
                "a function is not offered to the model because it is not marked with ai_callable",
                extra={"function": getattr(function, "__qualname__", repr(function))},
            )
            return
        self._add(function, mark)

    def _add(self, function: Callable[..., Any], mark: _Mark) -> None:
        if not _NAME.fullmatch(mark.name):
            raise ConfigError(
                f"a function for the model is called {mark.name!r}; providers take 1 to 64 letters, digits, "
                f"underscores and hyphens: give another with ai_callable(name=…)"
            )
        if mark.name in self._functions:
            raise ConfigError(f"two functions for the model are called {mark.name!r}; give one another name")
        self._functions[mark.name] = FunctionInfo(
            name=mark.name,
            description=mark.description,
            auto_retry=mark.auto_retry,
            callable=function,
            arguments=read_arguments(function, mark.name),
        )


def _mark_of(function: object) -> _Mark | None:
    mark = getattr(function, _MARK, None)
    if mark is None and isinstance(function, classmethod | staticmethod):
        mark = getattr(function.__func__, _MARK, None)
    return mark if isinstance(mark, _Mark) else None


def _description(function: Callable[..., Any], given: str | _UseDocstring) -> str:
    if isinstance(given, str):
        return given
    if not function.__doc__ or not function.__doc__.strip():
        raise ConfigError(
            f"{function.__name__!r} has no docstring to tell the model what it is for; write one, or give a "
            f"description, which may be empty"
        )
    return inspect.cleandoc(function.__doc__)
