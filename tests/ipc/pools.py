"""Pools of real processes for the tests of this folder."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
from tests.ipc import agents

from lk_agents.hooks.records import InferenceRunnerRecord
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.ipc.pool import PoolConfig
from lk_agents.ipc.process import ZygoteLauncher
from lk_agents.ipc.program import Program
from lk_agents.ipc.records import Limits
from lk_agents.ipc.thread import ThreadLauncher
from lk_agents.job.spec import JobSpec
from lk_agents.metrics.totals import Totals
from lk_agents.testing.conformance.pool_bench import PoolBench
from lk_agents.testing.job import job_spec

LIMITS = Limits(start_silence_seconds=4, shutdown_seconds=5)


def job(do: str, **order: Any) -> JobSpec:
    """Return a job that does what :mod:`tests.ipc.agents` has under that name."""
    return job_spec(metadata=json.dumps({"do": do, **order}))


def program_of(
    *,
    prewarm: Callable[..., Any] | None = None,
    user_arguments: Any = None,
    hooks: dict[str, Callable[..., Any]] | None = None,
    runners: Sequence[InferenceRunnerRecord] = (),
) -> Program:
    """Return what the children run."""
    registry = PluginRegistry()
    if hooks:
        registry.add_own(hooks, name="own")
    registry.decide_in_use()
    return Program(
        entrypoint=agents.entrypoint,
        prewarm=prewarm,
        registry=registry,
        user_arguments=user_arguments,
        runners=runners,
    )


@asynccontextmanager
async def processes(
    *,
    idle_target: int = 0,
    limits: Limits = LIMITS,
    inference: bool = False,
    totals: Totals | None = None,
    **program: Any,
) -> AsyncIterator[tuple[PoolBench, ZygoteLauncher]]:
    """Run a pool over an executed zygote while the block lasts."""
    runners = (InferenceRunnerRecord("mirror", agents.Runner),) if inference else ()
    launcher = ZygoteLauncher(program_of(runners=runners, **program))
    config = PoolConfig(
        entrypoint=agents.entrypoint,
        idle_target=idle_target,
        start_silence_seconds=limits.start_silence_seconds,
        totals=totals or Totals(),
    )
    inference_launcher = launcher if inference else None
    bench = PoolBench(config, launcher, inference_launcher=inference_launcher, limits=limits)
    async with bench.open():
        yield bench, launcher


@asynccontextmanager
async def threads(
    *, idle_target: int = 0, limits: Limits = LIMITS, totals: Totals | None = None, **program: Any
) -> AsyncIterator[PoolBench]:
    """Run a pool of threads while the block lasts."""
    config = PoolConfig(entrypoint=agents.entrypoint, idle_target=idle_target, totals=totals or Totals())
    bench = PoolBench(config, ThreadLauncher(program_of(**program)), limits=limits)
    async with bench.open():
        yield bench


async def until(holds: Callable[[], bool], what: str, *, seconds: float = 10.0) -> None:
    """Wait for something that nobody tells of."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited {seconds:g} s in vain: {what}"
        await asyncio.sleep(0.02)


def alive(pids: Iterable[int]) -> list[str]:
    """Return those of the processes that still run; zombies do not."""
    found = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{pid} {process.name()} {process.cmdline()}")
        except psutil.NoSuchProcess:
            continue
    return found


def tree(pid: int) -> list[int]:
    """Return a process and all below it."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def zombies() -> list[int]:
    """Return this process's children that nobody has waited for."""
    return [c.pid for c in psutil.Process().children() if c.status() == psutil.STATUS_ZOMBIE]


def descriptor_count(pid: int | None = None) -> int:
    """Return how many descriptors a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid or 'self'}/fd").iterdir())


def wait_gone(pids: Iterable[int], seconds: float) -> float:
    """Wait until none of the processes runs, and return how long that took; only outside of a loop."""
    began, pids = time.monotonic(), list(pids)
    while left := alive(pids):
        assert time.monotonic() - began < seconds, f"still there after {seconds} s: {left}"
        time.sleep(0.05)
    return time.monotonic() - began


def proc_status(pid: int, field: str) -> str:
    """Return a line of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(field + ":"))
