"""What a forwarder of the agent's words takes, what it survives, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from livekit import rtc
from tests.transcription.stage import FAILURE, Stage, sound

from lk_agents.foundation.errors import ConfigError
from lk_agents.streams.words import TimedWord
from lk_agents.testing import VirtualClock
from lk_agents.tokenize import basic
from lk_agents.transcription import TTSSegmentsForwarder

TEXT = "Hello my wonderful friend, how are you? I am fine."


def build(stage: Stage, **options: Any) -> TTSSegmentsForwarder:
    return TTSSegmentsForwarder(room=stage.room, participant="agent", **options)


def say(forwarder: TTSSegmentsForwarder, text: str = TEXT, seconds: float = 2.0) -> None:
    forwarder.push_text(text)
    forwarder.mark_text_segment_end()
    forwarder.push_audio(sound(seconds))
    forwarder.mark_audio_segment_end()


async def test_a_message_says_who_speaks_on_which_track_in_which_language(stage: Stage) -> None:
    forwarder = build(stage, language="en")
    say(forwarder)
    forwarder.segment_playout_started()
    await asyncio.sleep(0.2)
    await forwarder.aclose()

    (message,) = stage.published
    assert (message.participant_identity, message.track_sid) == ("agent", stage.agent_track.sid)
    (segment,) = message.segments
    assert (segment.text, segment.language, segment.start_time, segment.end_time) == ("Hello", "en", 0, 0)


@pytest.mark.parametrize(
    ("choose", "expected"),
    [
        (lambda stage: {"participant": "caller"}, lambda stage: ("caller", stage.caller_track.sid)),
        (
            lambda stage: {"participant": stage.fake.remote_participants["caller"]},
            lambda stage: ("caller", stage.caller_track.sid),
        ),
        (
            lambda stage: {"participant": stage.fake.local_participant},
            lambda stage: ("agent", stage.agent_track.sid),
        ),
        (lambda stage: {"participant": "somebody", "track": "TR_1"}, lambda stage: ("somebody", "TR_1")),
        (
            lambda stage: {"participant": "agent", "track": stage.caller_track},
            lambda stage: ("agent", stage.caller_track.sid),
        ),
    ],
    ids=["identity", "remote participant", "local participant", "id of a track", "publication"],
)
async def test_participant_and_track_may_be_given_in_many_ways(
    stage: Stage, choose: Callable[[Stage], Any], expected: Callable[[Stage], tuple[str, str]]
) -> None:
    forwarder = TTSSegmentsForwarder(room=stage.room, **choose(stage))
    say(forwarder)
    forwarder.segment_playout_started()
    forwarder.segment_playout_finished()
    await forwarder.aclose()

    assert (stage.published[0].participant_identity, stage.published[0].track_sid) == expected(stage)


async def test_a_track_that_gets_another_id_in_a_reconnect_is_followed(stage: Stage) -> None:
    forwarder = build(stage, track=stage.agent_track)
    say(forwarder)
    forwarder.segment_playout_started()
    await asyncio.sleep(0.2)
    stage.agent_track.sid = "TR_renewed"
    await asyncio.sleep(1.0)
    await forwarder.aclose()

    assert stage.published[-1].track_sid == "TR_renewed"


async def test_a_participant_that_is_not_there_is_refused(stage: Stage) -> None:
    with pytest.raises(ConfigError, match=r"nobody in the room is called 'nobody'.*track="):
        TTSSegmentsForwarder(room=stage.room, participant="nobody")


async def test_a_participant_without_a_microphone_is_refused(stage: Stage) -> None:
    stage.fake.unpublish("caller", stage.caller_track.sid)
    stage.fake.publish("caller", rtc.TrackKind.KIND_VIDEO)

    with pytest.raises(ConfigError, match=r"'caller' publishes no microphone.*track="):
        TTSSegmentsForwarder(room=stage.room, participant="caller")


@pytest.mark.parametrize("options", [{"speed": 0.0}, {"speed": -1.0}, {"new_sentence_delay": -0.1}])
async def test_a_speed_that_cannot_be_is_refused(stage: Stage, options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must"):
        build(stage, **options)


async def test_the_callback_may_change_what_is_shown(stage: Stage) -> None:
    seen: list[object] = []

    def shout(forwarder: TTSSegmentsForwarder, transcription: rtc.Transcription) -> rtc.Transcription:
        seen.append(forwarder)
        transcription.segments[0].text = transcription.segments[0].text.upper()
        return transcription

    forwarder = build(stage, before_forward_cb=shout)
    say(forwarder)
    forwarder.segment_playout_started()
    forwarder.segment_playout_finished()
    await forwarder.aclose()

    assert stage.finals() == ["HELLO MY WONDERFUL FRIEND, HOW ARE YOU?", "I AM FINE."]
    assert seen == [forwarder, forwarder]
    assert forwarder.played_text == TEXT


async def test_the_callback_may_be_asynchronous(stage: Stage) -> None:
    async def shorten(_forwarder: object, transcription: rtc.Transcription) -> rtc.Transcription:
        await asyncio.sleep(0.01)
        transcription.segments[0].text = transcription.segments[0].text[:5]
        return transcription

    forwarder = build(stage, before_forward_cb=shorten)
    say(forwarder)
    forwarder.segment_playout_started()
    forwarder.segment_playout_finished()
    await forwarder.aclose()

    assert stage.finals() == ["Hello", "I am "]


async def test_a_callback_that_returns_something_else_changes_nothing(stage: Stage) -> None:
    forwarder = build(stage, before_forward_cb=lambda _forwarder, _transcription: None)
    say(forwarder)
    forwarder.segment_playout_started()
    forwarder.segment_playout_finished()
    await forwarder.aclose()

    assert " ".join(stage.finals()) == TEXT


async def test_without_segments_nothing_is_published_and_what_was_heard_is_known_all_the_same(stage: Stage) -> None:
    def hide(_forwarder: object, transcription: rtc.Transcription) -> rtc.Transcription:
        transcription.segments = []
        return transcription

    forwarder = build(stage, before_forward_cb=hide)
    say(forwarder)
    forwarder.segment_playout_started()
    await asyncio.sleep(0.8)

    assert stage.published == []
    assert forwarder.played_text == "Hello my wonderful"
    await forwarder.aclose()


async def test_the_older_name_of_the_callback_works_with_a_warning(stage: Stage) -> None:
    with pytest.warns(DeprecationWarning, match="now called before_forward_cb"):
        forwarder = build(stage, will_forward_transcription=stage.watch)
    say(forwarder)
    forwarder.segment_playout_started()
    await asyncio.sleep(0.2)
    await forwarder.aclose()

    assert [shown.text for shown in stage.shown] == ["Hello"]


async def test_what_a_failing_callback_might_have_changed_is_not_shown(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    def fail_once(_forwarder: object, transcription: rtc.Transcription) -> rtc.Transcription:
        if transcription.segments[0].text == "Hello":
            raise ValueError("no")
        return transcription

    forwarder = build(stage, before_forward_cb=fail_once)
    say(forwarder)
    forwarder.segment_playout_started()
    await asyncio.sleep(0.5)
    await forwarder.aclose()

    assert stage.texts() == ["Hello my"]
    assert "was not published" in caplog.text


async def test_a_room_that_refuses_does_not_stop_the_text(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    forwarder = build(stage)
    say(forwarder)
    stage.fake.local_participant.publish_error = FAILURE
    forwarder.segment_playout_started()
    await asyncio.sleep(0.8)
    stage.fake.local_participant.publish_error = None
    await asyncio.sleep(5)
    await forwarder.aclose()

    assert stage.texts()[0] == "Hello my wonderful friend"
    assert forwarder.played_text == TEXT
    assert [record.levelname for record in caplog.records if "not published" in record.message] == ["WARNING"]


async def test_a_room_that_is_slow_does_not_slow_the_text(stage: Stage) -> None:
    stage.fake.local_participant.publish_seconds = 0.05
    forwarder = build(stage, before_forward_cb=stage.watch)
    say(forwarder)
    forwarder.segment_playout_started()
    await asyncio.sleep(5)
    await forwarder.aclose()

    assert next(shown.at for shown in stage.shown if shown.final) == pytest.approx(1.538, abs=0.001)


async def test_while_the_room_is_not_connected_nothing_is_published(stage: Stage) -> None:
    forwarder = build(stage)
    say(forwarder)
    stage.fake.close()
    forwarder.segment_playout_started()
    forwarder.segment_playout_finished()
    await forwarder.aclose()

    assert (stage.published, forwarder.played_text) == ([], TEXT)


@pytest.mark.parametrize(
    "call",
    [
        lambda forwarder: forwarder.push_text("x"),
        lambda forwarder: forwarder.push_audio(sound(0.1)),
        lambda forwarder: forwarder.push_words([]),
        lambda forwarder: forwarder.mark_text_segment_end(),
        lambda forwarder: forwarder.mark_audio_segment_end(),
        lambda forwarder: forwarder.segment_playout_started(),
        lambda forwarder: forwarder.segment_playout_finished(),
        lambda forwarder: forwarder.segment_playout_paused(),
        lambda forwarder: forwarder.segment_playout_resumed(),
    ],
)
async def test_after_the_close_every_input_is_refused(
    stage: Stage, call: Callable[[TTSSegmentsForwarder], None]
) -> None:
    forwarder = build(stage)
    await forwarder.aclose()
    await forwarder.aclose()

    assert forwarder.closed
    with pytest.raises(RuntimeError, match="closed"):
        call(forwarder)


async def test_pausing_what_has_not_begun_is_refused(stage: Stage) -> None:
    forwarder = build(stage)
    with pytest.raises(RuntimeError, match="nothing is being played"):
        forwarder.segment_playout_paused()
    await forwarder.aclose()


async def test_a_sentence_that_was_interrupted_keeps_the_words_that_were_heard_and_gets_no_final(
    stage: Stage, lk_clock: VirtualClock
) -> None:
    forwarder = build(stage)
    say(forwarder)
    forwarder.segment_playout_started()
    await asyncio.sleep(0.9)
    await forwarder.aclose()
    assert lk_clock.monotonic() == pytest.approx(0.9)
    await asyncio.sleep(5)

    assert forwarder.played_text == "Hello my wonderful"
    assert (stage.texts()[-1], stage.finals()) == ("Hello my wonderful", [])


async def test_a_segment_that_was_played_is_shown_whole_at_the_close(stage: Stage, lk_clock: VirtualClock) -> None:
    forwarder = build(stage)
    say(forwarder)
    forwarder.segment_playout_started()
    await asyncio.sleep(0.5)
    forwarder.segment_playout_finished()
    await forwarder.aclose()

    assert lk_clock.monotonic() == pytest.approx(0.5)
    assert " ".join(stage.finals()) == forwarder.played_text == TEXT


async def test_text_that_was_never_ended_does_not_hang_the_close(stage: Stage, lk_clock: VirtualClock) -> None:
    forwarder = build(stage)
    forwarder.push_text(TEXT)
    forwarder.push_audio(sound(10.0))
    forwarder.segment_playout_started()
    await asyncio.sleep(8.0)
    await forwarder.aclose()

    assert lk_clock.monotonic() == pytest.approx(8.0)
    assert forwarder.played_text == "Hello my wonderful friend, how are you?"  # what follows was never complete


async def test_text_that_was_played_and_never_ended_is_shown_whole_at_the_close(stage: Stage) -> None:
    forwarder = build(stage)
    forwarder.push_text(TEXT + " And")
    forwarder.push_audio(sound(2.0))
    forwarder.segment_playout_started()
    forwarder.segment_playout_finished()
    await forwarder.aclose()

    assert forwarder.played_text == f"{TEXT} And"


@pytest.mark.parametrize("finished", [False, True], ids=["interrupted", "played"])
async def test_a_room_that_hangs_does_not_hang_the_close(
    stage: Stage, lk_clock: VirtualClock, finished: bool, caplog: pytest.LogCaptureFixture
) -> None:
    stage.fake.local_participant.publish_seconds = 3600.0
    forwarder = build(stage)
    say(forwarder, TEXT + " One more sentence comes here.")
    forwarder.segment_playout_started()
    await asyncio.sleep(0.2)
    if finished:
        forwarder.segment_playout_finished()
    await forwarder.aclose()

    assert lk_clock.monotonic() <= 5.3
    assert ("is not shown" in caplog.text) == finished


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
async def test_closing_without_a_segment_ends_at_once(stage: Stage, lk_clock: VirtualClock, moment: str) -> None:
    forwarder = build(stage)
    if moment == "meanwhile":
        forwarder.segment_playout_started()
        await asyncio.sleep(0)
    await forwarder.aclose()

    assert (lk_clock.monotonic(), forwarder.played_text) == (0.0, "")


async def test_a_tokenizer_that_fails_costs_the_words_and_not_the_sentence(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(basic.WordTokenizer):
        def tokenize(self, text: str, *, language: str | None = None) -> list[str]:
            raise ValueError("no")

    forwarder = build(stage, word_tokenizer=Broken())
    forwarder.push_text(TEXT)
    forwarder.mark_text_segment_end()
    forwarder.push_audio(sound(1.0))
    forwarder.segment_playout_started()
    await asyncio.sleep(5)
    await forwarder.aclose()

    assert stage.texts() == ["Hello my wonderful friend, how are you?", "I am fine."]
    assert "word by word" in caplog.text


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "...", "🎉", "***", "🎉 🎉. !!"])
async def test_text_without_words_does_no_harm(stage: Stage, text: str) -> None:
    forwarder = build(stage)
    say(forwarder, text)
    forwarder.push_text("And on it goes.")
    forwarder.mark_text_segment_end()
    forwarder.mark_audio_segment_end()
    for _ in range(2):
        forwarder.segment_playout_started()
        await asyncio.sleep(3)
        forwarder.segment_playout_finished()
    await forwarder.aclose()

    assert stage.finals()[-1] == "And on it goes."
    assert forwarder.played_text == f"{' '.join(text.split())} And on it goes.".strip()


@pytest.mark.parametrize("moment_ms", range(0, 5200, 100))
async def test_what_an_interrupted_user_heard_is_right_to_the_word_where_the_times_are_known(
    stage: Stage, moment_ms: int
) -> None:
    spoken = TEXT.split()
    forwarder = build(stage)
    forwarder.push_words(TimedWord(word, number * 0.5, number * 0.5 + 0.5) for number, word in enumerate(spoken))
    say(forwarder, seconds=5.0)
    forwarder.segment_playout_started()
    await asyncio.sleep(moment_ms / 1000)
    await forwarder.aclose()
    await asyncio.sleep(5)

    heard = len(forwarder.played_text.split())
    assert abs(heard - moment_ms / 500) <= 0.5 or heard == len(spoken)
    assert TEXT.startswith(forwarder.played_text)
    assert forwarder.alignment == "words" or not heard
