"""Sound: a voice that detectors take for one, in frames of 32 ms at 16 kHz mono."""

from __future__ import annotations

import math
from typing import Any, Final

__all__ = ["FRAME_SECONDS", "RATE", "SAMPLES", "WARM_UP", "hum", "utterances", "voice"]

RATE: Final = 16_000
SAMPLES: Final = 512
FRAME_SECONDS: Final = SAMPLES / RATE
WARM_UP: Final = 200
"""Frames of the audio path before the clock runs; a multiple of every pace."""

_VOWELS: Final = ((700, 1220, 2600), (390, 1990, 2550), (500, 1000, 2250), (310, 2020, 2960))
_SPOKEN_SECONDS: Final = 2.0
_CYCLE_SECONDS: Final = 3.5
_SYLLABLE_SECONDS: Final = 0.25


def hum(count: int) -> list[Any]:
    """Return frames for those who only count them."""
    from livekit import rtc

    content = bytes(range(256)) * (SAMPLES * 2 // 256)
    return [rtc.AudioFrame(content, RATE, 1, SAMPLES) for _ in range(count)]


def voice(seconds: float) -> list[Any]:
    """Return somebody who speaks for 2 s, breathes for 1.5 s, and so on; nowhere is it silent down to the last bit."""
    import numpy as np
    from livekit import rtc

    count = round(seconds / FRAME_SECONDS)
    time = np.arange(count * SAMPLES) / RATE
    pitch = 118 + 14 * np.sin(2 * np.pi * 0.6 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    sound = np.zeros(len(time))
    for harmonic in range(1, 26):  # a buzz whose harmonics the vowels weigh differently
        sound += np.sin(harmonic * phase) * _weights(np, time, harmonic * pitch) / harmonic**0.5
    speaking = (time % _CYCLE_SECONDS) < _SPOKEN_SECONDS
    sound *= speaking * np.sin(np.pi * (time % _SYLLABLE_SECONDS) / _SYLLABLE_SECONDS) ** 0.4
    noise = np.random.default_rng(1).normal(0, 15, len(time))
    samples = (sound / np.abs(sound).max() * 12_000 + noise).astype(np.int16)
    return [
        rtc.AudioFrame(samples[start : start + SAMPLES].tobytes(), RATE, 1, SAMPLES)
        for start in range(0, len(samples), SAMPLES)
    ]


def utterances(frames: int) -> int:
    """Return how often that voice begins to speak; of the last time, at least 0.3 s are needed to be sure of it."""
    return math.floor(frames * FRAME_SECONDS / _CYCLE_SECONDS) + 1


def _weights(np: Any, time: Any, hertz: Any) -> Any:
    """Return how loud a vowel's resonances make a harmonic, at each moment."""
    vowels = np.array(_VOWELS)[(time // _SYLLABLE_SECONDS).astype(int) % len(_VOWELS)]
    return sum(1 / (1 + ((hertz - vowels[:, number]) / 90) ** 2) for number in range(3))
