"""A loudspeaker and a microphone in memory, which play and record in the time of the clock, virtual or real."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lk_agents.foundation import clock
from lk_agents.foundation.errors import ConfigError, StreamInputError
from lk_agents.media.clock_audio import ClockAudioOut

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["MemoryAudioIn", "MemoryAudioOut"]

_ROUNDING = 1e-6  # what adding up seconds may cost


class MemoryAudioOut(ClockAudioOut):
    """A sink that plays into memory; an :class:`~lk_agents.media.AudioOut`.

    It plays at its own speed, which may drift from the clock's, and takes frames like the media library does: a call
    may take a while, and waits while the queue is full.

    :param sample_rate: in Hz.
    :param queue_seconds: how much may wait to be played.
    :param capture_seconds: how long it takes to take a frame.
    :param drift_ppm: how much faster than the clock it plays, in millionths; negative for slower.
    """

    def __init__(
        self,
        sample_rate: int = 24_000,
        num_channels: int = 1,
        *,
        queue_seconds: float = 1.0,
        capture_seconds: float = 0.0,
        drift_ppm: float = 0.0,
    ) -> None:
        self._heard = bytearray()
        super().__init__(sample_rate, num_channels, queue_seconds=queue_seconds, on_played=self._keep)
        self._speed *= 1 + drift_ppm / 1e6
        self._capture_seconds = capture_seconds

    @property
    def played_audio(self) -> bytes:
        """All that was played, as 16-bit samples."""
        self.flush()
        return bytes(self._heard)

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Take a frame to be played behind what waits; see :class:`~lk_agents.media.AudioOut`.

        :raises ConfigError: it has another rate or another number of channels.
        """
        clears = self._clears
        if self._capture_seconds:
            await asyncio.sleep(self._capture_seconds)
        if clears == self._clears:
            await super().capture_frame(frame)

    def _keep(self, _: float, audio: bytes) -> None:
        self._heard += audio


class MemoryAudioIn:
    """A participant's voice from memory; an :class:`~lk_agents.media.AudioIn`.

    What is fed is heard at the speed at which it would be spoken: a frame comes when it is over. Between what is fed
    there is nothing, as from a track that is muted.

    :param participant: the identity of whom it comes from.
    :param sample_rate: in Hz.
    """

    def __init__(self, participant: str = "caller", *, sample_rate: int = 16_000, num_channels: int = 1) -> None:
        self._participant = participant
        self._rate = sample_rate
        self._channels = num_channels
        self._frames: deque[tuple[float, rtc.AudioFrame]] = deque()  # when each is over
        self._spoken_until = 0.0
        self._ended = False
        self._news = asyncio.Event()

    @property
    def participant(self) -> str:
        """The identity of whom it comes from."""
        return self._participant

    @property
    def sample_rate(self) -> int:
        """Hz of every frame."""
        return self._rate

    @property
    def num_channels(self) -> int:
        """Channels of every frame."""
        return self._channels

    def feed(self, frames: Iterable[rtc.AudioFrame]) -> float:
        """Let the participant speak, now or behind what is still being spoken.

        :returns: the clock's moment at which the last frame is over.
        :raises ConfigError: a frame has another rate or another number of channels.
        :raises StreamInputError: the input has ended.
        """
        if self._ended:
            raise StreamInputError("this MemoryAudioIn has ended: nothing more can be fed")
        for frame in frames:
            if (frame.sample_rate, frame.num_channels) != (self._rate, self._channels):
                raise ConfigError(
                    f"this input gives {self._channels} channels at {self._rate} Hz, not {frame.num_channels} at "
                    f"{frame.sample_rate} Hz"
                )
            self._spoken_until = max(self._spoken_until, clock.monotonic()) + frame.duration
            self._frames.append((self._spoken_until, frame))
        self._news.set()
        return self._spoken_until

    def end(self) -> None:
        """Let the track end behind what was fed."""
        self._ended = True
        self._news.set()

    def __aiter__(self) -> MemoryAudioIn:
        return self

    async def __anext__(self) -> rtc.AudioFrame:
        """Wait for the next frame."""
        while True:
            self._news.clear()
            if self._frames:
                seconds = self._frames[0][0] - clock.monotonic()
                if seconds <= _ROUNDING:
                    return self._frames.popleft()[1]
            elif self._ended:
                raise StopAsyncIteration
            else:
                seconds = None
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def aclose(self) -> None:
        """Hear no more, not even what was fed."""
        self._frames.clear()
        self.end()
