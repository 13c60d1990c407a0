"""Streams made of any function that tokenizes a text."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.foundation.errors import ConfigError
from lk_agents.tokenize import BufferedSentenceStream, BufferedWordStream, SentenceStream, TokenData, WordStream
from lk_agents.tokenize.buffered import TokenizeFunction


def sentences(text: str) -> list[str]:
    return [part.strip() for part in re.findall(r"[^.]*\.|[^.]+", text) if part.strip()]


def located_words(text: str) -> list[tuple[str, int, int]]:
    return [(match[0].strip("-"), match.start(), match.end()) for match in re.finditer(r"\S+", text)]


def first_word_and_rest(text: str) -> list[str]:
    return text.split(maxsplit=1)


async def read(stream: SentenceStream | WordStream, *pieces: str) -> list[str]:
    for piece in pieces:
        stream.push_text(piece)
    stream.end_input()
    return [data.token async for data in stream]


def sentence_stream(
    tokenizer: TokenizeFunction = sentences, *, min_token_len: int = 1, min_ctx_len: int = 1
) -> BufferedSentenceStream:
    return BufferedSentenceStream(tokenizer=tokenizer, min_token_len=min_token_len, min_ctx_len=min_ctx_len)


async def test_all_tokens_but_the_last_are_given_out() -> None:
    stream = sentence_stream()

    stream.push_text("One. Two. Thr")
    first = [await anext(stream), await anext(stream)]
    stream.push_text("ee.")
    stream.end_input()

    assert [data.token for data in first] == ["One.", "Two."]
    assert [data.token async for data in stream] == ["Three."]


async def test_tokens_are_gathered_until_they_are_long_enough() -> None:
    assert await read(sentence_stream(min_token_len=9), "One. Two. Three. Fo", "ur.") == ["One. Two.", "Three. Four."]


async def test_nothing_is_tokenized_before_there_is_enough_context() -> None:
    asked: list[str] = []

    def tokenizer(text: str) -> list[str]:
        asked.append(text)
        return sentences(text)

    assert await read(sentence_stream(tokenizer, min_ctx_len=12), "One. ", "Two. ") == ["One. Two."]
    assert asked == ["One. Two. "]


async def test_a_token_that_is_not_in_the_text_comes_with_its_place() -> None:
    stream = BufferedWordStream(tokenizer=located_words, min_token_len=1, min_ctx_len=1)

    assert await read(stream, "-one", "- -two- th", "ree") == ["one", "two", "three"]


async def test_what_is_left_is_tokenized_again_without_what_precedes_it() -> None:
    assert await read(sentence_stream(first_word_and_rest), "one two three four") == ["one", "two", "three", "four"]


async def test_empty_tokens_do_not_count() -> None:
    def at_spaces(text: str) -> list[str]:
        return text.split(" ")

    assert await read(sentence_stream(at_spaces), "  one   two ", "  three") == ["one", "two", "three"]


async def test_a_flush_begins_a_segment_if_there_was_text() -> None:
    stream = sentence_stream()
    stream.flush()
    stream.push_text("One. Two")
    stream.flush()
    stream.flush()
    stream.push_text("Three")
    stream.end_input()

    tokens = [data async for data in stream]

    assert [data.token for data in tokens] == ["One.", "Two", "Three"]
    assert tokens[0].segment_id == tokens[1].segment_id != tokens[2].segment_id
    assert all(re.fullmatch("[0-9a-f]{12}", data.segment_id) for data in tokens)


@given(st.text(alphabet="ab. ", max_size=60), st.integers(1, 7))
async def test_nothing_is_lost_however_the_text_is_cut(text: str, chars: int) -> None:
    pieces = [text[begin : begin + chars] for begin in range(0, len(text), chars)]

    assert await read(sentence_stream(), *pieces) == sentences(text)


def test_a_negative_length_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_token_len is -1"):
        sentence_stream(min_token_len=-1)
    with pytest.raises(ConfigError, match="min_ctx_len is -1"):
        sentence_stream(min_ctx_len=-1)


BROKEN: list[Callable[[str], Any]] = [
    lambda text: ["else"],
    lambda text: [("one", 0, 0)],
    lambda text: [("one", 0, 99)],
    lambda text: [("one", 0, 3), ("one", 0, 3)],
]


@pytest.mark.parametrize("tokenizer", BROKEN)
def test_tokens_that_do_not_fit_the_text_are_refused(tokenizer: TokenizeFunction) -> None:
    with pytest.raises(ValueError, match="the tokenizer returned a token that"):
        sentence_stream(tokenizer).push_text("one two")


def test_the_streams_are_those_of_their_kind() -> None:
    assert issubclass(BufferedSentenceStream, SentenceStream)
    assert issubclass(BufferedWordStream, WordStream)
    assert TokenData() == TokenData(segment_id="", token="")
