"""A worker without a server, for tests that kill it: reads orders from stdin, says in JSON lines what happens.

Started as ``python -m tests.ipc.worker_process KIND MODULE…``: KIND is ``fork``, ``exec``, or ``threaded`` (the user's
module itself starts a thread), the modules are what a plugin names for preloading.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import time
from importlib import import_module
from typing import Any

from tests.ipc import agents
from tests.ipc.pools import LIMITS, job, program_of

from lk_agents.ipc.pool import JobReport, PoolConfig
from lk_agents.ipc.process import ZygoteLauncher
from lk_agents.ipc.zygote import Zygote, fork_zygote
from lk_agents.job.spec import JobSpec
from lk_agents.testing.conformance.pool_bench import PoolBench

if sys.argv[1] == "threaded":
    import_module("tests.ipc.opens_thread")


def tell(**what: Any) -> None:
    """Say something to the test."""
    print(json.dumps(what), flush=True)


def preload_these() -> list[str]:
    """Name what the command line names."""
    return sys.argv[2:]


class Bench(PoolBench):
    """A pool that tells the test."""

    def job_started(self, spec: JobSpec, pid: int | None) -> None:
        super().job_started(spec, pid)
        tell(started=spec.job_id, pid=pid)

    def job_ended(self, report: JobReport) -> None:
        super().job_ended(report)
        tell(ended=report.spec.job_id, reason=report.outcome.reason, lost=report.lost, code=report.exit_code)


async def obey(bench: Bench, launcher: ZygoteLauncher, order: dict[str, Any]) -> None:
    """Do what the test wants."""
    match order.pop("order"):
        case "run":
            await bench.pool.submit(job(**order), deadline_seconds=10)
        case "warm":
            tell(warm=await bench.warm(order["count"]), zygote=launcher.zygote_pid)
        case "kill zygote":
            before = launcher.zygote_pid
            assert before is not None
            os.kill(before, signal.SIGKILL)
            while launcher.zygote_pid in (None, before) or not launcher.ready:
                await asyncio.sleep(0.02)
            tell(zygote=launcher.zygote_pid)
        case "fork":  # somebody else's fork, which holds all that the worker has open
            if (pid := os.fork()) == 0:
                time.sleep(30)
                os._exit(0)
            tell(fork=pid)
        case "lines":
            await bench.logged(order["text"])
            tell(lines=[vars(line).get("opened", line.getMessage()) for line in bench.lines(order["text"])])
        case "close":
            await bench.pool.aclose()
            tell(closed=True)


async def main(zygote: Zygote | None) -> None:
    """Run a pool and obey until the end of stdin."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: tell(signal="SIGTERM"))
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    launcher = ZygoteLauncher(PROGRAM, zygote=zygote)
    bench = Bench(PoolConfig(entrypoint=agents.entrypoint, idle_target=2), launcher, limits=LIMITS)
    async with bench.open(log_level=logging.INFO):
        tell(worker=os.getpid())
        while line := await orders.readline():
            await obey(bench, launcher, json.loads(line))


PROGRAM = program_of(hooks={"lk_agents_preload_modules": preload_these} if sys.argv[2:] else None)

if __name__ == "__main__":
    asyncio.run(main(None if sys.argv[1] == "exec" else fork_zygote(PROGRAM)))
