"""Voice runs: when somebody really spoke, from the windows that a detector has judged. Pure.

A detector is sure of a beginning late, and of an end later still: it calls a window speech for a while after the last
sound, and wants many silent ones before it says END. A run follows the windows themselves, and the loudness within.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["RunChange", "VoiceRuns"]

SILENT_WINDOWS: Final = 2
"""So many in a row end a run."""
BLOCK_SECONDS: Final = 0.01
SPEECH_RANGE: Final = 10**-3.5
"""What is within 35 dB of the loudest of a run is a part of it."""
ONSET_RANGE: Final = 10**-2.5
"""What leads up to the first window without a gap, within 25 dB of it, is the beginning."""
WINDOWS_BEFORE: Final = 2
"""How late a detector may notice a beginning."""
EDGE_SECONDS: Final = 1e-6
"""Blocks that follow each other so closely touch."""


class RunChange(Enum):
    """What one more window means."""

    NONE = "none"
    """Nobody speaks."""
    BEGAN = "began"
    """This is the first window of a run."""
    WENT_ON = "went on"
    """The run goes on; a silent window may be a part of it."""
    ENDED = "ended"
    """This window has ended the run."""


class VoiceRuns:
    """Judges one window after the other. Positions are seconds of the audio.

    A run begins at the first window of speech and ends after two silent ones. Its beginning and end are refined by
    loudness, in blocks of 10 ms. While nobody speaks, nothing is computed.
    """

    def __init__(self) -> None:
        self.is_open = False
        self.onset = 0.0
        """Where the present run, or the last one, begins."""
        self.last_speech = 0.0
        """Where its last sound ends, as far as it was judged."""
        self._silent = 0
        self._peak = 0.0
        self._before: deque[tuple[float, rtc.AudioFrame | None]] = deque(maxlen=WINDOWS_BEFORE)

    def judge(self, *, is_speech: bool, begin: float, end: float, frame: rtc.AudioFrame | None) -> RunChange:
        """Take one window.

        :param is_speech: the detector's verdict on this window.
        :param begin: where it begins; windows come in order.
        :param frame: its audio, mono; None if that is not known, then the whole window counts as sound.
        """
        if is_speech:
            change = RunChange.WENT_ON if self.is_open else self._begin(begin, end, frame)
            self._silent = 0
            self._follow(begin, end, frame)
            return change
        self._before.append((begin, frame))
        if not self.is_open:
            return RunChange.NONE
        self._silent += 1
        if self._silent < SILENT_WINDOWS:
            return RunChange.WENT_ON
        self.is_open = False
        return RunChange.ENDED

    def end(self) -> bool:
        """End the run that is open, because no more audio comes; False if there is none."""
        was_open, self.is_open = self.is_open, False
        self._before.clear()
        return was_open

    def _begin(self, begin: float, end: float, frame: rtc.AudioFrame | None) -> RunChange:
        earliest = self.last_speech
        self.is_open = True
        self._peak = 0.0
        self.onset = max(begin if frame is None else self._first_sound(begin, frame), earliest)
        self.last_speech = max(end if frame is None else self.onset, earliest)
        self._before.clear()
        return RunChange.BEGAN

    def _first_sound(self, begin: float, frame: rtc.AudioFrame) -> float:
        """Return where the sound begins that goes on in this window, or begins in it."""
        blocks = _blocks(begin, frame)
        loudest = max(energy for _, _, energy in blocks)
        if not loudest:
            return begin
        limit = loudest * ONSET_RANGE
        first = next(start for start, _, energy in blocks if energy >= limit)
        if first > begin:
            return first
        for before, audio in reversed(self._before):
            if audio is None:
                break
            for start, stop, energy in reversed(_blocks(before, audio)):
                if energy < limit or first - stop > EDGE_SECONDS:
                    return first
                first = start
        return first

    def _follow(self, begin: float, end: float, frame: rtc.AudioFrame | None) -> None:
        if frame is None:
            self.last_speech = max(self.last_speech, end)
            return
        energies = _energies(frame)
        self._peak = max(self._peak, float(energies.max()))
        loud = (energies >= self._peak * SPEECH_RANGE).nonzero()[0]
        if len(loud):
            stop = _edges(frame.samples_per_channel, frame.sample_rate)[int(loud[-1]) + 1]
            self.last_speech = max(self.last_speech, begin + stop / frame.sample_rate)


@lru_cache(maxsize=32)
def _edges(samples: int, rate: int) -> tuple[int, ...]:
    """Return where blocks begin, and where the last one ends: what is left over of a window is its first block."""
    size = max(round(BLOCK_SECONDS * rate), 1)
    rest = samples % size
    return tuple(sorted({0, *range(rest, samples + 1, size)}))


def _energies(frame: rtc.AudioFrame) -> Any:
    import numpy as np

    edges = _edges(frame.samples_per_channel, frame.sample_rate)
    squares = np.frombuffer(frame.data, np.int16, frame.samples_per_channel).astype(np.float32)
    squares *= squares
    return np.add.reduceat(squares, edges[:-1]) / np.diff(edges)


def _blocks(begin: float, frame: rtc.AudioFrame) -> list[tuple[float, float, float]]:
    """Return where each block begins and ends, and how much energy a sample of it has."""
    edges, rate = _edges(frame.samples_per_channel, frame.sample_rate), frame.sample_rate
    return [
        (begin + start / rate, begin + stop / rate, energy)
        for (start, stop), energy in zip(pairwise(edges), _energies(frame).tolist(), strict=True)
    ]
