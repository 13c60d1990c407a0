"""Nonsense, in every channel and both directions: between worker and job, worker and zygote, worker and server."""

from __future__ import annotations

import pytest
from tests.faults.bench import FaultBench
from tests.faults.statement import ERROR, WARNING, Said, Statement

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

FROM_CHILD = {
    "unknown": r"child to worker: Invalid value 'FromTheFuture'.*\(kind 'FromTheFuture', \d+ bytes\)",
    "garbage": r"child to worker: .*\(not msgpack, \d+ bytes\)",
    "endless": r"a frame of \d+ bytes is over the limit of \d+",
}


async def test_jobs_that_talk_nonsense_to_their_worker_are_ended_in_order(bench: FaultBench) -> None:
    def becomes(what: str) -> Statement:
        reason = f"{FROM_CHILD[what]}; exited with code 0"
        return Statement(
            said=(Said(ERROR, "a job has ended", {"cause": "process_lost", "reason": reason, "lost": "True"}),),
            status="JS_FAILED",
            error=reason,
            callback="the worker's process is gone",
            lost={"cause": "process_lost", "reason": reason, "exit_code": "0", "stacks": ""},
        )

    async with bench.start() as run:
        rooms = {what: await run.dispatch(do="babble", what=what) for what in FROM_CHILD}
        for what, room in rooms.items():
            await run.becomes(await run.begun(room), becomes(what))
        await run.serves()
        await run.stop(Statement(said=tuple(line for what in rooms for line in becomes(what).said), lost={}))


async def test_a_job_that_talks_nonsense_where_log_lines_go_is_ended_in_order(bench: FaultBench) -> None:
    reason = f"{FROM_CHILD['garbage']}; .*"
    becomes = Statement(
        said=(Said(ERROR, "a job has ended", {"cause": "process_lost", "reason": reason, "lost": "True"}),),
        status="JS_FAILED",
        error=reason,
        callback="the worker's process is gone",
        lost={"cause": "process_lost", "reason": reason},
    )
    async with bench.start() as run:
        job = await run.job(do="babble", what="garbage", side=True)
        await run.becomes(job, becomes)
        await run.serves()
        await run.stop(becomes)


@pytest.mark.parametrize("what", ["unknown", "endless"])
async def test_a_job_whose_worker_talks_nonsense_ends_in_order_and_a_warm_process_is_replaced(
    bench: FaultBench, what: str
) -> None:
    becomes = Statement(
        said=(
            Said(ERROR, "the worker broke the protocol", {"job_id": "AJ_.*"}),
            Said(ERROR, "a job has ended", {"cause": "process_lost", "lost": "True"}),
            Said(WARNING, "a warm process died; it is replaced", {"reason": "exited with code 0"}),
        ),
        status="JS_FAILED",
        error="exited with code 0",
        callback="the worker's process is gone",
        lost={"cause": "process_lost", "exit_code": "0"},
    )
    async with bench.start() as run:
        await run.until(run.warm, "a warm process")
        (warm,) = run.warm()
        job = await run.job(do="wait")
        assert job["pid"] == warm.pid
        await run.until(run.warm, "another warm process")
        (warm,) = run.warm()
        await run.dispatch(tell_children=what)
        assert (await run.stage.journal.one("babbled"))["count"] >= 4
        await run.becomes(job, becomes)
        await run.until(lambda: not warm.is_running(), "the end of the warm process")
        await run.serves()
        await run.stop(becomes)


async def test_a_zygote_that_is_told_nonsense_is_replaced_and_no_job_notices(bench: FaultBench) -> None:
    becomes = Statement(
        said=(Said(WARNING, "the process that jobs are forked from is gone; starting another one"),),
        printed="ProtocolError: worker to zygote: ",
        status="JS_SUCCESS",
        callback="told to end",
    )
    async with bench.start() as run:
        job = await run.job(do="wait")
        zygote = run.zygote()
        await run.dispatch(tell_zygote="garbage")
        assert (await run.stage.journal.one("babbled"))["count"] == 1
        await run.until(lambda: not zygote.is_running(), "the end of the zygote")
        await run.serves()
        run.tell(job)
        await run.becomes(job, becomes)
        await run.stop(becomes)
