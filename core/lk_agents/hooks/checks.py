"""What must be true of a plugin's hook functions; pure functions, no registry."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from lk_agents.hooks.markers import HOOK_PREFIX, HookRules

__all__ = ["Declared", "closest", "find_problem", "unmarked_hook"]


@dataclass(frozen=True)
class Declared:
    """One function that a plugin has marked as a hook implementation."""

    hook: str
    function: Callable[..., Any]
    wrapper: bool
    optional: bool


def find_problem(declared: Sequence[Declared], known: Mapping[str, HookRules]) -> str | None:
    """Return in words what is wrong with one of the functions, or None if all are right."""
    for item in declared:
        if item.wrapper:
            return (
                f"{item.hook} is a wrapper ({_place(item.function)}); wrappers are not supported, "
                f"implement the hook as a plain function"
            )
        if (rules := known.get(item.hook)) is None:
            if item.optional:
                continue
            return (
                f"there is no hook {item.hook!r}{closest(item.hook, known)} ({_place(item.function)}); for a hook of "
                f"a newer lk-agents, mark it @hookimpl(optionalhook=True)"
            )
        if not rules.may_await and inspect.iscoroutinefunction(item.function):
            return f"{item.hook} must be a plain function, not a coroutine function ({_place(item.function)})"
    return None


def unmarked_hook(target: object, known: Iterable[str]) -> str | None:
    """Return in words which function of a module has a hook's name but not the mark, or None."""
    if not isinstance(target, ModuleType):
        return None
    hooks = set(known)
    for name, value in vars(target).items():
        if not name.startswith(HOOK_PREFIX) or name not in hooks:
            continue
        written_here = inspect.isfunction(value) and value.__module__ == target.__name__
        if written_here and not hasattr(value, "lk_agents_impl"):
            return f"{name} is not marked ({_place(value)}); put @lk_agents.hookimpl above it"
    return None


def closest(name: str, known: Iterable[str]) -> str:
    """Return a hint such as ``; did you mean 'x'?``, or "" if nothing in ``known`` is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _place(function: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return repr(function)
    return f"{code.co_filename}:{code.co_firstlineno}"
