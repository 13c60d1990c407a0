"""What programs meet beside the agent: records, alarms, errors."""

from __future__ import annotations

from lk_agents.voice.conversation import SessionError
from lk_agents.voice.dead_air import Action, DeadAirPolicy
from lk_agents.voice.records import TurnRecord
from lk_agents.voice.transcription_options import AgentTranscriptionOptions
from lk_agents.voice.watchdog import DeadAir

__all__ = ["Action", "AgentTranscriptionOptions", "DeadAir", "DeadAirPolicy", "SessionError", "TurnRecord"]
