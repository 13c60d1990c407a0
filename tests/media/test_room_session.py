"""Who is listened to in a room, and what happens to tracks, states and handlers."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

import pytest
from livekit import rtc
from tests.media.meeting import RATE, Meeting, has_ended, settle, voice_of
from tests.media.session_io_contract import tone

from lk_agents.foundation.errors import ConfigError, PlayoutError
from lk_agents.foundation.types import ATTRIBUTE_AGENT_STATE
from lk_agents.media import RoomSessionIO
from lk_agents.testing import VirtualClock
from lk_agents.testing.room import FakeParticipant, FakePublication, FakeRoom
from lk_agents.testing.room_media import FakeRoomMedia

INGRESS, EGRESS, SIP, AGENT, CONNECTOR = 1, 2, 3, 4, 5
CAMERA, MICROPHONE, SCREEN_SOUND = 1, 2, 4


# --- who is listened to ---------------------------------------------------------------------------------------------


async def test_the_first_human_in_the_room_is_listened_to(meeting: Meeting) -> None:
    for identity in ("ada", "bob"):
        meeting.fake.join(identity)
        meeting.fake.publish(identity)
    io = await meeting.begin()

    assert (io.user, meeting.speakers()) == ("ada", ["ada"])


@pytest.mark.parametrize("kind", [INGRESS, EGRESS, AGENT])
async def test_whoever_is_no_human_is_not_listened_to(meeting: Meeting, kind: int) -> None:
    meeting.fake.join(FakeParticipant("machine", kind=kind))
    meeting.fake.publish("machine")
    io = await meeting.begin()
    assert io.user is None

    meeting.fake.join(FakeParticipant("other-machine", kind=kind))
    meeting.fake.join("ada")
    assert io.user == "ada"


@pytest.mark.parametrize("kind", [SIP, CONNECTOR])
async def test_a_human_on_a_telephone_is_listened_to(meeting: Meeting, kind: int) -> None:
    io = await meeting.begin()
    meeting.fake.join(FakeParticipant("phone", kind=kind))

    assert io.user == "phone"


async def test_nobody_takes_the_place_of_the_one_who_is_listened_to(meeting: Meeting) -> None:
    io = await meeting.begin()
    meeting.fake.join("ada")
    meeting.fake.join("bob")
    meeting.fake.publish("bob")
    meeting.fake.leave("ada")
    meeting.fake.join("cleo")
    await settle()

    assert (io.user, meeting.speakers()) == ("ada", [])


async def test_the_one_who_is_asked_for_is_waited_for(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    meeting.fake.publish("ada")
    io = await meeting.begin(participant="bob")
    assert (io.user, meeting.speakers()) == (None, [])

    meeting.fake.join("cleo")
    meeting.fake.join("bob")
    microphone = meeting.fake.publish("bob")
    await settle()
    assert (io.user, io.user_track, meeting.speakers()) == ("bob", microphone.sid, ["bob"])


async def test_a_participant_may_be_asked_for_in_person_and_be_an_agent(meeting: Meeting) -> None:
    other = meeting.fake.join(FakeParticipant("other-agent", kind=AGENT))
    meeting.fake.publish("other-agent")
    io = await meeting.begin(participant=other)

    assert (io.user, meeting.speakers()) == ("other-agent", ["other-agent"])


# --- tracks of the user ---------------------------------------------------------------------------------------------


async def test_only_microphones_are_subscribed_and_heard(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    camera = meeting.fake.publish("ada", rtc.TrackKind.KIND_VIDEO)
    screen = meeting.fake.publish("ada", source=SCREEN_SOUND)
    io = await meeting.begin()
    later = meeting.fake.publish("ada", source=SCREEN_SOUND)
    assert not any(publication.subscribed for publication in (camera, screen, later))
    for publication in (camera, screen, later):
        publication.set_subscribed(True)  # as the program, or the server by itself, may
    await settle()

    assert (io.user_track, meeting.inputs) == ("", [])


async def test_tracks_of_others_are_left_as_they_are(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    meeting.fake.join("bob")
    await meeting.begin()

    assert not meeting.fake.publish("bob").subscribed
    assert meeting.fake.publish("ada").subscribed


async def test_a_track_that_is_subscribed_already_is_heard_at_once(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    microphone = meeting.fake.publish("ada")
    microphone.set_subscribed(True)
    io = await meeting.begin()

    assert (io.user_track, meeting.speakers()) == (microphone.sid, ["ada"])


async def test_a_muted_track_stays(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    microphone = meeting.fake.publish("ada")
    io = await meeting.begin()
    meeting.fake.mute("ada", microphone)
    await settle()
    meeting.fake.mute("ada", microphone, muted=False)
    voice_of(microphone).feed(tone(0.02, rate=16_000))

    assert (await meeting.inputs[0].__anext__()).duration == 0.02
    assert (io.user_track, len(meeting.inputs)) == (microphone.sid, 1)


async def test_a_track_that_is_taken_back_ends_and_one_that_is_published_anew_is_heard(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    before = meeting.fake.publish("ada")
    io = await meeting.begin()
    meeting.fake.unpublish("ada", before.sid)
    await settle()
    assert (io.user, io.user_track) == ("ada", "")
    assert await has_ended(meeting.inputs[0])

    after = meeting.fake.publish("ada")
    await settle()
    assert (io.user_track, len(meeting.inputs)) == (after.sid, 2)
    assert not await has_ended(meeting.inputs[1])


async def test_the_end_of_a_replaced_track_does_not_end_the_one_in_its_place(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    before = meeting.fake.publish("ada")
    io = await meeting.begin()
    after = meeting.fake.publish("ada")
    await settle()
    assert await has_ended(meeting.inputs[0])
    meeting.fake.unpublish("ada", before.sid)
    await settle()

    assert (io.user_track, len(meeting.inputs)) == (after.sid, 2)
    assert not await has_ended(meeting.inputs[1])


async def test_when_the_newer_of_two_microphones_is_taken_back_the_older_is_heard_again(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    older, newer = meeting.fake.publish("ada"), meeting.fake.publish("ada")
    io = await meeting.begin()
    assert io.user_track == newer.sid
    meeting.fake.unpublish("ada", newer.sid)
    await settle()

    assert io.user_track == older.sid
    assert not await has_ended(meeting.inputs[-1])


async def test_a_program_that_unsubscribes_is_not_overruled(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    microphone = meeting.fake.publish("ada")
    io = await meeting.begin()
    microphone.set_subscribed(False)
    await settle()
    assert (microphone.subscribed, io.user_track) == (False, "")
    assert await has_ended(meeting.inputs[0])

    microphone.set_subscribed(True)
    await settle()
    assert (io.user_track, len(meeting.inputs)) == (microphone.sid, 2)


async def test_whoever_comes_back_is_listened_to_again(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    meeting.fake.publish("ada")
    io = await meeting.begin()
    meeting.fake.leave("ada")
    await settle()
    assert (io.user, io.user_track) == ("ada", "")
    assert await has_ended(meeting.inputs[0])

    meeting.fake.join("ada")
    microphone = meeting.fake.publish("ada")
    await settle()
    assert (io.user, io.user_track, meeting.speakers()) == ("ada", microphone.sid, ["ada", "ada"])


async def test_a_track_that_came_unnoticed_while_the_connection_was_mended_is_heard(meeting: Meeting) -> None:
    ada = meeting.fake.join("ada")
    io = await meeting.begin()
    meeting.fake.begin_reconnect()
    microphone = FakePublication()
    microphone.set_subscribed(True)
    ada.track_publications[microphone.sid] = microphone
    meeting.fake.finish_reconnect()
    await settle()

    assert (io.user_track, meeting.speakers()) == (microphone.sid, ["ada"])


async def test_a_track_that_cannot_be_heard_does_no_harm_to_the_next(
    meeting: Meeting, caplog: pytest.LogCaptureFixture
) -> None:
    meeting.fake.join("ada")
    io = await meeting.begin()
    meeting.media.receive_error = RuntimeError("no such handle")
    meeting.fake.publish("ada")
    assert "a microphone cannot be heard" in caplog.messages
    meeting.media.receive_error = None
    microphone = meeting.fake.publish("ada")
    await settle()

    assert (io.user_track, meeting.speakers()) == (microphone.sid, ["ada"])


async def test_an_input_that_was_replaced_before_anybody_took_it_is_never_given(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    meeting.fake.publish("ada")
    io = meeting.make()
    await io.start(sample_rate=RATE, num_channels=1)
    newer = meeting.fake.publish("ada")
    inputs = io.audio_inputs()

    assert await inputs.__anext__() is voice_of(newer)


# --- the agent ------------------------------------------------------------------------------------------------------


async def test_nobody_hears_the_agent_until_its_track_is_subscribed(meeting: Meeting) -> None:
    meeting.media.has_listener = False
    io = await meeting.begin()
    waiting = asyncio.create_task(io.wait_for_listener())
    await asyncio.sleep(10)
    assert not waiting.done()
    meeting.media.voice.listen()
    await waiting

    assert (io.agent, io.agent_track) == ("agent", next(iter(meeting.fake.local_participant.track_publications)))


async def test_states_are_shown_in_order_and_only_the_latest_waits_for_a_slow_room(
    meeting: Meeting, lk_clock: VirtualClock
) -> None:
    seen: list[tuple[float, str]] = []
    note = meeting.fake.on(
        "participant_attributes_changed",
        lambda changed: seen.append((lk_clock.monotonic(), changed[ATTRIBUTE_AGENT_STATE])),
    )
    io = await meeting.begin()
    meeting.fake.local_participant.publish_seconds = 1.0
    began = lk_clock.monotonic()
    for state in ("initializing", "listening", "thinking", "speaking"):
        await io.show_state(state)
        await asyncio.sleep(0.1)
    assert lk_clock.monotonic() - began == pytest.approx(0.4)
    await asyncio.sleep(5)
    meeting.fake.off("participant_attributes_changed", note)

    assert [state for _, state in seen] == ["initializing", "speaking"]
    assert [at - began for at, _ in seen] == pytest.approx([1.0, 2.0])


async def test_a_room_that_refuses_states_is_told_of_once(meeting: Meeting, caplog: pytest.LogCaptureFixture) -> None:
    io = await meeting.begin()
    meeting.fake.local_participant.publish_error = RuntimeError("not allowed")
    for state in ("listening", "thinking", "listening"):
        await io.show_state(state)
        await settle()

    assert [each.message for each in caplog.records if each.levelno >= logging.WARNING] == [
        "the room does not show the agent's state"
    ]


async def test_a_room_that_does_not_answer_takes_the_next_state_after_five_seconds(meeting: Meeting) -> None:
    io = await meeting.begin()
    meeting.fake.local_participant.publish_seconds = 3600
    await io.show_state("listening")
    await asyncio.sleep(1)
    meeting.fake.local_participant.publish_seconds = 0
    await io.show_state("thinking")
    await asyncio.sleep(4.1)

    assert meeting.fake.local_participant.attributes == {ATTRIBUTE_AGENT_STATE: "thinking"}


async def test_no_state_is_shown_in_a_room_that_is_not_connected(meeting: Meeting) -> None:
    io = await meeting.begin()
    meeting.fake.close()
    await io.show_state("listening")
    await settle()

    assert meeting.fake.local_participant.attributes == {}


async def test_the_state_is_shown_again_after_the_connection_was_mended(meeting: Meeting) -> None:
    io = await meeting.begin()
    await io.show_state("listening")
    await settle()
    meeting.fake.begin_reconnect()
    meeting.fake.local_participant.attributes.clear()
    meeting.fake.finish_reconnect()
    await settle()

    assert meeting.fake.local_participant.attributes == {ATTRIBUTE_AGENT_STATE: "listening"}


# --- beginning and end ----------------------------------------------------------------------------------------------


async def test_a_room_that_is_not_connected_is_refused() -> None:
    io = RoomSessionIO(cast("rtc.Room", FakeRoom()), media=FakeRoomMedia())
    with pytest.raises(PlayoutError, match=r"await ctx\.connect\(\) first"):
        await io.start(sample_rate=RATE, num_channels=1)


async def test_a_room_that_does_not_take_the_track_is_left_as_it_was(meeting: Meeting) -> None:
    meeting.media.publish_error = RuntimeError("insufficient permissions")
    with pytest.raises(PlayoutError, match="does not take its track: insufficient permissions"):
        await meeting.make().start(sample_rate=RATE, num_channels=1)

    assert meeting.fake.listeners() == 0
    assert meeting.fake.isconnected()


async def test_a_room_that_does_not_answer_is_given_up_after_ten_seconds(
    meeting: Meeting, lk_clock: VirtualClock
) -> None:
    meeting.media.publish_seconds = 11.0
    with pytest.raises(PlayoutError, match="not published in 10 s"):
        await meeting.make().start(sample_rate=RATE, num_channels=1)

    assert lk_clock.monotonic() == 10.0
    assert meeting.fake.listeners() == 0


async def test_cancelled_while_it_starts_it_is_closed(meeting: Meeting) -> None:
    meeting.media.publish_seconds = 1.0
    starting = asyncio.create_task(meeting.make().start(sample_rate=RATE, num_channels=1))
    await asyncio.sleep(0.5)
    starting.cancel()
    await asyncio.wait([starting])

    assert starting.cancelled()
    assert meeting.fake.listeners() == 0


async def test_it_is_used_once(meeting: Meeting) -> None:
    io = await meeting.begin()
    with pytest.raises(RuntimeError, match="make another one"):
        await io.start(sample_rate=RATE, num_channels=1)


async def test_closing_leaves_the_room_connected_and_nothing_of_the_agent_in_it(meeting: Meeting) -> None:
    meeting.fake.join("ada")
    meeting.fake.publish("ada")
    before = meeting.fake.listeners()
    io = await meeting.begin()
    assert meeting.fake.listeners() > before
    await io.aclose()

    assert meeting.fake.isconnected()
    assert meeting.fake.listeners() == before
    assert not meeting.fake.local_participant.track_publications
    assert await has_ended(meeting.inputs[0])
    assert await io.wait_for_end() == "the conversation was closed"


async def test_closing_a_room_that_does_not_answer_takes_five_seconds(meeting: Meeting, lk_clock: VirtualClock) -> None:
    io = await meeting.begin()
    meeting.media.close_seconds = 6.0
    began = lk_clock.monotonic()
    await io.aclose()

    assert lk_clock.monotonic() - began == pytest.approx(5.0)
    await asyncio.sleep(1.1)


async def test_closing_goes_on_when_whoever_closes_is_cancelled(meeting: Meeting) -> None:
    io = await meeting.begin()
    meeting.media.close_seconds = 1.0
    closing = asyncio.create_task(io.aclose())
    await asyncio.sleep(0.5)
    closing.cancel()
    await asyncio.sleep(0.6)

    assert not meeting.fake.local_participant.track_publications


def test_a_negative_grace_is_refused() -> None:
    with pytest.raises(ConfigError, match="grace_seconds is -1"):
        RoomSessionIO(cast("rtc.Room", FakeRoom()), grace_seconds=-1)
