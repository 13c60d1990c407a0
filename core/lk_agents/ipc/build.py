"""Builds the pool of a worker out of its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lk_agents.inference_runner import all_runners
from lk_agents.ipc.pool import PoolConfig, PoolListener
from lk_agents.ipc.program import Program
from lk_agents.ipc.supervisor import Supervisor

if TYPE_CHECKING:
    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.ipc.launch import Launcher
    from lk_agents.ipc.pool import JobPool
    from lk_agents.ipc.zygote import Zygote

__all__ = ["ExecutorKind", "build_pool", "build_program"]

ExecutorKind = Literal["process", "spawn", "thread"]


def build_program(config: PoolConfig, registry: PluginRegistry, *, preload: bool = True) -> Program:
    """Return what the children of this worker run.

    :raises PluginError: two plugins in use offer an inference runner for the same method.
    """
    return Program(
        entrypoint=config.entrypoint,
        prewarm=config.prewarm,
        registry=registry,
        preload=preload,
        user_arguments=config.user_arguments,
        runners=all_runners(registry),
    )


def build_pool(
    config: PoolConfig,
    listener: PoolListener,
    *,
    executor: ExecutorKind,
    registry: PluginRegistry,
    zygote: Zygote | None = None,
    preload: bool = True,
    with_credentials: bool = True,
) -> JobPool:
    """Return a pool that is not started yet.

    :param executor: ``process`` forks from a zygote where that works, else spawns.
    :param zygote: one that was forked before the event loop; without it one is executed.
    :param preload: False loads nothing before the fork.
    :param with_credentials: False keeps the server's key and secret out of the environment of jobs.
    """
    program = build_program(config, registry, preload=preload)
    launcher = _launcher(executor, program, zygote, with_credentials=with_credentials)
    inference = None
    if program.runners:  # a process of its own, also where jobs run in threads
        inference = launcher
        if executor == "thread":
            inference = _launcher("process", program, zygote, with_credentials=with_credentials)
    return Supervisor(config, launcher, listener, inference_launcher=inference)


def _launcher(executor: ExecutorKind, program: Program, zygote: Zygote | None, *, with_credentials: bool) -> Launcher:
    if executor == "thread":
        from lk_agents.ipc.thread import ThreadLauncher

        return ThreadLauncher(program)
    from lk_agents.ipc.zygote import zygotes_work_here

    if executor == "process" and zygotes_work_here():
        from lk_agents.ipc.process import ZygoteLauncher

        return ZygoteLauncher(program, zygote=zygote, with_credentials=with_credentials)
    from lk_agents.ipc.spawn import SpawnLauncher

    return SpawnLauncher(program, with_credentials=with_credentials)
