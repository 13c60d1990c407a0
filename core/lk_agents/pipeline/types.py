"""What programs meet beside the agent: speeches, records, alarms."""

from __future__ import annotations

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
    "SessionError",
    "SpeechHandle",
    "SpeechOutcome",
    "Stage",
    "TurnRecord",
]
