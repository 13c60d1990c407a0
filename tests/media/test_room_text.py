"""Transcripts into a room, typed messages out of it."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any

import pytest
from livekit.rtc.participant import PublishTranscriptionError
from tests.media.meeting import Meeting, settle

from lk_agents.media import RoomTextIO, TextMessage, TextSegment
from lk_agents.testing import VirtualClock
from lk_agents.testing.room import FakeParticipant, FakeTextReader

AGENT = 4
SEGMENT = TextSegment(participant="agent", track="TR_1", id="SG_1", text="Hello.", final=True, language="en")


async def texts_of(io: RoomTextIO) -> list[str]:
    """Return the messages that wait, which are taken."""
    messages = []
    with suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            async for message in io:
                messages.append(message.text)  # noqa: PERF401  those that were read before the time is up count
    return messages


def older(**message: Any) -> bytes:
    return json.dumps(message).encode()


async def test_each_piece_is_a_message_of_its_own_without_times(meeting: Meeting) -> None:
    io = RoomTextIO(meeting.room)
    await io.publish(SEGMENT)
    await io.aclose()
    (sent,) = meeting.fake.local_participant.transcriptions
    (segment,) = sent.segments

    assert (sent.participant_identity, sent.track_sid) == ("agent", "TR_1")
    assert (segment.id, segment.text, segment.final, segment.language) == ("SG_1", "Hello.", True, "en")
    assert (segment.start_time, segment.end_time) == (0, 0)


async def test_a_room_that_is_not_connected_drops_it(meeting: Meeting) -> None:
    io = RoomTextIO(meeting.room)
    meeting.fake.close()
    await io.publish(SEGMENT)
    await io.aclose()

    assert meeting.fake.local_participant.transcriptions == []


async def test_a_room_that_refuses_or_does_not_answer_is_an_error(meeting: Meeting, lk_clock: VirtualClock) -> None:
    io = RoomTextIO(meeting.room)
    meeting.fake.local_participant.publish_error = PublishTranscriptionError("no permission")
    with pytest.raises(PublishTranscriptionError):
        await io.publish(SEGMENT)
    meeting.fake.local_participant.publish_seconds = 3600
    with pytest.raises(TimeoutError):
        await io.publish(SEGMENT)
    await io.aclose()

    assert lk_clock.monotonic() == 5.0


async def test_messages_of_humans_come_in_whoever_is_listened_to(meeting: Meeting) -> None:
    for identity in ("ada", "bob"):
        meeting.fake.join(identity)
    io = await meeting.begin(participant="ada")
    meeting.fake.send_text("from bob", identity="bob")
    meeting.fake.send_text(["from ", "ada"], identity="ada")

    assert [await io.text.__anext__() for _ in range(2)] == [
        TextMessage(participant="bob", text="from bob"),
        TextMessage(participant="ada", text="from ada"),
    ]


async def test_an_agent_is_read_only_if_it_is_the_one_who_is_listened_to(meeting: Meeting) -> None:
    for identity in ("machine", "other"):
        meeting.fake.join(FakeParticipant(identity, kind=AGENT))
    io = await meeting.begin(participant="machine")
    refused = meeting.fake.send_text("from the other", identity="other")
    meeting.fake.send_text("from the machine", identity="machine")

    assert (await io.text.__anext__()).text == "from the machine"
    assert refused.closed


async def test_a_message_of_somebody_who_has_left_is_closed_unread(meeting: Meeting) -> None:
    io = RoomTextIO(meeting.room)
    reader = meeting.fake.send_text("hello", identity="gone")
    await settle()

    assert (await texts_of(io), reader.closed) == ([], True)
    await io.aclose()


async def test_other_topics_are_not_read(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    io = RoomTextIO(meeting.room)
    meeting.fake.send_text("hello", identity="ada", topic="lk.transcription")
    meeting.fake.send_data(older(message="hello"), identity="ada", topic="game")
    await settle()

    assert await texts_of(io) == []
    await io.aclose()


async def test_a_topic_that_the_program_reads_is_left_to_it(meeting: Meeting) -> None:
    read: list[str] = []

    def on_text(_reader: FakeTextReader, identity: str) -> None:
        read.append(identity)

    meeting.fake.join("ada")
    meeting.fake.register_text_stream_handler("lk.chat", on_text)
    io = RoomTextIO(meeting.room)
    meeting.fake.send_text("hello", identity="ada")
    await io.aclose()
    meeting.fake.send_text("hello again", identity="ada")
    meeting.fake.unregister_text_stream_handler("lk.chat")

    assert (read, await texts_of(io)) == (["ada", "ada"], [])


async def test_messages_in_the_older_form_come_in(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    io = RoomTextIO(meeting.room)
    message = older(id="1", timestamp=1_700_000_000_000, message="hello")
    meeting.fake.send_data(message, identity="ada", topic="lk-chat-topic")

    assert await texts_of(io) == ["hello"]
    await io.aclose()


@pytest.mark.parametrize(
    "data",
    [
        older(id="1", message="hello", ignoreLegacy=True),
        older(id="1", message="hello", deleted=True),
        older(id="1", message=7),
        older(id="1"),
        older(id="1", message=""),
        older(id="1", message="x" * 70_000),
        b"[1]",
        b"{",
        b"\xff",
    ],
    ids=["comes-as-stream-too", "deleted", "number", "none", "empty", "too-long", "list", "no-json", "no-text"],
)
async def test_what_is_no_message_in_the_older_form_is_left_out(meeting: Meeting, data: bytes) -> None:
    meeting.fake.join("ada")
    io = RoomTextIO(meeting.room)
    meeting.fake.send_data(data, identity="ada", topic="lk-chat-topic")

    assert await texts_of(io) == []
    await io.aclose()


async def test_the_server_types_nothing(meeting: Meeting) -> None:
    io = RoomTextIO(meeting.room)
    meeting.fake.send_data(older(message="hello"), topic="lk-chat-topic")

    assert await texts_of(io) == []
    await io.aclose()


async def test_a_message_that_breaks_off_is_left_out_and_the_next_is_read(
    meeting: Meeting, caplog: pytest.LogCaptureFixture
) -> None:
    meeting.fake.join("ada")
    io = RoomTextIO(meeting.room)
    broken = meeting.fake.send_text("secret half", identity="ada", error=ConnectionError("aborted"))
    meeting.fake.send_text("whole", identity="ada")
    await settle()

    assert (await texts_of(io), broken.closed) == (["whole"], True)
    assert "a typed message did not arrive" in caplog.messages
    assert "secret" not in caplog.text
    await io.aclose()


async def test_messages_of_one_sender_stay_in_their_order_and_do_not_wait_for_others(
    meeting: Meeting, lk_clock: VirtualClock
) -> None:
    for identity in ("ada", "bob"):
        meeting.fake.join(identity)
    io = RoomTextIO(meeting.room)
    meeting.fake.send_text("slow", identity="ada", seconds=2.0)
    meeting.fake.send_text("quick", identity="ada")
    meeting.fake.send_text("other", identity="bob")
    came = [((await io.__anext__()).text, lk_clock.monotonic()) for _ in range(3)]

    assert came == [("other", 0.0), ("slow", 2.0), ("quick", 2.0)]
    await io.aclose()


async def test_a_message_that_does_not_end_holds_up_its_senders_others_for_ten_seconds(
    meeting: Meeting, lk_clock: VirtualClock
) -> None:
    meeting.fake.join("ada")
    io = RoomTextIO(meeting.room)
    stuck = meeting.fake.send_text("stuck", identity="ada", seconds=3600)
    meeting.fake.send_text("next", identity="ada")

    assert (await io.__anext__()).text == "next"
    assert (lk_clock.monotonic(), stuck.closed) == (10.0, True)
    await io.aclose()


async def test_closing_gives_up_messages_that_are_on_their_way(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    io = RoomTextIO(meeting.room)
    readers = [meeting.fake.send_text("slow", identity="ada", seconds=2.0) for _ in range(2)]
    await settle()
    await io.aclose()

    assert [reader.closed for reader in readers] == [True, True]
    assert await texts_of(io) == []


async def test_a_message_that_is_too_long_is_left_out(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    io = RoomTextIO(meeting.room)
    reader = meeting.fake.send_text(("x" * 10_000 for _ in range(1_000_000)), identity="ada")
    await settle()

    assert (await texts_of(io), reader.closed) == ([], True)
    await io.aclose()


async def test_messages_that_nobody_reads_are_bounded_and_the_oldest_are_kept(
    meeting: Meeting, caplog: pytest.LogCaptureFixture
) -> None:
    meeting.fake.join("ada")
    io = RoomTextIO(meeting.room)
    for n in range(1_002):
        meeting.fake.send_data(older(message=str(n)), identity="ada", topic="lk-chat-topic")

    assert await texts_of(io) == [str(n) for n in range(1_000)]
    assert len([each for each in caplog.records if each.levelno == logging.WARNING]) == 2
    await io.aclose()


async def test_a_reader_that_is_cancelled_loses_no_message(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    io = RoomTextIO(meeting.room)
    reader = asyncio.ensure_future(io.__anext__())
    await settle()
    reader.cancel()
    meeting.fake.send_text("hello", identity="ada")
    await asyncio.wait([reader])
    await settle()

    assert await texts_of(io) == ["hello"]
    await io.aclose()


async def test_after_closing_nothing_is_taken_and_what_arrived_can_be_read(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    io = RoomTextIO(meeting.room)
    meeting.fake.send_text("before", identity="ada")
    await settle()
    await io.aclose()
    await io.aclose()
    meeting.fake.send_text("after", identity="ada")
    meeting.fake.send_data(older(message="after"), identity="ada", topic="lk-chat-topic")

    assert [message.text async for message in io] == ["before"]
    assert meeting.fake.listeners() == 0
