"""The process pool as the worker sees it: records and protocols, no machinery.

The machinery is ``ipc.supervisor``. Nothing here imports it, so the worker's logic can be tested against any
:class:`JobPool`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from lk_agents.job.spec import JobOutcome, JobSpec, TimelineMark
from lk_agents.metrics.totals import Totals

__all__ = ["JobPool", "JobReport", "PoolConfig", "PoolListener", "PoolSnapshot", "ProcessSnapshot"]


@dataclass(frozen=True, kw_only=True)
class PoolConfig:
    """What a pool is built with; validated by ``WorkerOptions`` before.

    :param entrypoint: the user's entrypoint; found by name in a spawned process.
    :param prewarm: the user's prewarm function.
    :param idle_target: warm processes kept.
    :param start_silence_seconds: the longest silence of a starting process (``initialize_process_timeout``).
    :param shutdown_seconds: how long a job may take to end (``shutdown_process_timeout``).
    :param memory_warn_mb: PSS above which a process is warned about; 0 = off.
    :param memory_limit_mb: PSS above which a process is ended; 0 = off.
    :param user_arguments: what ``JobProcess.user_arguments`` gives in each process; picklable.
    :param totals: where the pool counts what happens to it, and what its jobs measure.
    """

    entrypoint: Callable[..., Any]
    prewarm: Callable[..., Any] | None = None
    idle_target: int = 0
    start_silence_seconds: float = 10.0
    shutdown_seconds: float = 60.0
    memory_warn_mb: float = 300.0
    memory_limit_mb: float = 0.0
    asyncio_debug: bool = False
    user_arguments: Any = None
    totals: Totals = field(default_factory=Totals, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class ProcessSnapshot:
    """One process or thread of the pool at one moment."""

    executor_id: int
    pid: int | None
    phase: str
    job_id: str | None = None
    pss_mb: float | None = None
    loop_lag_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class PoolSnapshot:
    """The pool at one moment; all numbers are derived from ``processes``."""

    processes: Sequence[ProcessSnapshot] = ()
    waiting_jobs: int = 0
    idle_target: int = 0
    broken_reason: str | None = None
    """Why processes cannot be started at the moment, or None."""

    def count(self, phase: str) -> int:
        """Return how many processes are in ``phase`` (starting, idle, running, stopping)."""
        return sum(process.phase == phase for process in self.processes)


@dataclass(frozen=True, kw_only=True)
class JobReport:
    """The end of one job, exactly one per submitted job.

    :param lost: the process could not run its shutdown callbacks; ``outcome.detail`` has what stacks could be had.
    :param exit_code: the process's exit code, or minus the signal's number; None if it still runs or is a thread.
    :param pid: the process it ran in; None for a thread.
    """

    spec: JobSpec
    outcome: JobOutcome
    lost: bool = False
    exit_code: int | None = None
    pid: int | None = None
    timeline: Sequence[TimelineMark] = field(default=())
    peak_pss_mb: float | None = None


class PoolListener(Protocol):
    """What the pool tells its owner. Calls come on the pool's loop, must return at once and must not raise."""

    def job_started(self, spec: JobSpec, pid: int | None) -> None:
        """Say that a process has begun the job (the server may be told JS_RUNNING)."""

    def job_ended(self, report: JobReport) -> None:
        """Say how a job ended; the job's process waits up to 1 s for the owner to call ``JobPool.end_reported``."""

    def pool_changed(self, snapshot: PoolSnapshot) -> None:
        """Say that a process came, went or changed its phase, or that starting processes broke or works again."""


class JobPool(Protocol):
    """Runs each submitted job in a process or thread of its own."""

    async def start(self) -> None:
        """Begin to warm processes; returns before they are warm."""

    async def submit(self, spec: JobSpec, *, deadline_seconds: float) -> None:
        """Give the job to a warm process, or to the next one that becomes ready.

        Returns when a process has taken the job. Cancelling it before that withdraws the job.

        :raises NoProcessError: none became ready in ``deadline_seconds``.
        :raises ProcessStartError: processes cannot be started; the text carries the last failure.
        :raises PoolClosedError: the pool is closing or closed.
        """

    def stop_job(self, job_id: str, reason: str) -> bool:
        """Ask a job to end within the pool's limits; False if there is no such job."""

    def end_reported(self, job_id: str) -> None:
        """Release the process of an ended job: its final status has been written to the server's socket."""

    def relieve_memory(self, reason: str) -> None:
        """End the job that uses the most memory, with its callbacks: the machine is about to run out of it.

        One at a time: nothing happens while a job that was picked before is still ending.
        """

    def set_idle_target(self, count: int) -> None:
        """Keep ``count`` warm processes from now on."""

    async def wait_no_jobs(self) -> None:
        """Return when no job waits, starts or runs."""

    async def aclose(self, reason: str = "the worker is shutting down") -> None:
        """Refuse new jobs, end the running ones within the limits, then everything else. Idempotent."""

    async def kill(self, grace_seconds: float = 2.0) -> None:
        """End everything now: ``grace_seconds`` for shutdown callbacks, then SIGKILL to every process group."""

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        """Ask the worker's inference process; see ``InferenceError`` for what can go wrong."""

    def snapshot(self) -> PoolSnapshot:
        """Return the pool as it is now."""

    def jobs(self) -> Mapping[str, JobSpec]:
        """Return the jobs that wait, start or run, by job id."""
