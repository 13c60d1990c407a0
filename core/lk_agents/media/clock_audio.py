"""A sink that needs no device: it plays in the time of the clock, virtual or real."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import ConfigError

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["ClockAudioOut"]

BYTES_PER_SAMPLE: Final = 2
_ROUNDING: Final = 1e-6  # what adding up seconds may cost, in samples


class ClockAudioOut:
    """Plays into nothing, or to whoever wants to know; an :class:`~lk_agents.media.AudioOut`.

    :param sample_rate: in Hz.
    :param queue_seconds: how much may wait to be played.
    :param on_played: called with the clock's moment of its first sample and the 16-bit samples of each piece that was
        played: at :meth:`flush`, and before anything that follows it is taken.
    """

    def __init__(
        self,
        sample_rate: int,
        num_channels: int = 1,
        *,
        queue_seconds: float = 1.0,
        on_played: Callable[[float, bytes], None] | None = None,
    ) -> None:
        self._rate = sample_rate
        self._channels = num_channels
        self._queue_samples = queue_seconds * sample_rate
        self._speed = float(sample_rate)  # samples per second of the clock
        self._on_played = on_played
        self._audio = bytearray()  # what was taken and not yet told
        self._captured = 0
        self._told = 0
        self._since = (0.0, 0)  # when it began to play without a gap, and at which sample
        self._clears = 0
        self._cleared = asyncio.Event()

    @property
    def sample_rate(self) -> int:
        """Hz that frames must have."""
        return self._rate

    @property
    def num_channels(self) -> int:
        """Channels that frames must have."""
        return self._channels

    @property
    def queued_seconds(self) -> float:
        """How much waits to be played."""
        return self._queued() / self._rate

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Take a frame to be played behind what waits; see :class:`~lk_agents.media.AudioOut`.

        :raises ConfigError: it has another rate or another number of channels.
        """
        if (frame.sample_rate, frame.num_channels) != (self._rate, self._channels):
            raise ConfigError(
                f"this sink plays {self._channels} channels at {self._rate} Hz, not {frame.num_channels} at "
                f"{frame.sample_rate} Hz"
            )
        clears = self._clears
        while clears == self._clears and (queued := self._queued()):  # an empty queue takes a frame of any length
            if (over := queued + frame.samples_per_channel - self._queue_samples) <= 0:
                break
            await self._sleep(min(over, queued))
        if clears == self._clears:
            self._append(frame)

    def clear(self) -> None:
        """Drop what waits."""
        self.flush()
        self._captured = self._told
        self._audio.clear()
        self._clears += 1
        self._cleared.set()

    def position(self) -> float:
        """Return how many seconds were played."""
        return self._played() / self._rate

    async def wait_for_playout(self) -> None:
        """Return when nothing waits any more."""
        while queued := self._queued():
            await self._sleep(queued)

    def flush(self) -> None:
        """Tell what was played until now."""
        began, sample = self._since
        if (samples := self._played() - self._told) <= 0:
            return
        size = samples * self._channels * BYTES_PER_SAMPLE
        if self._on_played is not None:
            self._on_played(began + (self._told - sample) / self._speed, bytes(self._audio[:size]))
        del self._audio[:size]
        self._told += samples

    def _append(self, frame: rtc.AudioFrame) -> None:
        self.flush()
        if not self._queued():
            self._since = (clock.monotonic(), self._captured)
        self._captured += frame.samples_per_channel
        used = frame.samples_per_channel * self._channels * BYTES_PER_SAMPLE
        self._audio += memoryview(frame.data).cast("B")[:used]

    def _played(self) -> int:
        began, sample = self._since
        return min(self._captured, sample + int((clock.monotonic() - began) * self._speed + _ROUNDING))

    def _queued(self) -> int:
        return self._captured - self._played()

    async def _sleep(self, samples: float) -> None:
        """Sleep while that many samples are played, or until what waits is cleared."""
        self._cleared.clear()
        try:
            async with asyncio.timeout(max(samples, 1) / self._speed):
                await self._cleared.wait()
        except TimeoutError:
            return
