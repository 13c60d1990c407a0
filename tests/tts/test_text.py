"""Which texts are sent, and how long ones are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tts.speakers import Speaker, frame_of, heard

from lk_agents.foundation.errors import ConfigError
from lk_agents.tts import SynthesizedAudio
from lk_agents.tts.audio import split_frame
from lk_agents.tts.text import is_speakable, parts_of


@pytest.mark.parametrize("text", ["a", " 1 ", "é", "你好", "สวัสดี", "नमस्ते", "٣", "**x**"])
def test_letters_and_digits_of_any_script_can_be_spoken(text: str) -> None:
    assert is_speakable(text)


@pytest.mark.parametrize("text", ["", " \n", "…", "👩‍👩‍👧", "```", "| - |", "\u200d\ufe0f", "$%&"])
def test_marks_emoji_and_white_space_cannot(text: str) -> None:
    assert not is_speakable(text)


@pytest.mark.parametrize("text", [None, 3, b"hello"])
async def test_what_is_no_text_is_refused_at_the_call(text: object) -> None:
    tts = Speaker()
    told = rf"what is to be spoken is of the type {type(text).__name__}; it must be a text"
    with pytest.raises(ConfigError, match=told):
        tts.synthesize(text)  # type: ignore[arg-type]
    async with tts.stream() as stream:
        with pytest.raises(ConfigError, match=told):
            stream.push_text(text)  # type: ignore[arg-type]


def test_a_short_text_stays_as_it_is() -> None:
    assert parts_of(" One.  Two. ", 12) == [" One.  Two. "]
    assert parts_of("x" * 10_000, None) == ["x" * 10_000]


def test_a_long_text_is_cut_between_sentences() -> None:
    text = "This is the first sentence. Here comes a second one! And is this a third one?"

    assert parts_of(text, 60) == [
        "This is the first sentence. Here comes a second one!",
        "And is this a third one?",
    ]


def test_a_long_sentence_is_cut_between_words_and_a_long_word_anywhere() -> None:
    assert parts_of("one two three four", 9) == ["one two", "three", "four"]
    assert parts_of("abcdefghij", 4) == ["abcd", "efgh", "ij"]


@given(text=st.text(alphabet="ab1 .!?\n你。", max_size=200), limit=st.integers(1, 40))
def test_parts_keep_the_text_and_the_limit(text: str, limit: int) -> None:
    parts = parts_of(text, limit)

    assert all(len(part) <= limit and is_speakable(part) for part in parts)
    kept = "".join(character for character in "".join(parts) if character.isalnum())
    assert kept == "".join(character for character in text if character.isalnum())


@pytest.mark.parametrize(
    ("text", "seconds", "expected"), [("hello", 0.01, ("hell", "o")), ("h", 0.01, (None, "h")), ("h", 1.0, (None, "h"))]
)
def test_the_end_of_a_frame_can_be_cut_off(text: str, seconds: float, expected: tuple[str | None, str]) -> None:
    head, tail = split_frame(frame_of(text), seconds)

    assert (head and heard([SynthesizedAudio(head, "")]), heard([SynthesizedAudio(tail, "")])) == expected
