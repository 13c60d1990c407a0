"""The network of Silero VAD, computed with numpy: half the time that a general runtime takes for so small a one.

Spectra of four overlapping moments of a window go through four convolutions and a memory cell; its output gives the
probability. Everything is computed in place, in arrays that are made once for a stream.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.fft import rfft
from numpy.lib.stride_tricks import as_strided

from lk_agents_silero.model import CONTEXT_SHARE, SCALE, UNITS, WINDOW_SECONDS
from lk_agents_silero.weights import Weights

__all__ = ["Network"]

Floats = npt.NDArray[np.float32]

ZERO, HALF, ONE = np.float32(0), np.float32(0.5), np.float32(1)
MOMENTS: Final = 4
KERNEL: Final = 3
"""Moments that a convolution sees at once; the first and the last moment have silence beside them."""


class Network:
    """Silero VAD, with the memory of one stream.

    :param weights: any number of streams may share them.
    """

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._window_samples = round(weights.sample_rate * WINDOW_SECONDS)
        self._make_input()
        self._make_layers()
        self._make_memory()

    @property
    def sample_rate(self) -> int:
        """The rate of the windows, in Hz."""
        return self._weights.sample_rate

    @property
    def window_size_samples(self) -> int:
        """The length of a window: 32 ms."""
        return self._window_samples

    def __call__(self, window: npt.NDArray[np.int16]) -> float:
        """Return the probability that the next window is speech."""
        np.multiply(window, SCALE, out=self._window)
        self._mirror[:] = self._mirrored
        self._encode()
        self._context[:] = self._newest
        self._remember()
        weights = self._weights
        verdict = float(np.maximum(self._output, ZERO) @ weights.verdict) + weights.verdict_bias
        return 1 / (1 + math.exp(-verdict))

    def reset(self) -> None:
        """Forget what was heard."""
        self._context[:] = 0
        self._output[:] = 0
        self._cell[:] = 0

    def _make_input(self) -> None:
        """Make the window, what is put before it, and the mirror of its end, which the last spectrum needs."""
        context = mirror = self._window_samples // CONTEXT_SHARE
        sound = np.zeros(context + self._window_samples + mirror, np.float32)
        self._context = sound[:context]
        self._window = sound[context:-mirror]
        self._newest = sound[-mirror - context : -mirror]
        self._mirror = sound[-mirror:]
        self._mirrored = sound[-mirror - 2 : -2 * mirror - 2 : -1]
        size = len(self._weights.taper)
        self._moments = _moments(sound, MOMENTS, size // 2, size)
        self._tapered = np.zeros((MOMENTS, size), np.float32)

    def _make_layers(self) -> None:
        """Make the input of each layer, with silence before and behind, beside the rows that its kernel sees of it."""
        weights, half = self._weights, UNITS // 2
        self._spectra, seen_by_first = _padded(MOMENTS, len(weights.taper) // 2 + 1, step=1)
        first, seen_by_second = _padded(MOMENTS, UNITS, step=2)
        second, seen_by_third = _padded(MOMENTS // 2, half, step=2)
        third, seen_by_fourth = _padded(1, half, step=1)
        self._heard = np.zeros(2 * UNITS, np.float32)  # the sound as the memory gets it, and its own output before
        fourth, self._output = self._heard[:UNITS], self._heard[UNITS:]
        self._wide = (
            (seen_by_first, *weights.wide[0], first),
            (seen_by_second, *weights.wide[1], second),
        )
        self._narrow = (
            (seen_by_third[0], *weights.narrow[0], third.reshape(weights.narrow[0][1].shape)),
            (seen_by_fourth[0], *weights.narrow[1], fourth.reshape(weights.narrow[1][1].shape)),
        )

    def _make_memory(self) -> None:
        self._cell = np.zeros(UNITS, np.float32)
        self._gate_blocks = np.zeros(self._weights.gate_bias.shape, np.float32)
        gates = self._gate_blocks.reshape(4, UNITS)
        self._sigmoids = gates[:3]
        self._into, self._forget, self._out_of, self._candidate = gates

    def _encode(self) -> None:
        np.multiply(self._moments, self._weights.taper, out=self._tapered)
        np.abs(rfft(self._tapered), out=self._spectra)
        for moments, matrix, bias, output in self._wide:
            np.maximum(moments @ matrix + bias, ZERO, out=output)
        for moment, matrix, bias, output in self._narrow:
            np.maximum(matrix @ moment + bias, ZERO, out=output)

    def _remember(self) -> None:
        np.matmul(self._weights.gates, self._heard, out=self._gate_blocks)
        self._gate_blocks += self._weights.gate_bias
        np.tanh(self._gate_blocks, out=self._gate_blocks)
        self._sigmoids += ONE
        self._sigmoids *= HALF
        self._cell *= self._forget
        self._candidate *= self._into
        self._cell += self._candidate
        np.tanh(self._cell, out=self._output)
        self._output *= self._out_of


def _padded(moments: int, channels: int, *, step: int) -> tuple[Floats, Floats]:
    """Return an array for the moments, and rows that each hold what a kernel sees of it."""
    whole = np.zeros((moments + KERNEL - 1, channels), np.float32)
    seen = _moments(whole.reshape(-1), moments // step, step * channels, KERNEL * channels)
    return whole[1:-1], seen


def _moments(values: Floats, count: int, step: int, length: int) -> Floats:
    """Return overlapping parts of an array as rows, without copying them."""
    return as_strided(values, (count, length), (step * values.itemsize, values.itemsize))
