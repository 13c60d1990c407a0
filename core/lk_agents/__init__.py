"""Lets LiveKit hand rooms to your code: worker, jobs, process pool, hooks, and the interfaces of speech and language.

Every public name is loaded when it is first used: ``import lk_agents`` itself loads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents import (
        cli,
        hooks,
        ipc,
        llm,
        media,
        metrics,
        multimodal,
        pipeline,
        realtime,
        stt,
        tokenize,
        transcription,
        tts,
        turns,
        utils,
        vad,
        voice_assistant,
    )
    from lk_agents.foundation.errors import (
        APIConnectionError,
        APIError,
        APIStatusError,
        APITimeoutError,
        AssignmentTimeoutError,
    )
    from lk_agents.foundation.types import (
        ATTRIBUTE_AGENT_STATE,
        DEFAULT_API_CONNECT_OPTIONS,
        NOT_GIVEN,
        AgentState,
        APIConnectOptions,
        NotGiven,
        NotGivenOr,
    )
    from lk_agents.foundation.version import __version__
    from lk_agents.hooks.markers import hookimpl
    from lk_agents.job.context import JobContext, get_current_job_context
    from lk_agents.job.process import JobProcess
    from lk_agents.job.request import JobRequest
    from lk_agents.job.subscription import AutoSubscribe
    from lk_agents.plugin import Plugin
    from lk_agents.worker.options import JobExecutorType, WorkerOptions, WorkerPermissions, WorkerType
    from lk_agents.worker.worker import Worker

__all__ = [
    "ATTRIBUTE_AGENT_STATE",
    "DEFAULT_API_CONNECT_OPTIONS",
    "NOT_GIVEN",
    "APIConnectOptions",
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AgentState",
    "AssignmentTimeoutError",
    "AutoSubscribe",
    "JobContext",
    "JobExecutorType",
    "JobProcess",
    "JobRequest",
    "NotGiven",
    "NotGivenOr",
    "Plugin",
    "Worker",
    "WorkerOptions",
    "WorkerPermissions",
    "WorkerType",
    "__version__",
    "cli",
    "get_current_job_context",
    "hookimpl",
    "hooks",
    "ipc",
    "llm",
    "media",
    "metrics",
    "multimodal",
    "pipeline",
    "realtime",
    "stt",
    "tokenize",
    "transcription",
    "tts",
    "turns",
    "utils",
    "vad",
    "voice_assistant",
]

_SUBMODULES = (
    "cli",
    "hooks",
    "ipc",
    "llm",
    "media",
    "metrics",
    "multimodal",
    "pipeline",
    "realtime",
    "stt",
    "tokenize",
    "transcription",
    "tts",
    "turns",
    "utils",
    "vad",
    "voice_assistant",
)

_NAMES = {
    "foundation.errors": (
        "APIConnectionError",
        "APIError",
        "APIStatusError",
        "APITimeoutError",
        "AssignmentTimeoutError",
    ),
    "foundation.types": (
        "ATTRIBUTE_AGENT_STATE",
        "DEFAULT_API_CONNECT_OPTIONS",
        "NOT_GIVEN",
        "APIConnectOptions",
        "AgentState",
        "NotGiven",
        "NotGivenOr",
    ),
    "foundation.version": ("__version__",),
    "hooks.markers": ("hookimpl",),
    "job.context": ("JobContext", "get_current_job_context"),
    "job.process": ("JobProcess",),
    "job.request": ("JobRequest",),
    "job.subscription": ("AutoSubscribe",),
    "plugin": ("Plugin",),
    "worker.options": ("JobExecutorType", "WorkerOptions", "WorkerPermissions", "WorkerType"),
    "worker.worker": ("Worker",),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES, submodules=_SUBMODULES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
