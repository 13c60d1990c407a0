"""Finds installed plugins by their entry points, without importing any of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Final

from lk_agents.foundation.errors import PluginError
from lk_agents.foundation.log import logger
from lk_agents.hooks.checks import closest
from lk_agents.hooks.info import PluginInfo
from lk_agents.hooks.markers import ENTRY_POINT_GROUP

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint

    from lk_agents.foundation.settings import Settings

__all__ = [
    "describe",
    "disabled_by",
    "installed_entry_points",
    "load_target",
    "module_in_use",
    "normalised",
    "noting_imports",
    "package_of",
    "rebuilt",
    "require_known",
]

_brought: Final[dict[str, frozenset[str]]] = {}
"""What loading each entry module, or asking it what it offers, imported of its package in this process."""


def installed_entry_points() -> Sequence[EntryPoint]:
    """Return the entry points of every installed plugin, by name; a distribution that cannot be read is left out."""
    import importlib_metadata

    try:
        return sorted(importlib_metadata.entry_points(group=ENTRY_POINT_GROUP))
    except Exception as error:  # noqa: BLE001  one unreadable file anywhere fails the whole query
        logger.debug("entry points cannot be read at once, reading them singly", extra={"cause": repr(error)})
    return sorted(_entry_points_one_by_one())


def _entry_points_one_by_one() -> Iterator[EntryPoint]:
    import importlib_metadata

    seen: set[str] = set()
    for distribution in importlib_metadata.distributions():
        try:
            name = normalised(distribution.name)
            if name in seen:
                continue
            seen.add(name)
            yield from distribution.entry_points.select(group=ENTRY_POINT_GROUP)
        except Exception as error:  # noqa: BLE001  whatever is wrong with one must not hide the others
            logger.warning(
                "the metadata of an installed distribution cannot be read",
                extra={"folder": str(getattr(distribution, "_path", "unknown")), "cause": repr(error)},
            )


def describe(entry_point: EntryPoint) -> PluginInfo:
    """Return what is known of a plugin before it is loaded; never raises."""
    try:
        module = entry_point.module
    except (ValueError, AttributeError):  # not of the form package.module:attribute; loading it will say so
        module = ""
    distribution, version = _distribution_of(entry_point)
    return PluginInfo(
        name=entry_point.name,
        distribution=distribution,
        version=version,
        module=module,
        package=package_of(module),
    )


def _distribution_of(entry_point: EntryPoint) -> tuple[str, str]:
    distribution = getattr(entry_point, "dist", None)
    if distribution is None:
        return "", ""
    try:
        return str(distribution.name), str(distribution.version)
    except Exception as error:  # noqa: BLE001  a plugin with broken metadata may still work
        logger.debug("a plugin's metadata cannot be read", extra={"plugin": entry_point.name, "cause": repr(error)})
        return "unknown", "unknown"


def normalised(distribution: str) -> str:
    """Return a distribution's name in the one form in which names are compared."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def disabled_by(info: PluginInfo, settings: Settings) -> str:
    """Return the setting that keeps a plugin from being loaded, or ""; names and distributions both count."""
    names = {info.name, normalised(info.distribution)} - {""}

    def listed(setting: AbstractSet[str]) -> bool:
        return not names.isdisjoint(setting | {normalised(name) for name in setting})

    if listed(settings.disabled_plugins):
        return "LK_AGENTS_DISABLED_PLUGINS"
    if settings.plugins is not None and not listed(settings.plugins):
        return "LK_AGENTS_PLUGINS"
    return ""


def require_known(infos: Iterable[PluginInfo], settings: Settings) -> None:
    """Refuse names in the environment's lists of plugins that are no plugin's: a misspelt one would keep nothing out.

    :raises PluginError: naming the first such name, and the plugins that there are.
    """
    there = [info for info in infos if not info.own]
    names = {info.name for info in there} | {normalised(info.distribution) for info in there}
    lists = {"LK_AGENTS_DISABLED_PLUGINS": settings.disabled_plugins, "LK_AGENTS_PLUGINS": settings.plugins or ()}
    for variable, listed in lists.items():
        for name in sorted(listed):
            if names.isdisjoint({name, normalised(name)}):
                known = ", ".join(sorted(repr(info.name) for info in there)) or "none"
                raise PluginError(
                    f"{variable} names {name!r}, but there is no such plugin; installed are: {known}"
                    f"{closest(name, names)}"
                )


def load_target(entry_point: EntryPoint) -> tuple[object, Sequence[str]]:
    """Import what the entry point names, and return it with the modules of its package that came along.

    :raises Exception: whatever the plugin raises.
    """
    module = entry_point.module
    with noting_imports(module):
        target: object = entry_point.load()
    return target, sorted(_brought.get(module, ()))


@contextmanager
def noting_imports(module: str) -> Iterator[None]:
    """Remember what the block imports of the entry module's package, since it is no use of the plugin."""
    package = package_of(module)
    before = set(_modules_of(package))
    try:
        yield
    finally:
        if new := set(_modules_of(package)) - before - {package, module}:
            _brought[module] = _brought.get(module, frozenset()) | new


def package_of(module: str) -> str:
    """Return the package of the entry module: the module itself if it is one, or is not inside of any."""
    loaded = sys.modules.get(module)
    if "." not in module or (loaded is not None and "__path__" in vars(loaded)):
        return module
    return module.rpartition(".")[0]


def module_in_use(info: PluginInfo) -> str | None:
    """Return a loaded module of the plugin that only a user of it imports, None if there is none.

    Package and entry module do not count, nor what was imported by loading the plugin or by asking what it offers.
    """
    ignored = {info.package, info.module, f"{info.package}.plugin", *_brought.get(info.module, ())}
    return next((name for name in _modules_of(info.package) if name not in ignored), None)


def _modules_of(package: str) -> Iterator[str]:
    if not package:
        return
    prefix = f"{package}."
    loaded: Mapping[str, ModuleType | None] = sys.modules.copy()  # None forbids the import of a module
    for name, module in sorted(loaded.items(), key=lambda item: item[0]):
        if module is not None and (name == package or name.startswith(prefix)):
            yield name


def rebuilt(entry_points: Sequence[tuple[str, str]]) -> list[EntryPoint]:
    """Return entry points with these names and values."""
    import importlib_metadata

    return [importlib_metadata.EntryPoint(name, value, ENTRY_POINT_GROUP) for name, value in entry_points]
