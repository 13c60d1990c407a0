"""The worker's socket is lost while jobs go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.e2e import agents
from tests.e2e.doomed import Doomed
from tests.e2e.gate import Gate
from tests.e2e.journal import Journal
from tests.e2e.stage import Stage

from lk_agents.testing.fixtures_worker import WorkerBench
from lk_agents.worker.connection import ConnectionLimits
from lk_agents.worker.engine import WorkerLimits
from lk_agents.worker.worker import Worker

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

OUTAGE_SECONDS = 3.0
NEXT_JOB_SECONDS = 3.0
"""From the server's return to the next job."""


async def registered_again(worker: Worker, before: str) -> None:
    """Wait until the worker has another id."""
    if worker.id == before:
        again = asyncio.Event()
        worker.on("worker_registered", lambda *_: again.set())
        async with asyncio.timeout(30):
            await again.wait()


@pytest.fixture
def doomed() -> Doomed:
    return Doomed()


@pytest.fixture
async def lk_worker(doomed: Doomed) -> AsyncIterator[WorkerBench]:
    """Workers of the doomed server, which are closed when it is gone."""
    bench = WorkerBench(doomed.info)
    yield bench
    await bench.aclose()


async def test_the_next_job_comes_within_three_seconds_of_the_servers_return(
    doomed: Doomed, journal: Journal, lk_worker: WorkerBench
) -> None:
    async with doomed.life() as office:
        stage = Stage(office, journal, lk_worker)
        agent = office.name("agent")
        worker = await stage.start(agents.holding, agent)
        await stage.dispatch(agent, event="entered")
        first_id = worker.id
    await asyncio.sleep(OUTAGE_SECONDS)
    async with doomed.life() as office:
        stage, returned = Stage(office, journal, lk_worker), asyncio.get_running_loop().time()
        await registered_again(worker, first_id)
        await doomed.log.one("worker registered", workerID=worker.id)
        following = await stage.dispatch(agent, event="entered")
        took = asyncio.get_running_loop().time() - returned

    assert following["worker"] == worker.id != first_id
    assert took < NEXT_JOB_SECONDS


async def test_a_job_outlives_its_server_and_its_end_is_told_to_the_next(
    doomed: Doomed, journal: Journal, lk_worker: WorkerBench
) -> None:
    async with doomed.life() as office:
        stage = Stage(office, journal, lk_worker)
        agent = office.name("agent")
        worker = await stage.start(agents.obedient, agent)
        job = await stage.dispatch(agent)
        await stage.order(job, "are you there?")
        first_id = worker.id
    async with doomed.life() as office:  # at once, for the media library soon gives up on the room
        stage = Stage(office, journal, lk_worker)
        await registered_again(worker, first_id)
        assert not journal.of("callback")
        await stage.order(job, "shutdown")
        await journal.one("callback", job=job["job"], reason="as told")

        await doomed.log.one("received job update for unknown job", jobID=job["job"])
        assert worker.connected


async def test_a_socket_that_fell_silent_is_noticed_and_replaced_while_the_job_goes_on(
    doomed: Doomed, journal: Journal, lk_worker: WorkerBench
) -> None:
    async with doomed.life() as office, Gate(doomed.port) as gate:
        stage, agent = Stage(office, journal, lk_worker), office.name("agent")
        limits = WorkerLimits(connection=ConnectionLimits(heartbeat=0.5, pong=0.5))
        worker = await stage.start(agents.obedient, agent, ws_url=gate.url, limits=limits)
        first_id = worker.id
        job = await stage.dispatch(agent)
        gate.silence()
        await registered_again(worker, first_id)
        assert worker.connected
        assert not journal.of("callback")

        await stage.order(job, "are you there?")  # its room was reached through the gate too, and is found again
        await stage.order(job, "shutdown")
        await journal.one("callback", job=job["job"], reason="as told")
        await stage.log.one("received job update for unknown job", jobID=job["job"])
        await stage.bench.aclose()
