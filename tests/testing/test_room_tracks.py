"""Tracks and text streams of the fake room."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from lk_agents.testing.room import FakeRoom, FakeTextReader

EVENTS = ("track_published", "track_unpublished", "track_subscribed", "track_unsubscribed", "track_muted")
MICROPHONE, SCREEN_SOUND = 2, 4


class Log:
    """Notes the events of tracks, with the kinds of their arguments."""

    def __init__(self, room: FakeRoom) -> None:
        self.seen: list[tuple[str, ...]] = []
        self._room = room
        self._noting = {event: self._note(event) for event in EVENTS}
        for event, callback in self._noting.items():
            room.on(event, callback)

    def _note(self, event: str) -> Any:
        def note(*arguments: object) -> None:
            self.seen.append((event, *(type(each).__name__ for each in arguments)))

        return note

    def close(self) -> None:
        for event, callback in self._noting.items():
            self._room.off(event, callback)


@pytest.fixture
def log(lk_room: FakeRoom) -> Iterator[Log]:
    lk_room.join("ada")
    log = Log(lk_room)
    yield log
    log.close()


async def test_a_track_can_be_heard_once_it_is_subscribed(lk_room: FakeRoom, log: Log) -> None:
    microphone = lk_room.publish("ada")
    tracks = [microphone.track]
    for subscribed in (True, True, False):
        microphone.set_subscribed(subscribed)
        tracks.append(microphone.track)

    assert [track and track.sid for track in tracks] == [None, microphone.sid, microphone.sid, None]
    assert log.seen == [
        ("track_published", "FakePublication", "FakeParticipant"),
        ("track_subscribed", "FakeTrack", "FakePublication", "FakeParticipant"),
        ("track_unsubscribed", "FakeTrack", "FakePublication", "FakeParticipant"),
    ]


async def test_a_subscribed_track_that_is_taken_back_is_unsubscribed_first(lk_room: FakeRoom, log: Log) -> None:
    microphone = lk_room.publish("ada")
    microphone.set_subscribed(True)
    log.seen.clear()
    lk_room.unpublish("ada", microphone.sid)

    assert [event for event, *_ in log.seen] == ["track_unsubscribed", "track_unpublished"]


async def test_a_muted_track_says_so(lk_room: FakeRoom, log: Log) -> None:
    microphone = lk_room.publish("ada")
    states = []
    for muted in (True, False):
        lk_room.mute("ada", microphone, muted=muted)
        states.append(microphone.muted)

    assert states == [True, False]
    assert log.seen[1:] == [("track_muted", "FakeParticipant", "FakePublication")]


async def test_a_track_may_have_another_source(lk_room: FakeRoom, log: Log) -> None:
    assert (lk_room.publish("ada").source, lk_room.publish("ada", source=SCREEN_SOUND).source) == (
        MICROPHONE,
        SCREEN_SOUND,
    )


async def test_a_text_stream_goes_to_the_handler_of_its_topic(lk_room: FakeRoom) -> None:
    read: list[tuple[str, str]] = []
    tasks: list[asyncio.Task[None]] = []

    async def take(reader: FakeTextReader, identity: str) -> None:
        read.append((identity, "".join([part async for part in reader])))

    def on_stream(reader: FakeTextReader, identity: str) -> None:
        tasks.append(asyncio.create_task(take(reader, identity)))

    lk_room.register_text_stream_handler("lk.chat", on_stream)
    lk_room.send_text(["good ", "morning"], identity="ada")
    lk_room.send_text("unread", identity="ada", topic="other")
    await asyncio.gather(*tasks)
    lk_room.unregister_text_stream_handler("lk.chat")
    lk_room.send_text("too late", identity="ada")

    assert (read, len(tasks)) == ([("ada", "good morning")], 1)


async def test_a_text_stream_may_break_off(lk_room: FakeRoom) -> None:
    parts = aiter(FakeTextReader(["good "], error=ConnectionError("aborted")))

    assert await anext(parts) == "good "
    with pytest.raises(ConnectionError, match="aborted"):
        await anext(parts)


async def test_a_topic_has_one_handler_which_counts_as_a_listener(lk_room: FakeRoom) -> None:
    before = lk_room.listeners()
    lk_room.register_text_stream_handler("lk.chat", print)
    assert lk_room.listeners() == before + 1
    with pytest.raises(ValueError, match=r"'lk\.chat' have a handler"):
        lk_room.register_text_stream_handler("lk.chat", print)
    lk_room.unregister_text_stream_handler("lk.chat")
    lk_room.unregister_text_stream_handler("lk.chat")

    assert lk_room.listeners() == before
