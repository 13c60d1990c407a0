"""Faults that take long to show: they are shown side by side, each in a worker of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.e2e.stage import Stage
from tests.faults.agents import FOR_EVER
from tests.faults.bench import FaultBench
from tests.faults.network import behind_a_gate, lost, outlived, registered_again
from tests.faults.statement import ERROR, WARNING, Said, Statement

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

BLOCKED_SECONDS = 8.0
LOOP_LIMIT_SECONDS = 60.0
SLACK_SECONDS = 30.0
BLOCKED = Said(WARNING, "the event loop of a process is blocked", {"job_id": "AJ_.*", "lag_seconds": r"\d+\.\d+"})


async def a_job_blocks_its_loop_for_a_while(bench: FaultBench) -> None:
    """It survives, and others run meanwhile."""
    becomes = Statement(said=(BLOCKED,), status="JS_SUCCESS", callback="unblocked")
    async with bench.start() as run:
        job = await run.job(do="block", seconds=BLOCKED_SECONDS)
        for _ in range(2):
            await run.serves()
        assert not run.stage.log.of("job ended", jobID=job["job"])
        await run.becomes(job, becomes)
        await run.stop(becomes)


async def a_job_blocks_its_loop_for_good(bench: FaultBench) -> None:
    """It is ended with its stacks when its time is over, and told as lost; the next one runs."""
    reason = r"its event loop was blocked for 6\d s; killed by SIGKILL, .*"
    stacks = ".*in block_the_loop.*Task 'job_user_entrypoint'.*"
    becomes = Statement(
        said=(
            BLOCKED,
            Said(ERROR, "a process has to be ended", {"job_id": "AJ_.*", "reason": "its event loop was blocked .*"}),
            Said(ERROR, "stacks of a process that had to be ended", {"job_id": "AJ_.*", "stacks": stacks}),
            Said(ERROR, "a job has ended", {"cause": "process_lost", "reason": reason, "lost": "True"}),
        ),
        status="JS_FAILED",
        error=reason,
        lost={"cause": "process_lost", "reason": reason, "exit_code": "-9", "stacks": stacks},
    )
    async with bench.start() as run:
        job = await run.job(do="block", seconds=FOR_EVER)
        await run.until_said("a process has to be ended", LOOP_LIMIT_SECONDS + SLACK_SECONDS)
        await run.becomes(job, becomes)
        await run.serves()
        await run.stop(becomes)


async def a_connection_falls_silent(bench: FaultBench) -> None:
    """The worker notices, and registers anew; its job goes on, and its end is told to a server that knows it not."""
    becomes = Statement(said=(lost("the server has been silent for 10 s"),))
    async with behind_a_gate(bench) as (gate, run):
        job = await run.job(do="wait")
        gate.silence()
        await registered_again(run, job["worker"])
        gate.cut()  # until then the server may offer the next job to the connection that nobody reads any more
        await run.stage.log.one("closing worker", workerID=job["worker"])
        await run.serves()
        await outlived(run, job)
        await run.stop(becomes)


async def test_slow_faults_are_told_and_leave_nothing_and_the_next_job_runs(stage: Stage, tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as faults:
        for fault in (a_job_blocks_its_loop_for_a_while, a_job_blocks_its_loop_for_good, a_connection_falls_silent):
            folder = tmp_path / fault.__name__
            folder.mkdir()
            faults.create_task(fault(FaultBench(stage, folder)), name=fault.__name__)
