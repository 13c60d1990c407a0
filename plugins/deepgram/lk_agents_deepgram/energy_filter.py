"""Tells sound from silence by its energy, so that silence need not be sent."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from lk_agents.foundation.errors import ConfigError

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["AudioEnergyFilter"]

FULL_SCALE = 32768.0


class AudioEnergyFilter:
    """Judges frame by frame whether they are worth sending.

    Each stream judges by a copy of its own, as it was when the stream began.

    :param min_silence: seconds of quiet frames in a row before it counts as silent; also at the beginning.
    :param rms_threshold: the mean square of the samples, of which 1 is the largest, above which a frame is loud.
    :raises ConfigError: one of them is negative.
    """

    class State(Enum):
        """What a frame is."""

        START = "start"
        """The first loud one after silence."""
        SPEAKING = "speaking"
        """Loud, or quiet for not long enough."""
        END = "end"
        """The first that is silent."""
        SILENCE = "silence"
        """Silent as well."""

    def __init__(self, *, min_silence: float = 1.5, rms_threshold: float = 0.004**2) -> None:
        for name, value in (("min_silence", min_silence), ("rms_threshold", rms_threshold)):
            if value < 0:
                raise ConfigError(f"{name} is {value!r}; it must be 0 or more")
        self._min_silence = min_silence
        self._threshold = rms_threshold
        self._patience_seconds = min_silence
        self._state = AudioEnergyFilter.State.SILENCE

    def update(self, frame: rtc.AudioFrame) -> State:
        """Judge the next frame."""
        self._state = self._judge(frame)
        return self._state

    def _judge(self, frame: rtc.AudioFrame) -> State:
        state = AudioEnergyFilter.State
        was_silent = self._state in {state.SILENCE, state.END}
        if _mean_square(frame) > self._threshold:
            self._patience_seconds = self._min_silence
            return state.START if was_silent else state.SPEAKING
        if self._patience_seconds > 0:
            self._patience_seconds -= frame.duration
            return state.SPEAKING
        return state.SILENCE if was_silent else state.END


def _mean_square(frame: rtc.AudioFrame) -> float:
    import numpy as np

    used = frame.samples_per_channel * frame.num_channels
    if not used:
        return 0.0
    samples = np.frombuffer(frame.data, dtype=np.int16, count=used).astype(np.float32) / FULL_SCALE
    return float(np.mean(np.square(samples)))
