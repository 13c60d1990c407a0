"""What becomes of a job that a worker does not take; and of workers that take no more."""

from __future__ import annotations

import asyncio

import pytest
from tests.e2e import agents
from tests.e2e.stage import Stage

import lk_agents
from lk_agents.hooks.records import Reject
from lk_agents.job.process import JobExecutorType
from lk_agents.job.request import JobRequest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

THREAD = JobExecutorType.THREAD
MANY = 30
"""Dispatches after which one of two equal workers has been asked, but for one time in a thousand million."""


class Doorkeeper:
    """A plugin that refuses jobs."""

    def __init__(self) -> None:
        self.asked = 0

    @lk_agents.hookimpl
    async def lk_agents_filter_request(self, request: JobRequest) -> Reject:
        self.asked += 1
        return Reject("not today")


class Answering:
    """A request function that notes that it was asked, and says no, or nothing at all."""

    def __init__(self, *, silent: bool = False) -> None:
        self.asked = 0
        self.silent = silent

    async def __call__(self, request: JobRequest) -> None:
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()
        await request.reject()


async def test_a_job_that_one_worker_rejects_goes_to_the_next(stage: Stage) -> None:
    agent, rejecting = stage.office.name("agent"), Answering()
    await stage.start(agents.brief, agent, job_executor_type=THREAD, request_fnc=rejecting)
    taking = await stage.start(agents.brief, agent, job_executor_type=THREAD)
    for _ in range(MANY):
        job = await stage.dispatch(agent, event="entered")
        assert job["worker"] == taking.id
        if rejecting.asked:
            break

    assert rejecting.asked


async def test_a_job_that_one_worker_never_answers_goes_to_the_next_in_time(stage: Stage) -> None:
    agent, silent = stage.office.name("agent"), Answering(silent=True)
    await stage.start(agents.brief, agent, job_executor_type=THREAD, request_fnc=silent)
    taking = await stage.start(agents.brief, agent, job_executor_type=THREAD)
    for _ in range(MANY):
        job = await stage.dispatch(agent, event="entered")
        assert job["worker"] == taking.id
        if silent.asked:
            break

    assert silent.asked
    assert not stage.log.of("failed to send job request", agentName=agent)


async def test_a_plugin_refuses_before_the_user_is_asked(stage: Stage) -> None:
    agent, keeper, user = stage.office.name("agent"), Doorkeeper(), Answering()
    await stage.start(agents.brief, agent, job_executor_type=THREAD, request_fnc=user, plugins=[keeper])
    await stage.office.dispatch(agent, stage.office.name())
    await stage.nobody_took(agent)

    assert (keeper.asked, user.asked) == (1, 0)


async def test_a_full_worker_gets_nothing_more_until_its_job_has_ended(stage: Stage) -> None:
    agent = stage.office.name("agent")
    worker = await stage.start(agents.obedient, agent, max_jobs=1)
    first = await stage.dispatch(agent)
    await stage.log.one("worker status changed", workerID=worker.id, status="WS_FULL")
    await stage.office.dispatch(agent, stage.office.name())
    await stage.nobody_took(agent)

    await stage.order(first, "are you there?")
    assert len(stage.journal.of("entered")) == 1

    await stage.order(first, "shutdown")
    await stage.end(first)
    await stage.log.one("worker status changed", workerID=worker.id, status="WS_AVAILABLE")
    await stage.dispatch(agent)


async def test_a_draining_worker_keeps_its_job_takes_no_other_and_is_done_when_that_ends(stage: Stage) -> None:
    agent = stage.office.name("agent")
    worker = await stage.start(agents.obedient, agent)
    job = await stage.dispatch(agent)
    draining = asyncio.create_task(worker.drain())
    await stage.log.one("worker status changed", workerID=worker.id, status="WS_FULL")
    await stage.office.dispatch(agent, stage.office.name())
    await stage.nobody_took(agent)

    await stage.order(job, "are you there?")
    assert not draining.done()
    assert worker.connected

    await stage.order(job, "shutdown")
    async with asyncio.timeout(10):
        await draining
    assert await stage.end(job) == ("JS_SUCCESS", "")
    assert len(stage.journal.of("entered")) == 1


async def test_a_draining_worker_still_hears_that_a_job_is_over(stage: Stage) -> None:
    agent = stage.office.name("agent")
    worker = await stage.start(agents.obedient, agent)
    job = await stage.dispatch(agent)
    draining = asyncio.create_task(worker.drain())
    await stage.office.api.agent_dispatch.delete_dispatch(job["dispatch"], job["room"])

    assert await stage.end(job) == ("JS_SUCCESS", "")
    async with asyncio.timeout(10):
        await draining
    assert (await stage.journal.one("callback"))["in_room"]


async def test_closing_a_worker_ends_its_jobs_with_their_callbacks_and_tells_the_server(stage: Stage) -> None:
    job = await stage.begin(agents.obedient)
    await stage.bench.aclose()

    assert stage.journal.of("callback")[0]["in_room"]
    assert await stage.end(job) == ("JS_SUCCESS", "")
    await stage.room_empties(job)
