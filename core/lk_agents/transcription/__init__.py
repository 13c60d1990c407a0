"""Transcripts beside the voices: what the user says as it is understood, what the agent says as it is heard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.transcription.aligner import Aligner, Alignment, HeardText
    from lk_agents.transcription.stt_forwarder import STTSegmentsForwarder
    from lk_agents.transcription.tts_forwarder import TTSSegmentsForwarder

__all__ = ["Aligner", "Alignment", "HeardText", "STTSegmentsForwarder", "TTSSegmentsForwarder"]

_NAMES = {
    "aligner": ("Aligner", "Alignment", "HeardText"),
    "stt_forwarder": ("STTSegmentsForwarder",),
    "tts_forwarder": ("TTSSegmentsForwarder",),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
