"""What holds for every stream: closing, limits, and readers that are cancelled."""

import asyncio
from collections.abc import Callable

import pytest

from lk_agents.tokenize import (
    BufferedSentenceStream,
    BufferedWordStream,
    SentenceStream,
    SentenceTokenizer,
    TokenData,
    WordStream,
    basic,
)
from lk_agents.tokenize.segments import WAITING_CHARS
from lk_agents.utils.aio.channel import ChanFull

MAKERS: dict[str, Callable[[], SentenceStream | WordStream]] = {
    "sentences": lambda: basic.SentenceTokenizer(min_sentence_len=1).stream(),
    "words": lambda: basic.WordTokenizer(ignore_punctuation=False).stream(),
    "buffered sentences": lambda: BufferedSentenceStream(tokenizer=str.split, min_token_len=1, min_ctx_len=1),
    "buffered words": lambda: BufferedWordStream(tokenizer=str.split, min_token_len=1, min_ctx_len=1),
}
"""Streams that give ``First.`` and ``Second.`` for the text ``First. Second.``"""


@pytest.fixture(params=MAKERS.values(), ids=list(MAKERS))
def stream(request: pytest.FixtureRequest) -> SentenceStream | WordStream:
    made: SentenceStream | WordStream = request.param()
    return made


USES: list[Callable[[SentenceStream | WordStream], None]] = [
    lambda stream: stream.push_text("more"),
    lambda stream: stream.push_text(""),
    lambda stream: stream.flush(),
    lambda stream: stream.end_input(),
]


@pytest.mark.parametrize("use", USES)
async def test_a_closed_stream_takes_nothing(
    stream: SentenceStream | WordStream, use: Callable[[SentenceStream | WordStream], None]
) -> None:
    await stream.aclose()

    with pytest.raises(RuntimeError, match="is closed"):
        use(stream)


@pytest.mark.parametrize("use", USES)
def test_an_ended_stream_takes_nothing(
    stream: SentenceStream | WordStream, use: Callable[[SentenceStream | WordStream], None]
) -> None:
    stream.end_input()

    with pytest.raises(RuntimeError, match="is closed"):
        use(stream)


async def test_closing_loses_what_is_held_back_and_keeps_what_was_given_out(
    stream: SentenceStream | WordStream,
) -> None:
    stream.push_text("First. Second.")
    await stream.aclose()
    await stream.aclose()

    assert [data.token async for data in stream] == ["First."]
    assert [data async for data in stream] == []


async def test_ending_gives_out_what_is_held_back(stream: SentenceStream | WordStream) -> None:
    stream.push_text("First. Second.")
    stream.end_input()
    await stream.aclose()

    assert [data.token async for data in stream] == ["First.", "Second."]


async def test_a_cancelled_reader_loses_nothing(stream: SentenceStream | WordStream) -> None:
    async def read() -> TokenData:
        return await anext(stream)

    for _ in range(3):
        waiting = asyncio.create_task(read())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    late = asyncio.create_task(read())
    await asyncio.sleep(0)
    stream.push_text("First. Second.")
    stream.end_input()

    assert (await late).token == "First."
    assert [data.token async for data in stream] == ["Second."]


async def test_a_reader_that_waits_is_woken_by_the_end(stream: SentenceStream | WordStream) -> None:
    async def read_all() -> list[TokenData]:
        return [data async for data in stream]

    reader = asyncio.create_task(read_all())
    await asyncio.sleep(0)
    await stream.aclose()

    assert await reader == []


def test_text_that_nobody_reads_is_refused_beyond_a_limit(stream: SentenceStream | WordStream) -> None:
    stream.push_text("First. Second. And third " * (WAITING_CHARS // 25))
    waiting = WAITING_CHARS // 25 * 25

    with pytest.raises(ChanFull, match="36000 more characters do not fit"):
        stream.push_text("x" * 36_000)

    stream.push_text("x" * (WAITING_CHARS - waiting))  # what was refused has left nothing behind


async def test_reading_makes_room(stream: SentenceStream | WordStream) -> None:
    stream.push_text("Go. " * 15_000)
    with pytest.raises(ChanFull):
        stream.push_text("Go. " * 15_000)
    for _ in range(14_999):
        await anext(stream)

    stream.push_text("Go. " * 15_000)
    stream.end_input()

    assert len([data async for data in stream]) == 15_001


def test_a_stream_needs_no_event_loop_to_be_filled(stream: SentenceStream | WordStream) -> None:
    stream.push_text("First. Second.")
    stream.end_input()

    async def read_all() -> list[str]:
        return [data.token async for data in stream]

    assert asyncio.run(read_all()) == ["First.", "Second."]


class Lines(SentenceTokenizer):
    """A tokenizer by somebody else, who sends tokens into the stream's channel."""

    class Stream(SentenceStream):
        def push_text(self, text: str) -> None:
            self._check_not_closed()
            for line in text.splitlines():
                self._event_ch.send_nowait(TokenData("segment", line))

        def flush(self) -> None:
            self._check_not_closed()

    def tokenize(self, text: str, *, language: str | None = None) -> list[str]:
        return text.splitlines()

    def stream(self, *, language: str | None = None) -> SentenceStream:
        return Lines.Stream()


async def test_somebody_elses_stream_needs_two_methods() -> None:
    stream = Lines().stream()
    stream.push_text("one\ntwo")
    stream.end_input()

    assert [data async for data in stream] == [TokenData("segment", "one"), TokenData("segment", "two")]
    with pytest.raises(RuntimeError, match="this Stream is closed"):
        stream.push_text("three")
