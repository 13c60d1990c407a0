"""A worker in a process of its own, with a forked or an executed zygote: signals, sudden death, memory."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.ipc.conftest import ROOT
from tests.ipc.pools import alive, tree, until

from lk_agents.ipc.memory import private_kb
from lk_agents.ipc.zygote import zygotes_work_here

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(60),
    pytest.mark.skipif(not zygotes_work_here(), reason="zygotes need Linux 5.4 or newer"),
]

ORPHANS_GONE_SECONDS = 20
IDLE_PRIVATE_KB = 3.5 * 1024
NEXT_PRIVATE_KB = 4.8 * 1024
"""Of the process that gets the next job, which has rehearsed one."""


class WorkerProcess:
    """The process of :mod:`tests.ipc.worker_process`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.heard: list[dict[str, Any]] = []

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    async def order(self, order: str, **details: Any) -> None:
        """Have it do something."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"order": order, **details}).encode() + b"\n")
        await self.process.stdin.drain()

    async def hear(self, key: str) -> dict[str, Any]:
        """Return the next thing it says that has ``key``."""
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            while line := await self.process.stdout.readline():
                with suppress(json.JSONDecodeError):
                    self.heard.append(json.loads(line))
                    if key in self.heard[-1]:
                        return self.heard[-1]
        raise AssertionError(f"it ended without {key!r}; it said {self.heard}")

    async def job(self, do: str, **details: Any) -> int:
        """Run a job and return its process."""
        await self.order("run", do=do, **details)
        return int((await self.hear("started"))["pid"])

    async def warm(self, count: int = 2) -> list[int]:
        """Wait for warm processes and return them."""
        await self.order("warm", count=count)
        return list((await self.hear("warm"))["warm"])


@asynccontextmanager
async def worker(kind: str, *modules: str) -> AsyncIterator[WorkerProcess]:
    """Run a worker while the block lasts; nothing of it is left then, or the test fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.ipc.worker_process",
        kind,
        *modules,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ROOT},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    started = WorkerProcess(process)
    try:
        await started.hear("worker")
        yield started
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            process._transport.close()  # type: ignore[attr-defined]  # the pipe, should somebody else hold its end


KINDS = pytest.mark.parametrize("kind", ["fork", "exec"])


async def gone(pids: list[int], what: str, seconds: float = ORPHANS_GONE_SECONDS) -> None:
    """Wait until none of the processes runs."""
    with suppress(AssertionError):
        await until(lambda: not alive(pids), f"the end of {what}", seconds=seconds)
    assert alive(pids) == [], f"{what} should be gone after {seconds} s"


@KINDS
async def test_a_killed_worker_leaves_no_process_and_its_jobs_run_their_callbacks(kind: str, tmp_path: Path) -> None:
    async with worker(kind) as started:
        file = tmp_path / "ended"
        await started.job("wait", file=str(file))
        await started.warm()
        processes = tree(started.pid)
        assert len(processes) >= 5
        os.kill(started.pid, signal.SIGKILL)
        await gone(processes, "all processes")

        assert await asyncio.to_thread(file.read_text) == "the worker's process is gone"


@KINDS
async def test_a_killed_worker_is_noticed_though_others_hold_all_that_it_had_open(kind: str, tmp_path: Path) -> None:
    async with worker(kind) as started:
        file = tmp_path / "ended"
        first = await started.job("wait", file=str(file), fork=True)
        await started.order("kill zygote")
        await started.hear("zygote")
        await started.job("wait")
        await started.order("fork")
        holder = int((await started.hear("fork"))["fork"])
        await started.warm()
        processes = [pid for pid in tree(started.pid) if pid != holder]
        assert first in processes
        os.kill(started.pid, signal.SIGKILL)
        try:
            await gone(processes, "all processes but the one that holds the worker's descriptors")
        finally:
            os.kill(holder, signal.SIGKILL)

        assert await asyncio.to_thread(file.read_text) == "the worker's process is gone"


async def test_a_job_that_does_not_listen_does_not_outlive_its_killed_worker() -> None:
    async with worker("fork") as started:
        blocked, defiant = await started.job("block"), await started.job("defy")
        await started.order("lines", text="defying")
        await started.hear("lines")
        processes = tree(started.pid)
        assert {blocked, defiant} <= set(processes)
        os.kill(started.pid, signal.SIGKILL)

        await gone(processes, "all processes")


@KINDS
async def test_sigterm_to_every_process_is_the_workers_to_decide_about(kind: str, tmp_path: Path) -> None:
    async with worker(kind) as started:
        file = tmp_path / "ended"
        await started.job("wait", file=str(file))
        await started.warm()
        processes = tree(started.pid)
        for pid in processes:
            os.kill(pid, signal.SIGTERM)
        for pid in processes[1:]:
            os.kill(pid, signal.SIGINT)
        assert (await started.hear("signal"))["signal"] == "SIGTERM"
        await asyncio.sleep(0.5)
        assert [pid for pid in processes if not alive([pid])] == []
        assert not any("ended" in said for said in started.heard)

        await started.order("close")
        ended = await started.hear("ended")
        assert (ended["lost"], ended["reason"]) == (False, "the worker is shutting down")
        await started.hear("closed")
        await gone(processes[1:], "all children", seconds=2)
        assert file.exists()


async def test_an_idle_process_has_little_memory_of_its_own() -> None:
    async with worker("fork") as started:
        pids = await started.warm()
        await asyncio.sleep(6)  # with its first beats behind it

        private = [await asyncio.to_thread(private_kb, pid) for pid in pids]
        rehearsed, *others = sorted(private, reverse=True)
        assert all(0 < kb <= IDLE_PRIVATE_KB for kb in others), private
        assert rehearsed <= NEXT_PRIVATE_KB, private


@pytest.mark.parametrize(
    ("module", "check"),
    [
        ("tests.ipc.opens_thread", lambda facts: facts["threads"]),
        ("tests.ipc.opens_socket", lambda facts: facts["modules"]),
    ],
    ids=["thread", "socket"],
)
async def test_a_forked_zygote_refuses_modules_that_open_something(
    module: str, check: Callable[[dict[str, Any]], list[str]]
) -> None:
    async with worker("fork", module, "tests.ipc.opens_nothing") as started:
        await started.job("tell_facts")
        facts = json.loads((await started.hear("ended"))["reason"])

        assert check(facts)
        assert set(facts["modules"]) == {module, "tests.ipc.opens_nothing"}
        refused = "the zygote that was refused is reaped"
        await until(lambda: [pid for pid in tree(started.pid) if not alive([pid])] == [], refused)


async def test_a_thread_that_the_users_own_module_starts_runs_in_each_process() -> None:
    async with worker("threaded") as started:
        await started.job("tell_facts")
        facts = json.loads((await started.hear("ended"))["reason"])

        assert facts["threads"] == ["tests.ipc.opens_thread"]
