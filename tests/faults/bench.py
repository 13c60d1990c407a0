"""One worker under ``lk-agents start``, its faulty jobs, and what is seen of them by log, server, journal and /proc."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from tests.e2e.command import AGENT_FILE, ROOT, Command, all_gone, running
from tests.e2e.journal import SOON, Entry
from tests.e2e.stage import Stage
from tests.faults.statement import Statement, check_said, matches

AGENT = f"""
import os, sys
sys.path.append({str(ROOT)!r})
from lk_agents import WorkerOptions
from tests.faults import agents

journal = os.environ["JOURNAL"]
options = WorkerOptions(
    agents.faulty,
    prewarm_fnc=getattr(agents, os.environ["PREWARM"]),
    agent_name=os.environ["AGENT"],
    job_user_arguments=journal,
    plugins=[agents.Witness(journal, int(os.environ["LEFT"]))],
    num_idle_processes=int(os.environ["IDLE"]),
    initialize_process_timeout=1 if os.environ["PREWARM"] == "prewarm_hangs" else 10,
    shutdown_process_timeout=float(os.environ["SHUTDOWN"]),
    load_threshold=2,
    host="127.0.0.1",
    port=0,
)
"""
LEFT_SECONDS = 2.0
"""How long what a job has left behind may take to be gone, once the worker is, or the job's process."""


class Run:
    """A running worker, with all that was seen of it."""

    def __init__(self, command: Command, stage: Stage) -> None:
        self.command = command
        self.stage = stage
        self._jobs: list[Entry] = []

    @property
    def pid(self) -> int:
        """The worker's process."""
        return self.command.process.pid

    def zygote(self) -> psutil.Process:
        """Return the process that jobs are forked from; a fork has its name too, for a moment, but another parent."""
        (found,) = [one for one in psutil.Process(self.pid).children() if one.name() == "lk-zygote"]
        return found

    def processes(self) -> list[psutil.Process]:
        """Return the processes for jobs, with one or without."""
        return [process for process in self.command.tree() if _name(process) == "lk-job"]

    def warm(self) -> list[psutil.Process]:
        """Return the processes that have no job."""
        busy = {job["pid"] for job in self._jobs}
        return [process for process in self.processes() if process.pid not in busy]

    async def until(self, condition: Callable[[], Any], what: str, seconds: float = SOON) -> None:
        """Wait for something that nobody tells."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{what}: not in {seconds:g} s; it wrote:\n{self.command.output}") from None

    async def until_said(self, message: str, seconds: float = SOON, **fields: str) -> Mapping[str, Any]:
        """Wait for a line of the log and return it."""
        found: list[Mapping[str, Any]] = []

        def said() -> bool:
            found[:] = [one for one in self.command.records() if one["message"] == message and matches(fields, one)]
            return bool(found)

        await self.until(said, message, seconds)
        return found[0]

    async def dispatch(self, **order: Any) -> str:
        """Dispatch a job that does this, and return its room."""
        room = self.stage.office.name()
        await self.stage.office.dispatch(self.command.agent, room, json.dumps(order))
        return room

    async def begun(self, room: str, event: str = "entered") -> Entry:
        """Wait until the job for that room has begun."""
        entry = await self.stage.journal.one("entered", room=room)
        self._jobs.append(entry)
        self.command.tree()
        if event != "entered":
            await self.stage.journal.one(event, room=room)
        return entry

    async def job(self, event: str = "entered", **order: Any) -> Entry:
        """Dispatch a job that does this, and return its first entry when it has written that event."""
        return await self.begun(await self.dispatch(**order), event)

    async def ready(self) -> tuple[int, str]:
        """Return what its health endpoint says to whoever wants to give it jobs."""
        port = (await self.until_said("health endpoint is listening"))["port"]
        async with aiohttp.request("GET", f"http://127.0.0.1:{port}/ready") as answer:
            return answer.status, (await answer.text()).strip()

    def printed(self) -> list[str]:
        """Return the lines that are no lines of the log."""
        return [line for line in self.command.output.splitlines() if not line.startswith("{")]

    def tell(self, job: Entry) -> None:
        """Tell a job that waits to end."""
        Path(self.stage.journal.path).with_name(job["job"]).touch()

    def mend(self) -> None:
        """Mend what ailed the prewarming."""
        Path(self.stage.journal.path).with_name("mended").touch()

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Signal the worker."""
        os.kill(self.pid, number)

    async def serves(self) -> None:
        """Fail unless the next job runs, and ends, as it should."""
        job = await self.job(do="end")
        assert await self.stage.end(job) == ("JS_SUCCESS", "")
        await self.gone(job)

    async def gone(self, job: Entry) -> None:
        """Wait until the job's process is gone, and all that it started: by pid and by process group."""
        await self.until(lambda: not _of_group(job["pid"]), f"the end of {job['pid']} and its group")
        await self.until(lambda: not _runs(job["program"]), "the end of the job's program", LEFT_SECONDS)

    async def becomes(self, job: Entry, statement: Statement) -> None:
        """Fail unless that becomes of the job."""
        assert statement.status is not None
        status, error = await self.stage.end(job)
        assert status == statement.status, error
        assert matches({"error": statement.error}, {"error": error}), error
        await self.gone(job)
        if statement.lost is not None:
            lost = await self.stage.journal.one("lost", job_id=job["job"])
            metadata = {"room_name": job["room"], "process": job["pid"], "worker_id": job["worker"]}
            assert {name: lost[name] for name in metadata} == metadata
            assert lost["agent_name"] == self.command.agent
            assert "do" in json.loads(lost["metadata"])
            assert matches(statement.lost, lost), lost
        callbacks = [entry["reason"] for entry in self.stage.journal.of("callback", job=job["job"])]
        assert len(callbacks) == (statement.callback is not None), callbacks
        assert not callbacks or matches({"reason": statement.callback or ""}, {"reason": callbacks[0]}), callbacks

    async def over(self, code: int, statement: Statement, seconds: float = SOON, *, left: float = LEFT_SECONDS) -> None:
        """Fail unless the worker ends with that code, has told that and no more, and has left nothing.

        :param left: how long its processes may outlive it.
        """
        assert await self.command.end(seconds) == code, self.command.output
        await all_gone(list(self.command.seen), left)
        for job in self._jobs:
            await self.gone(job)
        lost = {entry["job_id"] for entry in self.stage.journal.of("lost")}
        assert statement.lost is not None or not lost, lost
        check_said(statement, self.command.output, self.command.records())

    async def stop(self, statement: Statement) -> None:
        """End the worker as an operator does; fail unless all is in order."""
        self.signal()
        await self.over(0, statement)


def _of_group(leader: int) -> list[int]:
    """Return what runs in the process group, or the session, of that number."""
    found = []
    for process in psutil.process_iter():
        try:
            if leader in (os.getpgid(process.pid), os.getsid(process.pid)) and _runs(process.pid):
                found.append(process.pid)
        except (ProcessLookupError, psutil.Error):
            continue
    return found


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:  # since it was listed
        return ""


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def limit_of_files(count: int) -> tuple[str, ...]:
    """Return a program that runs another one which may open so many files and cannot raise that."""
    return ("sh", "-c", f'ulimit -Sn {count} && ulimit -Hn {count} && exec "$0" "$@"')


class FaultBench:
    """Starts workers in a folder of their own.

    :param stage: the server and the journal.
    """

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self._folder = folder
        (folder / AGENT_FILE).write_text(AGENT)

    @asynccontextmanager
    async def start(
        self,
        *arguments: str,
        idle: int = 1,
        prewarm: str = "prewarm_well",
        shutdown: float = 2.0,
        left: int = -1,
        before: Sequence[str] = (),
        registers: bool = True,
        **environment: str,
    ) -> AsyncIterator[Run]:
        """Run a worker until the end of the block, and return when the server knows it.

        :param idle: how many warm processes it keeps.
        :param prewarm: the name of its ``prewarm_fnc``.
        :param shutdown: its ``shutdown_process_timeout``.
        :param left: so many descriptors are left to it; -1 for all.
        :param before: a program that runs the command.
        :param registers: False for one that the server will not know.
        """
        told = {
            "JOURNAL": self.stage.journal.path,
            "PREWARM": prewarm,
            "IDLE": str(idle),
            "SHUTDOWN": str(shutdown),
            "LEFT": str(left),
            **environment,
        }
        server = self.stage.office.server.env()
        agent = self.stage.office.name("agent")
        async with running(self._folder, agent, {**server, **told}, arguments, before) as command:
            run = Run(command, self.stage)
            if registers:
                await run.until_said("the worker is registered")
                await self.stage.log.one("worker registered", agentName=agent)
                command.tree()
            yield run
