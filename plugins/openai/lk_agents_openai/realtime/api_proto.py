"""Figures and names of OpenAI's realtime interface; every other text is taken as well where a name is asked for."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

__all__ = [
    "IN_FRAME_SIZE",
    "NUM_CHANNELS",
    "OUT_FRAME_SIZE",
    "SAMPLE_RATE",
    "AudioFormat",
    "Dialect",
    "Modality",
    "NoiseReduction",
    "RealtimeModels",
    "Voice",
]

SAMPLE_RATE: Final = 24_000
"""Of the audio in both directions, in Hz: OpenAI takes and gives no other."""
NUM_CHANNELS: Final = 1
IN_FRAME_SIZE: Final = 2_400
"""Samples of 100 ms, the least that can be committed."""
OUT_FRAME_SIZE: Final = 1_200
"""Samples of 50 ms."""

Dialect: TypeAlias = Literal["ga", "beta"]
"""``"ga"`` is what OpenAI speaks; ``"beta"`` is that of Azure with an ``api-version``, and of older servers."""
Modality: TypeAlias = Literal["text", "audio"]
AudioFormat: TypeAlias = Literal["pcm16", "g711_ulaw", "g711_alaw"]
NoiseReduction: TypeAlias = Literal["near_field", "far_field"]
Voice: TypeAlias = Literal[
    "alloy",
    "ash",
    "ballad",
    "cedar",
    "coral",
    "echo",
    "marin",
    "sage",
    "shimmer",
    "verse",
]
RealtimeModels: TypeAlias = Literal[
    "gpt-4o-mini-realtime-preview",
    "gpt-4o-realtime-preview",
    "gpt-realtime",
    "gpt-realtime-1.5",
    "gpt-realtime-2",
    "gpt-realtime-2.1",
    "gpt-realtime-2.1-mini",
    "gpt-realtime-mini",
]
