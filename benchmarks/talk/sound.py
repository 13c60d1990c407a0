"""What callers say: the recordings of the demo, cut into phrases at their pauses, at 48 kHz."""

from __future__ import annotations

import functools
import wave
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.frameworks import ROOT

__all__ = ["PIECE", "PIECE_SECONDS", "RATE", "Phrase", "Samples", "beep", "hush", "loud_ends", "phrases", "upsampled"]

Samples = NDArray[np.int16]

RATE: Final = 48_000
PIECE_SECONDS: Final = 0.05
"""What callers give to the media library and take from it at a time; it sends 10 ms at a time."""
PIECE: Final = round(RATE * PIECE_SECONDS)

AUDIO: Final = ROOT / "examples" / "demo" / "audio"
CUTS: Final = (
    ("caller.wav", 1.10, 4.60),  # I would like to know whether my parcel has left the harbour yet.
    ("somebody_else.wav", 0.0, 3.20),  # Seven brown foxes walked quietly along the river,
    ("somebody_else.wav", 3.33, 5.40),  # looking for a warm place to sleep.
    ("somebody_else.wav", 0.0, 5.40),  # both
)
"""File, and from where to where, in seconds. Between words it is never quiet for so long that a turn could end, even
where a busy machine makes a pause longer on its way."""
LOUD: Final = 10 ** (-35 / 20)
"""Of the peak: 35 dB below it are the last sounds of a word, and far above the noise of a room."""
HUSH: Final = 3.0
"""Noise of the room, as standard deviation of 32767: no microphone is silent down to the last bit."""
BEEP_SECONDS: Final = 0.1
BEEP_HERTZ: Final = 1000


@dataclass(frozen=True)
class Phrase:
    """Something to say.

    :param samples: at 48 kHz.
    :param first: the first loud sample.
    :param last: the last loud sample.
    """

    samples: Samples
    first: int
    last: int

    @classmethod
    def of(cls, samples: Samples) -> Phrase:
        """Make a phrase of samples, filled up with silence to whole pieces."""
        first, last = loud_ends(samples)
        return cls(np.pad(samples, (0, -len(samples) % PIECE)), first, last)


def loud_ends(samples: Samples) -> tuple[int, int]:
    """Return the places of the first and the last sample that are within 35 dB of the loudest.

    :raises ValueError: there is nothing but silence.
    """
    size = np.abs(samples.astype(np.int32))
    if not size.any():
        raise ValueError("there is no loud sample in silence")
    loud = np.flatnonzero(size >= size.max() * LOUD)
    return int(loud[0]), int(loud[-1])


def upsampled(samples: Samples, factor: int) -> Samples:
    """Return the same sound at a rate that is a multiple of its own, without new frequencies."""
    spectrum = np.fft.rfft(samples.astype(np.float64))
    sound = np.fft.irfft(spectrum, len(samples) * factor) * factor
    return np.clip(np.round(sound), -32768, 32767).astype(np.int16)


@functools.cache
def phrases() -> tuple[Phrase, ...]:
    """Return what callers say, one after the other."""
    return tuple(Phrase.of(_cut(name, begin, end)) for name, begin, end in CUTS)


def beep() -> Phrase:
    """Return a short loud tone, which begins and ends at once."""
    time = np.arange(round(RATE * BEEP_SECONDS)) / RATE
    return Phrase.of((np.cos(2 * np.pi * BEEP_HERTZ * time) * 16_000).astype(np.int16))


def hush(seconds: float) -> Samples:
    """Return the noise of a quiet room, the same at each call."""
    return np.random.default_rng(1).normal(0, HUSH, round(RATE * seconds)).astype(np.int16)


def _cut(name: str, begin: float, end: float) -> Samples:
    with wave.open(str(AUDIO / name), "rb") as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.int16)
    whole = upsampled(samples, RATE // rate)
    return whole[round(begin * RATE) : round(end * RATE)]
