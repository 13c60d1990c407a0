"""When a conversation in a room is over because people have left."""

from __future__ import annotations

import asyncio

import pytest
from tests.media.meeting import Meeting, settle

from lk_agents.media import EndPolicy, RoomSessionIO
from lk_agents.testing import VirtualClock
from lk_agents.testing.room import FakeParticipant

AGENT = 4
LONG_SECONDS = 3600.0
DUPLICATE_IDENTITY = 2


async def is_over(io: RoomSessionIO, *, within: float) -> bool:
    """Tell whether the conversation is over after so many seconds."""
    try:
        async with asyncio.timeout(within):
            await io.wait_for_end()
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    ("policy", "ada_leaves", "bob_leaves", "all_leave"),
    [
        (EndPolicy.LINKED_LEAVES, True, False, True),
        (EndPolicy.ALL_LEAVE, False, False, True),
        (EndPolicy.GRACE, True, False, True),
        (EndPolicy.MANUAL, False, False, False),
    ],
)
async def test_who_leaves_decides_by_the_policy(
    meeting: Meeting, policy: EndPolicy, ada_leaves: bool, bob_leaves: bool, all_leave: bool
) -> None:
    outcomes = []
    for leaving in (["ada"], ["bob"], ["ada", "bob"]):
        meeting.fake.join(FakeParticipant("recorder", kind=AGENT))
        for identity in ("ada", "bob"):
            meeting.fake.join(identity)
        io = await meeting.begin(end_policy=policy)
        for identity in leaving:
            meeting.fake.leave(identity)
        outcomes.append(await is_over(io, within=LONG_SECONDS))
        await io.aclose()
        for identity in list(meeting.fake.remote_participants):
            meeting.fake.leave(identity)

    assert outcomes == [ada_leaves, bob_leaves, all_leave]


@pytest.mark.parametrize("policy", [EndPolicy.LINKED_LEAVES, EndPolicy.ALL_LEAVE, EndPolicy.GRACE])
async def test_before_anybody_has_come_nothing_is_over(meeting: Meeting, policy: EndPolicy) -> None:
    meeting.fake.join(FakeParticipant("recorder", kind=AGENT))
    io = await meeting.begin(end_policy=policy)
    meeting.fake.leave("recorder")

    assert not await is_over(io, within=LONG_SECONDS)


async def test_when_the_participant_leaves_it_is_over_at_once_and_says_why(
    meeting: Meeting, lk_clock: VirtualClock
) -> None:
    io = await meeting.begin(end_policy="linked_leaves")
    meeting.fake.join("ada")
    await asyncio.sleep(60)
    began = lk_clock.monotonic()
    meeting.fake.leave("ada")

    assert await io.wait_for_end() == "the participant has left"
    assert lk_clock.monotonic() - began <= 0.5


async def test_the_last_of_all_to_leave_ends_it_in_whatever_order(meeting: Meeting) -> None:
    io = await meeting.begin(end_policy=EndPolicy.ALL_LEAVE)
    for identity in ("ada", "bob"):
        meeting.fake.join(identity)
    meeting.fake.leave("ada")
    assert not await is_over(io, within=60)
    meeting.fake.join("cleo")
    meeting.fake.leave("bob")
    assert not await is_over(io, within=60)
    meeting.fake.leave("cleo")

    assert await io.wait_for_end() == "everybody has left"


async def test_the_grace_lasts_as_long_as_it_says(meeting: Meeting, lk_clock: VirtualClock) -> None:
    io = await meeting.begin(end_policy=EndPolicy.GRACE, grace_seconds=20.0)
    meeting.fake.join("ada")
    began = lk_clock.monotonic()
    meeting.fake.leave("ada")
    await io.wait_for_end()

    assert lk_clock.monotonic() - began == pytest.approx(20.0)


async def test_whoever_comes_back_in_the_grace_goes_on_and_has_it_anew(
    meeting: Meeting, lk_clock: VirtualClock
) -> None:
    io = await meeting.begin(end_policy=EndPolicy.GRACE, grace_seconds=20.0)
    meeting.fake.join("ada")
    meeting.fake.leave("ada")
    assert not await is_over(io, within=19)
    meeting.fake.join("ada")
    assert not await is_over(io, within=60)
    meeting.fake.leave("ada")
    began = lk_clock.monotonic()
    meeting.fake.join("bob")
    await io.wait_for_end()

    assert lk_clock.monotonic() - began == pytest.approx(20.0)


@pytest.mark.parametrize("policy", [EndPolicy.LINKED_LEAVES, EndPolicy.ALL_LEAVE])
async def test_a_library_that_joins_anew_makes_nobody_leave(meeting: Meeting, policy: EndPolicy) -> None:
    meeting.fake.join("ada")
    io = await meeting.begin(end_policy=policy)
    meeting.fake.leave("ada")  # the library says so before it says that the connection is broken
    await asyncio.sleep(0.2)
    meeting.fake.begin_reconnect()
    assert not await is_over(io, within=60)
    meeting.fake.join("ada")
    meeting.fake.finish_reconnect()

    assert not await is_over(io, within=60)


async def test_whoever_left_while_the_connection_was_mended_has_left(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    io = await meeting.begin(end_policy=EndPolicy.LINKED_LEAVES)
    meeting.fake.leave("ada")
    meeting.fake.begin_reconnect()
    await asyncio.sleep(60)
    meeting.fake.finish_reconnect()

    assert await is_over(io, within=1)


async def test_a_room_that_is_disconnected_ends_it_by_any_policy(meeting: Meeting) -> None:
    io = await meeting.begin(end_policy=EndPolicy.MANUAL)
    waiting = [asyncio.create_task(io.wait_for_end()) for _ in range(2)]
    await settle()
    meeting.fake.close(DUPLICATE_IDENTITY)

    assert await asyncio.gather(*waiting) == ["the room was disconnected: duplicate identity"] * 2


async def test_a_reason_that_the_library_does_not_know_is_told_by_its_number(meeting: Meeting) -> None:
    io = await meeting.begin()
    meeting.fake.close(999)

    assert await io.wait_for_end() == "the room was disconnected: 999"


async def test_the_first_reason_counts(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    io = await meeting.begin(end_policy=EndPolicy.LINKED_LEAVES)
    meeting.fake.leave("ada")
    await io.wait_for_end()
    meeting.fake.close()

    assert await io.wait_for_end() == "the participant has left"


@pytest.mark.parametrize(
    ("policy", "seconds"), [(EndPolicy.LINKED_LEAVES, 0.5), (EndPolicy.GRACE, 20.0), (EndPolicy.ALL_LEAVE, 0.5)]
)
async def test_whoever_was_given_and_had_left_before_the_start_is_missing(
    meeting: Meeting, lk_clock: VirtualClock, policy: EndPolicy, seconds: float
) -> None:
    ada = meeting.fake.join("ada")
    meeting.fake.leave("ada")
    began = lk_clock.monotonic()
    io = await meeting.begin(end_policy=policy, participant=ada, grace_seconds=20.0)

    assert await is_over(io, within=60)
    assert lk_clock.monotonic() - began == pytest.approx(seconds, abs=0.1)


async def test_whoever_was_given_and_comes_back_in_the_grace_is_listened_to(meeting: Meeting) -> None:
    ada = meeting.fake.join("ada")
    meeting.fake.leave("ada")
    io = await meeting.begin(end_policy=EndPolicy.GRACE, participant=ada, grace_seconds=20.0)
    await asyncio.sleep(10)
    meeting.fake.join("ada")

    assert not await is_over(io, within=60)
    assert io.user == "ada"


async def test_an_identity_is_waited_for(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    meeting.fake.leave("ada")
    io = await meeting.begin(end_policy=EndPolicy.LINKED_LEAVES, participant="ada")

    assert not await is_over(io, within=LONG_SECONDS)
