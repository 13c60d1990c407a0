"""The ends of a fake room's audio, in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from lk_agents.testing.audio import MemoryAudioIn, MemoryAudioOut
from lk_agents.testing.room import FakePublication, FakeRoom, FakeTrack

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["FakeRoomMedia", "FakeVoice"]


class FakeVoice:
    """The agent's track in a fake room; a :class:`~lk_agents.media.room_media.RoomVoice`."""

    def __init__(self, room: FakeRoom, sink: MemoryAudioOut, media: FakeRoomMedia) -> None:
        self._room = room
        self._sink = sink
        self._media = media
        self._publication: FakePublication | None = None
        self._heard = asyncio.Event()

    @property
    def audio_out(self) -> MemoryAudioOut:
        """Where the agent is heard."""
        return self._sink

    @property
    def sid(self) -> str:
        """The track's id; empty while it is not published."""
        return self._publication.sid if self._publication is not None else ""

    async def publish(self) -> None:
        """Let the room hear it, after ``publish_seconds``."""
        await asyncio.sleep(self._media.publish_seconds)
        if self._media.publish_error is not None:
            raise self._media.publish_error
        self._publication = FakePublication(name="assistant_voice")
        self._room.local_participant.track_publications[self.sid] = self._publication
        if self._media.has_listener:
            self.listen()

    def listen(self) -> None:
        """Let somebody hear it from now on."""
        self._heard.set()

    async def wait_for_subscription(self) -> None:
        """Return when somebody hears it."""
        await self._heard.wait()

    async def aclose(self) -> None:
        """Take it out of the room, after ``close_seconds``."""
        await asyncio.sleep(self._media.close_seconds)
        if self._publication is not None:
            del self._room.local_participant.track_publications[self._publication.sid]
            self._publication = None


class FakeRoomMedia:
    """Lets the agent speak and hear in a :class:`FakeRoom`; a :class:`~lk_agents.media.room_media.RoomMedia`.

    Give it to a :class:`~lk_agents.media.RoomSessionIO`. What the agent says is in ``voice.audio_out``; a participant
    speaks by ``publication.track.voice.feed()``, once the agent has subscribed the track.

    :param has_listener: whether somebody hears the agent as soon as its track is published.
    """

    def __init__(self, *, has_listener: bool = True) -> None:
        self.has_listener = has_listener
        self.publish_seconds = 0.0
        """How long publishing takes."""
        self.close_seconds = 0.0
        """How long it takes to take the track back."""
        self.publish_error: Exception | None = None
        """What publishing raises, as long as it is set."""
        self.receive_error: Exception | None = None
        """What hearing a track raises, as long as it is set."""
        self._voice: FakeVoice | None = None

    @property
    def voice(self) -> FakeVoice:
        """The agent's track.

        :raises RuntimeError: there is none yet.
        """
        if self._voice is None:
            raise RuntimeError("the agent has no track yet: start() makes it")
        return self._voice

    def make_voice(self, room: rtc.Room, *, sample_rate: int, num_channels: int) -> FakeVoice:
        """Return a track for the agent, not yet published."""
        fake = cast("FakeRoom", room)
        self._voice = FakeVoice(fake, MemoryAudioOut(sample_rate, num_channels), self)
        return self._voice

    def receive(self, track: rtc.RemoteAudioTrack, *, participant: str) -> MemoryAudioIn:
        """Return what is heard on somebody's track: 16 kHz, mono."""
        if self.receive_error is not None:
            raise self.receive_error
        fake = cast("FakeTrack", track)
        fake.voice = MemoryAudioIn(participant)
        return fake.voice
