"""The agent in a room: voices, transcripts, its state."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from livekit import rtc

from lk_agents.foundation.types import ATTRIBUTE_AGENT_STATE
from lk_agents.media import EndPolicy, RoomSessionIO
from lk_agents.media.surroundings import SessionRequest, use_session_io
from lk_agents.multimodal import MultimodalAgent
from lk_agents.testing.providers import Heard, ScriptedRealtime, voice
from lk_agents.testing.room import FakeRoom
from lk_agents.testing.room_media import FakeRoomMedia

pytestmark = pytest.mark.usefixtures("lk_clock")

QUESTION = Heard("Hello there", 1.0, 2.0)


async def test_a_question_in_a_room_is_answered_in_it() -> None:
    fake, media = FakeRoom(), FakeRoomMedia()
    await fake.connect("ws://nowhere", "token")
    fake.join("ada")
    microphone = fake.publish("ada")
    model = ScriptedRealtime(["Good day."], caller=[QUESTION])
    agent = MultimodalAgent(model=model, end_policy=EndPolicy.LINKED_LEAVES)
    closed: list[str] = []
    agent.on("closed", closed.append)

    def surroundings(request: SessionRequest) -> RoomSessionIO:
        return RoomSessionIO(request.room, media=media, participant=request.participant, end_policy=request.end_policy)

    with use_session_io(surroundings):
        agent.start(cast("rtc.Room", fake), "ada")
    await asyncio.sleep(0.01)
    assert microphone.track is not None
    assert microphone.track.voice is not None
    microphone.track.voice.feed(voice([QUESTION], 6.0))
    await asyncio.sleep(6.0)

    shown = {
        (each.participant_identity, segment.text)
        for each in fake.local_participant.transcriptions
        for segment in each.segments
        if segment.final
    }
    assert shown == {("ada", "Hello there"), ("agent", "Good day.")}
    assert fake.local_participant.attributes[ATTRIBUTE_AGENT_STATE] == "listening"
    assert any(media.voice.audio_out.played_audio)
    assert media.voice.audio_out.sample_rate == model.capabilities.output_audio_sample_rate

    fake.leave("ada")
    await asyncio.sleep(1.0)
    await agent.aclose()

    assert len(closed) == 1
    assert fake.listeners() == 0
