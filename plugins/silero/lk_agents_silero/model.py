"""What a stream asks about its windows."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["CONTEXT_SHARE", "MODEL_FILE", "SCALE", "UNITS", "WINDOW_SECONDS", "Model"]

MODEL_FILE: Final = "data/silero_vad.onnx"
WINDOW_SECONDS: Final = 0.032
CONTEXT_SHARE: Final = 8
"""A window is that many times as long as what is put before it of the one before."""
UNITS: Final = 128
"""Of the network's memory."""
SCALE: Final = np.float32(1 / 32767)


class Model(Protocol):
    """Judges the windows of one stream: it remembers what it has heard."""

    @property
    def sample_rate(self) -> int:
        """The rate of the windows, in Hz."""

    @property
    def window_size_samples(self) -> int:
        """The length of a window."""

    def __call__(self, window: npt.NDArray[np.int16]) -> float:
        """Return the probability that the next window is speech."""

    def reset(self) -> None:
        """Forget what was heard."""
