"""The two marks: ``hookspec`` on a hook's description (ours), ``hookimpl`` on its implementation (a plugin's)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

import pluggy

__all__ = ["ENTRY_POINT_GROUP", "HOOK_PREFIX", "HookRules", "Scope", "hookimpl", "hookspec", "rules_of"]

ENTRY_POINT_GROUP: Final = "lk_agents"
"""Entry-point group in which distributions name their plugin module."""

HOOK_PREFIX: Final = "lk_agents_"
"""What every hook's name begins with."""

hookimpl: Final = pluggy.HookimplMarker("lk_agents")
"""Mark a function as the implementation of the hook of its name.

``tryfirst=True`` and ``trylast=True`` move it before or behind the others; ``optionalhook=True`` allows a hook that
this version of lk_agents does not have; ``specname="…"`` names the hook where the function has another name. Wrapper
implementations are refused.
"""

_mark_spec: Final = pluggy.HookspecMarker("lk_agents")
_RULES_ATTRIBUTE: Final = "lk_agents_rules"

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


class Scope(StrEnum):
    """Of which plugins a hook is called."""

    INSTALLED = "installed"
    """Of every plugin that is installed and loaded."""
    IN_USE = "in use"
    """Of plugins that the user's program imports or names."""


@dataclass(frozen=True, kw_only=True)
class HookRules:
    """How one hook is called.

    :param scope: of which plugins.
    :param may_await: whether an implementation may be a coroutine function or return an awaitable.
    """

    scope: Scope
    may_await: bool = False


def hookspec(*, scope: Scope, may_await: bool = False) -> Callable[[FunctionT], FunctionT]:
    """Mark a function of ``hooks/specs`` as the description of a hook, and say how it is called."""

    def decorate(function: FunctionT) -> FunctionT:
        setattr(function, _RULES_ATTRIBUTE, HookRules(scope=scope, may_await=may_await))
        return _mark_spec(function)

    return decorate


def rules_of(spec: Callable[..., Any]) -> HookRules:
    """Return how the hook that ``spec`` describes is called."""
    rules: HookRules = getattr(spec, _RULES_ATTRIBUTE)
    return rules
