"""Speech to text: the interface of recognisers and their streams, and the adapters that wrap them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.streams.inputs import AudioDropped
    from lk_agents.streams.words import TimedWord
    from lk_agents.stt.events import (
        RecognitionUsage,
        SpeechData,
        SpeechEvent,
        SpeechEventType,
        STTCapabilities,
    )
    from lk_agents.stt.fallback import AvailabilityChangedEvent, FallbackAdapter
    from lk_agents.stt.lookup import create
    from lk_agents.stt.recognizer import STT
    from lk_agents.stt.stream import RecognizeStream, SpeechStream
    from lk_agents.stt.stream_adapter import StreamAdapter, StreamAdapterWrapper

__all__ = [
    "STT",
    "AudioDropped",
    "AvailabilityChangedEvent",
    "FallbackAdapter",
    "RecognitionUsage",
    "RecognizeStream",
    "STTCapabilities",
    "SpeechData",
    "SpeechEvent",
    "SpeechEventType",
    "SpeechStream",
    "StreamAdapter",
    "StreamAdapterWrapper",
    "TimedWord",
    "create",
]

_NAMES = {
    "events": (
        "AudioDropped",
        "RecognitionUsage",
        "STTCapabilities",
        "SpeechData",
        "SpeechEvent",
        "SpeechEventType",
        "TimedWord",
    ),
    "lookup": ("create",),
    "fallback": ("AvailabilityChangedEvent", "FallbackAdapter"),
    "recognizer": ("STT",),
    "stream": ("RecognizeStream", "SpeechStream"),
    "stream_adapter": ("StreamAdapter", "StreamAdapterWrapper"),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
