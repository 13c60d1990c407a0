"""Hooks: what plugins implement (``specs``), the mark and the records they need, and the registry that finds them."""

from lk_agents.hooks.markers import hookimpl
from lk_agents.hooks.records import (
    Command,
    InferenceRunnerRecord,
    JobFinished,
    JobLost,
    Load,
    Reject,
    ServerInfo,
    WorkerInfo,
)

__all__ = [
    "Command",
    "InferenceRunnerRecord",
    "JobFinished",
    "JobLost",
    "Load",
    "Reject",
    "ServerInfo",
    "WorkerInfo",
    "hookimpl",
]
