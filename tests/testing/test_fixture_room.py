"""The fixture ``lk_room``."""

from __future__ import annotations

from typing import Any

import pytest

from lk_agents.testing.room import FakeRoom

pytest_plugins = ["pytester"]


async def test_the_agent_is_in_the_room_with_a_microphone_and_nobody_else_is(lk_room: FakeRoom) -> None:
    came: list[Any] = []
    lk_room.once("participant_connected", came.append)

    assert lk_room.isconnected()
    assert lk_room.remote_participants == {}
    assert len(lk_room.local_participant.track_publications) == 1
    caller = lk_room.join("caller")
    assert came == [caller]


def test_a_callback_that_is_left_behind_fails_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.asyncio
        async def test_forgets(lk_room):
            lk_room.on("disconnected", print)
        """
    )

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "ignore")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*1 callbacks are still registered at the room*"])
