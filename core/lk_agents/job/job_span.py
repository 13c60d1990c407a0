"""The span of a job: from its assignment until it has left its room, with the marks of its timeline as events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lk_agents.utils.tracing import NO_SPAN, Span, begin_span, is_traced

if TYPE_CHECKING:
    from lk_agents.job.request import RunningJobInfo
    from lk_agents.job.spec import JobOutcome

__all__ = ["job_span", "tell_outcome"]


@contextmanager
def job_span(info: RunningJobInfo) -> Iterator[Span]:
    """Give the span of a job, within which everything is that begins in the block; the end of the block ends it.

    It names the job and the agent; the room and who is in it, it does not.
    """
    span = _begun(info) if is_traced() else NO_SPAN
    with span.active():
        try:
            yield span
        finally:
            span.end()


def tell_outcome(span: Span, outcome: JobOutcome) -> None:
    """Note that the job has begun to end, and how it ends."""
    span.event("ending")
    span.tell(cause=outcome.cause.value, success=outcome.success)
    if not outcome.success:
        span.fail(outcome.cause.value)


def _begun(info: RunningJobInfo) -> Span:
    span = begin_span(
        "job",
        at=info.assigned_at or None,
        attributes={
            "job.id": info.job.id,
            "job.fake": info.fake_job or None,
            "agent_name": info.job.agent_name or None,
            "worker.id": info.worker_id or None,
        },
    )
    for name, at in (("offered", info.offered_at), ("accepted", info.accepted_at), ("assigned", info.assigned_at)):
        if at:
            span.event(name, at=at)
    return span
