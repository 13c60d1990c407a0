"""Sets up the watcher of ``dev``: what it starts, with which environment, and what it looks at."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING

from lk_agents.cli import env_file
from lk_agents.cli.command import Invocation
from lk_agents.cli.dev_server import choose_server, refuse_server_and_address
from lk_agents.cli.logging_setup import set_up_logging
from lk_agents.cli.signals import StopSignals
from lk_agents.cli.source_filter import SourceFilter
from lk_agents.cli.watch_paths import editable_folders
from lk_agents.cli.watcher import Watcher, WatchPlan
from lk_agents.foundation.log import logger
from lk_agents.foundation.settings import Settings

if TYPE_CHECKING:
    from lk_agents.hooks.records import ServerInfo

__all__ = ["watch"]


def watch(call: Invocation) -> int:
    """Run the worker in a process of its own and start it anew at each change, until asked to stop.

    :raises ConfigError: a wrong env file, or no plugin offers the server that was asked for.
    """
    refuse_server_and_address(call)
    set_up_logging(
        call.params["log_level"], call.params["log_format"], call.redactor, no_color=Settings.read().no_color
    )
    server = choose_server() if call.params["server"] else None
    env_file.find_env_file(call.params["env_file"], use_default=True, beside=call.file)  # an error shows now
    with StopSignals() as signals, asyncio.Runner() as runner:
        return runner.run(_watch(call, server, signals))


async def _watch(call: Invocation, server: AbstractAsyncContextManager[ServerInfo] | None, signals: StopSignals) -> int:
    signals.attach()
    async with server or nullcontext() as info:
        if info is not None:
            call.redactor.add(info.api_secret)
            logger.info("development server", extra={"url": info.url, "api_key": info.api_key})
        return await Watcher(_plan(call, info), signals).run()


def _plan(call: Invocation, info: ServerInfo | None) -> WatchPlan:
    assert call.file is not None, "the command checked it"
    file = call.file.resolve()
    given = {} if info is None else _server_variables(info)

    def environment() -> Mapping[str, str]:
        path = env_file.find_env_file(call.params["env_file"], use_default=True, beside=file)
        return env_file.child_environment({**({} if path is None else env_file.additions(path)), **given})

    return WatchPlan(
        command=env_file.own_command(),
        environment=environment,
        folders=[file.parent, *editable_folders()],
        counts=SourceFilter(env_file.find_env_file(call.params["env_file"], use_default=True, beside=file)),
        polling=call.params["watch_polling"],
    )


def _server_variables(info: ServerInfo) -> dict[str, str]:
    return {"LIVEKIT_URL": info.url, "LIVEKIT_API_KEY": info.api_key, "LIVEKIT_API_SECRET": info.api_secret}
