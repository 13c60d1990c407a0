"""``lk-agents start`` as an operator runs it: signals, and what is left afterwards."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.e2e.command import AGENT_FILE, ROOT, Command, alive, all_gone, running
from tests.e2e.journal import Entry, Journal
from tests.e2e.office import Office
from tests.e2e.stage import Stage

from lk_agents.hooks.records import ServerInfo
from lk_agents.testing.fixtures_worker import WorkerBench

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

FORCED_SECONDS = 5.0
ORPHANED_SECONDS = 20.0
AGENT = f"""
import os, sys
sys.path.append({str(ROOT)!r})
from lk_agents import JobExecutorType, WorkerOptions
from tests.e2e import agents

options = WorkerOptions(
    getattr(agents, os.environ["ENTRYPOINT"]),
    agent_name=os.environ["AGENT"],
    job_user_arguments=os.environ["JOURNAL"],
    job_executor_type=JobExecutorType(os.environ["EXECUTOR"]),
    num_idle_processes=1,
    load_threshold=2,
    host="127.0.0.1",
    port=0,
)
"""


class Bench:
    """Starts the command in a folder of its own."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self.folder = folder
        (folder / AGENT_FILE).write_text(AGENT)

    @asynccontextmanager
    async def start(self, entrypoint: str, *arguments: str, executor: str = "process") -> AsyncIterator[Command]:
        """Run it until the end of the block, and return when the server knows it."""
        told = {"ENTRYPOINT": entrypoint, "JOURNAL": self.stage.journal.path, "EXECUTOR": executor}
        environment = {**self.stage.office.server.env(), **told}
        async with running(self.folder, self.stage.office.name("agent"), environment, arguments) as command:
            await self.stage.log.one("worker registered", agentName=command.agent)
            command.tree()
            yield command

    async def job(self, command: Command) -> Entry:
        """Dispatch a job to it and wait until it has joined its room."""
        return await self.stage.dispatch(command.agent)


@pytest.fixture
def bench(office: Office, journal: Journal, lk_server: ServerInfo, tmp_path: Path) -> Bench:
    return Bench(Stage(office, journal, WorkerBench(lk_server)), tmp_path)


async def test_a_first_signal_lets_the_job_go_on_takes_no_other_and_ends_with_zero(bench: Bench) -> None:
    stage = bench.stage
    async with bench.start("obedient") as command:
        job = await bench.job(command)
        processes = command.tree()
        command.process.send_signal(signal.SIGTERM)
        await stage.log.one("worker status changed", agentName=command.agent, status="WS_FULL")
        await stage.office.dispatch(command.agent, stage.office.name())
        await stage.nobody_took(command.agent)
        await stage.order(job, "are you there?")
        await stage.order(job, "shutdown")

        assert await command.end() == 0
        assert await stage.end(job) == ("JS_SUCCESS", "")
        assert len(stage.journal.of("entered")) == 1
        await all_gone(processes, 1.0)


async def test_a_signal_to_every_process_at_once_drains_as_well(bench: Bench) -> None:
    stage = bench.stage
    async with bench.start("obedient") as command:
        job = await bench.job(command)
        processes = command.tree()
        assert len(processes) >= 3  # worker, zygote, job
        for process in processes:
            process.send_signal(signal.SIGTERM)
        await stage.log.one("worker status changed", agentName=command.agent, status="WS_FULL")
        await stage.order(job, "are you there?")
        await stage.order(job, "shutdown")

        assert await command.end() == 0
        assert await stage.end(job) == ("JS_SUCCESS", "")
        await all_gone(processes, 1.0)


async def test_a_second_signal_ends_everything_within_five_seconds_with_one(bench: Bench) -> None:
    stage = bench.stage
    async with bench.start("stubborn") as command:
        job = await bench.job(command)
        processes = command.tree()
        command.process.send_signal(signal.SIGTERM)
        await stage.log.one("worker status changed", agentName=command.agent, status="WS_FULL")
        command.process.send_signal(signal.SIGTERM)

        assert await command.end(FORCED_SECONDS) == 1
        assert not alive(processes)
        assert (await stage.end(job))[0] == "JS_FAILED"


async def test_jobs_of_a_killed_worker_end_with_their_callbacks_and_nothing_is_left(bench: Bench) -> None:
    stage = bench.stage
    async with bench.start("obedient") as command:
        job = await bench.job(command)
        processes = command.tree()
        command.process.kill()

        callback = await stage.journal.one("callback", job=job["job"], seconds=ORPHANED_SECONDS)
        assert callback["in_room"]
        await all_gone(processes, ORPHANED_SECONDS)
        await stage.room_empties(job)


async def test_a_stubborn_job_of_a_killed_worker_is_gone_within_twenty_seconds(bench: Bench) -> None:
    async with bench.start("stubborn") as command:
        await bench.job(command)
        processes = command.tree()
        command.process.kill()

        await all_gone(processes, ORPHANED_SECONDS)
        assert not alive(processes)


@pytest.mark.parametrize("executor", ["process", "thread"])
async def test_the_command_serves_job_after_job(bench: Bench, executor: str) -> None:
    stage = bench.stage
    async with bench.start("obedient", executor=executor) as command:
        for _ in range(2):
            job = await bench.job(command)
            assert (job["pid"] == command.process.pid) is (executor == "thread")
            await stage.order(job, "shutdown")
            assert await stage.end(job) == ("JS_SUCCESS", "")
        command.process.send_signal(signal.SIGINT)

        assert await command.end() == 0


async def test_a_killed_zygote_ends_no_job_and_the_next_one_comes(bench: Bench) -> None:
    stage = bench.stage
    async with bench.start("obedient") as command:
        job = await bench.job(command)
        (zygote,) = [process for process in command.tree() if process.name() == "lk-zygote"]
        zygote.kill()
        following = await bench.job(command)
        for each in (job, following):
            await stage.order(each, "shutdown")
            assert await stage.end(each) == ("JS_SUCCESS", "")
        command.process.send_signal(signal.SIGTERM)

        assert await command.end() == 0
