"""A zygote that dies with forks still to do: that is no failure of the program's own, unless it goes on like that."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from tests.ipc.pools import job, processes, until

from lk_agents.ipc.process import ZygoteLauncher
from lk_agents.ipc.zygote import zygotes_work_here
from lk_agents.testing.conformance.pool_bench import PoolBench

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(40),
    pytest.mark.skipif(not zygotes_work_here(), reason="zygotes need Linux 5.4 or newer"),
]

FORKS = 4
"""One more than failed starts in a row may be before the pool counts as broken."""


def zygote_of(launcher: ZygoteLauncher) -> int:
    assert launcher.zygote_pid is not None
    return launcher.zygote_pid


async def die_with_forks_to_do(bench: PoolBench, launcher: ZygoteLauncher) -> list[asyncio.Task[None]]:
    """Submit jobs to a zygote that does nothing any more, and kill it; return the submissions."""
    zygote = zygote_of(launcher)
    os.kill(zygote, signal.SIGSTOP)
    submitted = [asyncio.create_task(bench.pool.submit(job("tell_facts"), deadline_seconds=20)) for _ in range(FORKS)]
    await bench.until(lambda: bench.count("starting") == FORKS, "forks that are asked for")
    os.kill(zygote, signal.SIGKILL)
    await until(lambda: launcher.zygote_pid != zygote, "the end of the zygote")
    return submitted


async def test_jobs_whose_forks_a_killed_zygote_still_had_to_do_run_from_the_next_one() -> None:
    async with processes() as (bench, launcher):
        await until(lambda: launcher.ready, "a zygote")
        await asyncio.gather(*await die_with_forks_to_do(bench, launcher))
        await bench.empty()

        assert bench.lines("a process did not get warm") == []
        assert bench.lines("starting processes fails") == []


async def test_zygotes_that_die_again_and_again_with_forks_to_do_break_the_pool() -> None:
    async with processes() as (bench, launcher):
        for _ in range(2):
            await until(lambda: launcher.ready, "a zygote")
            assert bench.lines("starting processes fails") == []
            submitted = await die_with_forks_to_do(bench, launcher)
            for task in submitted:
                task.cancel()
            await asyncio.gather(*submitted, return_exceptions=True)

        await bench.logged("starting processes fails")
