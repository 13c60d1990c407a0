"""How late is who: a job that blocks its loop, and a worker that does not listen."""

from __future__ import annotations

import time

import pytest
from tests.ipc.pools import job, processes

from lk_agents.ipc.machine import LAG_WARN_SECONDS
from lk_agents.ipc.records import Limits
from lk_agents.ipc.zygote import zygotes_work_here

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(40),
    pytest.mark.skipif(not zygotes_work_here(), reason="zygotes need Linux 5.4 or newer"),
]

LIMITS = Limits(start_silence_seconds=1, shutdown_seconds=5)
"""A process beats four times in the silence that its start may have."""


async def test_x18_a_job_that_blocks_its_loop_is_warned_about_with_the_time_it_measured_itself() -> None:
    async with processes(limits=LIMITS) as (bench, _):
        report = await bench.run(job("hold_the_loop", seconds=2.5))

        warnings = map(vars, bench.lines("the event loop of a process is blocked"))
        (warning,) = [each for each in warnings if each.get("job_id") == report.spec.job_id]
        assert warning["pid"] == report.pid
        assert 0.5 <= warning["lag_seconds"] < 2.5
        assert report.outcome.reason == "let go", "it is warned about, and survives"


async def test_x18_a_worker_that_is_late_itself_warns_about_nobody() -> None:
    async with processes(limits=LIMITS) as (bench, _):
        spec = job("wait")
        await bench.pool.submit(spec, deadline_seconds=10)
        await bench.logged("waiting")
        time.sleep(2.5)  # a worker that does not read
        bench.phases.clear()
        bench.pool.stop_job(spec.job_id, "enough")
        await bench.end_of(spec.job_id)

        assert bench.lines("event loop of a process") == []
        assert all((process.loop_lag_seconds or 0.0) < LAG_WARN_SECONDS for process in bench.pool.snapshot().processes)
