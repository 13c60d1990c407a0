"""When the pieces of a stream were due, found from when somebody had time for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.talk.sound import PIECE_SECONDS, RATE

__all__ = ["due_times", "moment"]

NEAR: Final = round(1 / PIECE_SECONDS)
"""Pieces on each side that tell how late a piece is: in 1 s no clock drifts, and some piece is in time."""


def due_times(times: Sequence[float]) -> NDArray[np.float64]:
    """Return when each piece was due. The media library keeps the time, one piece every 50 ms, whoever is late.

    :param times: when each piece came.
    """
    places = np.arange(len(times)) * PIECE_SECONDS
    late = np.pad(np.asarray(times) - places, NEAR, constant_values=np.inf)
    least: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(late, 2 * NEAR + 1).min(axis=1)
    return places + least


def moment(place: int, due: NDArray[np.float64]) -> float:
    """Return when a sample was spoken or heard: a piece is due when its last sample has been.

    :param place: of the sample in the stream.
    """
    piece, within = divmod(place, round(PIECE_SECONDS * RATE))
    return float(due[piece] - PIECE_SECONDS + within / RATE)
