"""Runs a worker as ``start``, ``dev`` and ``connect`` do.

The order matters: logs, plugins and options first, then the zygote is forked, and only then are there threads and
an event loop, which a fork must not see.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lk_agents.cli.command import Invocation
from lk_agents.cli.dev_server import choose_server, refuse_server_and_address
from lk_agents.cli.loaded_plugins import load_plugins
from lk_agents.cli.logging_setup import level_plugin_loggers, set_up_logging
from lk_agents.cli.serve import FAILED, Ended, serve
from lk_agents.cli.signals import StopSignals, end_now
from lk_agents.foundation.log import logger
from lk_agents.foundation.settings import Settings
from lk_agents.hooks.discovery import require_known

if TYPE_CHECKING:
    from lk_agents.cli.attendants import Carrier
    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.ipc import JobPool, PoolConfig, PoolListener
    from lk_agents.ipc.zygote import Zygote
    from lk_agents.worker.options import WorkerOptions
    from lk_agents.worker.worker import Worker

__all__ = ["Launch", "flush_output", "run_worker", "with_connection"]

SLOW_CALLBACK_SECONDS: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How a command runs its worker.

    :param drain_seconds: how long running jobs may go on after the first signal.
    :param in_process: jobs run in threads of this process.
    :param server: start the server that a plugin offers.
    :param reload_fd: the channel to the watcher that started this process.
    :param room: take a job for this room as soon as the worker is registered.
    """

    devmode: bool
    drain_seconds: int = 0
    asyncio_debug: bool = False
    in_process: bool = False
    server: bool = False
    reload_fd: int | None = None
    room: str | None = None
    participant_identity: str | None = None


def with_connection(options: WorkerOptions, params: Mapping[str, Any], settings: Settings) -> WorkerOptions:
    """Return the options with address and credentials: the flag, else the environment, else what the code says."""
    return replace(
        options,
        ws_url=params["url"] or settings.url or options.ws_url,
        api_key=params["api_key"] or settings.api_key or options.api_key,
        api_secret=params["api_secret"] or settings.api_secret or options.api_secret,
    )


def run_worker(call: Invocation, launch: Launch) -> int:
    """Run the worker until it fails or is asked to stop; return the exit code.

    :raises ConfigError: options or what the user's module did at its top level cannot work.
    :raises PluginError: a plugin that is named in options or environment is broken or unknown.
    """
    assert call.options is not None, "the commands that come here have loaded the file"
    settings = Settings.read()
    set_up_logging(call.params["log_level"], call.params["log_format"], call.redactor, no_color=settings.no_color)
    refuse = {**call.params, "server": launch.server}
    refuse_server_and_address(replace(call, params=refuse))
    options = with_connection(call.options, call.params, settings)
    if launch.in_process:
        options = _in_threads(options)
    registry = load_plugins(options)
    require_known(registry.plugins(), registry.settings)
    level_plugin_loggers(call.params["log_level"])
    session = _Session(call, launch, options, registry, _validated_zygote(options, registry, launch, settings))
    ended = session.run()
    flush_output()
    if ended.forced:
        logging.shutdown()
        end_now()
    return ended.code


def flush_output() -> None:
    """Write what was printed. That nobody reads it any more is no failure, of which Python would make exit code 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (ValueError, AttributeError):  # closed by the user's code, or closed already when the program began
            continue
        except OSError:
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())


def _in_threads(options: WorkerOptions) -> WorkerOptions:
    from lk_agents.worker.options import JobExecutorType

    return replace(options, job_executor_type=JobExecutorType.THREAD)


def _validated_zygote(
    options: WorkerOptions, registry: PluginRegistry, launch: Launch, settings: Settings
) -> Zygote | None:
    """Check the options and fork the zygote, unless something else than a fork of this process is wanted."""
    from lk_agents.ipc.descriptors import raise_descriptor_limit
    from lk_agents.worker.config import resolve

    if launch.server:  # address and credentials come with the server
        settings = replace(settings, url="ws://127.0.0.1", api_key="later", api_secret="later")  # noqa: S106
    config = resolve(options, settings, devmode=launch.devmode)
    options.validate_config(launch.devmode)
    raise_descriptor_limit()  # before there is a loop, which needs some
    if config.executor != "process" or options.job_credentials != "inherit" or not options.preload_app:
        return None
    return _fork_zygote(options, registry)


def _fork_zygote(options: WorkerOptions, registry: PluginRegistry) -> Zygote | None:
    """Fork, before any loop or thread, the process that jobs are forked from. The one place that does so."""
    import lk_agents.worker.worker  # noqa: F401  what this process needs is loaded before the fork: it stays shared
    from lk_agents.ipc import PoolConfig, build_program
    from lk_agents.ipc.zygote import fork_zygote

    config = PoolConfig(
        entrypoint=options.entrypoint_fnc,
        prewarm=options.prewarm_fnc,
        user_arguments=options.job_user_arguments,
    )
    return fork_zygote(build_program(config, registry))


class _Session:
    """One run of one worker: its loop, its signals, and what is around it."""

    def __init__(
        self,
        call: Invocation,
        launch: Launch,
        options: WorkerOptions,
        registry: PluginRegistry,
        zygote: Zygote | None,
    ) -> None:
        self._call = call
        self._launch = launch
        self._options = options
        self._registry = registry
        self._zygote = zygote
        self._signals = StopSignals()
        self._worker: Worker | None = None
        self._carrier: Carrier | None = None

    def run(self) -> Ended:
        """Run on an event loop of its own; the signals are ours until that loop is closed."""
        from lk_agents.utils.aio.debug import hook_slow_callbacks

        hook_slow_callbacks(SLOW_CALLBACK_SECONDS)
        with self._signals:
            runner = asyncio.Runner(debug=self._launch.asyncio_debug or None)
            ended = Ended(FAILED)
            try:
                ended = runner.run(self._main())
            finally:
                if not ended.forced:  # threads that a forced end left behind may never come back
                    runner.close()
        return ended

    async def _main(self) -> Ended:
        from lk_agents.worker.worker import Worker

        self._signals.attach()
        asyncio.get_running_loop().slow_callback_duration = 0.1
        async with AsyncExitStack() as around:
            options = self._options
            if self._launch.server:
                options = await self._with_server(around, options)
            worker = self._worker = Worker(
                options,
                devmode=self._launch.devmode,
                registry=self._registry,
                zygote=self._zygote,
                pool_factory=self._told_pool if self._watched else None,
            )
            self._attend(around, worker)
            return await serve(worker, self._signals, drain_seconds=self._launch.drain_seconds)

    async def _with_server(self, around: AsyncExitStack, options: WorkerOptions) -> WorkerOptions:
        info = await around.enter_async_context(choose_server(self._registry))
        self._call.redactor.add(info.api_secret)
        logger.info("development server", extra={"url": info.url, "api_key": info.api_key})
        return replace(options, ws_url=info.url, api_key=info.api_key, api_secret=info.api_secret)

    @property
    def _watched(self) -> bool:
        return self._launch.reload_fd is not None and self._launch.reload_fd >= 0

    def _told_pool(self, config: PoolConfig, listener: PoolListener) -> JobPool:
        """Build the same pool as the worker would, with a listener that tells the watcher of every change of jobs."""
        from lk_agents.cli.attendants import TellingListener

        assert self._worker is not None, "a worker builds its pool when it runs"
        return self._worker.build_pool(config, TellingListener(listener, self._tell_watcher))

    def _tell_watcher(self) -> None:
        if self._carrier is not None:
            self._carrier.client.jobs_changed()

    def _attend(self, around: AsyncExitStack, worker: Worker) -> None:
        """Connect the worker to its watcher and to the room of ``connect``, as far as there are any."""
        from lk_agents.cli.attendants import Carrier, RoomCaller

        caller = None
        if self._launch.room:
            caller = RoomCaller(worker, self._launch.room, self._launch.participant_identity)
            around.push_async_callback(caller.aclose)
        if self._watched:
            assert self._launch.reload_fd is not None
            first_start = caller.allow if caller else None
            self._carrier = Carrier(worker, self._signals, self._launch.reload_fd, first_start=first_start)
            around.push_async_callback(self._carrier.aclose)
        elif caller is not None:
            caller.allow()
