"""With what an agent speaks, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.media.protocols import AudioOut, TextIO
    from lk_agents.tts import TTS
    from lk_agents.voice.transcription_options import AgentTranscriptionOptions

__all__ = ["AgentVoice"]


@dataclass(frozen=True, kw_only=True)
class AgentVoice:
    """With what an agent speaks, and where.

    :param tts: the synthesizer; one that takes text piece by piece. None where only audio is spoken.
    :param sink: where it is heard.
    :param transcription: how it is shown.
    :param text_io: where it is shown; None for nowhere.
    :param participant: the agent's identity, for those who show it.
    :param track: the id of the agent's track, for those who show it; empty for none.
    """

    tts: TTS[Any] | None
    sink: AudioOut
    transcription: AgentTranscriptionOptions
    text_io: TextIO | None = None
    participant: str = ""
    track: str = ""
