"""Mono recordings as arrays: reading them from WAV files, cutting them into frames."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Recording", "Samples", "hum", "read_wav"]

Samples = NDArray[np.int16]


@dataclass(frozen=True)
class Recording:
    """Mono audio of 16 bits.

    :param samples: one dimension.
    :param rate: samples per second.
    """

    samples: Samples
    rate: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate

    def frames(self, seconds: float) -> Iterator[Samples]:
        """Yield it in pieces of ``seconds``; the last one is filled up with silence."""
        size = round(self.rate * seconds)
        for start in range(0, len(self.samples), size):
            piece = self.samples[start : start + size]
            yield np.pad(piece, (0, size - len(piece)))


def read_wav(path: Path) -> Recording:
    """Read a WAV file.

    :raises ValueError: it is not mono with 16 bits.
    """
    with wave.open(str(path), "rb") as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, 2):
            raise ValueError(
                f"{path.name} has {file.getnchannels()} channels of {8 * file.getsampwidth()} bits; 1 of 16 is needed"
            )
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.int16)
        return Recording(samples, file.getframerate())


def hum(rate: int, seconds: float, *, hertz: float = 400.0, level: float = 0.05) -> Recording:
    """Return a soft steady tone; with whole periods in ``seconds`` it can be repeated without a click.

    :param level: of its peak, 1 being full scale.
    """
    time = np.arange(round(rate * seconds)) / rate
    return Recording((np.sin(2 * np.pi * hertz * time) * level * 32767).astype(np.int16), rate)
