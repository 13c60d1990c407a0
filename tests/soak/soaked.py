"""One worker under ``lk-agents start``, the jobs that go through it, and what it holds meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from livekit import api
from tests.e2e.journal import SOON, Journal
from tests.soak.ends import End, Ends

from lk_agents.foundation.ids import short_id
from lk_agents.hooks.records import ServerInfo

ROOT = Path(__file__).resolve().parent.parent.parent

LANES = 4
"""Rows of jobs beside each other; in each, a job is asked for when the server has noted the end of the one before. It
takes the server 0.2 s to find a worker for a job: with one row, that would be what is waited for."""

STILL_SECONDS = 0.5
"""For so long no process may have come or gone before one looks."""

AT_REST = Counter({"lk-zygote": 1, "lk-job": LANES})
"""The processes of a worker that has nothing to do."""

AGENT_FILE = f"""
import os, sys
sys.path.append({str(ROOT)!r})
from lk_agents import WorkerOptions
from tests.soak import agents

options = WorkerOptions(
    agents.versatile,
    agent_name=os.environ["AGENT"],
    job_user_arguments=os.environ["JOURNAL"],
    plugins=[agents.Window(os.environ["JOURNAL"])],
    num_idle_processes={LANES},
    load_threshold=2,
    host="127.0.0.1",
    port=0,
)
"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job that has been.

    :param deed: what it was told to do.
    :param ends: what the server noted of its end.
    """

    id: str
    deed: str
    ends: Sequence[End]


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one process holds, from outside.

    :param memory_kb: what it has written itself, whoever else still shares it. Pages of files are left out: whether
        those are its own depends on what others of the machine have loaded.
    """

    memory_kb: int
    descriptors: int
    threads: int

    @classmethod
    def of(cls, process: psutil.Process) -> Usage:
        """Measure it now."""
        return cls(
            memory_kb=_status(process.pid, "RssAnon") + _status(process.pid, "VmSwap"),
            descriptors=process.num_fds(),
            threads=process.num_threads(),
        )


@dataclass(frozen=True, kw_only=True)
class Look:
    """The worker at rest, after so many jobs.

    :param processes: its processes, by name.
    :param tasks: the tasks of its loop, by name.
    :param kinds: the objects that Python's collector knows in it, by type.
    """

    jobs: int
    worker: Usage
    zygote: Usage
    processes: Counter[str]
    tasks: Sequence[str]
    kinds: Counter[str]

    def __str__(self) -> str:
        return (
            f"{self.jobs:4} jobs: worker {self.worker}, zygote {self.zygote}, "
            f"{dict(self.processes)}, {len(self.tasks)} tasks, {self.kinds.total()} objects"
        )


class Soaked:
    """The running worker."""

    def __init__(self, process: asyncio.subprocess.Process, agent: str, journal: Journal, server: ServerInfo) -> None:
        self._process = process
        self._agent = agent
        self._journal = journal
        self._api = api.LiveKitAPI(server.url, server.api_key, server.api_secret)

    async def aclose(self) -> None:
        """Ask for no more jobs."""
        await self._api.aclose()

    async def run(self, deeds: Iterable[str], ends: Ends) -> list[Job]:
        """Have these jobs run, in rows, and return them when all have ended."""
        waiting, done = iter(deeds), list[Job]()
        async with asyncio.TaskGroup() as group:
            for _ in range(LANES):
                group.create_task(self._row(waiting, done, ends))
        return done

    async def _row(self, deeds: Iterator[str], done: list[Job], ends: Ends) -> None:
        for deed in deeds:
            room = short_id("soak-")
            request = api.CreateAgentDispatchRequest(agent_name=self._agent, room=room, metadata=deed)
            await self._api.agent_dispatch.create_dispatch(request)
            job: str = (await self._journal.one("entered", room=room))["job"]
            await ends.wait(job)
            await self._api.room.delete_room(api.DeleteRoomRequest(room=room))
            done.append(Job(id=job, deed=deed, ends=ends.of(job)))

    async def look(self, jobs: int) -> Look:
        """Wait until the worker is at rest, and see what it holds."""
        children = await self._at_rest()
        (zygote,) = [child for child in children if child.ppid() == self._process.pid and child.name() == "lk-zygote"]
        worker_usage, zygote_usage = Usage.of(psutil.Process(self._process.pid)), Usage.of(zygote)
        number = len(self._journal.of("look"))
        self._process.send_signal(signal.SIGUSR1)  # after the look from outside: it writes to a socket
        inside = (await self._journal.some(number + 1, "look"))[number]
        look = Look(
            jobs=jobs,
            worker=worker_usage,
            zygote=zygote_usage,
            processes=_names(children),
            tasks=inside["tasks"],
            kinds=Counter(inside["kinds"]),
        )
        print(look)
        return look

    async def _at_rest(self) -> list[psutil.Process]:
        """Wait until the worker's processes are those of one without jobs, for a while; return what there is then."""
        worker, before = psutil.Process(self._process.pid), list[psutil.Process]()
        with suppress(TimeoutError):
            async with asyncio.timeout(SOON):
                while True:
                    found = worker.children(recursive=True)
                    with suppress(psutil.NoSuchProcess):
                        if found == before and _names(found) == AT_REST:
                            return found
                    before = found
                    await asyncio.sleep(STILL_SECONDS)
        return before

    async def end(self) -> int:
        """Ask the worker to end, and return its exit code when nothing of it is left."""
        processes = psutil.Process(self._process.pid).children(recursive=True)
        self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SOON):
            code = await self._process.wait()
            while any(process.is_running() for process in processes):
                await asyncio.sleep(0.05)
        return code


async def _registered(process: asyncio.subprocess.Process, journal: Journal) -> None:
    """Wait until the worker has said so, or is no more."""
    ended = asyncio.create_task(process.wait())
    registered = asyncio.create_task(journal.one("registered"))
    await asyncio.wait({ended, registered}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    registered.cancel()
    assert process.returncode is None, "the worker did not start"


def _status(pid: int, field: str) -> int:
    """Return a figure of ``/proc/PID/status``, in kB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def _names(processes: Iterable[psutil.Process]) -> Counter[str]:
    """Return the processes by name, those that have ended and that nobody has waited for as zombies."""
    return Counter("zombie" if one.status() == psutil.STATUS_ZOMBIE else one.name() for one in processes)


@asynccontextmanager
async def soaked(folder: Path, journal: Journal, server: ServerInfo) -> AsyncIterator[Soaked]:
    """Start a worker as its user does; nothing of it outlives the block. Its log is ``log.txt``."""
    (folder / "my_agent.py").write_text(AGENT_FILE)
    agent = short_id("agent-")
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("LIVEKIT_", "LK_"))}
    told = {"LIVEKIT_URL": server.url, "LIVEKIT_API_KEY": server.api_key, "LIVEKIT_API_SECRET": server.api_secret}
    with (folder / "log.txt").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("lk-agents"),
            *("start", "my_agent.py"),
            cwd=folder,
            env=bare | told | {"AGENT": agent, "JOURNAL": journal.path},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
    worker = Soaked(process, agent, journal, server)
    tree = [psutil.Process(process.pid)]
    try:
        await _registered(process, journal)
        yield worker
    finally:
        with_children = tree[0].children(recursive=True) if process.returncode is None else []
        for one in [*tree, *with_children]:
            if one.is_running():
                one.kill()
        await process.wait()
        await worker.aclose()
