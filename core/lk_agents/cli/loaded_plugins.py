"""The plugins as the commands see them: loaded once, on the main thread; decided once the user's file is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.worker.options import WorkerOptions

__all__ = ["load_plugins"]


def load_plugins(options: WorkerOptions | None = None) -> PluginRegistry:
    """Load every installed plugin and have it introduce itself; with options, decide which of them are in use.

    Broken ones are logged and kept in the registry's records. The registry becomes the process's own.

    :raises PluginError: ``WorkerOptions.plugins`` names one that is broken or unknown.
    :raises ConfigError: ``WorkerOptions.plugins`` is no list.
    """
    from lk_agents.hooks.current import current_registry, set_registry

    if options is not None:
        from lk_agents.worker.config import check_plugins

        check_plugins(options)
    registry = current_registry()
    set_registry(registry)
    registry.register_plugins()
    if options is not None:
        registry.decide_in_use(options.plugins)
    return registry
