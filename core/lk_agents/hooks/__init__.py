"""Hooks: what plugins implement (``specs``), the mark and the records they need, and the registry that finds them.

Each name is loaded when it is first used: what only asks for the current registry needs neither engine nor records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.hooks.markers import hookimpl
    from lk_agents.hooks.provider_records import (
        InterruptionProvider,
        LLMProvider,
        RealtimeProvider,
        STTProvider,
        TokenizerProvider,
        TTSProvider,
        TurnDetectorProvider,
        VADProvider,
    )
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
    "InterruptionProvider",
    "JobFinished",
    "JobLost",
    "LLMProvider",
    "Load",
    "RealtimeProvider",
    "Reject",
    "STTProvider",
    "ServerInfo",
    "TTSProvider",
    "TokenizerProvider",
    "TurnDetectorProvider",
    "VADProvider",
    "WorkerInfo",
    "hookimpl",
]

_NAMES = {
    "markers": ("hookimpl",),
    "provider_records": (
        "InterruptionProvider",
        "LLMProvider",
        "RealtimeProvider",
        "STTProvider",
        "TTSProvider",
        "TokenizerProvider",
        "TurnDetectorProvider",
        "VADProvider",
    ),
    "records": (
        "Command",
        "InferenceRunnerRecord",
        "JobFinished",
        "JobLost",
        "Load",
        "Reject",
        "ServerInfo",
        "WorkerInfo",
    ),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
