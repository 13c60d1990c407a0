"""The hook by which a plugin introduces itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.hooks.markers import Scope, hookspec

if TYPE_CHECKING:
    from lk_agents.plugin import Plugin


@hookspec(scope=Scope.INSTALLED)
def lk_agents_register_plugin() -> Plugin | None:
    """Introduce the plugin: title, version, package, logger, and the files it needs.

    Called once, on the main thread, when the program starts. Build the record and return it; do not open
    connections, read credentials or import heavy modules here, because the hook runs for every installed plugin,
    used or not. Files are fetched later, by ``lk-agents download-files``, through ``Plugin.download_files()``.

    Example::

        @lk_agents.hookimpl
        def lk_agents_register_plugin() -> Plugin:
            return Plugin("Acme speech", "1.2.0", "lk_agents_acme")

    :returns: the record; None for a plugin that only has hooks.

    Errors: the plugin is unregistered with all its hooks, the error is logged with the plugin's name and shown by
    ``lk-agents plugins``; ``lk-agents doctor`` exits with 1. Nobody else is stopped.

    Called in: every process that runs a worker, a job or the command line. For: every installed plugin. Since: 0.1.
    """
