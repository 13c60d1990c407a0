"""Where a conversation takes place."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from livekit import rtc

from lk_agents.foundation.errors import ConfigError
from lk_agents.media import EndPolicy, RoomSessionIO, SessionIO, SessionRequest, session_io_for, use_session_io
from lk_agents.testing import MemorySessionIO
from lk_agents.testing.room import FakeRoom


@pytest.fixture
def room() -> rtc.Room:
    return cast("rtc.Room", FakeRoom())


def test_it_is_the_room_where_nothing_else_was_said(room: rtc.Room) -> None:
    assert isinstance(session_io_for(room), RoomSessionIO)


def test_a_factory_puts_something_else_around_it_and_is_told_what_is_wanted(room: rtc.Room) -> None:
    requests: list[SessionRequest] = []
    other = MemorySessionIO()

    def make(request: SessionRequest) -> SessionIO:
        requests.append(request)
        return other

    with use_session_io(make):
        made = session_io_for(
            room, participant="ada", end_policy=EndPolicy.GRACE, grace_seconds=3.0, noise_cancellation="filter"
        )

    assert made is other
    assert requests == [
        SessionRequest(
            room=room, participant="ada", end_policy=EndPolicy.GRACE, grace_seconds=3.0, noise_cancellation="filter"
        )
    ]
    assert isinstance(session_io_for(room), RoomSessionIO)


def test_a_factory_may_leave_a_conversation_in_its_room(room: rtc.Room) -> None:
    with use_session_io(lambda _request: None):
        assert isinstance(session_io_for(room), RoomSessionIO)


async def test_tasks_inherit_the_factory_and_others_do_not_see_it(room: rtc.Room) -> None:
    ready = asyncio.Event()

    async def make() -> SessionIO:
        await ready.wait()
        return session_io_for(room)

    outside = asyncio.create_task(make())
    with use_session_io(lambda _request: MemorySessionIO()):
        inside = asyncio.create_task(make())
    ready.set()

    assert isinstance(await inside, MemorySessionIO)
    assert isinstance(await outside, RoomSessionIO)


def test_the_inner_factory_counts(room: rtc.Room) -> None:
    inner, outer = MemorySessionIO(), MemorySessionIO()
    with use_session_io(lambda _request: outer):
        with use_session_io(lambda _request: inner):
            assert session_io_for(room) is inner
        assert session_io_for(room) is outer


def test_a_negative_grace_is_refused(room: rtc.Room) -> None:
    with pytest.raises(ConfigError, match="grace_seconds is -1"):
        session_io_for(room, grace_seconds=-1)
