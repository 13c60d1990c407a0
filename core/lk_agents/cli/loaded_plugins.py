"""The plugins as the commands see them: loaded once, on the main thread; decided once the user's file is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.foundation.settings import Settings

if TYPE_CHECKING:
    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.worker.options import WorkerOptions

__all__ = ["load_plugins"]


def load_plugins(options: WorkerOptions | None = None) -> PluginRegistry:
    """Load every installed plugin; with options, decide which of them are in use. Broken ones are in the records.

    :raises PluginError: ``WorkerOptions.plugins`` names one that is broken or unknown.
    """
    from lk_agents.hooks.registry import PluginRegistry

    registry = PluginRegistry.load(Settings.read())
    if options is not None:
        registry.decide_in_use(options.plugins)
    return registry
