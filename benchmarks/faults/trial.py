"""What a fault needs: a worker of the framework, jobs in it, and the questions that decide whether it held.

What must be there before the fault, and is not, is a :class:`MeasurementError`; what is wrong after it, a
:class:`NotHeldError` that says what was seen.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.frameworks import Framework
from benchmarks.ground import Ground
from benchmarks.journal import Entry
from benchmarks.processes import is_alive
from benchmarks.server_log import JobEnd
from benchmarks.verdict import NotHeldError, Verdict
from benchmarks.waiting import comes_true
from benchmarks.worker import WARM, BenchWorker

__all__ = ["SHUTDOWN_SECONDS", "Fault", "Job", "Scene", "Trial", "judge"]

PATIENCE_SECONDS: Final = 20.0
"""For everything that has no limit of its own."""
SETUP_SECONDS: Final = 60.0
SHUTDOWN_SECONDS: Final = 5.0
"""What each framework is told that a job may take to end."""


@dataclass(frozen=True)
class Trial:
    """Who meets the fault, and where.

    :param patience: seconds until what has not happened will not happen.
    """

    framework: Framework
    ground: Ground
    patience: float = PATIENCE_SECONDS

    @contextlib.asynccontextmanager
    async def scene(self, *, warm: int = WARM) -> AsyncIterator[Scene]:
        """Run a worker that is registered and warm; leaving the block kills it and all that is its own."""
        running = BenchWorker.running(self.framework, self.ground, warm=warm, shutdown_seconds=SHUTDOWN_SECONDS)
        async with running as worker:
            await worker.wait_registered()
            await worker.wait_warm(warm)
            yield Scene(worker, self.patience)


@dataclass(frozen=True)
class Fault:
    """One fault.

    :param title: what is done, and what is wanted then.
    :param provoke: does it, and raises :class:`NotHeldError` if the framework does not do what is wanted.
    """

    title: str
    provoke: Callable[[Trial], Awaitable[None]]

    @property
    def name(self) -> str:
        """A short name."""
        return self.provoke.__name__


async def judge(fault: Fault, trial: Trial) -> Verdict:
    """Have the framework meet the fault.

    :raises MeasurementError: it never came to that.
    """
    try:
        await fault.provoke(trial)
    except NotHeldError as seen:
        return Verdict(fault.title, str(seen), "\n".join(getattr(seen, "__notes__", ())))
    return Verdict(fault.title)


@dataclass(frozen=True)
class Job:
    """A job that began."""

    id: str
    pid: int
    room: str


class Scene:
    """A worker that meets a fault, and what is asked of it."""

    def __init__(self, worker: BenchWorker, patience: float) -> None:
        self.worker = worker
        self.patience = patience
        self._journal = worker.journal

    # before

    async def begin(self, behaviour: str, event: str = "connected") -> Job:
        """Dispatch a job, and return when it has noted that event."""
        (room,) = await self.worker.ground.make_rooms(1)
        await self.worker.ground.dispatch(self.worker.agent, room, behaviour)
        await self._journal.until(
            lambda: bool(self._journal.of(event, room=room)), what=f"a job that has {event}", seconds=SETUP_SECONDS
        )
        entry = self._journal.of(event, room=room)[0]
        return Job(entry.fields["job"], entry.pid, room)

    async def rooms(self, count: int) -> list[str]:
        """Return rooms to dispatch jobs into."""
        return await self.worker.ground.make_rooms(count)

    async def dispatch(self, room: str, behaviour: str) -> None:
        """Dispatch a job; it may come or not."""
        await self.worker.ground.dispatch(self.worker.agent, room, behaviour)

    # after

    async def check_run(self, rooms: Sequence[str]) -> None:
        """Demand that a job joins each of the rooms."""
        if not await comes_true(lambda: len(self._joined(rooms)) == len(rooms), self.patience):
            raise NotHeldError(f"{len(self._joined(rooms))} of {len(rooms)} jobs ran in {self.patience:g} s")

    async def check_failed(self, job: Job, cause: str) -> None:
        """Demand that the server is told of a failure, in words in which the pattern ``cause`` is found."""
        end = await self.end(job)
        if end.status != "JS_FAILED" or not re.search(cause, end.error):
            raise NotHeldError(f"the server noted {end}")

    async def check_succeeded(self, job: Job) -> None:
        """Demand that the server is told of a success."""
        if (end := await self.end(job)).status != "JS_SUCCESS":
            raise NotHeldError(f"the server noted {end}")

    async def end(self, job: Job) -> JobEnd:
        """Return how the job ended in the eyes of the server."""
        log = self.worker.ground.log
        await comes_true(lambda: log.end(job.id) is not None, self.patience)
        if (end := log.end(job.id)) is None:
            raise NotHeldError(f"after {self.patience:g} s the server had not noted that the job ended")
        return end

    async def check_called_back(self, job: Job) -> None:
        """Demand that the job's shutdown callback is called."""
        if not await self.noted("callback", job):
            raise NotHeldError("the shutdown callback did not run")

    async def noted(self, event: str, job: Job) -> Entry | None:
        """Return what the job noted of that event, None if it does not come."""
        await comes_true(lambda: bool(self._journal.of(event, job=job.id)), self.patience)
        return next(iter(self._journal.of(event, job=job.id)), None)

    async def check_gone(self, job: Job, *, since: float, seconds: float) -> None:
        """Demand that the job's process is gone ``seconds`` after ``since``."""
        await self._check_ended(lambda: [job.pid] if is_alive(job.pid) else [], since, seconds)

    async def check_none_left(self, known: Sequence[int], *, since: float, seconds: float) -> None:
        """Demand that of these and of all later processes of the worker none is left ``seconds`` after ``since``."""
        family = self.worker.family
        await self._check_ended(lambda: {*filter(is_alive, known), *family.pids()}, since, seconds)

    async def _check_ended(self, left: Callable[[], Collection[int]], since: float, seconds: float) -> None:
        """Demand that nothing is left in time; otherwise find out how long it takes."""
        if await comes_true(lambda: not left(), max(0.0, since + seconds - time.monotonic())):
            return
        late = f"not gone in {seconds:g} s: {len(left())} left"
        if await comes_true(lambda: not left(), self.patience):
            raise NotHeldError(f"{late}, and none after {time.monotonic() - since:.1f} s")
        raise NotHeldError(f"{late}, and {len(left())} after {time.monotonic() - since:.0f} s")

    async def check_alive(self, job: Job) -> None:
        """Demand that the job is still there, and its agent in its room."""
        if not is_alive(job.pid):
            raise NotHeldError("the job did not go on: its process is gone")
        if not await self.worker.ground.has_agent(job.room):
            raise NotHeldError("the job did not go on: its agent has left the room")

    def entered(self, room: str) -> bool:
        """Tell whether a job has begun in that room."""
        return bool(self._journal.of("entered", room=room))

    def _joined(self, rooms: Sequence[str]) -> set[str]:
        return {entry.fields["room"] for entry in self._journal.of("connected")} & set(rooms)
