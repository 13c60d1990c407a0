"""One job: request, process, context, life cycle.

The names below are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.job.context import JobContext, get_current_job_context
    from lk_agents.job.participants import DEFAULT_PARTICIPANT_KINDS
    from lk_agents.job.process import JobExecutorType, JobProcess
    from lk_agents.job.request import JobAcceptArguments, JobRequest, RunningJobInfo
    from lk_agents.job.subscription import AutoSubscribe

__all__ = [
    "DEFAULT_PARTICIPANT_KINDS",
    "AutoSubscribe",
    "JobAcceptArguments",
    "JobContext",
    "JobExecutorType",
    "JobProcess",
    "JobRequest",
    "RunningJobInfo",
    "get_current_job_context",
]

_NAMES = {
    "context": ("JobContext", "get_current_job_context"),
    "participants": ("DEFAULT_PARTICIPANT_KINDS",),
    "process": ("JobExecutorType", "JobProcess"),
    "request": ("JobAcceptArguments", "JobRequest", "RunningJobInfo"),
    "subscription": ("AutoSubscribe",),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
