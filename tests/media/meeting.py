"""A room without a server, and one conversation in it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from livekit import rtc

from lk_agents.media import AudioIn, RoomSessionIO
from lk_agents.testing.audio import MemoryAudioIn
from lk_agents.testing.room import FakePublication, FakeRoom
from lk_agents.testing.room_media import FakeRoomMedia

RATE = 24_000


class Meeting:
    """Holds the room; the conversation is begun by the test."""

    def __init__(self, fake: FakeRoom) -> None:
        self.fake = fake
        self.media = FakeRoomMedia()
        self.inputs: list[AudioIn] = []
        """What was to be heard, in order."""
        self._begun: list[RoomSessionIO] = []
        self._reading: list[asyncio.Task[None]] = []

    @classmethod
    async def open(cls) -> Meeting:
        fake = FakeRoom()
        await fake.connect("ws://nowhere", "token")
        return cls(fake)

    @property
    def room(self) -> rtc.Room:
        return cast("rtc.Room", self.fake)

    def make(self, **how: Any) -> RoomSessionIO:
        """Return a conversation that is not started."""
        io = RoomSessionIO(self.room, media=self.media, **how)
        self._begun.append(io)
        return io

    async def begin(self, **how: Any) -> RoomSessionIO:
        """Start a conversation, and take its inputs."""
        io = self.make(**how)
        await io.start(sample_rate=RATE, num_channels=1)
        self._reading.append(asyncio.create_task(self._read(io), name="reads-inputs"))
        await settle()
        return io

    async def _read(self, io: RoomSessionIO) -> None:
        async for audio_in in io.audio_inputs():
            self.inputs.append(audio_in)

    def speakers(self) -> list[str]:
        """Return to whom the inputs belong, in order."""
        return [audio_in.participant for audio_in in self.inputs]

    async def close(self) -> None:
        for io in self._begun:
            await io.aclose()
        await asyncio.gather(*self._reading)
        assert self.fake.listeners() == 0
        assert not self.fake.local_participant.track_publications


async def settle() -> None:
    """Let happen what is about to."""
    await asyncio.sleep(0.001)


def voice_of(publication: FakePublication) -> MemoryAudioIn:
    """Return by what the owner of a microphone speaks to the agent."""
    assert publication.track is not None
    assert publication.track.voice is not None
    return publication.track.voice


async def has_ended(audio_in: AudioIn) -> bool:
    """Tell whether nothing more can be heard."""
    try:
        async with asyncio.timeout(0.01):
            await audio_in.__anext__()
    except StopAsyncIteration:
        return True
    except TimeoutError:
        return False
    return False
