"""Language models, recognition, synthesis and speech-to-speech models by OpenAI, and by those who speak as it does.

The names are loaded when they are first used: importing this package, as its entry point does in every process, costs
nothing, and loads no module beside itself, by which the framework would take the plugin to be in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents_openai import beta, realtime
    from lk_agents_openai.chat_stream import LLMStream
    from lk_agents_openai.embeddings import EmbeddingData, create_embeddings
    from lk_agents_openai.listening import SpeechStream
    from lk_agents_openai.llm import LLM
    from lk_agents_openai.models import STTModels, TTSModels, TTSVoices
    from lk_agents_openai.stt import STT
    from lk_agents_openai.tts import TTS

__version__ = "0.1.0"

__all__ = [
    "LLM",
    "STT",
    "TTS",
    "EmbeddingData",
    "LLMStream",
    "STTModels",
    "SpeechStream",
    "TTSModels",
    "TTSVoices",
    "__version__",
    "beta",
    "create_embeddings",
    "realtime",
]

_HOME = {
    "EmbeddingData": "embeddings",
    "LLM": "llm",
    "LLMStream": "chat_stream",
    "STT": "stt",
    "STTModels": "models",
    "SpeechStream": "listening",
    "TTS": "tts",
    "TTSModels": "models",
    "TTSVoices": "models",
    "create_embeddings": "embeddings",
}
_MODULES = ("beta", "realtime")


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
