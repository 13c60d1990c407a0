"""The watcher with real processes and real files; the worker is a toy (``toy_watched_worker.py``)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lk_agents.cli.serve import FAILED, FINE
from lk_agents.cli.signals import StopSignals
from lk_agents.cli.source_filter import SourceFilter
from lk_agents.cli.watcher import Watcher, WatchPlan

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

TOY = Path(__file__).with_name("toy_watched_worker.py")
SOON = 30.0


class Bench:
    """A watcher at work on a folder with one source file, which is the toy's behaviour."""

    watcher: Watcher

    def __init__(self, folder: Path, signals: StopSignals) -> None:
        self.behaviour = folder / "agent.py"
        self.journal = folder / "journal.txt"
        self.signals = signals
        self.running: asyncio.Task[int] | None = None

    def write(self, text: str) -> None:
        self.behaviour.write_text(text)

    def lines(self) -> list[str]:
        return self.journal.read_text().split("\n")[:-1] if self.journal.exists() else []

    async def until(self, condition: Callable[[list[str]], bool]) -> list[str]:
        async with asyncio.timeout(SOON):
            while not condition(self.lines()):
                await asyncio.sleep(0.02)
        return self.lines()

    async def until_started(self, times: int) -> list[str]:
        return await self.until(lambda lines: sum(line.startswith("started") for line in lines) == times)

    async def change(self, text: str) -> None:
        """Save the file; again each second until that is noticed, since watching begins some time after the start."""
        before = self.watcher.reload_count
        async with asyncio.timeout(SOON):
            while self.watcher.reload_count == before and not self.watcher.change_seen:
                self.write(text)
                await asyncio.sleep(1.0)

    async def end(self) -> int:
        self.signals.ask()
        assert self.running is not None
        return await asyncio.wait_for(self.running, SOON)


@asynccontextmanager
async def watching(folder: Path, behaviour: str, *, polling: bool = False) -> AsyncIterator[Bench]:
    with StopSignals(last_resort=lambda: None) as signals:
        signals.attach()
        bench = Bench(folder, signals)
        bench.write(behaviour)
        plan = WatchPlan(
            command=[sys.executable, str(TOY), str(bench.journal), str(bench.behaviour)],
            environment=lambda: {**os.environ, "LK_TOY": ""},
            folders=[folder],
            counts=SourceFilter(),
            polling=polling,
            debounce_ms=100,
        )
        bench.watcher = Watcher(plan, signals)
        bench.running = asyncio.create_task(bench.watcher.run())
        try:
            await bench.until_started(1)
            yield bench
        finally:
            signals.ask()
            await asyncio.wait({bench.running}, timeout=SOON)
            await asyncio.sleep(0.1)  # the event loop hears of the last process's end


@pytest.mark.parametrize("polling", [False, True])
async def test_a_change_starts_the_worker_anew_with_its_jobs(tmp_path: Path, polling: bool) -> None:
    async with watching(tmp_path, "jobs = ['a', 'b']", polling=polling) as bench:
        await bench.change("jobs = []")

        lines = await bench.until(lambda lines: any(line.startswith("resumed") for line in lines))
        assert lines == ["started", "stopped", "started", "resumed a,b"]
        assert await bench.end() == FINE


async def test_x28_jobs_get_their_whole_time_to_end(tmp_path: Path) -> None:
    async with watching(tmp_path, "jobs = ['a']\nstop_seconds = 7") as bench:
        await bench.change("")

        lines = await bench.until_started(2)
        assert lines[:2] == ["started", "stopped"], "seven seconds, and not killed after five"


async def test_a_job_that_starts_while_the_worker_stops_is_not_lost(tmp_path: Path) -> None:
    async with watching(tmp_path, "jobs = ['a']\nlate = ['b', 'c']\nstop_seconds = 2") as bench:
        await bench.change("")

        assert "resumed a,b,c" in await bench.until(lambda lines: "resumed a,b,c" in lines)


async def test_jobs_of_a_worker_that_is_killed_go_on_with_the_next_save(tmp_path: Path) -> None:
    async with watching(tmp_path, "jobs = ['a']") as bench:
        import psutil

        (worker,) = [process for process in psutil.Process().children() if str(TOY) in process.cmdline()]
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(10)
        await bench.change("# saved")

        assert "stopped" not in await bench.until(lambda lines: "resumed a" in lines)


async def test_x27_a_job_that_cannot_be_carried_over_does_not_end_the_talk(tmp_path: Path) -> None:
    async with watching(tmp_path, "jobs = ['a']") as bench:
        await bench.change("refuse_all = True\njobs = ['b']")
        await bench.until(lambda lines: "resumed a" in lines)
        await asyncio.sleep(0.3)
        await bench.change("jobs = []")

        await bench.until(lambda lines: "resumed b" in lines)
        assert await bench.end() == FINE


async def test_a_file_that_cannot_be_loaded_is_tried_again_at_the_next_save(tmp_path: Path) -> None:
    async with watching(tmp_path, "jobs = ['a']") as bench:
        await bench.change("def broken(:")
        await bench.until(lambda lines: "stopped" in lines)
        await asyncio.sleep(1.0)
        await bench.change("jobs = []")

        expected = ["started", "stopped", "started", "resumed a"]
        assert await bench.until(lambda lines: lines == expected) == expected


async def test_a_stop_ends_the_worker_in_order(tmp_path: Path) -> None:
    async with watching(tmp_path, "stop_seconds = 0.5") as bench:
        assert await bench.end() == FINE
        assert bench.lines() == ["started", "stopped"]


async def test_a_second_stop_ends_it_at_once(tmp_path: Path) -> None:
    async with watching(tmp_path, "stop_seconds = 1000\nlimit = 1000") as bench:
        bench.signals.ask()
        await asyncio.sleep(0.3)
        bench.signals.force()

        assert await asyncio.wait_for(bench.running, SOON) == FAILED  # type: ignore[arg-type]
        assert bench.lines() == ["started", "forced"]


async def test_a_worker_over_its_limit_is_killed(tmp_path: Path) -> None:
    async with watching(tmp_path, "jobs = ['a']\nstop_seconds = 1000\nlimit = 0.5") as bench:
        await bench.change("")

        await bench.until(lambda lines: "resumed a" in lines)
        assert "stopped" not in bench.lines()


async def test_a_worker_that_ends_by_itself_in_order_ends_the_watch(tmp_path: Path) -> None:
    async with watching(tmp_path, "exit_code = 0") as bench:
        assert await asyncio.wait_for(bench.running, SOON) == FINE  # type: ignore[arg-type]


async def test_a_worker_that_failed_waits_for_the_next_save(tmp_path: Path) -> None:
    async with watching(tmp_path, "exit_code = 1") as bench:
        await asyncio.sleep(0.5)
        await bench.change("jobs = []")

        await bench.until_started(2)
        assert await bench.end() == FINE


async def test_a_worker_whose_watcher_is_gone_ends_in_order(tmp_path: Path) -> None:
    async with watching(tmp_path, "jobs = ['a']") as bench:
        assert bench.running is not None
        bench.running.cancel()
        await asyncio.wait({bench.running})
        await bench.until(lambda lines: lines == ["started", "stopped"])
