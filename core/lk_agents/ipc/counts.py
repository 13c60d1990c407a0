"""What a pool counts of itself, and of what its jobs have measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lk_agents.ipc.entries import PooledJob
    from lk_agents.ipc.messages import Measured
    from lk_agents.ipc.records import Executor
    from lk_agents.job.spec import JobSpec, TimelineMark
    from lk_agents.metrics.totals import Totals

__all__ = ["PoolCounts", "died_warm"]

TIMED_MARKS: Final = frozenset({"process_ready", "entrypoint", "connected"})
"""Points of a job's timeline that have a histogram; users' own have not."""


class PoolCounts:
    """Counts for the supervisor, whose task and inbox alone call it.

    :param totals: where the sums are kept; they outlive every process.
    """

    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def measured(self, told: Measured) -> None:
        """A job tells what it has measured since it did so last."""
        self._totals.add(told.counts, told.spreads)

    def submitted(self, spec: JobSpec) -> None:
        """A job comes in."""
        if spec.offered_at and spec.accepted_at:
            self._totals.observe("job_answer", spec.accepted_at - spec.offered_at)

    def marked(self, job: PooledJob, mark: TimelineMark) -> None:
        """A job has come to a point of its timeline; the first time counts."""
        is_first = sum(known.name == mark.name for known in job.marks) == 1
        if is_first and mark.name in TIMED_MARKS and job.spec.assigned_at:
            self._totals.observe(f"job_{mark.name}", mark.at - job.spec.assigned_at)

    def warm(self, executor: Executor, now: float) -> None:
        """A process for jobs has become warm."""
        self._totals.count("process_starts", "warm")
        self._totals.observe("process_start", now - executor.started_at)

    def start_failed(self) -> None:
        """A process has not become warm."""
        self._totals.count("process_starts", "failed")

    def gone(self, executor: Executor) -> None:
        """A process is no more; it counts if nobody had asked it to end."""
        if died_warm(executor):
            self._totals.count("process_deaths", "idle")
        elif executor.job_id is not None and executor.end is None and not executor.unwanted:
            self._totals.count("process_deaths", "running")

    def zygote_lost(self) -> None:
        """The process is gone from which others are forked."""
        self._totals.count("zygote_restarts")


def died_warm(executor: Executor) -> bool:
    """Whether it died without a job and unasked, whichever was seen first: the end of its channel, or its exit."""
    return executor.warm and executor.job_id is None and not executor.unwanted and executor.end_by == 0.0
