"""Each kind of executor runs a real job; one that dies is told of."""

from __future__ import annotations

import ctypes
import os
import sys

import psutil
import pytest
from tests.e2e import agents
from tests.e2e.stage import Stage

import lk_agents
from lk_agents.hooks.records import JobLost
from lk_agents.job.process import JobExecutorType

PR_GET_CHILD_SUBREAPER = 37

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]


class Bystander:
    """A plugin that notes which jobs were lost."""

    def __init__(self) -> None:
        self.lost: list[JobLost] = []

    @lk_agents.hookimpl
    def lk_agents_job_lost(self, record: JobLost) -> None:
        self.lost.append(record)


@pytest.mark.usefixtures("resource_tracker")
@pytest.mark.parametrize("kind", [JobExecutorType.PROCESS, JobExecutorType.SPAWN])
async def test_a_job_runs_in_a_process_of_its_own(stage: Stage, kind: JobExecutorType) -> None:
    job = await stage.begin(agents.obedient, job_executor_type=kind)
    assert job["pid"] != os.getpid()

    await stage.order(job, "shutdown")

    assert await stage.end(job) == ("JS_SUCCESS", "")
    await stage.room_empties(job)


async def test_a_closed_worker_has_left_no_process_behind(stage: Stage) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    await stage.begin(agents.obedient, num_idle_processes=1)

    await stage.bench.aclose()

    assert {child.pid for child in psutil.Process().children(recursive=True)} == before


async def test_a_job_whose_process_was_killed_is_told_as_failed_and_the_next_one_runs(stage: Stage) -> None:
    bystander, agent = Bystander(), stage.office.name("agent")
    worker = await stage.start(agents.obedient, agent, plugins=[bystander])
    job = await stage.dispatch(agent, metadata="what the pager needs")

    await stage.order(job, "die")

    status, error = await stage.end(job)
    assert status == "JS_FAILED"
    assert "SIGKILL" in error
    (lost,) = bystander.lost
    assert (lost.job_id, lost.room_name, lost.metadata) == (job["job"], job["room"], "what the pager needs")
    assert (lost.cause, lost.exit_code, lost.agent_name) == ("process_lost", -9, agent)
    assert not stage.journal.of("callback")

    following = await stage.dispatch(agent)
    assert following["worker"] == worker.id
    assert following["pid"] != job["pid"]


async def test_a_job_whose_process_exits_is_told_as_failed_with_its_code(stage: Stage) -> None:
    job = await stage.begin(agents.obedient)
    await stage.order(job, "exit")

    status, error = await stage.end(job)
    assert status == "JS_FAILED"
    assert "3" in error


async def test_a_job_may_ask_the_server_with_the_credentials_that_the_worker_was_given(stage: Stage) -> None:
    job = await stage.begin(agents.obedient)
    await stage.order(job, "ask the server")

    assert (await stage.journal.one("asked"))["identities"] == [job["identity"]]


def is_subreaper() -> bool:
    value = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(value), 0, 0, 0)
    return bool(value.value)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has subreapers")
async def test_when_its_workers_are_closed_the_program_adopts_no_orphans_any_more(stage: Stage) -> None:
    assert not is_subreaper()
    first = await stage.start(agents.brief)
    await stage.start(agents.brief)
    await first.aclose()
    assert is_subreaper()

    await stage.bench.aclose()

    assert not is_subreaper()
