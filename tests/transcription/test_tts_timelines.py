"""When which words are shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.transcription.stage import Stage, sound

from lk_agents.streams.words import TimedWord
from lk_agents.testing import VirtualClock
from lk_agents.transcription import TTSSegmentsForwarder

TEXT = "Hello my wonderful friend, how are you? I am fine."
SENTENCES = ["Hello my wonderful friend, how are you?", "I am fine."]
FIRST = ["Hello", "Hello my", "Hello my wonderful", "Hello my wonderful friend"]
GROWING = [
    *FIRST,
    "Hello my wonderful friend how",
    "Hello my wonderful friend how are",
    "Hello my wonderful friend how are you",
]
TOLERANCE = 0.05
"""Seconds: the times that are to be met were measured in real time, and every wait takes a millisecond or two more."""
SPEED = 3.83
"""Syllables per second, while the length of the audio is unknown."""


@pytest.fixture
async def forwarder(stage: Stage) -> AsyncIterator[TTSSegmentsForwarder]:
    forwarder = TTSSegmentsForwarder(room=stage.room, participant="agent", before_forward_cb=stage.watch)
    yield forwarder
    await forwarder.aclose()


def say(forwarder: TTSSegmentsForwarder, text: str = TEXT, *, seconds: float | None = None) -> None:
    """Push a segment: text, and audio of a length; None leaves the audio open."""
    forwarder.push_text(text)
    forwarder.mark_text_segment_end()
    forwarder.push_audio(sound(seconds or 1.0))
    if seconds is not None:
        forwarder.mark_audio_segment_end()


def times(stage: Stage, *, final: bool) -> list[float]:
    return [shown.at for shown in stage.shown if shown.final == final]


@pytest.mark.parametrize(
    ("seconds", "interims", "finals"),
    [
        (None, [0.26, 0.66, 1.18, 1.71, 1.97, 2.23, 2.50, 3.16, 3.42, 3.69], [2.63, 3.82]),
        (2.0, [0.15, 0.39, 0.70, 1.00, 1.16, 1.32, 1.47, 2.00, 2.17, 2.34], [1.55, 2.39]),
    ],
    ids=["length of the audio unknown", "length known"],
)
async def test_words_are_shown_at_the_speed_of_speech(
    stage: Stage, forwarder: TTSSegmentsForwarder, seconds: float | None, interims: list[float], finals: list[float]
) -> None:
    say(forwarder, seconds=seconds)
    forwarder.segment_playout_started()
    await asyncio.sleep(5)

    assert [shown.text for shown in stage.shown] == [*GROWING, SENTENCES[0], "I", "I am", "I am fine", SENTENCES[1]]
    assert times(stage, final=False) == pytest.approx(interims, abs=TOLERANCE)
    assert times(stage, final=True) == pytest.approx(finals, abs=TOLERANCE)
    assert forwarder.played_text == TEXT
    assert forwarder.alignment == "estimate"


async def test_while_the_length_is_unknown_the_speed_is_the_common_one_to_the_millisecond(
    stage: Stage, forwarder: TTSSegmentsForwarder
) -> None:
    say(forwarder)
    forwarder.segment_playout_started()
    await asyncio.sleep(5)

    middles = [1, 2.5, 4.5, 6.5, 7.5, 8.5, 9.5]  # in syllables: hel-lo my won-der-ful friend how are you
    expected = [n / SPEED for n in middles] + [10 / SPEED + 0.4 + n / SPEED for n in (0.5, 1.5, 2.5)]
    assert times(stage, final=False) == pytest.approx(expected, abs=0.001)
    assert times(stage, final=True) == pytest.approx([10 / SPEED, 13 / SPEED + 0.4], abs=0.001)


async def test_what_is_left_of_a_segment_that_was_played_is_shown_without_its_words(
    stage: Stage, forwarder: TTSSegmentsForwarder
) -> None:
    say(forwarder)
    forwarder.segment_playout_started()
    await asyncio.sleep(1.0)
    forwarder.segment_playout_finished()
    await asyncio.sleep(5)

    assert [shown.text for shown in stage.shown] == [*FIRST[:3], *SENTENCES]
    assert times(stage, final=False) == pytest.approx([0.26, 0.66, 1.19], abs=TOLERANCE)
    assert times(stage, final=True) == pytest.approx([1.59, 1.99], abs=TOLERANCE)


async def test_catching_up_takes_a_pause_for_each_sentence(stage: Stage, forwarder: TTSSegmentsForwarder) -> None:
    say(forwarder, "One two three four five six. " * 4)
    forwarder.segment_playout_started()
    forwarder.segment_playout_finished()
    await asyncio.sleep(5)

    assert [shown.at for shown in stage.shown] == pytest.approx([0.0, 0.4, 0.8, 1.2])
    assert all(shown.final for shown in stage.shown)


async def test_a_voice_that_speaks_faster_is_shown_faster(stage: Stage) -> None:
    forwarder = TTSSegmentsForwarder(
        room=stage.room, participant="agent", speed=2.0, new_sentence_delay=0.0, before_forward_cb=stage.watch
    )
    say(forwarder)
    forwarder.segment_playout_started()
    await asyncio.sleep(5)
    await forwarder.aclose()

    assert times(stage, final=True) == pytest.approx([10 / 7.66, 13 / 7.66], abs=0.001)


async def test_a_segment_is_shown_when_it_is_played_and_not_before(
    stage: Stage, forwarder: TTSSegmentsForwarder
) -> None:
    say(forwarder, "The first of them is here.", seconds=1.0)
    say(forwarder, "The second of them is here.", seconds=1.0)
    await asyncio.sleep(5)
    assert stage.shown == []

    forwarder.segment_playout_started()
    await asyncio.sleep(5)
    assert stage.finals() == ["The first of them is here."]
    forwarder.segment_playout_finished()
    forwarder.segment_playout_started()
    await asyncio.sleep(0.2)
    assert stage.texts()[-1] == "The"  # at once: nothing looks only now and then
    await asyncio.sleep(5)
    assert stage.finals() == ["The first of them is here.", "The second of them is here."]
    assert forwarder.played_text == "The first of them is here. The second of them is here."


@pytest.mark.parametrize("missing", ["text", "audio"])
async def test_a_segment_waits_for_its_other_half(stage: Stage, forwarder: TTSSegmentsForwarder, missing: str) -> None:
    if missing != "text":
        forwarder.push_text(TEXT)
    if missing != "audio":
        forwarder.push_audio(sound(2.0))
    forwarder.segment_playout_started()
    await asyncio.sleep(1.0)
    assert stage.shown == []

    forwarder.push_text(TEXT)
    forwarder.push_audio(sound(2.0))
    await asyncio.sleep(1.0)
    assert stage.shown


async def test_each_sentence_is_a_segment_that_replaces_its_own_earlier_versions(
    stage: Stage, forwarder: TTSSegmentsForwarder
) -> None:
    say(forwarder)
    forwarder.segment_playout_started()
    await asyncio.sleep(5)

    ids = list(dict.fromkeys(shown.id for shown in stage.shown))
    assert len(ids) == 2
    assert all(each.startswith("SG_") and len(each) == 15 for each in ids)
    assert [[shown.text for shown in stage.shown if shown.id == each][-1] for each in ids] == SENTENCES


async def test_text_that_comes_piece_by_piece_is_shown_like_the_whole(
    stage: Stage, forwarder: TTSSegmentsForwarder
) -> None:
    for start in range(0, len(TEXT), 4):
        forwarder.push_text(TEXT[start : start + 4])
    forwarder.push_audio(sound(0.1))
    forwarder.segment_playout_started()
    await asyncio.sleep(1.0)
    forwarder.mark_text_segment_end()
    await asyncio.sleep(5)

    assert times(stage, final=True) == pytest.approx([2.63, 3.82], abs=TOLERANCE)


async def test_while_playout_is_paused_nothing_is_shown(
    stage: Stage, forwarder: TTSSegmentsForwarder, lk_clock: VirtualClock
) -> None:
    say(forwarder)
    forwarder.segment_playout_started()
    await asyncio.sleep(1.0)
    forwarder.segment_playout_paused()
    await asyncio.sleep(10.0)
    assert times(stage, final=False) == pytest.approx([0.26, 0.66], abs=TOLERANCE)
    assert forwarder.played_text == "Hello my"

    forwarder.segment_playout_resumed()
    await asyncio.sleep(5.0)
    assert times(stage, final=False)[2:4] == pytest.approx([11.18, 11.71], abs=TOLERANCE)
    assert times(stage, final=True) == pytest.approx([12.63, 13.82], abs=TOLERANCE)


WORDS = [
    TimedWord("Hello", 0.5, 0.9),
    TimedWord("my", 1.0, 1.2),
    TimedWord("wonderful", 1.2, 2.0),
    TimedWord("friend,", 2.0, 2.4),
    TimedWord("how", 3.0, 3.2),
    TimedWord("are", 3.2, 3.4),
    TimedWord("you?", 3.4, 3.6),
    TimedWord("I", 4.0, 4.2),
    TimedWord("am", 4.2, 4.4),
    TimedWord("fine.", 4.4, 5.0),
]


async def test_words_whose_times_are_known_are_shown_in_their_middle(
    stage: Stage, forwarder: TTSSegmentsForwarder
) -> None:
    forwarder.push_words(WORDS)
    say(forwarder, seconds=5.0)
    forwarder.segment_playout_started()
    await asyncio.sleep(6)

    assert times(stage, final=False) == pytest.approx([0.7, 1.1, 1.6, 2.2, 3.1, 3.3, 3.5, 4.1, 4.3, 4.7])
    assert times(stage, final=True) == pytest.approx([3.6, 5.0])
    assert [shown.text for shown in stage.shown if shown.final] == SENTENCES
    assert (forwarder.played_text, forwarder.alignment) == (TEXT, "words")


async def test_what_is_left_of_a_segment_with_times_is_shown_at_once_when_it_was_played(
    stage: Stage, forwarder: TTSSegmentsForwarder
) -> None:
    forwarder.push_words(WORDS)
    say(forwarder, seconds=5.0)
    forwarder.segment_playout_started()
    await asyncio.sleep(1.3)
    forwarder.segment_playout_finished()
    assert forwarder.played_text == TEXT
    await asyncio.sleep(5)

    assert times(stage, final=True) == [1.3, 1.3]


async def test_times_that_come_while_it_is_played_take_over(stage: Stage, forwarder: TTSSegmentsForwarder) -> None:
    say(forwarder)
    forwarder.segment_playout_started()
    for word in WORDS:
        forwarder.push_words([word])
        await asyncio.sleep(0.2)
    await asyncio.sleep(4)

    assert times(stage, final=False) == pytest.approx([0.7, 1.1, 1.6, 2.2, 3.1, 3.3, 3.5, 4.1, 4.3, 4.7])


async def test_words_that_are_late_are_shown_together(stage: Stage, forwarder: TTSSegmentsForwarder) -> None:
    forwarder.push_words(WORDS)
    forwarder.push_audio(sound(5.0))
    forwarder.segment_playout_started()
    await asyncio.sleep(2.0)
    forwarder.push_text(TEXT)
    await asyncio.sleep(0.1)

    assert [(shown.at, shown.text) for shown in stage.shown] == [(2.0, "Hello my wonderful")]


async def test_words_without_times_at_the_end_are_estimated(stage: Stage, forwarder: TTSSegmentsForwarder) -> None:
    forwarder.push_words(WORDS[:7])
    say(forwarder, seconds=5.0)
    forwarder.segment_playout_started()
    await asyncio.sleep(8)

    assert stage.finals() == SENTENCES
    assert [shown.text for shown in stage.shown if shown.at > 3.6] == ["I", "I am", "I am fine", "I am fine."]


async def test_the_player_tells_how_far_it_was_heard(stage: Stage, forwarder: TTSSegmentsForwarder) -> None:
    heard = 0.0
    forwarder.push_words(WORDS)
    say(forwarder, seconds=5.0)
    forwarder.segment_playout_started(lambda: heard)
    await asyncio.sleep(10)  # the sink has run dry
    assert stage.shown == []

    for _ in range(50):
        heard += 0.1
        await asyncio.sleep(0.1)
    assert times(stage, final=False) == pytest.approx(
        [10 + at for at in (0.7, 1.1, 1.6, 2.2, 3.1, 3.3, 3.5, 4.1, 4.3, 4.7)], abs=0.11
    )
    assert forwarder.played_text == TEXT


async def test_a_player_that_stands_still_shortly_before_a_word_is_not_asked_all_the_time(
    stage: Stage, forwarder: TTSSegmentsForwarder
) -> None:
    asked = []

    def position() -> float:
        asked.append(True)
        return 0.6999

    forwarder.push_words(WORDS)
    say(forwarder, seconds=5.0)
    forwarder.segment_playout_started(position)
    await asyncio.sleep(1.0)

    assert len(asked) < 150


async def test_a_pause_after_the_end_of_playout_holds_nothing_back(
    stage: Stage, forwarder: TTSSegmentsForwarder
) -> None:
    say(forwarder)
    forwarder.segment_playout_started()
    forwarder.segment_playout_finished()
    forwarder.segment_playout_paused()
    await asyncio.sleep(5)

    assert stage.finals() == SENTENCES
