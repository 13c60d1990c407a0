"""What the registry tells about plugins: one record per plugin, one per hook implementation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import PluginError

if TYPE_CHECKING:
    from lk_agents.plugin import Plugin

__all__ = ["NAMED", "Handover", "Implementation", "ModuleReference", "PluginInfo"]

NAMED: Final = "WorkerOptions.plugins"
"""Where the user names plugins."""


@dataclass(frozen=True, kw_only=True)
class PluginInfo:
    """One plugin as the registry sees it at one moment.

    :param name: the name of its entry point, or the name that was given to the user's own.
    :param distribution: the installed distribution, "" for the user's own and where it cannot be told.
    :param version: the distribution's version.
    :param module: the module that the entry point names.
    :param package: the package whose modules put the plugin in use when something imports them.
    :param hooks: the hooks that it implements, in alphabetical order.
    :param error: why it is broken, in words; None if it works. A broken plugin has no hooks.
    :param disabled: the setting that keeps it from being loaded, or "".
    :param record: what it introduced itself with; None before that and for plugins that only have hooks.
    :param in_use: whether hooks for plugins in use are called.
    :param used_through: what put it in use: an imported module or ``"WorkerOptions.plugins"``; "" if nothing did.
    :param own: True for the user's own functions and objects.
    :param brings: modules of its package that loading the entry point imports; they do not put it in use.
    """

    name: str
    distribution: str = ""
    version: str = ""
    module: str = ""
    package: str = ""
    hooks: Sequence[str] = ()
    error: str | None = None
    disabled: str = ""
    record: Plugin | None = None
    in_use: bool = False
    used_through: str = ""
    own: bool = False
    brings: Sequence[str] = ()

    @property
    def label(self) -> str:
        """Name, distribution and version, for messages."""
        if not self.distribution:
            return self.name
        return f"{self.name} ({self.distribution} {self.version})"

    def require_working(self) -> None:
        """Refuse a plugin that cannot be used although it is asked for.

        :raises PluginError: it is broken or disabled.
        """
        if self.error is not None:
            raise PluginError(self.error)
        if self.disabled:
            raise PluginError(f"the plugin {self.label} is named in {NAMED}, but {self.disabled} keeps it out")


@dataclass(frozen=True)
class Implementation:
    """One plugin's implementation of one hook.

    :param plugin: the plugin's name.
    :param hook: the hook's name.
    :param function: the plugin's function.
    :param arguments: the names of the hook's parameters that the function takes, in its order.
    """

    plugin: str
    hook: str
    function: Callable[..., Any]
    arguments: Sequence[str]

    def call(self, arguments: Mapping[str, Any]) -> Any:
        """Call the function with those of the hook's ``arguments`` that it takes."""
        return self.function(*[arguments[name] for name in self.arguments])


@dataclass(frozen=True)
class ModuleReference:
    """A module by its name, since modules cannot be pickled."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Handover:
    """What a process that was not forked needs to have the same plugins; picklable if the user's own are.

    Nothing of it is secret: address and credentials stay out.

    :param entry_points: name and value of each entry point, where they were not looked up; None to look them up.
    :param plugins: the allow list, None for all.
    :param disabled_plugins: the deny list.
    :param trace_hooks: whether hook calls are logged.
    :param own: the user's own plugins: name and object, functions by hook, or reference to a module.
    :param used: the plugins in use and what put each in use.
    """

    entry_points: Sequence[tuple[str, str]] | None
    plugins: frozenset[str] | None
    disabled_plugins: frozenset[str]
    trace_hooks: bool
    own: Sequence[tuple[str, Any]]
    used: Mapping[str, str]
