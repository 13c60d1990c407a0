"""The inside of an executor: what it says and does, without any process around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from lk_agents.hooks.registry import PluginRegistry
from lk_agents.ipc.child import JobChild
from lk_agents.ipc.messages import (
    EndReported,
    FromChild,
    Initialize,
    JobEnded,
    JobEnding,
    JobStarted,
    Phase,
    Ready,
    StartFailed,
    StartJob,
    Stop,
    Terminated,
    ToChild,
)
from lk_agents.ipc.program import Program
from lk_agents.job.spec import EndCause
from lk_agents.testing.job import job_spec

RAN: list[str] = []


async def wait(ctx: Any) -> None:
    RAN.append(ctx.job.id)
    await asyncio.Event().wait()


async def finish(ctx: Any) -> None:
    ctx.shutdown("done")


class Child:
    """A child and what it has said."""

    def __init__(self, entrypoint: Callable[..., Any] = wait, prewarm: Callable[..., Any] | None = None) -> None:
        RAN.clear()
        self.said: list[FromChild] = []
        program = Program(entrypoint=entrypoint, prewarm=prewarm, registry=PluginRegistry())
        init = Initialize(executor_id=1, worker_pid=1, beat_seconds=1, shutdown_seconds=2)
        self.child = JobChild(program, init, send=self._say, send_now=self.said.append)

    def _say(self, message: FromChild) -> None:
        self.said.append(message)
        if isinstance(message, JobEnded):
            self.child.receive(EndReported())

    def kinds(self) -> list[type]:
        """Return the kinds of messages it said."""
        return [type(message) for message in self.said]

    async def serve(self, *messages: ToChild) -> None:
        """Warm it up, and let it serve what comes in one piece."""
        assert self.child.warm_up()
        serving = asyncio.create_task(self.child.serve(), name="serve")
        await asyncio.sleep(0)
        for message in messages:
            self.child.receive(message)
        async with asyncio.timeout(5):
            await serving


@pytest.mark.parametrize(
    "order", [Stop(reason="at once", grace_seconds=1), Terminated(reason="at once")], ids=["stop", "termination"]
)
async def test_an_order_to_end_right_behind_the_job_is_obeyed(order: ToChild) -> None:
    child = Child()

    await child.serve(StartJob(spec=job_spec()), order)

    (ended,) = [message for message in child.said if isinstance(message, JobEnded)]
    assert (ended.outcome.cause, ended.outcome.reason) == (EndCause.STOPPED, "at once")


async def test_a_job_is_told_from_its_beginning_to_its_end_in_order() -> None:
    child = Child(finish)

    await child.serve(StartJob(spec=job_spec()))

    told = [kind for kind in child.kinds() if kind in (Ready, JobStarted, JobEnding, JobEnded)]
    assert told == [Ready, JobStarted, JobEnding, JobEnded]


async def test_a_child_that_is_stopped_without_a_job_ends() -> None:
    child = Child()

    await child.serve(Stop(reason="surplus", grace_seconds=1))

    assert child.kinds() == [Ready]


async def test_a_second_job_is_never_run() -> None:
    child = Child(finish)

    await child.serve(StartJob(spec=job_spec("AJ_1")), StartJob(spec=job_spec("AJ_2")))

    assert child.kinds().count(JobStarted) == 1


async def test_a_worker_that_is_gone_ends_the_job_with_that_cause() -> None:
    child = Child()
    assert child.child.warm_up()
    serving = asyncio.create_task(child.child.serve(), name="serve")
    await asyncio.sleep(0)
    child.child.receive(StartJob(spec=job_spec()))
    while not RAN:
        await asyncio.sleep(0)
    child.child.worker_lost()
    async with asyncio.timeout(5):
        await serving

    (ended,) = [message for message in child.said if isinstance(message, JobEnded)]
    assert ended.outcome.cause is EndCause.WORKER_LOST


@pytest.mark.parametrize("error", [ValueError("no model"), SystemExit("no model")], ids=["error", "exit"])
def test_a_prewarm_that_raises_fails_the_start_with_phase_error_and_traceback(error: BaseException) -> None:
    def prewarm(proc: Any) -> None:
        proc.progress("loading")
        raise error

    child = Child(prewarm=prewarm)

    assert not child.child.warm_up()
    failed = child.said[-1]
    assert isinstance(failed, StartFailed)
    assert failed.phase == "prewarm: loading"
    assert failed.error == f"{type(error).__name__}: no model"
    assert "in prewarm" in failed.traceback


def test_progress_is_told_while_warming_up_and_not_afterwards() -> None:
    kept: list[Any] = []
    child = Child(prewarm=kept.append)
    assert child.child.warm_up()
    before = list(child.said)

    kept[0].progress("too late")

    assert child.said == before
    assert Phase(name="prewarm_fnc") in before
