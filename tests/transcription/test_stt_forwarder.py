"""Showing what a participant says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit import rtc
from tests.transcription.stage import FAILURE, Stage

from lk_agents.foundation.errors import ConfigError
from lk_agents.stt.events import SpeechData, SpeechEvent, SpeechEventType
from lk_agents.testing import VirtualClock
from lk_agents.transcription import STTSegmentsForwarder


def build(stage: Stage, **options: Any) -> STTSegmentsForwarder:
    return STTSegmentsForwarder(room=stage.room, participant="caller", **options)


def heard(text: str, *, final: bool = False) -> SpeechEvent:
    kind = SpeechEventType.FINAL_TRANSCRIPT if final else SpeechEventType.INTERIM_TRANSCRIPT
    return SpeechEvent(type=kind, alternatives=[SpeechData(language="en", text=text)])


async def test_interim_texts_and_their_final_are_versions_of_one_segment(stage: Stage) -> None:
    forwarder = build(stage)
    for event in (heard("hel"), heard("hello"), heard("Hello.", final=True), heard("and"), heard("And?", final=True)):
        forwarder.update(event)
    await forwarder.aclose()

    segments = [each.segments[0] for each in stage.published]
    assert [(segment.text, segment.final) for segment in segments] == [
        ("hel", False),
        ("hello", False),
        ("Hello.", True),
        ("and", False),
        ("And?", True),
    ]
    first, second = segments[0].id, segments[3].id
    assert [segment.id for segment in segments] == [first] * 3 + [second] * 2
    assert first != second
    assert first.startswith("SG_")


async def test_a_message_says_who_speaks_on_which_track(stage: Stage) -> None:
    forwarder = build(stage)
    forwarder.update(heard("hello"))
    await forwarder.aclose()

    (message,) = stage.published
    (segment,) = message.segments
    assert (message.participant_identity, message.track_sid) == ("caller", stage.caller_track.sid)
    assert (segment.language, segment.start_time, segment.end_time) == ("", 0, 0)


async def test_only_the_first_alternative_is_shown_and_no_other_event(stage: Stage) -> None:
    forwarder = build(stage)
    forwarder.update(SpeechEvent(type=SpeechEventType.START_OF_SPEECH))
    forwarder.update(SpeechEvent(type=SpeechEventType.FINAL_TRANSCRIPT, alternatives=[]))
    forwarder.update(
        SpeechEvent(
            type=SpeechEventType.PREFLIGHT_TRANSCRIPT, alternatives=[SpeechData(language="en", text="not this")]
        )
    )
    event = heard("this", final=True)
    event.alternatives.append(SpeechData(language="en", text="nor this"))
    forwarder.update(event)
    forwarder.update(SpeechEvent(type=SpeechEventType.END_OF_SPEECH))
    await forwarder.aclose()

    assert stage.texts() == ["this"]


async def test_a_transcript_is_shown_at_once(stage: Stage, lk_clock: VirtualClock) -> None:
    forwarder = build(stage, before_forward_cb=stage.watch)
    await asyncio.sleep(1.0)
    forwarder.update(heard("hello"))
    await asyncio.sleep(1.0)
    await forwarder.aclose()

    assert [(shown.at, shown.text) for shown in stage.shown] == [(1.0, "hello")]


async def test_updates_after_a_fault_of_the_room_are_shown(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    forwarder = build(stage)
    stage.fake.local_participant.publish_error = FAILURE
    forwarder.update(heard("lost"))
    await asyncio.sleep(0.1)
    stage.fake.local_participant.publish_error = None
    forwarder.update(heard("shown"))
    await forwarder.aclose()

    assert stage.texts() == ["shown"]
    assert "was not published" in caplog.text
    assert "lost" not in caplog.text


async def test_updates_after_a_fault_of_the_callback_are_shown(stage: Stage) -> None:
    async def picky(_forwarder: object, transcription: rtc.Transcription) -> rtc.Transcription:
        if transcription.segments[0].text == "lost":
            raise RuntimeError("no")
        return transcription

    forwarder = build(stage, before_forward_cb=picky)
    forwarder.update(heard("lost"))
    forwarder.update(heard("shown"))
    await forwarder.aclose()

    assert stage.texts() == ["shown"]


async def test_updates_are_shown_one_at_a_time_in_order(stage: Stage, lk_clock: VirtualClock) -> None:
    stage.fake.local_participant.publish_seconds = 0.5
    forwarder = build(stage, before_forward_cb=stage.watch)
    for text in "abc":
        forwarder.update(heard(text))
    await forwarder.aclose()

    assert stage.texts() == ["a", "b", "c"]
    assert [shown.at for shown in stage.shown] == [0.0, 0.5, 1.0]


async def test_nothing_is_shown_after_the_close(stage: Stage) -> None:
    forwarder = build(stage)
    await forwarder.aclose()
    forwarder.update(heard("late"))
    await forwarder.aclose()

    assert stage.published == []


async def test_a_close_that_does_not_wait_drops_what_waits(stage: Stage, lk_clock: VirtualClock) -> None:
    stage.fake.local_participant.publish_seconds = 0.5
    forwarder = build(stage)
    forwarder.update(heard("a"))
    forwarder.update(heard("b"))
    await asyncio.sleep(0.6)
    await forwarder.aclose(wait=False)

    assert (stage.texts(), lk_clock.monotonic()) == (["a"], 0.6)


async def test_a_room_that_hangs_does_not_hang_the_close(
    stage: Stage, lk_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    stage.fake.local_participant.publish_seconds = 3600.0
    forwarder = build(stage)
    for text in "abc":
        forwarder.update(heard(text))
    await forwarder.aclose()

    assert lk_clock.monotonic() == 5.0
    assert "left out" in caplog.text


async def test_a_close_that_is_cancelled_ends_it_all_the_same(stage: Stage) -> None:
    stage.fake.local_participant.publish_seconds = 1.0
    forwarder = build(stage)
    forwarder.update(heard("a"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await forwarder.aclose()
    await asyncio.sleep(5.0)

    assert stage.published == []


async def test_where_the_room_is_too_slow_interim_texts_are_left_out_and_no_final(stage: Stage) -> None:
    stage.fake.local_participant.publish_seconds = 0.01
    forwarder = build(stage)
    for number in range(100):
        forwarder.update(heard(f"interim {number}"))
        forwarder.update(heard(f"final {number}", final=True))
    await forwarder.aclose()

    assert stage.finals() == [f"final {number}" for number in range(100)]
    assert len(stage.texts()) == 100


async def test_while_the_room_is_not_connected_nothing_is_published(stage: Stage) -> None:
    forwarder = build(stage)
    stage.fake.close()
    forwarder.update(heard("hello"))
    await forwarder.aclose()

    assert stage.published == []


async def test_who_is_not_there_is_refused(stage: Stage) -> None:
    with pytest.raises(ConfigError, match="nobody in the room is called 'nobody'"):
        STTSegmentsForwarder(room=stage.room, participant="nobody")


async def test_the_older_name_of_the_callback_works_with_a_warning(stage: Stage) -> None:
    with pytest.warns(DeprecationWarning, match="now called before_forward_cb"):
        forwarder = build(stage, will_forward_transcription=stage.watch)
    forwarder.update(heard("hello"))
    await forwarder.aclose()

    assert [shown.text for shown in stage.shown] == ["hello"]
