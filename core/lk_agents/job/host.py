"""What a running job asks of the process around it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from lk_agents.job.ending import End, JobLimits
from lk_agents.job.spec import EndCause, JobOutcome
from lk_agents.utils.tracing import NO_SPAN, Span

__all__ = ["InferenceExecutor", "JobHost", "JobRuntime"]


class InferenceExecutor(Protocol):
    """Runs models that all jobs of a worker share, in a process of their own."""

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        """Have ``data`` answered by the runner registered for ``method``.

        :raises InferenceError: no such method, the runner failed, or the process is gone.
        :raises InferenceOverloadedError: too many questions wait already.
        """


class JobHost(InferenceExecutor, Protocol):
    """The process (or thread) around one running job. All calls come from the job's event loop.

    The functions that are not coroutines return at once, must not raise, and tell the worker.
    """

    def connect_permit(self) -> AbstractAsyncContextManager[None]:
        """Hold the right to join a room while the block lasts.

        Entering waits for the worker's permit, 2 s at most, then goes on without: a burst of joins at once takes
        the processor away from the processes that are starting.
        """

    def mark(self, name: str) -> None:
        """Note a point of the job's timeline, at the current wall time."""

    def job_started(self) -> None:
        """Say that the job has begun; its entrypoint comes next."""

    def job_ending(self, cause: EndCause, reason: str) -> None:
        """Say that the job has begun to end, and why."""

    async def job_ended(self, outcome: JobOutcome) -> None:
        """Say how the job ended; return when the worker has told the server, after 1 s at the latest.

        The room is left only then: a server that sees the agent leave first notes the job as failed.
        """


@dataclass(frozen=True, kw_only=True)
class JobRuntime:
    """What a job's context is connected to when the runtime runs it.

    :param host: the process around the job; None if there is none to ask.
    :param end: begins the end of the job; the first call wins.
    :param limits: the job's limits.
    :param span: the job's own, which gets the marks of its timeline as well.
    """

    host: JobHost | None
    end: Callable[[End], None]
    limits: JobLimits
    span: Span = NO_SPAN
