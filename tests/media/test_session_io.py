"""Surroundings in memory, and a room without a server, are held against what all surroundings promise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import pytest
from livekit import rtc
from tests.media.session_io_contract import RATE, SessionIOContract, Stage, tone

from lk_agents.foundation.types import ATTRIBUTE_AGENT_STATE
from lk_agents.media import EndPolicy, RoomSessionIO, TextSegment
from lk_agents.testing import MemorySessionIO, VirtualClock
from lk_agents.testing.room import FakeRoom
from lk_agents.testing.room_media import FakeRoomMedia


class MemoryStage(Stage):
    def __init__(self) -> None:
        self.io: MemorySessionIO = MemorySessionIO()

    async def speak(self, seconds: float) -> None:
        self.io.say(tone(seconds, rate=16_000))

    async def replace_microphone(self) -> None:
        self.io.open_voice()

    async def write(self, text: str) -> None:
        self.io.text.write(text)

    def shown(self) -> list[TextSegment]:
        return self.io.text.published

    def states(self) -> list[str]:
        return [each.state for each in self.io.states]

    def heard_seconds(self) -> float:
        return len(self.io.audio_out.played_audio) / 2 / RATE

    async def end(self) -> None:
        self.io.end()


class TestMemory(SessionIOContract):
    @pytest.fixture
    async def stage(self, lk_no_leaks: None, lk_clock: VirtualClock) -> AsyncIterator[Stage]:
        stage = MemoryStage()
        yield stage
        await stage.io.aclose()


class FakeRoomStage(Stage):
    def __init__(self, room: FakeRoom) -> None:
        self.room = room
        self.media = FakeRoomMedia()
        self.io: RoomSessionIO = RoomSessionIO(
            cast("rtc.Room", room), end_policy=EndPolicy.LINKED_LEAVES, media=self.media
        )
        self._seen: list[str] = []
        room.join("caller")
        self.microphone = room.publish("caller")
        room.on("participant_attributes_changed", self._note)

    def _note(self, changed: dict[str, str]) -> None:
        self._seen.append(changed[ATTRIBUTE_AGENT_STATE])

    async def speak(self, seconds: float) -> None:
        assert self.microphone.track is not None
        assert self.microphone.track.voice is not None
        self.microphone.track.voice.feed(tone(seconds, rate=16_000))

    async def replace_microphone(self) -> None:
        before, self.microphone = self.microphone, self.room.publish("caller")
        self.room.unpublish("caller", before.sid)

    async def write(self, text: str) -> None:
        self.room.send_text(text, identity="caller")

    def shown(self) -> list[TextSegment]:
        return [
            TextSegment(
                participant=each.participant_identity,
                track=each.track_sid,
                id=segment.id,
                text=segment.text,
                final=segment.final,
                language=segment.language,
            )
            for each in self.room.local_participant.transcriptions
            for segment in each.segments
        ]

    def states(self) -> list[str]:
        return self._seen

    def heard_seconds(self) -> float:
        return len(self.media.voice.audio_out.played_audio) / 2 / RATE

    async def end(self) -> None:
        self.room.leave("caller")

    def close(self) -> None:
        self.room.off("participant_attributes_changed", self._note)


class TestFakeRoom(SessionIOContract):
    @pytest.fixture
    async def stage(self, lk_no_leaks: None, lk_clock: VirtualClock) -> AsyncIterator[Stage]:
        room = FakeRoom()
        await room.connect("ws://nowhere", "token")
        stage = FakeRoomStage(room)
        yield stage
        await stage.io.aclose()
        stage.close()
        assert room.listeners() == 0
        assert not room.local_participant.track_publications
