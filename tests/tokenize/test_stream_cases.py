"""What becomes readable after each call of a stream of sentences or words."""

# ruff: noqa: RUF001  these are the full stops of other scripts

import asyncio
import contextlib
from typing import Any

import pytest

from lk_agents.tokenize import SentenceStream, TokenData, WordStream, basic

Heard = list[tuple[str, int]]
"""Tokens and the numbers of their segments."""
Call = tuple[str, str, Heard]
"""Method, text, and what can be read after it."""


def push(text: str, *heard: str, segment: int = 0) -> Call:
    return "push_text", text, [(token, segment) for token in heard]


def end(*heard: str, segment: int = 0) -> Call:
    return "end_input", "", [(token, segment) for token in heard]


def flush(*heard: str, segment: int = 0) -> Call:
    return "flush", "", [(token, segment) for token in heard]


SHORT = {"min_sentence_len": 1, "stream_context_len": 1}
FAR = {"min_sentence_len": 5, "stream_context_len": 30}

SENTENCES: dict[str, tuple[dict[str, Any], list[Call]]] = {
    "B1": (
        {},
        [
            push("Well now, here is one full line."),
            push(" Then", "Well now, here is one full line."),
            push(" some more"),
            end("Then some more"),
        ],
    ),
    "B2": (
        {},
        [
            push("The value of pi is about 3."),
            push("14 and that is a fact. Ok", "The value of pi is about 3.14 and that is a fact."),
            end("Ok"),
        ],
    ),
    "B3": (
        {},
        [
            push("Yesterday I talked to M"),
            push("r"),
            push("."),
            push(" Smith about it. Good.", "Yesterday I talked to Mr. Smith about it."),
            end("Good."),
        ],
    ),
    "B4": (
        {},
        [
            push("I live in the big U"),
            push("."),
            push("S"),
            push("."),
            push(" and I like it here. Good.", "I live in the big U.S. and I like it here."),
            end("Good."),
        ],
    ),
    "B5": (
        {},
        [
            push("Wait for it please dear."),
            push("."),
            push("."),
            push(" and then it came. Good.", "Wait for it please dear... and then it came."),
            end("Good."),
        ],
    ),
    "B6": (  # was: 'He said "this is the end".'
        {},
        [
            push('He said "this is the end.'),
            push('" Then he left us there. Ok.', 'He said "this is the end."', "Then he left us there."),
            end("Ok."),
        ],
    ),
    "B7": (  # was: "Really is that so? !", then "I am amazed by it. Ok"; without the space that is one short of 20
        {},
        [
            push("Really is that so?"),
            push("! I am amazed by it. Ok", "Really is that so?! I am amazed by it."),
            end("Ok"),
        ],
    ),
    "B8": (
        {},
        [
            push("Hi. "),
            push("You. "),
            push("Are. "),
            push("Nice. "),
            push("Person. "),
            push("Indeed. ", "Hi. You. Are. Nice. Person."),
            push("Yes. "),
            end("Indeed. Yes."),
        ],
    ),
    "B9": (
        {},
        [
            push("Hello there my friend. How are", "Hello there my friend."),
            flush("How are"),
            push(" you today? I am good."),
            flush("you today? I am good.", segment=1),
            flush(),
            end(),
        ],
    ),
    "B10": (
        {},
        [
            push("Line one has no stop\n"),
            push("Line two has a stop. "),
            push("Next one", "Line one has no stop Line two has a stop."),
            end("Next one"),
        ],
    ),
    "B11": ({}, [push("     "), push("      "), push("  "), end()]),
    "B12": (  # was: "He works at Acme Inc", ". She works at Widgets today."
        {},
        [
            push(
                "He works at Acme Inc. She works at Widgets today. Third one here.",
                "He works at Acme Inc.",
                "She works at Widgets today.",
            ),
            end("Third one here."),
        ],
    ),
    "B13": (
        {},
        [
            push("今天天气很好。"),
            push("我们去公园玩吧。"),
            push("你觉得怎么样？"),
            end("今天天气很好。我们去公园玩吧。你觉得怎么样？"),
        ],
    ),
    "B14": (SHORT, [push("A. B", "A."), push("! C? D", "B!", "C?"), end("D")]),
    "B15": (
        FAR,
        [push("Hello there. "), push("How are you? "), push("Fine.", "Hello there.", "How are you?"), end("Fine.")],
    ),
    "B16": (FAR, [push("Hello there. "), push("How are you? "), end("Hello there. How are you?")]),
    "B17": ({}, [push("pending text"), ("aclose", "", [])]),
    "a full stop of Chinese ends a sentence at once": (
        SHORT,
        [push("今天天气很好。我", "今天天气很好。"), push("们去公园玩吧。"), end("我们去公园玩吧。")],
    ),
    "an address is whole before it is given out": (
        {},
        [
            push("Write to my friend bob@example.c"),
            push("om."),
            push(" It is read.", "Write to my friend bob@example.com."),
            end("It is read."),
        ],
    ),
    "what the end of the input decides comes as its own sentences": (
        {},
        [push("I will bring my brother.And"), end("I will bring my brother.", "And")],
    ),
}

WITH_PUNCTUATION = {"ignore_punctuation": False}

WORDS: dict[str, tuple[dict[str, Any], list[Call]]] = {
    "C1": (
        {},
        [
            push("Hel"),
            push("lo wor", "Hello"),
            push("ld. "),
            push("How are", "world", "How"),
            push("  you", "are"),
            push("?"),
            end("you"),
        ],
    ),
    "C2": (
        WITH_PUNCTUATION,
        [
            push("Hel"),
            push("lo wor", "Hello"),
            push("ld. "),
            push("How are", "world.", "How"),
            push("  you", "are"),
            push("?"),
            end("you?"),
        ],
    ),
    "C3": ({}, [push("hello --- world ... ok", "hello", "world"), end("ok")]),
    "C4": (WITH_PUNCTUATION, [push("a\nb\n\nc d", "a", "b", "c"), end("d")]),
    "segments": ({}, [push("one two", "one"), flush("two"), flush(), push(" three "), end("three", segment=1)]),
    "punctuation begins no word": ({}, [push("hello "), push("--- "), push("..."), push(" you", "hello"), end("you")]),
}


async def readable(stream: SentenceStream | WordStream) -> list[TokenData]:
    """Read what is there without waiting for more, which is cancelled."""
    found: list[TokenData] = []

    async def read() -> None:
        with contextlib.suppress(StopAsyncIteration):
            while True:
                found.append(await anext(stream))

    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.wait([reader])
    return found


async def check(stream: SentenceStream | WordStream, calls: list[Call]) -> None:
    numbers: dict[str, int] = {}
    for method, text, expected in calls:
        if method == "aclose":
            await stream.aclose()
        else:
            getattr(stream, method)(*([text] if method == "push_text" else []))
        heard = await readable(stream)
        assert [(data.token, numbers.setdefault(data.segment_id, len(numbers))) for data in heard] == expected


@pytest.mark.parametrize(("options", "calls"), SENTENCES.values(), ids=SENTENCES)
async def test_sentences_become_readable_when_the_next_begins(options: dict[str, Any], calls: list[Call]) -> None:
    await check(basic.SentenceTokenizer(**options).stream(), calls)


@pytest.mark.parametrize(("options", "calls"), WORDS.values(), ids=WORDS)
async def test_words_become_readable_when_the_next_begins(options: dict[str, Any], calls: list[Call]) -> None:
    await check(basic.WordTokenizer(**options).stream(), calls)
