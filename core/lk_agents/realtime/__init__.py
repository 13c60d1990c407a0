"""Speech-to-speech models: what one is, whoever offers it."""

from __future__ import annotations

from lk_agents.realtime.lookup import create
from lk_agents.realtime.model import (
    RealtimeCapabilities,
    RealtimeContent,
    RealtimeModel,
    RealtimeSession,
    RealtimeTranscription,
)

__all__ = [
    "RealtimeCapabilities",
    "RealtimeContent",
    "RealtimeModel",
    "RealtimeSession",
    "RealtimeTranscription",
    "create",
]
