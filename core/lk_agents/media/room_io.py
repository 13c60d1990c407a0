"""A track of a room as a voice, and as a loudspeaker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["RoomAudioIn", "RoomAudioOut"]

WAITING_MS: Final = 10_000
"""How much audio waits for a slow reader."""
_SDK_FRAME_MS: Final = 10
CLOSE_SECONDS: Final = 5.0


class RoomAudioIn:
    """A remote participant's track; an :class:`~lk_agents.media.AudioIn`. Build it in a running event loop.

    :param track: to be heard.
    :param participant: the identity of whom it belongs to.
    :param sample_rate: in Hz; the media library resamples.
    :param frame_ms: the length of each frame; by default the library's own.
    :param noise_cancellation: for the media library, as its ``AudioStream`` takes it.
    :param auto_close_noise_cancellation: close that with the input, where it is a frame processor.
    """

    def __init__(
        self,
        track: rtc.RemoteAudioTrack,
        *,
        participant: str,
        sample_rate: int = 16_000,
        num_channels: int = 1,
        frame_ms: int | None = None,
        noise_cancellation: Any = None,
        auto_close_noise_cancellation: bool = True,
    ) -> None:
        from livekit import rtc

        self._participant = participant
        self._rate = sample_rate
        self._channels = num_channels
        self._stream = rtc.AudioStream(
            track,
            capacity=WAITING_MS // (frame_ms or _SDK_FRAME_MS),
            sample_rate=sample_rate,
            num_channels=num_channels,
            frame_size_ms=frame_ms,
            noise_cancellation=noise_cancellation,
            auto_close_noise_cancellation=auto_close_noise_cancellation,
        )

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

    def __aiter__(self) -> RoomAudioIn:
        return self

    async def __anext__(self) -> rtc.AudioFrame:
        """Wait for the next frame."""
        event = await self._stream.__anext__()
        return event.frame

    async def aclose(self) -> None:
        """Receive no more. Returns when the media library has let go of it, after 5 s at the latest."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._stream.aclose()
        except TimeoutError:
            logger.warning("the media library does not close a track", extra={"participant": self._participant})


class RoomAudioOut:
    """A local track; an :class:`~lk_agents.media.AudioOut`.

    The media library plays what it was given in real time and tells nothing, so what was played is counted here: each
    frame is played when those before it are over. Listeners hear it later by what the network and their own buffers
    take.

    :param source: what the track was made of; nobody else feeds it.
    """

    def __init__(self, source: rtc.AudioSource) -> None:
        self._source = source
        self._captured = 0.0
        self._played_at = clock.monotonic()  # when all that was captured is played
        self._clears = 0
        self._cleared = asyncio.Event()
        self._turn = asyncio.Lock()

    @property
    def sample_rate(self) -> int:
        """Hz that frames must have."""
        return self._source.sample_rate

    @property
    def num_channels(self) -> int:
        """Channels that frames must have."""
        return self._source.num_channels

    @property
    def queued_seconds(self) -> float:
        """How much waits to be played."""
        return max(self._played_at - clock.monotonic(), 0.0)

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Take a frame to be played behind what waits; see :class:`~lk_agents.media.AudioOut`."""
        clears = self._clears
        async with self._turn:  # what a clear has to drop must be in the library before what comes after it
            if clears != self._clears:
                return
            self._captured += frame.duration
            self._played_at = max(self._played_at, clock.monotonic()) + frame.duration
            await self._source.capture_frame(frame)
            if clears != self._clears:
                self._source.clear_queue()  # the library may have taken it after it was cleared

    def clear(self) -> None:
        """Drop what waits."""
        self._captured = self.position()
        self._played_at = clock.monotonic()
        self._clears += 1
        self._source.clear_queue()
        self._cleared.set()

    def position(self) -> float:
        """Return how many seconds were played."""
        return self._captured - self.queued_seconds

    async def wait_for_playout(self) -> None:
        """Return when nothing waits any more."""
        while queued := self.queued_seconds:
            self._cleared.clear()
            try:
                async with asyncio.timeout(queued):
                    await self._cleared.wait()
            except TimeoutError:
                continue
