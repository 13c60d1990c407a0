"""The ends of a room's audio: the track on which the agent speaks, the tracks that it hears."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol

from lk_agents.foundation.errors import PlayoutError
from lk_agents.foundation.log import logger
from lk_agents.media.room_io import RoomAudioIn, RoomAudioOut
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.protocols import AudioIn, AudioOut

__all__ = ["NativeRoomMedia", "RoomMedia", "RoomVoice"]

VOICE_NAME: Final = "assistant_voice"
QUEUE_MS: Final = 200
"""How much the media library may hold of the agent's voice, which is what an interruption throws away in it."""
CLOSE_SECONDS: Final = 5.0


class RoomVoice(Protocol):
    """The agent's track in a room."""

    @property
    def audio_out(self) -> AudioOut:
        """Where the agent is heard."""

    @property
    def sid(self) -> str:
        """The track's id, which a reconnect may change; empty while it is not published."""

    async def publish(self) -> None:
        """Let the room hear it; once. Cancelled, close it.

        :raises Exception: the room refuses.
        """

    async def wait_for_subscription(self) -> None:
        """Return when somebody in the room hears it. Cancelled, only the waiting ends."""

    async def aclose(self) -> None:
        """Take it out of the room, 5 s at the longest. Once."""


class RoomMedia(Protocol):
    """Makes the ends of a room's audio; another one stands in for it where there is no media library."""

    def make_voice(self, room: rtc.Room, *, sample_rate: int, num_channels: int) -> RoomVoice:
        """Return a track for the agent, not yet published.

        :raises Exception: the room was never connected, or the media library cannot.
        """

    def receive(self, track: rtc.RemoteAudioTrack, *, participant: str) -> AudioIn:
        """Return what is heard on somebody's track.

        :param participant: the identity of whom it belongs to.
        """


class NativeRoomMedia:
    """The media library's own; a :class:`RoomMedia`.

    :param input_sample_rate: Hz of what is heard, which is mono: the library resamples and mixes.
    :param frame_ms: the length of the frames that are heard.
    :param noise_cancellation: for what is heard, as the library's ``AudioStream`` takes it; a frame processor serves
        one track after the other, and is closed by whoever made it.
    """

    def __init__(self, *, input_sample_rate: int, frame_ms: int, noise_cancellation: Any = None) -> None:
        self._input_rate = input_sample_rate
        self._frame_ms = frame_ms
        self._noise_cancellation = noise_cancellation

    def make_voice(self, room: rtc.Room, *, sample_rate: int, num_channels: int) -> RoomVoice:
        """Return a track for the agent, not yet published."""
        return _NativeVoice(room, sample_rate=sample_rate, num_channels=num_channels)

    def receive(self, track: rtc.RemoteAudioTrack, *, participant: str) -> AudioIn:
        """Return what is heard on somebody's track."""
        return RoomAudioIn(
            track,
            participant=participant,
            sample_rate=self._input_rate,
            frame_ms=self._frame_ms,
            noise_cancellation=self._noise_cancellation,
            auto_close_noise_cancellation=False,  # the next track needs it, too
        )


class _NativeVoice:
    """A local track and its source."""

    def __init__(self, room: rtc.Room, *, sample_rate: int, num_channels: int) -> None:
        from livekit import rtc

        self._room = room
        self._local = room.local_participant
        self._source = rtc.AudioSource(sample_rate, num_channels, queue_size_ms=QUEUE_MS)
        self._out = RoomAudioOut(self._source)
        self._publishing: asyncio.Task[rtc.LocalTrackPublication] | None = None
        self._publication: rtc.LocalTrackPublication | None = None

    @property
    def audio_out(self) -> AudioOut:
        return self._out

    @property
    def sid(self) -> str:
        return self._publication.sid if self._publication is not None else ""

    async def publish(self) -> None:
        from livekit import rtc

        allowed = self._local.permissions
        if allowed.HasField("can_publish") and not allowed.can_publish:  # the server would not even answer
            raise PlayoutError("its token does not let it publish: give it VideoGrants(can_publish=True)")
        track = rtc.LocalAudioTrack.create_audio_track(VOICE_NAME, self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        # A task of its own, because the server's answer is needed to take the track back.
        self._publishing = asyncio.create_task(self._local.publish_track(track, options), name="lk-publish-voice")
        self._publication = await asyncio.shield(self._publishing)

    async def wait_for_subscription(self) -> None:
        if self._publication is not None:
            await self._publication.wait_for_subscription()

    async def aclose(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._unpublish()
        except TimeoutError:
            logger.warning("the room does not take the agent's track back in time")
        except Exception as error:  # noqa: BLE001  the room may be gone, or the track, which is what was wanted
            logger.debug("the agent's track was not unpublished", exc_info=error)
        finally:
            await self._source.aclose()

    async def _unpublish(self) -> None:
        if self._publishing is None:
            return
        if not self._room.isconnected():  # nobody would answer, and the track is gone with the connection
            await cancel_and_wait(self._publishing)
            return
        publication = await self._publishing
        await self._local.unpublish_track(publication.sid)
