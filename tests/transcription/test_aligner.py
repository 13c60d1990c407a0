"""Which part of a text was heard."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.streams.words import TimedWord
from lk_agents.transcription import Aligner, HeardText

TEXT = "Hello there! My wonderful friend, how are you?"


def timed(*words: str, each: float = 1.0) -> list[TimedWord]:
    """Return words of one length that follow each other."""
    return [TimedWord(word, number * each, (number + 1) * each) for number, word in enumerate(words)]


def aligner(text: str = TEXT, words: list[TimedWord] | None = None, *, audio: float | None = None) -> Aligner:
    made = Aligner()
    made.push_text(text)
    made.end_text()
    made.push_words(words or [])
    if audio is not None:
        made.push_audio(audio)
        made.end_audio()
    return made


@pytest.mark.parametrize(
    ("position", "text"),
    [
        (0.0, ""),
        (0.49, ""),
        (0.5, "Hello"),
        (1.49, "Hello"),
        (1.5, "Hello there!"),
        (2.5, "Hello there! My"),
        (4.5, "Hello there! My wonderful friend"),
        (6.9, "Hello there! My wonderful friend, how are"),
        (7.5, TEXT),
        (99.0, TEXT),
    ],
)
def test_a_word_counts_from_its_middle_on_and_is_given_as_it_was_written(position: float, text: str) -> None:
    made = aligner(words=timed(*TEXT.split()))

    assert made.heard(position) == HeardText(text, "words")


@pytest.mark.parametrize("moment", range(81))
def test_at_every_moment_it_is_right_to_the_word(moment: int) -> None:
    made = aligner(words=timed(*TEXT.split()), audio=8.0)

    heard = len(made.heard(moment / 10).text.split())

    assert abs(heard - moment / 10) <= 0.5


@pytest.mark.parametrize(
    "words",
    [
        ["hello", "there", "my", "wonderful", "friend", "how", "are", "you"],
        ["HELLO", ",there", "My", "wonderful", "friend", "...", "how", "are", "you"],
        ["Hel", "lo", "there!", "My won", "derful", "friend,", "how are", "you?"],
        [" Hello", " there", "!", " My", " wonderful", " friend", ",", " how", " are", " you", "?"],
    ],
    ids=["plain", "other marks", "other pieces", "tokens"],
)
def test_text_and_times_meet_by_their_letters(words: list[str]) -> None:
    made = aligner(words=timed(*words))
    wonderful = next(number for number, word in enumerate(words) if word.strip() in {"wonderful", "derful"})

    assert made.heard(wonderful + 0.5).text == "Hello there! My wonderful"
    assert made.heard(99.0).text == TEXT


def test_what_is_spoken_otherwise_than_it_is_written_counts_with_the_next_word_that_is_both() -> None:
    spoken = ["That", "is", "five", "dollars", "on", "May", "third", "please"]
    made = aligner("That is $5 on May 3rd, please.", timed(*spoken))

    assert made.heard(3.5).text == "That is"
    assert made.heard(4.5).text == "That is $5 on"
    assert made.heard(6.5).text == "That is $5 on May"
    assert made.heard(7.5).text == "That is $5 on May 3rd, please."


def test_words_that_are_not_in_the_text_are_passed_over() -> None:
    made = aligner("One two three four.", timed("one", "uh", "two", "three", "four"))

    assert made.heard(1.6).text == "One"
    assert made.heard(2.5).text == "One two"


def test_a_word_is_not_found_inside_another_one_further_on() -> None:
    made = aligner("One banana two.", timed("one", "a", "two"))

    assert [made.heard(at).text for at in (1.6, 2.5)] == ["One", "One banana two."]


def test_times_may_come_before_their_text() -> None:
    made = Aligner()
    made.push_words(timed(*TEXT.split()))
    assert made.heard(3.0).text == ""
    made.push_text(TEXT[:20])
    assert made.heard(3.0).text == "Hello there! My"
    made.push_text(TEXT[20:])
    assert made.heard(4.5).text == "Hello there! My wonderful friend"


def test_times_that_overlap_are_put_in_order() -> None:
    made = aligner("one two three", [TimedWord("one", 0, 2), TimedWord("two", 1, 1.5), TimedWord("three", 3, 4)])

    places = [made.spoken(letters) for letters in (3, 6, 11)]
    assert [place and (place.letters, place.end_seconds) for place in places] == [(3, 2), (6, 2), (11, 4)]


def test_without_times_the_speed_is_that_of_the_text_over_its_audio() -> None:
    made = aligner(audio=6.0)  # hel-lo there my won-der-ful friend how are you: 11 syllables

    assert made.syllables_per_second == pytest.approx(11 / 6)
    assert made.heard(0.5) == HeardText("", "estimate")
    assert made.heard(0.6) == HeardText("Hello", "estimate")
    assert made.heard(3.0).text == "Hello there! My wonderful"
    assert made.heard(5.6).text == "Hello there! My wonderful friend, how are"
    assert made.heard(6.0).text == TEXT


def test_while_the_length_of_the_audio_is_unknown_the_speed_is_the_common_one() -> None:
    made = aligner()
    made.push_audio(1.0)
    fast = Aligner(speed=2.0)
    fast.push_text(TEXT)

    assert made.syllables_per_second is None
    assert made.heard(2.5 / 3.83).text == "Hello there!"
    assert fast.heard(1.25 / 3.83).text == "Hello there!"


def test_a_text_without_spaces_is_estimated_by_its_signs() -> None:
    made = aligner("\u4f60\u597d\u4e16\u754c\u3002", audio=4.0)

    assert [made.heard(at).text for at in (0.5, 1.5, 3.4)] == ["\u4f60", "\u4f60\u597d", "\u4f60\u597d\u4e16"]
    assert made.heard(3.5).text == "\u4f60\u597d\u4e16\u754c\u3002"


@pytest.mark.parametrize("text", ["", "  ", "...", "\U0001f389"])
def test_a_text_without_letters_is_heard_with_its_audio(text: str) -> None:
    made = aligner(text, audio=1.0)

    assert (made.heard(0.9).text, made.heard(1.0).text) == ("", text.strip())


@given(
    words=st.lists(st.text("abc\u00e9\u4f60.,!?'-\U0001f389", min_size=1, max_size=6), min_size=1, max_size=12),
    positions=st.lists(st.floats(0, 15), min_size=2, max_size=8),
    with_times=st.booleans(),
    cut=st.integers(1, 5),
)
def test_what_was_heard_only_grows_and_is_the_beginning_of_the_text(
    words: list[str], positions: list[float], with_times: bool, cut: int
) -> None:
    text = " ".join(words)
    made = Aligner()
    for start in range(0, len(text), cut):
        made.push_text(text[start : start + cut])
    made.end_text()
    made.push_words(timed(*words) if with_times else [])
    made.push_audio(12.0)
    made.end_audio()
    heard = [made.heard(position).text for position in sorted(positions)]

    assert all(later.startswith(earlier.rstrip(".,!?'-")) for earlier, later in pairwise(heard))
    assert all(text.strip().startswith(each) for each in heard)
    assert made.heard(12.0).text == text.strip()
