"""A process pool in a test: it writes down what happens and lets the test wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from lk_agents.ipc.supervisor import Supervisor

if TYPE_CHECKING:
    from lk_agents.ipc.launch import Launcher
    from lk_agents.ipc.pool import JobReport, PoolConfig, PoolSnapshot
    from lk_agents.ipc.records import Limits
    from lk_agents.job.spec import JobSpec

__all__ = ["PoolBench"]


class _Records(logging.Handler):
    def __init__(self, noted: Callable[[], None]) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self._noted = noted

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record; it may come from a job's thread."""
        self.records.append(record)
        self._noted()


class PoolBench:
    """A pool, what it told its listener, and what was logged meanwhile.

    Ends of jobs are confirmed at once, as a worker does that is connected to its server.

    :param launcher: what starts the executors.
    :param inference_launcher: what starts the inference process, if there is to be one.
    :param limits: instead of those that follow from ``config``.
    """

    def __init__(
        self,
        config: PoolConfig,
        launcher: Launcher,
        *,
        inference_launcher: Launcher | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.pool = Supervisor(config, launcher, self, inference_launcher=inference_launcher, limits=limits)
        self.started: list[str] = []
        self.reports: list[JobReport] = []
        self.phases: set[str] = set()
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._log = _Records(self._note_log)

    @asynccontextmanager
    async def open(self, *, log_level: int = logging.DEBUG) -> AsyncIterator[PoolBench]:
        """Run the pool while the block lasts, with its log lines and those of its jobs; then kill what is left."""
        root = logging.getLogger()
        level = root.level
        self._loop = asyncio.get_running_loop()
        root.addHandler(self._log)
        root.setLevel(log_level)
        try:
            await self.pool.start()
            yield self
        finally:
            await self.pool.kill(0)
            root.setLevel(level)
            root.removeHandler(self._log)

    async def until(self, holds: Callable[[], bool], what: str, *, seconds: float = 12.0) -> None:
        """Wait until something is so; looks whenever the pool or a logger says something.

        :raises AssertionError: it was not so within ``seconds``.
        """
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"waited {seconds:g} s in vain: {what}; {self.pool.snapshot()}") from None

    async def warm(self, count: int = 1) -> list[int | None]:
        """Wait until that many executors are warm; returns their processes."""
        await self.until(lambda: self.count("idle") >= count, f"{count} warm executors")
        return [process.pid for process in self.pool.snapshot().processes if process.phase == "idle"]

    async def run(self, spec: JobSpec, *, seconds: float = 12.0) -> JobReport:
        """Run a job to its end and return the report."""
        await self.pool.submit(spec, deadline_seconds=seconds)
        return await self.end_of(spec.job_id, seconds=seconds)

    async def end_of(self, job_id: str, *, seconds: float = 12.0) -> JobReport:
        """Wait for the report of a job.

        :raises AssertionError: it did not come within ``seconds``, or there are several.
        """
        await self.until(lambda: bool(self._reports_of(job_id)), f"the report of {job_id}", seconds=seconds)
        (report,) = self._reports_of(job_id)
        return report

    async def empty(self, *, seconds: float = 12.0) -> None:
        """Wait until there is no executor left."""
        await self.until(lambda: not self.pool.snapshot().processes, "an empty pool", seconds=seconds)

    async def logged(self, text: str, *, seconds: float = 12.0) -> logging.LogRecord:
        """Wait for a log line with that text in its message, and return the first."""
        await self.until(lambda: bool(self.lines(text)), f"the log line {text!r}", seconds=seconds)
        return self.lines(text)[0]

    def lines(self, text: str = "", *, logger: str = "") -> Sequence[logging.LogRecord]:
        """Return what was logged so far with ``text`` in the message, by ``logger`` or anybody."""
        return [r for r in self._log.records if text in r.getMessage() and logger in ("", r.name)]

    def count(self, phase: str) -> int:
        """Return how many executors are in that phase."""
        return self.pool.snapshot().count(phase)

    # --- PoolListener
    def job_started(self, spec: JobSpec, pid: int | None) -> None:  # noqa: ARG002  the pool's interface
        """See ``PoolListener``."""
        self.started.append(spec.job_id)
        self._changed.set()

    def job_ended(self, report: JobReport) -> None:
        """See ``PoolListener``."""
        self.reports.append(report)
        self.pool.end_reported(report.spec.job_id)
        self._changed.set()

    def pool_changed(self, snapshot: PoolSnapshot) -> None:
        """See ``PoolListener``."""
        self.phases.update(process.phase for process in snapshot.processes)
        self._changed.set()

    def _reports_of(self, job_id: str) -> list[JobReport]:
        return [report for report in self.reports if report.spec.job_id == job_id]

    def _note_log(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)
