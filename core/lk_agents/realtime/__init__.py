"""Speech-to-speech models: what one is, whoever offers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.realtime.lookup import create
    from lk_agents.realtime.model import (
        RealtimeCapabilities,
        RealtimeContent,
        RealtimeModel,
        RealtimeResponse,
        RealtimeSession,
        RealtimeTranscription,
        RealtimeTranscriptionFailed,
    )

__all__ = [
    "RealtimeCapabilities",
    "RealtimeContent",
    "RealtimeModel",
    "RealtimeResponse",
    "RealtimeSession",
    "RealtimeTranscription",
    "RealtimeTranscriptionFailed",
    "create",
]

_NAMES = {
    "lookup": ("create",),
    "model": (
        "RealtimeCapabilities",
        "RealtimeContent",
        "RealtimeModel",
        "RealtimeResponse",
        "RealtimeSession",
        "RealtimeTranscription",
        "RealtimeTranscriptionFailed",
    ),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
