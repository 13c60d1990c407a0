"""A sink that a device empties at its own pace, from a thread of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import ConfigError, PlayoutError

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.console.ports import OnAudio

__all__ = ["DeviceAudioOut"]

BYTES_PER_SAMPLE: Final = 2
QUEUE_SECONDS: Final = 1.0
"""How much may wait to be taken by the device."""


class DeviceAudioOut:
    """Plays through a device that asks for samples; an :class:`~lk_agents.media.AudioOut`.

    What was played is what the device has taken, less what is still on its way to the ear: the device says with each
    block how long that takes. What it has taken cannot be called back, so a :meth:`clear` counts that as played.
    """

    def __init__(self, sample_rate: int, num_channels: int = 1, *, on_played: OnAudio | None = None) -> None:
        self._rate = sample_rate
        self._channels = num_channels
        self._size = num_channels * BYTES_PER_SAMPLE
        self._on_played = on_played
        self._lock = Lock()
        self._waiting = bytearray()
        self._taken = 0
        self._sounding: deque[tuple[float, int]] = deque()  # of what was taken: when it begins to be heard, how much
        self._heard = 0
        self._clears = 0
        self._cleared = asyncio.Event()
        self._lost = False

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
        :raises PlayoutError: the device is gone.
        """
        if (frame.sample_rate, frame.num_channels) != (self._rate, self._channels):
            raise ConfigError(
                f"this device plays {self._channels} channels at {self._rate} Hz, not {frame.num_channels} at "
                f"{frame.sample_rate} Hz"
            )
        clears = self._clears
        while clears == self._clears and (queued := self._queued()):
            if (over := queued + frame.samples_per_channel - QUEUE_SECONDS * self._rate) <= 0:
                break
            await self._sleep(min(over, queued))
        if self._lost:
            raise PlayoutError("the loudspeaker does not play any more; look at the device, and start again")
        if clears == self._clears:
            with self._lock:
                self._waiting += frame.data.cast("B")[: frame.samples_per_channel * self._size]

    def clear(self) -> None:
        """Drop what the device has not taken; what it has counts as played."""
        with self._lock:
            self._waiting.clear()
            self._sounding.clear()
            self._heard = self._taken
        self._clears += 1
        self._cleared.set()

    def position(self) -> float:
        """Return how many seconds were heard."""
        with self._lock:
            return self._look() / self._rate

    async def wait_for_playout(self) -> None:
        """Return when nothing waits any more."""
        while queued := self._queued():
            await self._sleep(queued)

    def flush(self) -> None:
        """There is nothing to tell: it is told when the device takes it."""

    # --- the device's thread
    def take(self, samples: int, *, latency_seconds: float) -> bytes:
        """Return the next samples per channel for the device, with silence where nothing waits. From any thread.

        :param latency_seconds: until the first of them is heard.
        """
        heard_at = clock.monotonic() + max(latency_seconds, 0.0)
        with self._lock:
            taken = bytes(self._waiting[: samples * self._size])
            del self._waiting[: samples * self._size]
            if count := len(taken) // self._size:
                self._look()
                self._taken += count
                self._sounding.append((heard_at, count))
        if taken and self._on_played is not None:
            self._on_played(heard_at, taken)
        return taken.ljust(samples * self._size, b"\0")

    def lose(self) -> None:
        """Say that the device takes nothing any more; what waits is dropped. On the event loop."""
        self._lost = True
        self.clear()

    def _look(self) -> int:
        """Return how many samples were heard; the lock is held."""
        now = clock.monotonic()
        while self._sounding and now >= self._sounding[0][0] + self._sounding[0][1] / self._rate:
            self._sounding.popleft()
        unheard = sum(count for _, count in self._sounding)
        if self._sounding:
            unheard -= max(int((now - self._sounding[0][0]) * self._rate), 0)
        self._heard = max(self._heard, self._taken - unheard)
        return self._heard

    def _queued(self) -> int:
        with self._lock:
            return len(self._waiting) // self._size + self._taken - self._look()

    async def _sleep(self, samples: float) -> None:
        """Sleep while that many samples are played, or until what waits is cleared."""
        self._cleared.clear()
        try:
            async with asyncio.timeout(max(samples, 1) / self._rate):
                await self._cleared.wait()
        except TimeoutError:
            return
