"""Running jobs in a test: real contexts and a real runner over a fake room and a host that writes down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from lk_agents.foundation.errors import InferenceError
from lk_agents.foundation.ids import short_id
from lk_agents.job.context import JobContext
from lk_agents.job.ending import JobLimits
from lk_agents.job.process import JobProcess
from lk_agents.job.runner import JobRunner
from lk_agents.job.spec import AcceptArguments, EndCause, JobOutcome, JobSpec
from lk_agents.testing.room import FakeRoom

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.hooks.registry import PluginRegistry

__all__ = ["FakeHost", "JobBench", "StartedJob", "job_spec"]


def job_spec(
    job_id: str = "",
    *,
    room_name: str = "room",
    room_sid: str = "RM_fake",
    metadata: str = "",
    agent_name: str = "",
    attributes: dict[str, str] | None = None,
    **fields: Any,
) -> JobSpec:
    """Return a job as the worker would hand it on.

    :param job_id: made up if empty.
    :param attributes: those given when the job was accepted.
    :param fields: further fields of :class:`~lk_agents.job.spec.JobSpec`.
    """
    from livekit.protocol.agent import Job
    from livekit.protocol.models import Room

    job_id = job_id or short_id("AJ_")
    job = Job(id=job_id, room=Room(name=room_name, sid=room_sid), metadata=metadata, agent_name=agent_name)
    accept = AcceptArguments(identity=f"agent-{job_id}", attributes=attributes or {})
    given: dict[str, Any] = {
        "url": "ws://127.0.0.1:7880",
        "token": "room-token",
        "worker_id": "AW_fake",
        "accept": accept,
        **fields,
    }
    return JobSpec(job_id=job_id, job=job.SerializeToString(), **given)


class FakeHost:
    """The process around a job, which writes down what the job asks and tells.

    :param room: asked whether it is still connected when the end is reported.
    :param permit_seconds: how long a connect permit is waited for.
    :param report_seconds: how long the worker takes to answer the report of the end.
    :param inference: answers inference, as ``inference(method, data)``.
    """

    def __init__(
        self,
        *,
        room: FakeRoom | None = None,
        permit_seconds: float = 0.0,
        report_seconds: float = 0.0,
        inference: Callable[[str, bytes], bytes | None] | None = None,
    ) -> None:
        self.room = room
        self.permit_seconds = permit_seconds
        self.report_seconds = report_seconds
        self.inference = inference
        self.log: list[str] = []
        """What happened, in order: ``started``, ``mark …``, ``permit``, ``permit back``, ``ending …``, ``ended …``."""
        self.outcome: JobOutcome | None = None
        self.connected_at_report: bool | None = None
        """Whether the room was still connected when the end was reported."""
        self._news = asyncio.Event()

    async def logged(self, line: str, *, timeout: float = 5.0) -> None:
        """Wait until ``line`` is in :attr:`log`.

        :raises TimeoutError: it did not come in ``timeout`` seconds.
        """
        async with asyncio.timeout(timeout):
            while line not in self.log:
                self._news.clear()
                await self._news.wait()

    def _note(self, line: str) -> None:
        self.log.append(line)
        self._news.set()

    @asynccontextmanager
    async def connect_permit(self) -> AsyncIterator[None]:
        """Give a permit after ``permit_seconds``."""
        await asyncio.sleep(self.permit_seconds)
        self._note("permit")
        try:
            yield
        finally:
            self._note("permit back")

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        """Answer with ``inference``.

        :raises InferenceError: there is none.
        """
        if self.inference is None:
            raise InferenceError(f"no inference runner is registered for {method!r}")
        return self.inference(method, data)

    def mark(self, name: str) -> None:
        """Write down a point of the timeline."""
        self._note(f"mark {name}")

    def job_started(self) -> None:
        """Write down that the job began."""
        self._note("started")

    def job_ending(self, cause: EndCause, reason: str) -> None:  # noqa: ARG002  the protocol's signature
        """Write down why the job ends."""
        self._note(f"ending {cause.value}")

    async def job_ended(self, outcome: JobOutcome) -> None:
        """Write down how the job ended; answer after ``report_seconds``."""
        self._note(f"ended {outcome.cause.value}")
        self.outcome = outcome
        self.connected_at_report = None if self.room is None else self.room.isconnected()
        await asyncio.sleep(self.report_seconds)


class StartedJob:
    """A job that runs in the background of a test."""

    def __init__(self, runner: JobRunner, task: asyncio.Task[JobOutcome], room: FakeRoom, host: FakeHost) -> None:
        self.runner = runner
        self.room = room
        self.host = host
        self._task = task

    @property
    def ctx(self) -> JobContext:
        """The job's context.

        :raises AssertionError: the job has not begun yet.
        """
        assert self.runner.context is not None, "the job has not begun yet: let the loop run first"
        return self.runner.context

    @property
    def done(self) -> bool:
        """Whether the job is over."""
        return self._task.done()

    async def outcome(self, *, timeout: float = 10.0) -> JobOutcome:
        """Wait for the job's end and return how it ended.

        :raises TimeoutError: it took longer than ``timeout`` seconds.
        """
        async with asyncio.timeout(timeout):
            return await asyncio.shield(self._task)


class JobBench:
    """Starts jobs, and ends those that still run when the test is over."""

    def __init__(self) -> None:
        import livekit.rtc  # noqa: F401  0.2 s: not in the middle of a test that counts milliseconds

        self._jobs: list[StartedJob] = []

    def start(
        self,
        entrypoint: Callable[[JobContext], Awaitable[None]],
        *,
        spec: JobSpec | None = None,
        room: FakeRoom | None = None,
        host: FakeHost | None = None,
        process: JobProcess | None = None,
        registry: PluginRegistry | None = None,
        shutdown_seconds: float = 10.0,
        limits: JobLimits | None = None,
    ) -> StartedJob:
        """Start a job with this entrypoint; what is not given is made up. Needs a running event loop."""
        spec = spec or job_spec()
        room = room or FakeRoom()
        host = host or FakeHost()
        host.room = room
        runner = JobRunner(
            spec,
            process=process or JobProcess(),
            entrypoint=entrypoint,
            host=host,
            registry=registry,
            shutdown_seconds=shutdown_seconds,
            room_factory=lambda _name: cast("rtc.Room", room),
            limits=limits,
        )
        task = asyncio.get_running_loop().create_task(runner.run(), name=f"job {spec.job_id}")
        job = StartedJob(runner, task, room, host)
        self._jobs.append(job)
        return job

    async def aclose(self) -> None:
        """End the jobs that still run, within 2 s each."""
        for job in self._jobs:
            if not job.done:
                job.runner.stop("the test is over", grace_seconds=1.0)
        for job in self._jobs:
            if not job.done:
                await job.outcome(timeout=5.0)
