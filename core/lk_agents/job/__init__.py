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

_HOME = {
    "DEFAULT_PARTICIPANT_KINDS": "participants",
    "AutoSubscribe": "subscription",
    "JobAcceptArguments": "request",
    "JobContext": "context",
    "JobExecutorType": "process",
    "JobProcess": "process",
    "JobRequest": "request",
    "RunningJobInfo": "request",
    "get_current_job_context": "context",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
