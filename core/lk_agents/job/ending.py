"""How a job ends, as pure decisions: what counts as success, and how long each step of the end may take."""

from __future__ import annotations

from dataclasses import dataclass

from lk_agents.foundation.errors import ConfigError
from lk_agents.job.spec import EndCause, JobOutcome

__all__ = ["End", "EndPlan", "JobLimits", "outcome_of", "plan_end"]

REASON_LENGTH = 500
"""Characters of a reason that are sent to the server."""

_FAILURES = frozenset(
    {
        EndCause.RAISED,
        EndCause.ROOM_REPLACED,
        EndCause.WORKER_LOST,
        EndCause.MEMORY,
        EndCause.NATIVE_PANIC,
        EndCause.PROCESS_LOST,
    }
)


@dataclass(frozen=True, kw_only=True)
class JobLimits:
    """Limits of a running job, in seconds.

    :param connect_seconds: one ``ctx.connect()`` may take, after its permit.
    :param sid_seconds: ``ctx.connect()`` waits for the id of the room it joined; later the check goes on by itself.
    :param unconnected_warning_seconds: after this an entrypoint that has not called ``ctx.connect()`` is warned about.
    :param termination_wait_seconds: a termination waits for a join that is under way.
    :param reconnect_window_seconds: after a reconnect a termination is void.
    :param hook_seconds: all implementations of ``lk_agents_job_starting`` may take.
    """

    connect_seconds: float = 30.0
    sid_seconds: float = 1.0
    unconnected_warning_seconds: float = 10.0
    termination_wait_seconds: float = 3.0
    reconnect_window_seconds: float = 10.0
    hook_seconds: float = 10.0


@dataclass(frozen=True, kw_only=True)
class End:
    """The first thing that ended a job.

    :param reason: the reason given, or the error's type and text.
    :param detail: a traceback, for logs and hooks.
    :param connection_lost: the room's connection broke, nobody ended it.
    """

    cause: EndCause
    reason: str = ""
    detail: str = ""
    connection_lost: bool = False


@dataclass(frozen=True, kw_only=True)
class EndPlan:
    """The longest time of each step of an end, in seconds.

    What a step leaves over goes to the shutdown callbacks, who get all that the others do not need.

    :param entrypoint_grace: an entrypoint may return by itself before it is cancelled.
    :param entrypoint_cancel: it may take to follow the cancellation.
    :param tasks: the job's other tasks may take to follow theirs.
    :param hook: all implementations of ``lk_agents_job_finished`` may take.
    :param hook_cancel: the part of it in which those that ran out of time may follow their cancellation.
    :param closing: kept free for reporting the end, leaving the room and closing connections.
    """

    entrypoint_grace: float
    entrypoint_cancel: float
    tasks: float
    hook: float
    hook_cancel: float
    closing: float


def plan_end(total_seconds: float) -> EndPlan:
    """Share ``total_seconds`` among the steps, so that at least 60 % is left for the shutdown callbacks.

    :raises ConfigError: ``total_seconds`` is negative.
    """
    if total_seconds < 0:
        raise ConfigError(f"a job cannot end in {total_seconds!r} s; give 0 or more")
    small = 0.05 * total_seconds
    return EndPlan(
        entrypoint_grace=min(1.0, small),
        entrypoint_cancel=min(2.0, small),
        tasks=min(3.0, small),
        hook=min(10.0, 2 * small),
        hook_cancel=min(1.0, 0.5 * small),
        closing=min(3.0, 3 * small),
    )


def outcome_of(end: End) -> JobOutcome:
    """Return what is reported of a job that ended so."""
    reason = end.reason if len(end.reason) <= REASON_LENGTH else end.reason[: REASON_LENGTH - 1] + "…"
    success = end.cause not in _FAILURES and not end.connection_lost
    return JobOutcome(success=success, cause=end.cause, reason=reason, detail=end.detail)
