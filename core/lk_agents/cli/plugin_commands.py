"""Commands that plugins add to ``lk-agents``; looked for only when they are needed."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from lk_agents.foundation.errors import PluginError
from lk_agents.foundation.log import logger

if TYPE_CHECKING:
    import click

    from lk_agents.hooks.records import Command

__all__ = ["PluginCommands"]


class PluginCommands:
    """The commands of all installed plugins, by name.

    :param taken: the framework's own names, which no plugin can have.
    """

    def __init__(self, taken: frozenset[str]) -> None:
        self._taken = taken

    def helps(self) -> dict[str, str]:
        """Return one line of help for each command."""
        return {name: command.help for name, (_, command) in self._found.items()}

    def build(self, name: str) -> click.Command | None:
        """Return the command of that name, None if no plugin has it.

        :raises PluginError: the plugin cannot build it; the text names the plugin.
        """
        if name not in self._found:
            return None
        plugin, command = self._found[name]
        try:
            return command.build()
        except Exception as error:
            raise PluginError(f"the plugin {plugin!r} cannot build its command {name!r}: {error}") from error

    @cached_property
    def _found(self) -> dict[str, tuple[str, Command]]:
        from lk_agents.cli.loaded_plugins import load_plugins
        from lk_agents.hooks.invoke import collect

        found: dict[str, tuple[str, Command]] = {}
        clashing: set[str] = set()
        for result in collect(load_plugins(), "lk_agents_register_commands"):
            name, plugin = result.value.name, result.plugin
            if name in self._taken or name in found:
                other = found[name][0] if name in found else "lk-agents itself"
                clashing.add(name)
                logger.error(
                    "a command is offered twice",
                    extra={"command": name, "plugin": plugin, "other": other, "remedy": "LK_AGENTS_DISABLED_PLUGINS"},
                )
                continue
            found[name] = (plugin, result.value)
        return {name: entry for name, entry in found.items() if name not in clashing}
