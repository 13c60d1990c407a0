"""The fixture ``lk_room``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from lk_agents.testing.fixtures_clock import async_fixture

if TYPE_CHECKING:
    from lk_agents.testing.room import FakeRoom

__all__ = ["lk_room"]


@async_fixture
async def lk_room() -> AsyncIterator[FakeRoom]:
    """Give a fake room that the agent has joined and in which nobody else is; see :class:`FakeRoom`.

    The agent publishes a microphone there, as an agent that speaks does. Its callbacks are gone when the test ends:
    one that is left behind fails it.
    """
    import pytest

    from lk_agents.testing.room import FakePublication, FakeRoom

    room = FakeRoom()
    await room.connect("ws://fake", "token")
    microphone = FakePublication()
    room.local_participant.track_publications[microphone.sid] = microphone
    before = room.listeners()
    yield room
    await room.disconnect()
    if (left := room.listeners() - before) > 0:
        pytest.fail(f"{left} callbacks are still registered at the room: whoever ends must take its own away")
