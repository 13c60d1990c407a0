"""Audio on its way to the sink: brought to the format that it plays, from whatever format it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.utils.audio import Resampler

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.protocols import AudioOut

__all__ = ["SinkFormat"]


class SinkFormat:
    """Brings frames to the rate and the channels of a sink; those that have them pass untouched.

    Rate and channels of what comes may change at any time.
    """

    def __init__(self, sink: AudioOut) -> None:
        self._rate = sink.sample_rate
        self._channels = sink.num_channels
        self._resampler = Resampler(sink.sample_rate, quality="medium")

    def push(self, frame: rtc.AudioFrame) -> list[rtc.AudioFrame]:
        """Return what comes out for a frame, perhaps nothing yet; never an empty frame."""
        if not frame.samples_per_channel:
            return []
        if frame.num_channels != self._channels:
            frame = _with_channels(frame, self._channels)
        return [piece for piece in self._resampler.push(frame) if piece.samples_per_channel]

    def flush(self) -> list[rtc.AudioFrame]:
        """Return what is held back."""
        return [piece for piece in self._resampler.flush() if piece.samples_per_channel]


def _with_channels(frame: rtc.AudioFrame, channels: int) -> rtc.AudioFrame:
    """Return a frame that has the mean of all channels in each of so many."""
    import numpy as np

    used = frame.samples_per_channel * frame.num_channels
    samples = np.frombuffer(frame.data, dtype=np.int16)[:used].reshape(-1, frame.num_channels)
    mixed = np.rint(samples.mean(axis=1)).astype(np.int16)
    data = bytearray(np.repeat(mixed, channels).data.cast("B"))
    return type(frame)(data, frame.sample_rate, channels, frame.samples_per_channel)
