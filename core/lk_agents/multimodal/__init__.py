"""Agents on one model that hears and speaks itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.multimodal.agent import EventTypes, MultimodalAgent
    from lk_agents.multimodal.api import _RealtimeAPI, _RealtimeAPISession
    from lk_agents.voice.conversation import SessionError
    from lk_agents.voice.dead_air import Action, DeadAirPolicy
    from lk_agents.voice.records import TurnRecord
    from lk_agents.voice.transcription_options import AgentTranscriptionOptions
    from lk_agents.voice.watchdog import DeadAir

__all__ = [
    "Action",
    "AgentTranscriptionOptions",
    "DeadAir",
    "DeadAirPolicy",
    "EventTypes",
    "MultimodalAgent",
    "SessionError",
    "TurnRecord",
    "_RealtimeAPI",
    "_RealtimeAPISession",
]

_NAMES = {
    "agent": ("EventTypes", "MultimodalAgent"),
    "api": ("_RealtimeAPI", "_RealtimeAPISession"),
    "types": ("Action", "AgentTranscriptionOptions", "DeadAir", "DeadAirPolicy", "SessionError", "TurnRecord"),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
