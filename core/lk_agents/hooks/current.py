"""Which registry of plugins the running code belongs to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lk_agents.hooks.registry import PluginRegistry

__all__ = ["current_registry", "known_registry", "set_registry", "use_registry"]

_of_context: ContextVar[PluginRegistry | None] = ContextVar("lk_agents_plugin_registry", default=None)
_of_process: PluginRegistry | None = None
_building = threading.Lock()


def current_registry() -> PluginRegistry:
    """Return the registry of this context, else of the process; where none was set, load one for the process.

    A new thread begins with an empty context and sees the process's registry.
    """
    global _of_process
    if (registry := _of_context.get()) is not None:
        return registry
    with _building:
        if _of_process is None:
            from lk_agents.hooks.registry import PluginRegistry

            _of_process = PluginRegistry.load()
        return _of_process


def known_registry() -> PluginRegistry | None:
    """Return the registry of this context, else of the process; None where none was set, and none is loaded."""
    return _of_context.get() or _of_process


def set_registry(registry: PluginRegistry | None) -> None:
    """Make ``registry`` the process's own, for programs that own their process; None forgets it."""
    global _of_process
    with _building:
        _of_process = registry


@contextmanager
def use_registry(registry: PluginRegistry) -> Iterator[None]:
    """Make ``registry`` the current one for this context and the tasks that it starts."""
    token = _of_context.set(registry)
    try:
        yield
    finally:
        _of_context.reset(token)
