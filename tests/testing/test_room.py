"""The fake room: what the agent publishes is written down, what others do is seen."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from livekit import rtc
from livekit.rtc.participant import PublishTranscriptionError

from lk_agents.job.local_room import DATA_LOSSY, DATA_RELIABLE
from lk_agents.testing import VirtualClock
from lk_agents.testing.room import FakeLocalParticipant, FakePublication, FakeRoom, SentData

TRANSCRIPT = rtc.Transcription("agent", "TR_1", [rtc.TranscriptionSegment("SG_1", "hello", 0, 0, "", True)])


async def joined() -> FakeRoom:
    room = FakeRoom()
    await room.connect("ws://nowhere", "token")
    return room


async def test_transcripts_are_written_down_in_order_and_take_their_time(lk_clock: VirtualClock) -> None:
    agent = (await joined()).local_participant
    agent.publish_seconds = 0.5
    await agent.publish_transcription(TRANSCRIPT)

    assert agent.transcriptions == [TRANSCRIPT]
    assert lk_clock.monotonic() == 0.5


async def test_publishing_fails_as_long_as_it_is_told_to() -> None:
    agent = (await joined()).local_participant
    agent.publish_error = PublishTranscriptionError("no permission")
    with pytest.raises(PublishTranscriptionError):
        await agent.publish_transcription(TRANSCRIPT)
    agent.publish_error = None
    await agent.publish_transcription(TRANSCRIPT)

    assert agent.transcriptions == [TRANSCRIPT]


async def test_data_of_the_agent_are_written_down() -> None:
    agent = (await joined()).local_participant
    await agent.publish_data("hello", topic="chat", destination_identities=["alice"])
    await agent.publish_data(b"\x01", reliable=False)

    assert agent.sent == [SentData(b"hello", True, ("alice",), "chat"), SentData(b"\x01", False, (), "")]


async def test_data_of_others_arrive_with_their_sender() -> None:
    room = await joined()
    alice = room.join("alice")
    seen: list[Any] = []
    room.on("data_received", lambda packet: seen.append((packet.data, packet.kind, packet.participant, packet.topic)))
    room.send_data(b"hi", identity="alice", topic="chat")
    room.send_data(b"there", reliable=False)

    assert seen == [(b"hi", DATA_RELIABLE, alice, "chat"), (b"there", DATA_LOSSY, None, "")]


async def test_attributes_are_merged_and_told() -> None:
    room = await joined()
    alice = room.join("alice")
    alice.attributes["mood"] = "good"
    seen: list[Any] = []
    room.on("participant_attributes_changed", lambda changed, who: seen.append((changed, who.identity)))
    await room.local_participant.set_attributes({"lk.agent.state": "listening"})
    room.change_attributes("alice", {"mood": "", "place": "home"})

    assert room.local_participant.attributes == {"lk.agent.state": "listening"}
    assert alice.attributes == {"place": "home"}
    assert seen == [({"lk.agent.state": "listening"}, "agent"), ({"mood": "", "place": "home"}, "alice")]


async def test_a_track_that_is_taken_back_is_told() -> None:
    room = await joined()
    room.join("alice")
    publication = room.publish("alice")
    gone: list[str] = []
    room.on("track_unpublished", lambda track, who: gone.append(f"{who.identity} {track.sid}"))
    room.unpublish("alice", publication.sid)

    assert gone == [f"alice {publication.sid}"]
    assert room.remote_participants["alice"].track_publications == {}


def test_sources_and_kinds_are_those_of_the_media_library() -> None:
    audio, video = FakePublication(rtc.TrackKind.KIND_AUDIO), FakePublication(rtc.TrackKind.KIND_VIDEO)

    assert (audio.source, video.source) == (rtc.TrackSource.SOURCE_MICROPHONE, rtc.TrackSource.SOURCE_CAMERA)
    assert (rtc.DataPacketKind.KIND_LOSSY, rtc.DataPacketKind.KIND_RELIABLE) == (DATA_LOSSY, DATA_RELIABLE)


@pytest.mark.parametrize("name", ["publish_transcription", "publish_data", "set_attributes"])
def test_what_the_agent_does_is_called_as_on_the_real_participant(name: str) -> None:
    real, fake = getattr(rtc.LocalParticipant, name), getattr(FakeLocalParticipant, name)

    assert inspect.iscoroutinefunction(real)
    assert list(inspect.signature(fake).parameters) == list(inspect.signature(real).parameters)
