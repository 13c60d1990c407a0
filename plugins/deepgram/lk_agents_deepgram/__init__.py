"""Speech recognition and speech synthesis by Deepgram.

The names are loaded when they are first used: importing this package, as its entry point does in every process, costs
nothing, and loads no module beside itself, by which the framework would take the plugin to be in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents_deepgram.energy_filter import AudioEnergyFilter
    from lk_agents_deepgram.flux_options import FluxOptions
    from lk_agents_deepgram.flux_stream import SpeechStreamv2
    from lk_agents_deepgram.flux_stt import STTv2
    from lk_agents_deepgram.live import SpeechStream
    from lk_agents_deepgram.options import STTOptions
    from lk_agents_deepgram.stt import STT
    from lk_agents_deepgram.tts import TTS
    from lk_agents_deepgram.tts_options import TTSOptions
    from lk_agents_deepgram.turn_detector import FluxTurnDetector

__version__ = "0.1.0"

__all__ = [
    "STT",
    "TTS",
    "AudioEnergyFilter",
    "FluxOptions",
    "FluxTurnDetector",
    "STTOptions",
    "STTv2",
    "SpeechStream",
    "SpeechStreamv2",
    "TTSOptions",
    "__version__",
]

_HOME = {
    "AudioEnergyFilter": "energy_filter",
    "FluxOptions": "flux_options",
    "FluxTurnDetector": "turn_detector",
    "STT": "stt",
    "STTOptions": "options",
    "STTv2": "flux_stt",
    "SpeechStream": "live",
    "SpeechStreamv2": "flux_stream",
    "TTS": "tts",
    "TTSOptions": "tts_options",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
