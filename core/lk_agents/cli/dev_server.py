"""``--server``: the LiveKit server that a plugin offers, for the length of one command."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from lk_agents.cli.command import Invocation
from lk_agents.cli.loaded_plugins import load_plugins
from lk_agents.foundation.errors import ConfigError

if TYPE_CHECKING:
    from lk_agents.hooks.records import ServerInfo
    from lk_agents.hooks.registry import PluginRegistry

__all__ = ["choose_server", "refuse_server_and_address"]


def refuse_server_and_address(call: Invocation) -> None:
    """Say that ``--server`` brings its own address and credentials.

    :raises ConfigError: if others are given beside it.
    """
    given = [f"--{name.replace('_', '-')}" for name in ("url", "api_key", "api_secret") if call.params[name]]
    if call.params["server"] and given:
        raise ConfigError(f"--server brings its own address and credentials; leave out {', '.join(given)}")


def choose_server(registry: PluginRegistry | None = None) -> AbstractAsyncContextManager[ServerInfo]:
    """Return the server of the first plugin that offers one, not yet started.

    :raises ConfigError: if none does.
    """
    from lk_agents.hooks.invoke import collect

    for result in collect(registry or load_plugins(), "lk_agents_dev_server"):
        if result.value is not None:
            server: AbstractAsyncContextManager[ServerInfo] = result.value
            return server
    raise ConfigError("no installed plugin offers a server for --server; pip install lk-agents-server")
