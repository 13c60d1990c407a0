"""A worker of one framework, started the way a user starts it, and proof of the states it is measured in."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Self

from benchmarks.agents.work import JOIN
from benchmarks.failure import MeasurementError
from benchmarks.frameworks import Framework
from benchmarks.ground import Ground
from benchmarks.journal import Journal
from benchmarks.processes import Family, is_alive
from benchmarks.program import bare_environment
from benchmarks.verdict import NotHeldError
from lk_agents.foundation.ids import short_id

__all__ = ["WARM", "BenchWorker"]

WARM: Final = 3
"""Warm processes, where there are any."""
START_SECONDS: Final = 60.0
JOB_SECONDS: Final = 60.0
READY_SECONDS: Final = 0.5
"""From a process's own note that it is warm until the worker surely knows it."""
LAST_LINES: Final = 12


class BenchWorker:
    """A worker that runs. Whatever is asked of it and not reached is a :class:`MeasurementError`."""

    def __init__(
        self, ground: Ground, agent: str, journal: Journal, process: asyncio.subprocess.Process, started: float
    ) -> None:
        self.started = started
        self.agent = agent
        self.journal = journal
        self.ground = ground
        self.family = Family(process.pid, f"LK_BENCH_AGENT={agent}")
        self._process = process

    @classmethod
    @contextlib.asynccontextmanager
    async def running(
        cls,
        framework: Framework,
        ground: Ground,
        *,
        warm: int = WARM,
        spy: bool = False,
        own_load: bool = False,
        shutdown_seconds: float = 0.0,
    ) -> AsyncIterator[Self]:
        """Start a worker, and yield at once; leaving the block kills it and all that is its own.

        :param warm: how many processes it keeps warm.
        :param spy: note when the server asks, and when processes are asked for and ready.
        :param own_load: let it measure its load as it does by default.
        :param shutdown_seconds: how long a job may take to end; 0 for the framework's default.
        """
        agent = short_id("agent-")
        switches = {"LK_BENCH_WARM": str(warm), "LK_BENCH_SHUTDOWN": f"{shutdown_seconds:g}"}
        switches |= {"LK_BENCH_SPY": "1"} if spy else {}
        switches |= {"LK_BENCH_OWN_LOAD": "1"} if own_load else {}
        with tempfile.TemporaryDirectory(prefix="lk-bench-") as folder:
            log, journal = Path(folder, "log"), Journal(Path(folder, "journal"))
            environment = _environment(ground, agent, journal) | dict(framework.worker_settings) | switches
            started = time.monotonic()
            process = await _spawn(framework, log, environment)
            worker = cls(ground, agent, journal, process, started)
            try:
                yield worker
            except MeasurementError as error:
                raise MeasurementError(f"{framework.name}: {error}; {_last_lines(log)}") from error
            except NotHeldError as error:
                error.add_note(_last_lines(log))
                raise
            finally:
                await asyncio.to_thread(worker.family.kill)
                await process.wait()
                await ground.clear()

    async def wait_registered(self) -> float:
        """Return when the server knew the worker."""
        waiting = asyncio.create_task(self.ground.wait_registered(self.agent, seconds=START_SECONDS), name="registered")
        ended = asyncio.create_task(self._process.wait(), name="ended")
        try:
            await asyncio.wait({waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
            self._check_running()
            return await waiting
        finally:
            waiting.cancel()
            ended.cancel()

    async def wait_warm(self, count: int = WARM) -> list[int]:
        """Return the processes that wait for a job, when exactly ``count`` do and the worker knows it."""
        what = f"{count} warm processes"
        await self.journal.until(lambda: len(self.warm()) >= count, what=what, seconds=START_SECONDS)
        await asyncio.sleep(READY_SECONDS)
        self._check_running()
        if len(warm := self.warm()) != count:
            raise MeasurementError(f"{len(warm)} processes are warm instead of {count}")
        return warm

    async def wait_settled(self, seconds: float, *, warm: int = WARM) -> list[int]:
        """Let the worker rest, check that it is still registered and warm, and return the warm processes."""
        await self.wait_registered()
        await self.wait_warm(warm)
        await asyncio.sleep(seconds)
        return await self.wait_warm(warm)

    def warm(self) -> list[int]:
        """Return the living processes that have been prewarmed and have no job."""
        used = set(self.journal.pids("entered"))
        return [pid for pid in self.journal.pids("prewarmed") if pid not in used and is_alive(pid)]

    async def run_job(self, room: str, *, join: bool = False) -> int:
        """Dispatch one job, and return its process when it runs, or when it has joined its room."""
        await self.ground.dispatch(self.agent, room, JOIN if join else "")
        event = "connected" if join else "entered"
        await self.journal.until(
            lambda: bool(self.journal.of(event, room=room)), what=f"a job that has {event}", seconds=JOB_SECONDS
        )
        return self.journal.of(event, room=room)[0].pid

    def send(self, number: signal.Signals) -> None:
        """Send the worker's own process a signal."""
        self._process.send_signal(number)

    async def exit_status(self, seconds: float) -> int | None:
        """Wait until the worker's own process has ended, and return its status; None if it has not in ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                return await self._process.wait()
        except TimeoutError:
            return self._process.returncode

    def _check_running(self) -> None:
        if self._process.returncode is not None:
            raise MeasurementError(f"the worker ended with status {self._process.returncode}")


async def _spawn(framework: Framework, log: Path, environment: dict[str, str]) -> asyncio.subprocess.Process:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC)
    try:
        return await asyncio.create_subprocess_exec(
            *(str(framework.python), str(framework.program), "start"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=log.parent,
            env=environment,
            start_new_session=True,
        )
    finally:
        os.close(output)


def _last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
    return "\n    ".join(["its last lines:", *lines])


def _environment(ground: Ground, agent: str, journal: Journal) -> dict[str, str]:
    names = {"LK_BENCH_AGENT": agent, "LK_BENCH_JOURNAL": str(journal.path)}
    return {**bare_environment(), **ground.server.env(), **names}
