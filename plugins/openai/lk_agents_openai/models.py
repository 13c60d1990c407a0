"""Names for editors to complete; every other text is taken as well."""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["ChatModels", "EmbeddingModels", "STTModels", "TTSModels", "TTSVoices"]

ChatModels: TypeAlias = Literal[
    "gpt-3.5-turbo",
    "gpt-4-turbo",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4.1-nano",
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-5",
    "gpt-5-mini",
    "gpt-5-nano",
    "gpt-5.1",
    "gpt-5.2",
    "gpt-5.4",
    "gpt-5.4-mini",
    "gpt-5.4-nano",
    "o3",
    "o4-mini",
]
EmbeddingModels: TypeAlias = Literal["text-embedding-3-large", "text-embedding-3-small", "text-embedding-ada-002"]
STTModels: TypeAlias = Literal[
    "gpt-4o-mini-transcribe",
    "gpt-4o-transcribe",
    "gpt-live-transcribe",
    "gpt-realtime-whisper",
    "gpt-transcribe",
    "whisper-1",
]
TTSModels: TypeAlias = Literal["gpt-4o-mini-tts", "tts-1", "tts-1-hd"]
TTSVoices: TypeAlias = Literal[
    "alloy",
    "ash",
    "ballad",
    "cedar",
    "coral",
    "echo",
    "fable",
    "marin",
    "nova",
    "onyx",
    "sage",
    "shimmer",
    "verse",
]
