"""What the pool counts of its processes and of the timelines of its jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.ipc.scripted import Diary, Script, ScriptedHandle, ScriptedLauncher, fail_to_start, job_spec

from lk_agents.foundation.clock import wall_seconds
from lk_agents.ipc.messages import JobEnded, JobStarted, Mark, Measured, Ready, StartJob
from lk_agents.ipc.pool import PoolConfig
from lk_agents.ipc.supervisor import Supervisor
from lk_agents.job.spec import EndCause, JobOutcome, JobSpec, TimelineMark
from lk_agents.metrics.totals import Totals

pytestmark = pytest.mark.usefixtures("lk_clock")

GOOD = JobOutcome(success=True, cause=EndCause.SHUTDOWN)


async def entrypoint(ctx: Any) -> None:
    """Nobody calls it here."""


class Counted:
    """A pool and what it has counted."""

    def __init__(self, script: Script | None, idle_target: int) -> None:
        self.totals = Totals()
        self.launcher = ScriptedLauncher(script)
        config = PoolConfig(entrypoint=entrypoint, idle_target=idle_target, totals=self.totals)
        self.pool = Supervisor(config, self.launcher, Diary(), start_at_once=8)

    def count(self, name: str) -> float:
        return self.totals.copy()[0].get(f"lk_agents_{name}", 0.0)

    def seconds(self, name: str) -> tuple[float, float]:
        """Return how often something was timed, and its sum."""
        spread = self.totals.copy()[1].get(f"lk_agents_{name}_seconds", [0.0])
        return sum(spread[1:]), round(spread[0], 3)


@asynccontextmanager
async def pool_of(script: Script | None = None, *, idle_target: int = 0) -> AsyncIterator[Counted]:
    counted = Counted(script, idle_target)
    await counted.pool.start()
    await asyncio.sleep(0.01)
    yield counted
    await counted.pool.kill(0)


def dispatched() -> JobSpec:
    """Return a job that was offered a second ago and assigned half a second ago."""
    now = wall_seconds()
    spec = job_spec()
    times = {"offered_at": now - 1.0, "accepted_at": now - 0.75, "assigned_at": now - 0.5}
    return JobSpec(**{**{name: getattr(spec, name) for name in spec.__struct_fields__}, **times})


async def test_starts_are_counted_and_timed() -> None:
    async def warm_later(handle: ScriptedHandle) -> None:
        await asyncio.sleep(0.3)
        handle.say(Ready())

    tasks = []
    script = Script(born=lambda handle: tasks.append(asyncio.create_task(warm_later(handle))))
    async with pool_of(script, idle_target=2) as counted:
        await asyncio.sleep(1)

    assert counted.count("process_starts_total\twarm") == 2
    assert counted.seconds("process_start") == (2, 0.6)


async def test_starts_that_fail_are_counted() -> None:
    async with pool_of(Script(born=fail_to_start), idle_target=1) as counted:
        await asyncio.sleep(0.5)

    assert counted.count("process_starts_total\tfailed") == 3
    assert counted.count("process_starts_total\twarm") == 0


async def test_processes_that_die_by_themselves_are_counted_by_what_they_did() -> None:
    async with pool_of(idle_target=2) as counted:
        counted.launcher.handles[0].exit(-9)
        await asyncio.sleep(0.1)
        await counted.pool.submit(job_spec(), deadline_seconds=1)
        busy = next(handle for handle in counted.launcher.handles if handle.job_ids)
        busy.exit(-9)
        await asyncio.sleep(0.1)

    assert counted.count("process_deaths_total\tidle") == 1
    assert counted.count("process_deaths_total\trunning") == 1


async def test_processes_that_end_as_they_should_have_not_died() -> None:
    def finish(handle: ScriptedHandle, message: Any) -> None:
        if isinstance(message, StartJob):
            handle.say(JobStarted(), JobEnded(outcome=GOOD))
            handle.exit(0)
        else:
            handle.exit(0)

    async with pool_of(Script(told=finish), idle_target=1) as counted:
        await counted.pool.submit(job_spec(), deadline_seconds=1)
        await asyncio.sleep(0.1)
        counted.pool.set_idle_target(0)
        await asyncio.sleep(0.1)

    assert not [key for key in counted.totals.copy()[0] if "deaths" in key]


async def test_the_points_of_a_jobs_timeline_are_timed_since_its_assignment_once_each() -> None:
    async with pool_of(idle_target=1) as counted:
        await counted.pool.submit(dispatched(), deadline_seconds=1)
        (handle,) = [handle for handle in counted.launcher.handles if handle.job_ids]
        now = wall_seconds()
        for name, at in (("entrypoint", now + 0.1), ("connected", now + 0.5), ("connected", now + 9), ("mine", now)):
            handle.say(Mark(mark=TimelineMark(name=name, at=at)))

        stages = ("answer", "process_ready", "entrypoint", "connected")
        timed = [counted.seconds(f"job_{stage}") for stage in stages]
        assert [times for times, _ in timed] == [1, 1, 1, 1]
        assert [seconds for _, seconds in timed] == pytest.approx([0.25, 0.5, 0.6, 1.0], abs=0.05)


async def test_what_jobs_measure_is_added_up_and_stays_when_they_are_gone() -> None:
    told = Measured(counts={"lk_agents_turns_total\tspoken": 3.0}, spreads={})
    async with pool_of(idle_target=2) as counted:
        for handle in counted.launcher.handles[:2]:
            handle.say(told)
            handle.exit(-9)
        await asyncio.sleep(0.1)
        counted.launcher.handles[0].say(told)  # nobody knows it any more

        assert counted.count("turns_total\tspoken") == 6


async def test_a_zygote_that_is_lost_is_counted() -> None:
    async with pool_of() as counted:
        assert counted.launcher.sink is not None
        counted.launcher.sink.launcher_lost()

    assert counted.count("zygote_restarts_total") == 1
