"""Which part of a text was heard: by words, by the beginnings of sentences, by the speed of speech."""

from __future__ import annotations

import math

import pytest

from lk_agents.streams.words import TimedWord
from lk_agents.tokenize import basic
from lk_agents.voice.utterance_heard import SpokenText

FIRST, SECOND = "One two three four.", " Five six ten two."
"""Each word has one syllable."""


def spoken(*texts: str) -> SpokenText:
    new = SpokenText(hyphenate_word=basic.hyphenate_word)
    for text in texts:
        new.push_text(text)
    return new


def words(*timed: tuple[str, float]) -> list[TimedWord]:
    return [TimedWord(text, start, start + 0.5) for text, start in timed]


def test_a_sentence_whose_end_is_unknown_is_spoken_as_fast_as_those_before() -> None:
    text = spoken(FIRST, SECOND)
    text.push_part(FIRST)
    text.push_audio(8.0)
    text.push_part(SECOND)
    text.push_audio(3.0)

    assert text.heard(9.5).text == "One two three four. Five"
    assert text.heard(11.5).text == "One two three four. Five six"  # and not all, as at the common speed
    assert text.alignment == "estimate"


def test_a_sentence_whose_end_is_known_is_spread_over_its_own_audio() -> None:
    text = spoken(FIRST, SECOND)
    text.push_part(FIRST)
    text.push_audio(8.0)
    text.push_part(SECOND)
    text.push_audio(1.0)
    text.end_text()
    text.end_audio()

    assert [text.heard(at).text for at in (0.5, 4.0, 7.9, 8.2, 9.0)] == [
        "",
        "One two",
        FIRST,
        f"{FIRST} Five",
        FIRST + SECOND,
    ]


def test_the_first_part_may_begin_behind_silence() -> None:
    text = spoken(FIRST)
    text.push_audio(2.0)
    text.push_part(FIRST)
    text.push_audio(4.0)
    text.end_text()
    text.end_audio()

    assert text.heard(3.5 + 0.1).text == "One two"


def test_opening_quotes_stay_with_their_sentence() -> None:
    quoted = ' "Five six."'
    text = spoken(FIRST, quoted)
    text.push_part(FIRST)
    text.push_audio(4.0)
    text.push_part(quoted)
    text.push_audio(2.0)
    text.end_text()
    text.end_audio()

    assert text.heard(4.0).text == FIRST
    assert text.heard(5.0).text == FIRST + ' "Five'
    assert text.heard(6.0).text == FIRST + quoted


def test_parts_that_are_not_in_the_text_are_forgotten_and_the_whole_is_estimated() -> None:
    text = spoken(FIRST, SECOND)
    text.push_part("Something else.")
    text.push_audio(7.0)
    text.push_part(SECOND)
    text.push_audio(1.0)
    text.end_text()
    text.end_audio()

    assert text.heard(4.0).text == FIRST


def test_times_of_words_are_better_than_those_of_parts() -> None:
    text = spoken(FIRST)
    text.push_part(FIRST)
    text.push_words(words(("One", 0.0), ("two", 3.0)))
    text.push_audio(4.0)

    assert (text.heard(3.2).text, text.heard(3.3).text, text.alignment) == ("One", "One two", "words")


@pytest.mark.parametrize(
    ("timed", "seconds", "is_cut"),
    [
        ([("One", 0.0), ("two", 0.5), ("three", 1.0), ("four", 1.5)], 2.0, False),
        ([("One", 0.0), ("two", 0.5), ("three", 1.0)], 1.5, False),  # a last short word may go untold
        ([("One", 0.0), ("two", 0.5)], 1.0, True),
        ([("One", 0.0), ("two", 0.5)], 2.0, False),  # there is enough audio for the rest
        ([("One", 0.0), ("twenty", 0.5)], 1.0, False),  # other words are spoken: nobody knows
        ([], 0.1, False),
    ],
)
def test_audio_that_ends_in_the_middle_of_its_words_is_cut(
    timed: list[tuple[str, float]], seconds: float, is_cut: bool
) -> None:
    text = spoken(FIRST)
    text.push_words(words(*timed))
    text.push_audio(seconds)
    text.end_text()
    text.end_audio()

    assert text.is_cut is is_cut
    assert (text.heard(math.inf).text == FIRST) is not is_cut
