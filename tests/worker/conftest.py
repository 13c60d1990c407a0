"""A worker, a fake server, and between them a pool whose jobs the test ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from lk_agents.foundation.errors import PoolClosedError
from lk_agents.foundation.settings import Settings
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.ipc.pool import JobReport, PoolConfig, PoolListener, PoolSnapshot
from lk_agents.job.spec import EndCause, JobOutcome, JobSpec
from lk_agents.testing.server import FakeLiveKitServer
from lk_agents.worker.connection import ConnectionLimits
from lk_agents.worker.dispatch import DispatchLimits
from lk_agents.worker.engine import WorkerLimits
from lk_agents.worker.options import WorkerOptions
from lk_agents.worker.worker import Worker


async def entrypoint(ctx: Any) -> None:
    """No pool here calls it."""


class TaskPool:
    """Runs each job as a task that does nothing until the test, or the worker, ends it."""

    def __init__(self, config: PoolConfig, listener: PoolListener) -> None:
        self.config = config
        self.specs: list[JobSpec] = []
        self.reported: list[str] = []
        self.stopped: list[tuple[str, str]] = []
        self.submit_gate = asyncio.Event()
        self.submit_gate.set()
        self.submit_error: Exception | None = None
        self.callbacks_seconds = 0.0
        """How long a stopped job takes to end."""
        self.broken_reason: str | None = None
        self.closed = False
        self._listener = listener
        self._running: dict[str, JobSpec] = {}
        self._waiting: dict[str, JobSpec] = {}
        self._ends: dict[str, asyncio.Task[None]] = {}
        self._no_jobs = asyncio.Event()
        self._no_jobs.set()
        self._closing = asyncio.Event()

    async def start(self) -> None: ...

    async def submit(self, spec: JobSpec, *, deadline_seconds: float) -> None:
        if self.closed:
            raise PoolClosedError("the pool is closed")
        if self.submit_error is not None:
            raise self.submit_error
        self._waiting[spec.job_id] = spec
        self._no_jobs.clear()
        try:
            await self._gate()
        finally:
            del self._waiting[spec.job_id]
            self._note()
        self.specs.append(spec)
        self._running[spec.job_id] = spec
        self._no_jobs.clear()
        self._listener.job_started(spec, 4711)

    async def _gate(self) -> None:
        opened = asyncio.ensure_future(self.submit_gate.wait())
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({opened, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            opened.cancel()
            closing.cancel()
        if self._closing.is_set():
            raise PoolClosedError("the pool is closing")

    def finish(self, job_id: str, *, success: bool = True, reason: str = "", lost: bool = False) -> None:
        """End a job as its process would."""
        spec = self._running.pop(job_id)
        cause = EndCause.PROCESS_LOST if lost else EndCause.SHUTDOWN if success else EndCause.RAISED
        outcome = JobOutcome(success=success, cause=cause, reason=reason, detail="stacks" if lost else "")
        self._note()
        self._listener.job_ended(
            JobReport(spec=spec, outcome=outcome, lost=lost, exit_code=-9 if lost else 0, pid=4711)
        )

    def stop_job(self, job_id: str, reason: str) -> bool:
        self.stopped.append((job_id, reason))
        if job_id not in self._running:
            return False
        if job_id not in self._ends:
            self._ends[job_id] = asyncio.get_running_loop().create_task(self._end_later(job_id, reason))
        return True

    async def _end_later(self, job_id: str, reason: str) -> None:
        await asyncio.sleep(self.callbacks_seconds)
        if job_id in self._running:
            self.finish(job_id, reason=reason)

    def breaks(self, reason: str | None) -> None:
        """Say that processes cannot be started, or can again."""
        self.broken_reason = reason
        self._listener.pool_changed(self.snapshot())

    def end_reported(self, job_id: str) -> None:
        self.reported.append(job_id)

    def relieve_memory(self, reason: str) -> None: ...

    def set_idle_target(self, count: int) -> None: ...

    async def wait_no_jobs(self) -> None:
        await self._no_jobs.wait()

    async def aclose(self, reason: str = "the worker is shutting down") -> None:
        self.closed = True
        self._closing.set()
        for job_id in list(self._running):
            self.stop_job(job_id, reason)
        if self._ends:
            await asyncio.wait(self._ends.values())

    async def kill(self, grace_seconds: float = 2.0) -> None:
        for job_id in list(self._running):
            self.finish(job_id, success=False, reason="killed", lost=True)
        for ending in self._ends.values():
            ending.cancel()

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        return None

    def snapshot(self) -> PoolSnapshot:
        return PoolSnapshot(broken_reason=self.broken_reason)

    def jobs(self) -> Mapping[str, JobSpec]:
        return self._waiting | self._running

    def _note(self) -> None:
        if not self._running and not self._waiting:
            self._no_jobs.set()


FAST = WorkerLimits(
    connection=ConnectionLimits(open=2.0, register=0.5, heartbeat=0.3, pong=0.3, close=0.3),
    dispatch=DispatchLimits(assignment=0.3, launch=5.0),
    flush=1.0,
    load_interval=0.05,
)
PATIENT = WorkerLimits(flush=1.0, load_interval=0.05)


@dataclass
class Rig:
    """What a test of the whole worker needs."""

    server: FakeLiveKitServer
    stack: AsyncExitStack
    registry: PluginRegistry = field(default_factory=lambda: PluginRegistry.load(Settings(), entry_points=()))
    pools: list[TaskPool] = field(default_factory=list)

    @property
    def pool(self) -> TaskPool:
        return self.pools[-1]

    def make_pool(self, config: PoolConfig, listener: PoolListener) -> TaskPool:
        self.pools.append(TaskPool(config, listener))
        return self.pools[-1]

    def options(self, **changes: Any) -> WorkerOptions:
        server: dict[str, Any] = {
            "ws_url": self.server.url,
            "api_key": self.server.api_key,
            "api_secret": self.server.api_secret,
        }
        return WorkerOptions(entrypoint, **(server | {"host": "127.0.0.1", "port": 0} | changes))

    def make(self, *, limits: WorkerLimits = PATIENT, devmode: bool = True, **changes: Any) -> Worker:
        """Build a worker that has not started."""
        return Worker(
            self.options(**changes),
            devmode=devmode,
            registry=self.registry,
            pool_factory=self.make_pool,
            limits=limits,
        )

    async def start(self, *, limits: WorkerLimits = PATIENT, devmode: bool = True, **changes: Any) -> Worker:
        """Start a worker that is registered, and closed after the test."""
        return await self.stack.enter_async_context(self.make(limits=limits, devmode=devmode, **changes))

    async def until(self, condition: Callable[[], object], *, seconds: float = 5.0) -> None:
        """Wait for something that no server hears of."""
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with FakeLiveKitServer() as server, AsyncExitStack() as stack:
        yield Rig(server, stack)


@pytest.fixture
def fast() -> WorkerLimits:
    """Limits for tests of what happens when they are exceeded."""
    return FAST
