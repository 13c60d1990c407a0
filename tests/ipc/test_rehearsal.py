"""The process that gets the next job goes through one before it comes; nobody may notice but by the clock."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable

import pytest
from tests.ipc import agents
from tests.ipc.pools import job, processes
from tests.ipc.scripted import Diary, ScriptedLauncher, job_spec

from lk_agents.hooks.registry import PluginRegistry
from lk_agents.ipc.child import JobChild
from lk_agents.ipc.child_logs import SideHandler, in_silence
from lk_agents.ipc.memory import private_kb
from lk_agents.ipc.messages import (
    EndReported,
    FromChild,
    Initialize,
    JobEnded,
    JobEnding,
    JobStarted,
    LogLine,
    Mark,
    Ready,
    Rehearse,
    StartJob,
    Stop,
)
from lk_agents.ipc.pool import PoolConfig
from lk_agents.ipc.program import Program
from lk_agents.ipc.rehearsal import rehearse_job
from lk_agents.ipc.rehearsals import REHEARSE_AFTER_SECONDS
from lk_agents.ipc.supervisor import Supervisor
from lk_agents.ipc.zygote import zygotes_work_here

INIT = Initialize(executor_id=1, worker_pid=1, beat_seconds=1, shutdown_seconds=2)
LONG_ENOUGH = REHEARSE_AFTER_SECONDS + 0.1
A_MEGABYTE_OR_SO_KB = 400
"""How much heavier a process gets by its rehearsal at least; measured: 900 to 1,000."""


class Child:
    """A child whose rehearsals are counted, and what it has said."""

    def __init__(self, rehearsal: Callable[[Initialize], Awaitable[None]] = rehearse_job) -> None:
        self.said: list[FromChild] = []
        self.rehearsals = 0
        self._rehearsal = rehearsal
        program = Program(entrypoint=agents.entrypoint, prewarm=None, registry=PluginRegistry())
        self.child = JobChild(program, INIT, send=self._say, send_now=self.said.append, rehearse=self._rehearse)

    async def _rehearse(self, init: Initialize) -> None:
        self.rehearsals += 1
        await self._rehearsal(init)

    def _say(self, message: FromChild) -> None:
        self.said.append(message)
        if isinstance(message, JobEnded):
            self.child.receive(EndReported())

    async def serve(self, *messages: Rehearse | StartJob | Stop) -> None:
        """Let it serve what comes, one message after the other."""
        serving = asyncio.create_task(self.child.serve(), name="serve")
        for message in messages:
            await asyncio.sleep(0)
            self.child.receive(message)
        async with asyncio.timeout(5):
            await serving


@pytest.mark.usefixtures("lk_clock")
async def test_only_the_process_that_gets_the_next_job_rehearses_and_only_when_that_has_been_clear_for_a_moment() -> (
    None
):
    launcher = ScriptedLauncher()
    pool = Supervisor(PoolConfig(entrypoint=agents.entrypoint, idle_target=2), launcher, Diary())
    await pool.start()

    def told() -> list[int]:
        return [handle.sent.count(Rehearse()) for handle in launcher.handles]

    await asyncio.sleep(REHEARSE_AFTER_SECONDS / 2)
    assert told() == [0, 0]
    await asyncio.sleep(LONG_ENOUGH)
    assert told() == [1, 0]

    await pool.submit(job_spec("AJ_1"), deadline_seconds=5)
    await asyncio.sleep(REHEARSE_AFTER_SECONDS / 2)
    await pool.submit(job_spec("AJ_2"), deadline_seconds=5)  # in a burst nobody has time for it
    assert told()[:2] == [1, 0]
    await asyncio.sleep(10)
    assert told() == [1, 0, 1, 0]

    await pool.kill(0)


async def test_a_job_that_comes_in_the_middle_of_the_rehearsal_runs_and_is_told_alone() -> None:
    child = Child()

    await child.serve(Rehearse(), StartJob(spec=job("tell_facts")))

    assert child.rehearsals == 1
    kinds = [type(message) for message in child.said if not isinstance(message, Mark)]
    assert kinds == [Ready, JobStarted, JobEnding, JobEnded]


async def test_a_process_rehearses_once_and_not_beside_its_job() -> None:
    child = Child()

    await child.serve(Rehearse(), Rehearse(), StartJob(spec=job("tell_facts")), Rehearse())

    assert child.rehearsals == 1


@pytest.mark.usefixtures("lk_clock")
async def test_a_job_waits_for_the_end_of_a_rehearsal_that_hangs_and_is_cancelled() -> None:
    async def hang(init: Initialize) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            child.said.append(Ready())  # stands for what a rehearsal undoes at its end

    child = Child(hang)
    await child.serve(Rehearse(), StartJob(spec=job("tell_facts")))

    kinds = [type(message) for message in child.said if not isinstance(message, Mark)]
    assert kinds == [Ready, Ready, JobStarted, JobEnding, JobEnded]


async def test_a_process_that_is_stopped_in_the_middle_of_its_rehearsal_ends() -> None:
    child = Child()

    await child.serve(Rehearse(), Stop(reason="surplus", grace_seconds=1))

    assert [type(message) for message in child.said] == [Ready]


async def test_a_rehearsal_leaves_loop_and_context_as_they_were() -> None:
    loop = asyncio.get_running_loop()
    handler, context = loop.get_exception_handler(), dict(contextvars.copy_context())

    await asyncio.create_task(rehearse_job(INIT), name="rehearsal")

    assert loop.get_exception_handler() is handler
    assert dict(contextvars.copy_context()) == context
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_lines_of_a_rehearsal_are_not_sent_and_those_of_others_are() -> None:
    lines: list[str] = []

    class Side:
        def send(self, message: LogLine, *, level: int) -> None:
            lines.append(message.text)

    handler = SideHandler()
    handler.side = Side()
    record = logging.makeLogRecord

    with in_silence():
        handler.emit(record({"msg": "rehearsed"}))
        contextvars.Context().run(handler.emit, record({"msg": "of a thread of the user's"}))
    handler.emit(record({"msg": "of the job"}))

    assert lines == ["of a thread of the user's", "of the job"]


@pytest.mark.e2e
@pytest.mark.timeout(40)
@pytest.mark.skipif(not zygotes_work_here(), reason="zygotes need Linux 5.4 or newer")
async def test_the_next_process_has_pages_of_its_own_for_a_job_and_the_others_stay_light() -> None:
    async with processes(idle_target=2) as (bench, _):
        await bench.warm(2)
        first, second = [process.pid for process in bench.pool.snapshot().processes]
        assert first is not None
        assert second is not None

        async with asyncio.timeout(10):
            while await asyncio.to_thread(lambda: private_kb(first) - private_kb(second)) < A_MEGABYTE_OR_SO_KB:
                await asyncio.sleep(0.05)
        report = await bench.run(job("tell_facts"))

        assert report.pid == first
        assert report.outcome.success
        assert not [line for line in bench.lines() if "AJ_rehearsal" in vars(line).values()]
