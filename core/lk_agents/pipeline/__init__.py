"""Agents that listen, think and speak with a provider for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.pipeline.agent import EventTypes, VoicePipelineAgent
    from lk_agents.voice.call_context import AgentCallContext
    from lk_agents.voice.conversation import SessionError
    from lk_agents.voice.dead_air import Action, DeadAirPolicy
    from lk_agents.voice.records import TurnRecord
    from lk_agents.voice.speech_handle import SpeechHandle, SpeechOutcome
    from lk_agents.voice.transcription_options import AgentTranscriptionOptions
    from lk_agents.voice.watchdog import DeadAir, Stage

__all__ = [
    "Action",
    "AgentCallContext",
    "AgentTranscriptionOptions",
    "DeadAir",
    "DeadAirPolicy",
    "EventTypes",
    "SessionError",
    "SpeechHandle",
    "SpeechOutcome",
    "Stage",
    "TurnRecord",
    "VoicePipelineAgent",
]

_NAMES = {
    "agent": ("EventTypes", "VoicePipelineAgent"),
    "types": tuple(name for name in __all__ if name not in ("EventTypes", "VoicePipelineAgent")),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
