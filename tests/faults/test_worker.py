"""What is done to the worker itself, and what its jobs notice of it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import psutil
import pytest
from tests.faults import under_init
from tests.faults.agents import FOR_EVER
from tests.faults.bench import FaultBench, Run
from tests.faults.statement import ERROR, WARNING, Said, Statement

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

ORPHANED_SECONDS = 20.0
FORCED_SECONDS = 5.0


def under(run: Run) -> tuple[psutil.Process, psutil.Process]:
    """Return the starter of the worker and the worker."""
    (starter,) = psutil.Process(run.pid).children()
    (worker,) = starter.children()
    return starter, worker


async def test_a_worker_whose_parent_is_killed_goes_on_though_nobody_reads_its_log(bench: FaultBench) -> None:
    becomes = Statement(status="JS_SUCCESS", callback="told to end")
    init = (sys.executable, str(Path(under_init.__file__)))
    async with bench.start(before=init, PYTHONUNBUFFERED="") as run:
        starter, worker = under(run)
        before = await run.job("connected", do="wait", join=True)
        starter.kill()
        await run.until(lambda: worker.ppid() == run.pid, "the worker in the care of init")

        after = await run.job("connected", do="wait", join=True)
        for job in (before, after):
            run.tell(job)
            await run.becomes(job, becomes)
        await run.serves()
        worker.send_signal(signal.SIGTERM)
        await run.over(0, becomes)  # of init
        assert f"{worker.pid} ended with 0" in run.printed()


async def test_jobs_of_a_killed_worker_run_their_callbacks_and_nothing_of_it_is_left(bench: FaultBench) -> None:
    async with bench.start() as run:
        jobs = [await run.job("connected", do="wait", join=True), await run.job(do="swallow")]
        run.signal(signal.SIGKILL)

        await run.over(-signal.SIGKILL, Statement(), left=ORPHANED_SECONDS)
        for job in jobs:
            (callback,) = run.stage.journal.of("callback", job=job["job"])
            assert callback["reason"] == "the worker's process is gone"
            assert not run.stage.log.of("job ended", jobID=job["job"])  # there is nobody left to tell the server
        await run.stage.log.one("closing worker", workerID=jobs[0]["worker"])
        await run.stage.room_empties(jobs[0])


async def test_a_second_signal_ends_a_job_that_swallows_its_cancellation_within_five_seconds(bench: FaultBench) -> None:
    at_once = "the worker was told to end at once"
    becomes = Statement(
        said=(
            Said(WARNING, "asked to stop a second time: ending at once"),
            Said(ERROR, "a task ignores its cancellation", {"task": "job_user_entrypoint", "job_id": "AJ_.*"}),
        ),
        status="JS_SUCCESS",
        callback=at_once,
    )
    async with bench.start(shutdown=60) as run:
        job = await run.job(do="swallow")
        run.signal()
        await run.until_said("the worker drains")
        run.signal()

        await run.over(1, becomes, FORCED_SECONDS)
        await run.becomes(job, becomes)


async def test_a_second_signal_ends_a_job_that_keeps_its_loop_and_tells_that_it_is_lost(bench: FaultBench) -> None:
    reason = "the worker was told to end at once; killed by SIGKILL.*"
    becomes = Statement(
        said=(
            Said(WARNING, "asked to stop a second time: ending at once"),
            Said(ERROR, "a job has ended", {"cause": "process_lost", "reason": reason, "lost": "True"}),
        ),
        status="JS_FAILED",
        error=reason,
        lost={"cause": "process_lost", "reason": reason, "exit_code": "-9"},
    )
    async with bench.start(shutdown=60) as run:
        job = await run.job(do="block", seconds=FOR_EVER)
        run.signal()
        await run.until_said("the worker drains")
        run.signal()

        await run.over(1, becomes, FORCED_SECONDS)
        await run.becomes(job, becomes)
