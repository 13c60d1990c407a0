"""Entry point of the plugin; imports nothing heavy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from lk_agents.hooks.markers import hookimpl
from lk_agents.hooks.records import Command, ServerInfo
from lk_agents_server import __version__

if TYPE_CHECKING:
    import click

    from lk_agents.plugin import Plugin

__all__ = ["lk_agents_dev_server", "lk_agents_register_commands", "lk_agents_register_plugin"]


@hookimpl
def lk_agents_register_plugin() -> Plugin:
    """Introduce the plugin; it has no files to download."""
    from lk_agents.plugin import Plugin

    return Plugin("Embedded LiveKit server", __version__, "lk_agents_server")


@hookimpl
def lk_agents_register_commands() -> Iterable[Command]:
    """Add ``lk-agents server``."""
    return [Command("server", build=_build_command, help="Run a LiveKit server on this machine, for development.")]


@hookimpl
def lk_agents_dev_server() -> AbstractAsyncContextManager[ServerInfo]:
    """Offer a server with random ports and keys, for as long as the block lasts."""
    return _running_server()


def _build_command() -> click.Command:
    from lk_agents_server.command import server

    return server


@asynccontextmanager
async def _running_server() -> AsyncIterator[ServerInfo]:
    from lk_agents_server.server import LiveKitServer

    async with LiveKitServer() as server:
        yield ServerInfo(server.url, server.api_key, server.api_secret)
