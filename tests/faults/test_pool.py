"""Processes that are killed, or never get warm, while the worker lives."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from tests.faults.bench import FaultBench, Run, limit_of_files
from tests.faults.statement import ERROR, WARNING, Said, Statement, matches

from lk_agents.ipc.plan import LONGEST_DELAY_SECONDS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

WARM = 3
KILLED = "killed by SIGKILL, perhaps out of memory.*"
ANOTHER_ZYGOTE = Said(WARNING, "the process that jobs are forked from is gone; starting another one")


async def all_warm(run: Run, *, ever: int = WARM) -> None:
    """Wait until there are as many warm processes as there should be, and so many have been warm ever."""

    def warm() -> bool:
        changes = [one for one in run.command.records() if one["message"] == "process changed"]
        return sum(one["phase"] == "idle" for one in changes) >= ever and len(run.processes()) == WARM

    await run.until(warm, f"{WARM} warm processes")


async def serve_at_once(run: Run, count: int) -> None:
    """Fail unless so many jobs that are dispatched in one moment all run, and end as they should."""
    rooms = await asyncio.gather(*[run.dispatch(do="end") for _ in range(count)])
    jobs = await asyncio.gather(*[run.begun(room) for room in rooms])
    ends = await asyncio.gather(*[run.stage.end(job) for job in jobs])
    assert set(ends) == {("JS_SUCCESS", "")}


async def test_warm_processes_that_are_killed_are_replaced_and_a_job_that_comes_at_once_runs(bench: FaultBench) -> None:
    becomes = Statement(
        said=(Said(WARNING, "a warm process died; it is replaced", {"pid": r"\d+", "reason": KILLED}),),
        perhaps=(
            Said(WARNING, "a job goes to another process", {"why": KILLED}),  # it had been given to a dead one
        ),
    )
    async with bench.start("--log-level", "debug", idle=WARM) as run:
        await all_warm(run)
        killed = run.warm()
        for process in killed:
            process.kill()
        await run.serves()
        await run.until_said("a warm process died; it is replaced")
        await all_warm(run, ever=2 * WARM)
        assert not {process.pid for process in killed} & {process.pid for process in run.warm()}
        await run.stop(becomes)


async def test_a_zygote_that_is_killed_costs_no_job_and_more_jobs_than_there_are_warm_processes_run(
    bench: FaultBench,
) -> None:
    becomes = Statement(
        said=(ANOTHER_ZYGOTE, Said(WARNING, "a warm process died; it is replaced", {"reason": KILLED})),
        perhaps=(
            Said(WARNING, "a job goes to another process"),
            Said(WARNING, "a process did not get warm"),  # it was being forked
        ),
        status="JS_SUCCESS",
        callback="told to end",
    )
    async with bench.start(idle=WARM) as run:
        job = await run.job("connected", do="wait", join=True)
        await run.until(lambda: len(run.warm()) == WARM, "warm processes beside the job's")
        for process in [run.zygote(), *run.warm()]:
            process.kill()
        await serve_at_once(run, WARM + 3)
        assert not run.stage.log.of("job ended", jobID=job["job"])
        run.tell(job)
        await run.becomes(job, becomes)
        await run.stop(becomes)


@dataclass(frozen=True, kw_only=True)
class BadStart:
    """A prewarm function that goes wrong, why the process did not get warm, and what is told beside that."""

    prewarm: str
    why: str
    said: tuple[Said, ...]


BAD_STARTS = {
    "raises": BadStart(
        prewarm="prewarm_raises",
        why="prewarm_fnc: OSError: the model is torn; exited with code 1",
        said=(
            Said(
                ERROR,
                "a process could not start",
                {
                    "phase": "prewarm_fnc",
                    "error": "OSError: the model is torn",
                    "traceback": "Traceback.*in prewarm_raises.*",
                },
            ),
        ),
    ),
    "hangs": BadStart(
        prewarm="prewarm_hangs",
        why=r"no progress for 1 s while starting: in phase 'prewarm_fnc' for .* \(initialize_process_timeout\); .*",
        said=(
            Said(ERROR, "a process has to be ended", {"pid": r"\d+", "reason": "no progress for 1 s while starting.*"}),
            Said(ERROR, "stacks of a process that did not start", {"stacks": ".*in block_the_loop.*"}),
        ),
    ),
    "exits": BadStart(prewarm="prewarm_exits", why="exited with code 7", said=()),
}


@pytest.mark.parametrize("how", BAD_STARTS)
async def test_while_prewarming_goes_wrong_the_worker_is_full_and_serves_as_soon_as_it_is_mended(
    bench: FaultBench, how: str
) -> None:
    bad = BAD_STARTS[how]
    fields = {"role": "job", "error": bad.why}
    becomes = Statement(
        said=(
            Said(WARNING, "a process did not get warm", {**fields, "failures": "1"}),
            Said(ERROR, "starting processes fails", {**fields, "failures": "3", "next_try_seconds": "1.0"}),
            *bad.said,
        )
    )
    async with bench.start(prewarm=bad.prewarm) as run:
        await run.until_said("the worker is full", reason=f"no process can be started: .*{bad.why}")
        await run.stage.log.one("worker status changed", agentName=run.command.agent, status="WS_FULL")
        status, reasons = await run.ready()
        assert (status, reasons[:11]) == (503, "pool_broken")
        assert matches({"": f"pool_broken: .*{bad.why}"}, {"": reasons})
        await run.dispatch(do="end")
        await run.stage.nobody_took(run.command.agent)

        run.mend()
        await run.until_said("the worker takes jobs again")
        assert await run.ready() == (200, "OK")
        await run.serves()
        await run.stop(becomes)


NO_DESCRIPTORS = "no descriptors for another process: .*"
LEAST_FILES = 64
MANY_WARM = 20


async def test_a_worker_that_may_open_too_few_files_is_refused_in_a_sentence(bench: FaultBench) -> None:
    async with bench.start(before=limit_of_files(LEAST_FILES - 1), registers=False) as run:
        await run.over(1, Statement(printed="."))
        (sentence,) = run.printed()
        assert sentence == (
            "Error: this process may have 63 open files, and a worker needs 64 to start and four more for each job; "
            "raise the hard limit (ulimit -Hn, LimitNOFILE=) to 4096 or more"
        )


@pytest.mark.parametrize("files", range(LEAST_FILES, LEAST_FILES + 4))
async def test_a_worker_that_cannot_have_all_the_warm_processes_it_shall_keep_is_full(
    bench: FaultBench, files: int
) -> None:
    """Each process takes four descriptors, so each remainder is another place where they run out."""
    becomes = Statement(
        said=(
            Said(ERROR, "no descriptors for another process", {"error": ".*Too many open files|none was left for .*"}),
            Said(ERROR, "starting processes fails", {"error": NO_DESCRIPTORS}),
        ),
        perhaps=(Said(WARNING, "a process did not get warm", {"error": NO_DESCRIPTORS}),),
    )
    async with bench.start(idle=MANY_WARM, before=limit_of_files(files)) as run:
        await run.until_said("the worker is full", reason=f"no process can be started: .*{NO_DESCRIPTORS}")
        await run.stage.log.one("worker status changed", agentName=run.command.agent, status="WS_FULL")
        await run.dispatch(do="end")
        await run.stage.nobody_took(run.command.agent)
        await run.stop(becomes)


@pytest.mark.parametrize("left", [1, 4])
async def test_a_worker_that_runs_out_of_descriptors_is_full_until_it_has_some_again(
    bench: FaultBench, left: int
) -> None:
    becomes = Statement(
        said=(
            Said(ERROR, "starting processes fails", {"error": f"{NO_DESCRIPTORS}Too many open files"}),
            Said(ERROR, "a job could not be started", {"job_id": "AJ_.*", "cause": "3 processes in a row .*"}),
        ),
        perhaps=(
            Said(ERROR, "no descriptors for another process"),
            Said(WARNING, "a process did not get warm"),
        ),
    )
    async with bench.start(idle=0, before=limit_of_files(LEAST_FILES), left=left) as run:
        await run.dispatch(do="end")
        failed = await run.until_said("a job could not be started")
        status, error = await run.stage.log.ended(failed["job_id"])
        assert (status, error) == ("JS_FAILED", failed["cause"])
        await run.stage.log.one("worker status changed", agentName=run.command.agent, status="WS_FULL")

        run.mend()
        await run.until_said("the worker takes jobs again", LONGEST_DELAY_SECONDS)
        await run.serves()
        await run.stop(becomes)
