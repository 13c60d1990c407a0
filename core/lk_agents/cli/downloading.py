"""Fetching the files of plugins, seen from the command line: which ones, with a bar, and how it ended."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from lk_agents.cli.command import Invocation
from lk_agents.cli.loaded_plugins import load_plugins
from lk_agents.cli.logging_setup import is_terminal, set_up_logging
from lk_agents.cli.plugin_rows import tells_missing_files
from lk_agents.cli.serve import FAILED, FINE
from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.settings import Settings
from lk_agents.hooks.discovery import normalised
from lk_agents.plugin import DownloadState, Plugin, download_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from lk_agents.hooks.info import PluginInfo
    from lk_agents.hooks.registry import PluginRegistry

__all__ = ["download"]


def download(call: Invocation) -> int:
    """Fetch what is missing; 1 if a plugin failed, each of which is named.

    :raises ConfigError: a name is no plugin's.
    """
    set_up_logging(
        call.params["log_level"], call.params["log_format"], call.redactor, no_color=Settings.read().no_color
    )
    registry = load_plugins(call.options)
    wanted, broken = _chosen(registry, call.params["names"])
    plugins = [plugin for plugin in wanted if not _complete(plugin)]
    failed = [f"{info.label}: {info.error}" for info in broken]
    if plugins:
        with _progress(len(plugins)) as progress:
            failures = download_all(plugins, progress)
        failed += [f"{failure.plugin.title} ({failure.plugin.package}): {failure.error}" for failure in failures]
    for line in failed:
        click.echo(call.redactor(f"failed: {line}"), err=True)
    if failed:
        return FAILED
    click.echo("Every file is there." if plugins else "Nothing to download: every file is there already.")
    return FINE


def _chosen(registry: PluginRegistry, names: Sequence[str]) -> tuple[list[Plugin], list[PluginInfo]]:
    """Return the plugins to look at and the broken ones among them."""
    infos = [info for info in registry.plugins() if not info.own and not info.disabled]
    known = {info.record.package for info in infos if info.record is not None}
    extra = [plugin for plugin in Plugin.registered_plugins if plugin.package not in known]  # registered by an import
    if not names:
        records = [info.record for info in infos if info.record is not None]
        return [*records, *extra], [info for info in infos if info.error is not None]
    chosen: list[Plugin] = []
    broken: list[PluginInfo] = []
    for name in names:
        matching = [info for info in infos if _is_called(info, name)]
        by_import = [plugin for plugin in extra if plugin.package == name]
        if not matching and not by_import:
            there = ", ".join(sorted([info.name for info in infos] + [plugin.package for plugin in extra])) or "none"
            raise ConfigError(f"there is no plugin {name!r}; installed are: {there}")
        chosen += [info.record for info in matching if info.record is not None] + by_import
        broken += [info for info in matching if info.error is not None]
    return list(dict.fromkeys(chosen)), broken


def _is_called(info: PluginInfo, name: str) -> bool:
    if name in {info.name, info.package}:
        return True
    return bool(info.distribution) and normalised(info.distribution) == normalised(name)


def _complete(plugin: Plugin) -> bool:
    """Whether the plugin says that all is there; one that cannot tell is asked to download."""
    if not tells_missing_files(plugin):
        return type(plugin).download_files is Plugin.download_files
    try:
        return not plugin.missing_files()
    except Exception:  # noqa: BLE001  the download then tells what is wrong
        return False


@contextmanager
def _progress(count: int) -> Iterator[Callable[[Plugin, DownloadState], None]]:
    """Give what shows each plugin's state: a bar on a terminal, lines elsewhere."""
    if not is_terminal(sys.stderr):
        yield lambda plugin, state: click.echo(f"{plugin.title}: {state}", err=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("Downloading", total=count)
        busy: dict[str, None] = {}

        def show(plugin: Plugin, state: DownloadState) -> None:
            if state == "started":
                busy[plugin.title] = None
            else:
                busy.pop(plugin.title, None)
                bar.advance(task)
            bar.update(task, description=", ".join(busy) or "Downloaded")

        yield show
