"""``lk-agents start`` as an operator runs it: signals, and what is left afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from tests.e2e.journal import SOON, Entry, Journal
from tests.e2e.office import Office
from tests.e2e.stage import Stage

from lk_agents.hooks.records import ServerInfo
from lk_agents.testing.fixtures_worker import WorkerBench

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parent.parent.parent
FORCED_SECONDS = 5.0
ORPHANED_SECONDS = 20.0
AGENT_FILE = f"""
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


class Command:
    """A running ``lk-agents start``."""

    def __init__(self, process: asyncio.subprocess.Process, agent: str, log: Path) -> None:
        self.process = process
        self.agent = agent
        self._log = log

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self._log.read_text()

    def tree(self) -> list[psutil.Process]:
        """Return its processes, itself first."""
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    async def end(self, seconds: float = SOON) -> int:
        """Wait for its end and return the exit code."""
        try:
            async with asyncio.timeout(seconds):
                return await self.process.wait()
        except TimeoutError:
            raise AssertionError(f"it did not end in {seconds:g} s; it wrote:\n{self.output}") from None


def alive(processes: list[psutil.Process]) -> list[int]:
    """Return those that still run."""
    return [one.pid for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


async def all_gone(processes: list[psutil.Process], seconds: float) -> None:
    """Wait until none of them runs."""
    try:
        async with asyncio.timeout(seconds):
            while alive(processes):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"still there after {seconds:g} s: {alive(processes)}") from None


class Bench:
    """Starts the command in a folder of its own."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self.folder = folder
        (folder / "my_agent.py").write_text(AGENT_FILE)

    @asynccontextmanager
    async def start(self, entrypoint: str, *arguments: str, executor: str = "process") -> AsyncIterator[Command]:
        """Run it until the end of the block, and return when the server knows it."""
        agent, log = self.stage.office.name("agent"), self.folder / "log.txt"
        bare = {name: value for name, value in os.environ.items() if not name.startswith(("LIVEKIT_", "LK_"))}
        told = {"ENTRYPOINT": entrypoint, "AGENT": agent, "JOURNAL": self.stage.journal.path, "EXECUTOR": executor}
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                Path(sys.executable).with_name("lk-agents"),
                *("start", "my_agent.py", *arguments),
                cwd=self.folder,
                env=bare | self.stage.office.server.env() | told,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
            )
        command = Command(process, agent, log)
        tree: list[psutil.Process] = []
        try:
            await self.stage.log.one("worker registered", agentName=agent)
            tree = command.tree()
            yield command
        finally:
            for one in {*tree, *(command.tree() if process.returncode is None else [])}:
                if one.is_running():
                    one.kill()
            await process.wait()
            print(command.output)

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
