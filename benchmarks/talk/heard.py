"""What a caller heard, as loud stretches of the agent's tones, each with its place in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.talk.clock import moment
from benchmarks.talk.script import SPACING, TONES
from benchmarks.talk.sound import RATE, Samples

__all__ = ["GAP_SECONDS", "LOUD", "Stretch", "stretches"]

LOUD: Final = 2000
"""Of 32767. The agent's tone is eight times as loud; what silence becomes on its way stays far below."""
GAP_SECONDS: Final = 0.04
"""Loud samples that are no further apart belong together."""
TONE_SAMPLES: Final = round(0.2 * RATE)
RESOLUTION: Final = 1 << 16


@dataclass(frozen=True)
class Stretch:
    """Loud samples of one tone without a gap.

    :param begin: when its first sample was heard, in seconds of the caller's clock.
    :param end: when its last sample was heard.
    :param tone: in Hz; 0 if it is none of the agent's.
    :param first: the place of its first sample in the stream, in seconds: there gaps are what they are, however late
        frames came.
    :param last: the place of its last sample.
    """

    begin: float
    end: float
    tone: int
    first: float
    last: float

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.last - self.first


def stretches(samples: Samples, due: NDArray[np.float64]) -> list[Stretch]:
    """Return the loud stretches.

    :param samples: whole pieces.
    :param due: when each piece was due.
    """
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) >= LOUD)
    if not len(loud):
        return []
    breaks = np.flatnonzero(np.diff(loud) > GAP_SECONDS * RATE)
    firsts, lasts = loud[np.r_[0, breaks + 1]], loud[np.r_[breaks, len(loud) - 1]]
    return [
        Stretch(
            begin=moment(int(first), due),
            end=moment(int(last), due),
            tone=_tone(samples[first : last + 1]),
            first=float(first / RATE),
            last=float(last / RATE),
        )
        for first, last in zip(firsts, lasts, strict=True)
    ]


def _tone(samples: Samples) -> int:
    """Return the agent's tone that it is, or 0. Short ones are told by their middle."""
    start = max(0, (len(samples) - TONE_SAMPLES) // 2)
    middle = samples[start : start + TONE_SAMPLES].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), RESOLUTION))
    hertz = float(np.argmax(spectrum)) * RATE / RESOLUTION
    nearest = min(TONES, key=lambda tone: abs(tone - hertz))
    return nearest if abs(nearest - hertz) < SPACING / 2 else 0
