"""The worker's socket is lost while jobs go on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.e2e import agents
from tests.e2e.conftest import TELLS_OF_JOBS
from tests.e2e.gate import Gate
from tests.e2e.journal import Entry, Journal
from tests.e2e.office import Office
from tests.e2e.server_log import ServerLog
from tests.e2e.stage import Stage

from lk_agents.hooks.records import ServerInfo
from lk_agents.testing.fixtures_worker import WorkerBench
from lk_agents.worker.connection import ConnectionLimits
from lk_agents.worker.engine import WorkerLimits
from lk_agents.worker.worker import Worker

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

NEXT_JOB_SECONDS = 3.0
"""From the server's return to the next job."""


class Doomed:
    """A server that can die and come back under the same address."""

    def __init__(self) -> None:
        self.log = ServerLog()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.info = ServerInfo(f"ws://127.0.0.1:{self.port}", "devkey", "secret-of-32-characters-and-more-")

    @asynccontextmanager
    async def life(self) -> AsyncIterator[Office]:
        """Live for as long as the block lasts."""
        module = pytest.importorskip("lk_agents_server", reason="lk-agents-server is not installed")
        options = module.ServerOptions(
            port=self.port,
            api_key=self.info.api_key,
            api_secret=self.info.api_secret,
            departure_timeout=1,
            extra_config=TELLS_OF_JOBS,
        )
        async with module.LiveKitServer(options, on_log=self.log.note) as server:
            office = Office(server, self.log)
            try:
                yield office
            finally:
                server.kill()
                await office.api.aclose()


async def registered_again(worker: Worker, before: str) -> float:
    """Wait until the worker has another id; return the loop's time of that."""
    if worker.id == before:
        again = asyncio.Event()
        worker.on("worker_registered", lambda *_: again.set())
        async with asyncio.timeout(30):
            await again.wait()
    return asyncio.get_running_loop().time()


async def test_a_server_that_comes_back_finds_its_worker_and_the_job_goes_on(journal: Journal) -> None:
    doomed = Doomed()
    bench = WorkerBench(doomed.info)
    try:
        async with doomed.life() as office:
            stage = Stage(office, journal, bench)
            agent = office.name("agent")
            worker = await stage.start(agents.obedient, agent)
            first_id = worker.id
            job = await stage.dispatch(agent)
            await stage.order(job, "are you there?")
        assert not journal.of("callback")
        async with doomed.life() as office:
            stage = Stage(office, journal, bench)
            returned = asyncio.get_running_loop().time()
            await registered_again(worker, first_id)
            await stage.log.one("worker registered", workerID=worker.id)
            following = await stage.dispatch(agent, event="entered")
            took = asyncio.get_running_loop().time() - returned
            assert took < NEXT_JOB_SECONDS, f"{took:.1f} s"
            assert following["worker"] == worker.id != first_id

            await stage.order(job, "shutdown")
            await journal.one("callback", job=job["job"], reason="as told")
            await stage.log.one("received job update for unknown job", jobID=job["job"])  # told all the same
            assert worker.connected
    finally:
        await bench.aclose()


async def start_behind(gate: Gate, stage: Stage, agent: str) -> Worker:
    limits = WorkerLimits(connection=ConnectionLimits(heartbeat=0.5, pong=0.5))
    return await stage.start(agents.obedient, agent, ws_url=gate.url, limits=limits)


async def tell_ends(stage: Stage, job: Entry) -> None:
    """Show that the job still lives, and end it."""
    await stage.order(job, "are you there?")
    await stage.order(job, "shutdown")
    await stage.journal.one("callback", job=job["job"], reason="as told")


async def test_a_socket_that_fell_silent_is_noticed_and_replaced_while_the_job_goes_on(stage: Stage) -> None:
    agent = stage.office.name("agent")
    port = int(stage.office.server.url.rpartition(":")[2])
    async with Gate(port) as gate:
        worker = await start_behind(gate, stage, agent)
        first_id = worker.id
        job = await stage.dispatch(agent)
        gate.silence()
        await registered_again(worker, first_id)
        await stage.log.one("worker registered", workerID=worker.id)

        assert worker.connected
        assert not stage.journal.of("callback")
        await tell_ends(stage, job)
        await stage.log.one("received job update for unknown job", jobID=job["job"])
        await stage.bench.aclose()
