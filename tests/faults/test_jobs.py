"""Jobs that go wrong while their worker lives: one table, and for each row the same statement."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.e2e.journal import Entry
from tests.faults.agents import FOR_EVER
from tests.faults.bench import FaultBench, Run
from tests.faults.statement import ERROR, WARNING, Said, Statement

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

TRAPS_SIGTERM = ["sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done"]
STACKS = r".*in block_the_loop.*"
KILLED = r"killed by SIGKILL, perhaps out of memory(, last seen with \d+ MB)?"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A job that goes wrong, and what becomes of it.

    :param order: what the job does.
    :param strike: what is done to it from outside once it has begun; gets its first entry.
    :param event: when it has begun.
    :param ends_worker: the worker is told to end, since the job does not.
    """

    order: Mapping[str, Any]
    becomes: Statement
    strike: Callable[[Run, Entry], None] = lambda _run, _job: None
    event: str = "entered"
    ends_worker: bool = False
    arguments: tuple[str, ...] = ("--drain-timeout", "1")
    options: Mapping[str, Any] = field(default_factory=dict)


def kill(_: Run, job: Entry) -> None:
    os.kill(job["pid"], signal.SIGKILL)


def interrupt(run: Run, job: Entry) -> None:
    """Send it what is not for it, and then let it end."""
    os.kill(job["pid"], signal.SIGTERM)
    os.kill(job["pid"], signal.SIGINT)
    run.tell(job)


def lost(reason: str, code: int, *said: Said, stacks: str = "", callback: str | None = None) -> Statement:
    """The process could not run its callbacks: the server is told why, and so is the hook."""
    fields = {"job_id": "AJ_.*", "success": "False", "cause": "process_lost", "reason": reason, "exit_code": f"{code}"}
    return Statement(
        said=(*said, Said(ERROR, "a job has ended", {**fields, "lost": "True"})),
        status="JS_FAILED",
        error=reason,
        callback=callback,
        lost={"cause": "process_lost", "reason": reason, "exit_code": f"{code}", "stacks": stacks},
    )


def raised(error: str) -> Statement:
    """The entrypoint raised: the callbacks ran, and nothing is lost."""
    fields = {"job_id": "AJ_.*", "success": "False", "cause": "raised", "reason": error, "lost": "False"}
    failed = {"job_id": "AJ_.*", "exc_info": f"Traceback.*{error}"}
    return Statement(
        said=(
            Said(ERROR, "the entrypoint failed; the job ends", failed),
            Said(ERROR, "a job has ended", fields),
        ),
        status="JS_FAILED",
        error=error,
        callback=error,
    )


DRAINED = Said(WARNING, "jobs still run at the end of the drain time and are ended now", {"limit_seconds": "1"})
PUSHED = (
    Said(ERROR, "a process has to be ended", {"job_id": "AJ_.*", "reason": "did not end within 1 s .*"}),
    Said(ERROR, "stacks of a process that had to be ended", {"job_id": "AJ_.*", "stacks": STACKS}),
)
TOO_SLOW = r"did not end within 1 s \(shutdown_process_timeout\); " + KILLED

FAULTS = {
    "its process is killed": Fault(
        order={"do": "wait", "join": True}, event="connected", strike=kill, becomes=lost(KILLED, -9)
    ),
    "its process is killed before it joins": Fault(order={"do": "wait"}, strike=kill, becomes=lost(KILLED, -9)),
    "its process exits": Fault(order={"do": "leave", "code": 3}, becomes=lost("exited with code 3", 3)),
    "its process is signalled by others": Fault(
        order={"do": "wait"},
        strike=interrupt,
        becomes=Statement(status="JS_SUCCESS", callback="told to end"),
    ),
    "it raises before it joins": Fault(
        order={"do": "fail", "join": False}, becomes=raised("ValueError: it was bound to fail")
    ),
    "it raises after it has joined": Fault(
        order={"do": "fail", "join": True}, becomes=raised("ValueError: it was bound to fail")
    ),
    "it never returns": Fault(
        order={"do": "wait"},
        ends_worker=True,
        becomes=Statement(said=(DRAINED,), status="JS_SUCCESS", callback="the worker is shutting down"),
    ),
    "it swallows its cancellation": Fault(
        order={"do": "swallow"},
        ends_worker=True,
        becomes=Statement(
            said=(DRAINED, Said(ERROR, "a task ignores its cancellation", {"task": "job_user_entrypoint"})),
            status="JS_SUCCESS",
            callback="the worker is shutting down",
        ),
    ),
    "it does not let its loop go": Fault(
        order={"do": "block", "seconds": FOR_EVER, "program": TRAPS_SIGTERM},
        ends_worker=True,
        options={"shutdown": 1},
        becomes=lost(TOO_SLOW, -9, DRAINED, *PUSHED, stacks=STACKS),
    ),
    "a callback raises": Fault(
        order={"do": "end_badly", "how": "raises"},
        becomes=Statement(
            said=(
                Said(
                    ERROR,
                    "a shutdown callback failed",
                    {"callback": "_raise", "job_id": "AJ_.*", "exc_info": "Traceback.*OSError: the archive is full"},
                ),
            ),
            status="JS_SUCCESS",
            callback="as it should",
        ),
    ),
    "a callback hangs": Fault(
        order={"do": "end_badly", "how": "hangs"},
        options={"shutdown": 1},
        becomes=Statement(
            said=(Said(ERROR, "a shutdown callback did not end in time and is cancelled", {"callback": "_hang"}),),
            status="JS_SUCCESS",
            callback="as it should",
        ),
    ),
    "a callback does not let the loop go": Fault(
        order={"do": "end_badly", "how": "blocks"},
        options={"shutdown": 1},
        becomes=lost(TOO_SLOW, -9, *PUSHED, stacks=STACKS, callback="as it should"),
    ),
}
"""What goes wrong with a job, by name."""


@pytest.mark.parametrize("name", FAULTS)
async def test_a_job_that_goes_wrong_is_told_of_and_leaves_nothing_and_the_next_one_runs(
    bench: FaultBench, name: str
) -> None:
    fault = FAULTS[name]
    async with bench.start(*fault.arguments, **fault.options) as run:
        job = await run.job(fault.event, **fault.order)
        fault.strike(run, job)
        if fault.ends_worker:
            run.signal()
            await run.becomes(job, fault.becomes)
            await run.over(0, fault.becomes)
        else:
            await run.becomes(job, fault.becomes)
            await run.serves()
            await run.stop(fault.becomes)
