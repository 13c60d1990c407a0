"""Did somebody hear himself? Normalised cross-correlation of a reference with a recording, over all lags.

A score of 1 means that a stretch of the reference is in the recording, at whatever loudness and delay; two different
recordings of speech stay far below 0.3. Codec and jitter buffer cost some of it: they change the wave a little, and
the jitter buffer now and then inserts or drops some milliseconds, after which the rest no longer lines up. So not the
whole reference is compared at once, but stretches of it, and the best one counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demo.recording import Recording, Samples

__all__ = ["Match", "best_match"]

STEP_SECONDS = 0.1
SPEECH_FRAME_SECONDS = 0.02
SPEECH_BELOW_PEAK = 0.01
"""A frame counts as speech while its power is above this share (20 dB down) of the loudest frame's."""
SPEECH_SHARE = 0.6
"""A stretch counts as speech if at least this share of its frames does: words have gaps between them."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Match:
    """Where a stretch of the reference fits best.

    :param score: normalised cross-correlation there, -1 to 1.
    :param reference_seconds: where the stretch begins in the reference.
    :param recording_seconds: where it was found in the recording.
    :param length_seconds: how long it is.
    """

    score: float
    reference_seconds: float
    recording_seconds: float
    length_seconds: float


def best_match(reference: Recording, recording: Recording, *, length_seconds: float) -> Match:
    """Return how well the best stretch of speech in ``reference`` fits anywhere in ``recording``.

    :param length_seconds: length of the stretches that are tried, one every 0.1 s.
    :raises ValueError: the rates differ, or one of them is shorter than a stretch, or the reference has no speech.
    """
    if reference.rate != recording.rate:
        raise ValueError(f"rates differ: {reference.rate} and {recording.rate} Hz")
    rate = reference.rate
    length = round(length_seconds * rate)
    if min(len(reference.samples), len(recording.samples)) < length:
        raise ValueError(
            f"both must last {length_seconds:g} s; the reference lasts {reference.seconds:.1f} s, "
            f"the recording {recording.seconds:.1f} s"
        )
    stretches = _speech_stretches(reference.samples, rate, length)
    if not stretches:
        raise ValueError(f"the reference has no {length_seconds:g} s of speech")
    heard = _Heard(recording.samples, length)
    matches = []
    for start in stretches:
        scores = heard.scores(reference.samples[start : start + length].astype(np.float64))
        lag = int(np.argmax(scores))
        matches.append(Match(float(scores[lag]), start / rate, lag / rate, length_seconds))
    return max(matches, key=lambda match: match.score)


class _Heard:
    """A recording, prepared for the comparison with many stretches of one length."""

    def __init__(self, samples: Samples, length: int) -> None:
        wave = samples.astype(np.float64)
        self._positions = len(wave) - length + 1
        self._size = 1 << (len(wave) + length - 1).bit_length()
        self._spectrum = np.fft.rfft(wave, self._size)
        sums = np.concatenate(([0.0], np.cumsum(wave)))
        squares = np.concatenate(([0.0], np.cumsum(wave**2)))
        total = sums[length:] - sums[:-length]
        variance = squares[length:] - squares[:-length] - total**2 / length
        # Silence has no shape to compare: the floor of one step per sample keeps it from dividing by nothing.
        self._norms = np.sqrt(np.maximum(variance, float(length)))

    def scores(self, stretch: _Floats) -> _Floats:
        """Return the normalised cross-correlation at each position."""
        centred = stretch - stretch.mean()  # so the recording's own mean drops out of the product
        spectrum = np.fft.rfft(centred, self._size)
        products = np.fft.irfft(self._spectrum * np.conj(spectrum), self._size)[: self._positions]
        norm = max(float(np.linalg.norm(centred)), 1.0)
        return np.asarray(products / (self._norms * norm), dtype=np.float64)


def _speech_stretches(samples: Samples, rate: int, length: int) -> list[int]:
    """Return where stretches of ``length`` samples begin that are mostly speech."""
    size = round(SPEECH_FRAME_SECONDS * rate)
    frames = samples[: len(samples) // size * size].astype(np.float64).reshape(-1, size)
    power = (frames**2).mean(axis=1)
    if not power.size or power.max() == 0:
        return []
    loud = power > power.max() * SPEECH_BELOW_PEAK
    wanted = SPEECH_SHARE * length / size
    starts = range(0, len(samples) - length + 1, round(STEP_SECONDS * rate))
    return [start for start in starts if loud[start // size : (start + length) // size].sum() >= wanted]
