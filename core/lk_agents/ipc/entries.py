"""What the supervisor keeps of each executor and each job; only its task changes these, but for ``withdrawn``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lk_agents.foundation.clock import monotonic, wall_seconds
from lk_agents.ipc.launch import Handle
from lk_agents.ipc.messages import Role
from lk_agents.ipc.pool import ProcessSnapshot
from lk_agents.ipc.records import DeadlinePassed, Event, Executor, Phase
from lk_agents.job.spec import JobSpec, TimelineMark

__all__ = ["Entry", "PooledJob", "heaviest_job"]


@dataclass(eq=False)
class PooledJob:
    """A job from ``submit`` to its report.

    :param taken: resolved when an executor has begun it, or with the error that ``submit`` raises.
    :param withdrawn: the submitter gave up; its end is told to nobody, because ``submit`` has raised.
    """

    spec: JobSpec
    taken: asyncio.Future[None]
    attempts: int = 0
    withdrawn: bool = False
    marks: list[TimelineMark] = field(default_factory=list)

    def __post_init__(self) -> None:
        spec = self.spec
        for name, at in (("offered", spec.offered_at), ("accepted", spec.accepted_at), ("assigned", spec.assigned_at)):
            if at:
                self.marks.append(TimelineMark(name=name, at=at))

    def mark(self, name: str, at: float | None = None) -> TimelineMark:
        """Note a point of its timeline, by default now."""
        mark = TimelineMark(name=name, at=wall_seconds() if at is None else at)
        self.marks.append(mark)
        return mark

    def fail(self, error: BaseException) -> None:
        """Have ``submit`` raise, if it still waits."""
        if not self.taken.done():
            self.taken.set_exception(error)
            self.taken.exception()  # if the submitter has just gone, nobody else asks, and asyncio would complain


@dataclass(eq=False)
class Entry:
    """One executor: what the machine knows, the handle, its deadline, its job."""

    executor_id: int
    role: Role
    executor: Executor
    handle: Handle
    deadline: asyncio.TimerHandle | None = None
    job: PooledJob | None = None

    @property
    def phase(self) -> Phase:
        """Where it is in its life."""
        return self.executor.phase

    def set_deadline(self, at: float, serial: int, post: Callable[[int, Event], None]) -> None:
        """Post ``DeadlinePassed(serial)`` at that monotonic time, instead of at any earlier set one."""
        self.cancel_deadline()

        def passed() -> None:
            post(self.executor_id, DeadlinePassed(at=monotonic(), serial=serial))

        self.deadline = asyncio.get_running_loop().call_later(max(0.0, at - monotonic()), passed)

    def cancel_deadline(self) -> None:
        """Forget its deadline."""
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def log_fields(self) -> dict[str, object]:
        """Return what every log line about it carries."""
        fields: dict[str, object] = {"executor": self.executor_id}
        if self.handle.pid is not None:
            fields["pid"] = self.handle.pid
        if self.job is not None:
            fields["job_id"] = self.job.spec.job_id
        if self.role == "inference":
            fields["inference"] = True
        return fields

    def snapshot(self) -> ProcessSnapshot:
        """Return it as it is now."""
        return ProcessSnapshot(
            executor_id=self.executor_id,
            pid=self.handle.pid,
            phase=str(self.phase),
            job_id=self.job.spec.job_id if self.job is not None else None,
            pss_mb=self.executor.pss_mb,
            loop_lag_seconds=self.executor.lag_seconds,
        )


def heaviest_job(entries: Iterable[Entry]) -> Entry | None:
    """Return the running job that uses the most memory; None if none does, or one is ending and will free some."""
    jobs = [entry for entry in entries if entry.job is not None]
    if any(entry.phase is Phase.STOPPING for entry in jobs):
        return None
    running = [entry for entry in jobs if entry.phase is Phase.RUNNING]
    return max(running, key=lambda entry: entry.executor.pss_mb or 0.0, default=None)
