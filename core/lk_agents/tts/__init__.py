"""Speech synthesis: what a synthesizer is, whoever offers it, and adapters that make one of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.streams.words import TimedWord
    from lk_agents.tts.audio import AvailabilityChangedEvent, SynthesizedAudio, TTSCapabilities
    from lk_agents.tts.chunked import ChunkedStream
    from lk_agents.tts.emitter import SynthesizedAudioEmitter
    from lk_agents.tts.fallback import FallbackAdapter
    from lk_agents.tts.fallback_chunked import FallbackChunkedStream
    from lk_agents.tts.fallback_stream import FallbackSynthesizeStream
    from lk_agents.tts.lookup import create
    from lk_agents.tts.stream_adapter import StreamAdapter, StreamAdapterWrapper
    from lk_agents.tts.synthesizer import TTS
    from lk_agents.tts.text_stream import SynthesizeStream

__all__ = [
    "TTS",
    "AvailabilityChangedEvent",
    "ChunkedStream",
    "FallbackAdapter",
    "FallbackChunkedStream",
    "FallbackSynthesizeStream",
    "StreamAdapter",
    "StreamAdapterWrapper",
    "SynthesizeStream",
    "SynthesizedAudio",
    "SynthesizedAudioEmitter",
    "TTSCapabilities",
    "TimedWord",
    "create",
]

_NAMES = {
    "lookup": ("create",),
    "audio": ("AvailabilityChangedEvent", "SynthesizedAudio", "TTSCapabilities"),
    "chunked": ("ChunkedStream",),
    "emitter": ("SynthesizedAudioEmitter",),
    "fallback": ("FallbackAdapter",),
    "fallback_chunked": ("FallbackChunkedStream",),
    "fallback_stream": ("FallbackSynthesizeStream",),
    "stream_adapter": ("StreamAdapter", "StreamAdapterWrapper"),
    "synthesizer": ("TTS",),
    "text_stream": ("SynthesizeStream",),
}


def __getattr__(name: str) -> Any:
    if name == "TimedWord":
        from lk_agents.streams.words import TimedWord

        return TimedWord
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
