"""What the pool says about jobs, told to the server: running, and at the end once, how it ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from livekit.protocol.agent import JobStatus

from lk_agents.foundation.clock import monotonic, wall_seconds
from lk_agents.foundation.log import logger
from lk_agents.worker import protocol
from lk_agents.worker.admission import Admission, Slot

if TYPE_CHECKING:
    from lk_agents.ipc.pool import JobReport, PoolSnapshot
    from lk_agents.job.spec import JobSpec
    from lk_agents.metrics.totals import Totals
    from lk_agents.worker.outbox import Outbox

__all__ = ["JobReports"]

ASSIGNMENT_SETTLES_SECONDS: Final = 0.2
"""So long after an assignment no end is told: the server notes the job as running only after it has sent the
assignment, skips the end of a job that it has not noted, and then takes it for running for ever."""

NOT_BEGUN: Final = "not_begun"
"""The cause, in metrics, of the end of a job that no process has had."""

ERROR_TEXT_LIMIT: Final = 1_000
"""Characters of a cause that are sent to the server."""


class JobReports:
    """Owns which jobs the server believes to run here; the pool's listener.

    :param release: lets the process of an ended job go: its end was written, or cannot be.
    :param lost: told of each job whose process could not run its callbacks.
    :param totals: where jobs and answers are counted.
    """

    def __init__(
        self,
        admission: Admission,
        outbox: Outbox,
        *,
        release: Callable[[str], None],
        lost: Callable[[JobReport], None],
        totals: Totals,
    ) -> None:
        self._admission = admission
        self._outbox = outbox
        self._release = release
        self._lost = lost
        self._totals = totals
        self._unended: dict[str, float] = {}  # job id: when it was assigned

    def answered(self, *, accepted: bool) -> None:
        """Count an answer to the server's question whether the worker takes a job."""
        self._totals.count("job_requests", "accepted" if accepted else "refused")

    def begin(self, job_id: str) -> None:
        """Note that the job was assigned: from now on the server is owed its end."""
        self._unended.setdefault(job_id, monotonic())

    def owes(self, job_id: str) -> bool:
        """Return whether the server is owed the job's end."""
        return job_id in self._unended

    def unended(self) -> list[str]:
        """Return the jobs that go on, by id."""
        return sorted(self._unended)

    def fail(self, job_id: str, cause: str) -> None:
        """Tell the server that a job failed that no process has; not if its end has been told already."""
        if self.owes(job_id):
            self._totals.count("jobs", "failed", NOT_BEGUN)
            self._tell_end(job_id, success=False, cause=cause, settled=None)

    def job_started(self, spec: JobSpec, pid: int | None) -> None:
        """Tell the server that the job runs."""
        logger.info("a job has started", extra={"job_id": spec.job_id, "pid": pid})
        if not self.owes(spec.job_id):
            return
        self._admission.hold(spec.job_id, Slot.RUNNING)
        message = protocol.job_status(spec.job_id, JobStatus.JS_RUNNING)
        self._outbox.put_job_status(spec.job_id, message)

    def job_ended(self, report: JobReport) -> None:
        """Tell the server how the job ended; once, whatever comes later."""
        job_id, outcome = report.spec.job_id, report.outcome
        logger.log(
            logging.INFO if outcome.success else logging.ERROR,
            "a job has ended",
            extra={
                "job_id": job_id,
                "success": outcome.success,
                "cause": outcome.cause.value,
                "reason": outcome.reason,
                "exit_code": report.exit_code,
                "lost": report.lost,
            },
        )
        self._count(report)
        if self.owes(job_id):
            cause = outcome.reason or outcome.cause.value
            self._tell_end(job_id, success=outcome.success, cause=cause, settled=lambda: self._release(job_id))
        else:
            self._release(job_id)
        if report.lost:
            self._lost(report)

    def pool_changed(self, snapshot: PoolSnapshot) -> None:
        """Take no jobs while processes cannot be started."""
        self._admission.set_broken(snapshot.broken_reason)

    def _count(self, report: JobReport) -> None:
        outcome = "lost" if report.lost else "success" if report.outcome.success else "failed"
        self._totals.count("jobs", outcome, report.outcome.cause.value)
        if report.spec.assigned_at:
            self._totals.observe("job_duration", wall_seconds() - report.spec.assigned_at)

    def _tell_end(self, job_id: str, *, success: bool, cause: str, settled: Callable[[], None] | None) -> None:
        assigned_at = self._unended.pop(job_id)
        status = JobStatus.JS_SUCCESS if success else JobStatus.JS_FAILED
        message = protocol.job_status(job_id, status, "" if success else cause[:ERROR_TEXT_LIMIT])
        self._outbox.put_job_status(job_id, message, settled, due=assigned_at + ASSIGNMENT_SETTLES_SECONDS)
        self._admission.release(job_id)
