"""The scripted synthesizer: how long it speaks, when, and what goes wrong."""

from __future__ import annotations

from typing import Any

import pytest

from lk_agents.foundation.errors import APIConnectionError, APITimeoutError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams.words import TimedWord
from lk_agents.testing import VirtualClock
from lk_agents.testing.providers import Break, BreakKind, ScriptedTTS, ScriptError

TEXT = "How are you today?"
ONCE = APIConnectOptions(max_retry=0, timeout=2)


async def test_a_text_is_as_long_as_its_characters() -> None:
    frame = await ScriptedTTS(sample_rate=16_000, seconds_per_character=0.1).synthesize(TEXT).collect()

    assert (frame.sample_rate, frame.num_channels) == (16_000, 1)
    assert frame.duration == pytest.approx(0.1 * len(TEXT))


async def test_it_speaks_with_as_many_channels_as_it_is_told() -> None:
    frame = await ScriptedTTS(num_channels=2).synthesize(TEXT).collect()

    assert frame.num_channels == 2


async def test_words_are_told_with_the_frame_in_which_they_begin() -> None:
    tts = ScriptedTTS(seconds_per_character=0.1)

    pieces = [audio async for audio in tts.synthesize(TEXT)]

    told = [(word.text, word.start_time) for audio in pieces for word in audio.words or ()]
    assert told == [
        ("How", 0.0),
        ("are", pytest.approx(0.4)),
        ("you", pytest.approx(0.8)),
        ("today?", pytest.approx(1.2)),
    ]
    at = 0.0
    for audio in pieces:
        assert all(at <= word.start_time + 1e-6 < at + audio.frame.duration + 1e-6 for word in audio.words or ())
        at += audio.frame.duration


async def test_a_long_text_costs_no_more_for_a_word_than_a_short_one() -> None:
    looks = 0

    class Watched(TimedWord):
        def __getattribute__(self, name: str) -> Any:
            nonlocal looks
            looks += name == "start_time"
            return super().__getattribute__(name)

    class Watching(ScriptedTTS):
        def words_of(self, text: str) -> list[TimedWord]:
            return [Watched(word.text, word.start_time, word.end_time) for word in super().words_of(text)]

    words = 500
    pieces = [audio async for audio in Watching().synthesize("word " * words)]

    assert sum(len(audio.words or ()) for audio in pieces) == words
    assert words < looks <= 3 * (words + len(pieces))


async def test_the_first_audio_and_the_rest_take_as_long_as_the_script_says(lk_clock: VirtualClock) -> None:
    tts = ScriptedTTS(seconds_per_character=0.1, first_seconds=0.5, speed=2)
    stream = tts.synthesize(TEXT)

    await anext(stream)
    first = lk_clock.monotonic()
    pieces = [audio async for audio in stream]

    assert first == pytest.approx(0.51, abs=0.02)
    assert lk_clock.monotonic() == pytest.approx(0.5 + len(TEXT) * 0.1 / 2, abs=0.02)
    assert pieces


async def test_a_stream_speaks_each_flushed_text() -> None:
    async with ScriptedTTS() as tts, tts.stream() as stream:
        for text in ("one two", "three"):
            stream.push_text(text)
            stream.flush()
        stream.end_input()
        finals = [audio.is_final async for audio in stream]

    assert sum(finals) == 2
    assert tts.spoken == ["one two", "three"]


async def test_without_streaming_it_opens_no_stream() -> None:
    with pytest.raises(NotImplementedError):
        ScriptedTTS(streaming=False).stream()


async def test_an_error_in_the_middle_comes_after_the_audio_before_it() -> None:
    heard: list[float] = []

    async def read() -> None:
        async for audio in ScriptedTTS(breaks=[Break(at=0.2)]).synthesize(TEXT, conn_options=ONCE):
            heard.append(audio.frame.duration)  # noqa: PERF401  what came before the error counts

    with pytest.raises(APIConnectionError):
        await read()

    assert 0.1 < sum(heard) <= 0.2


async def test_an_end_in_the_middle_cuts_the_speech() -> None:
    frame = await ScriptedTTS(breaks=[Break(at=0.2, kind=BreakKind.END)]).synthesize(TEXT).collect()

    assert frame.duration == pytest.approx(0.2)


async def test_an_empty_frame_changes_nothing() -> None:
    tts = ScriptedTTS(breaks=[Break(at=0.2, kind=BreakKind.EMPTY)])

    frame = await tts.synthesize(TEXT).collect()

    assert frame.duration == pytest.approx(tts.seconds_of(TEXT))
    tts.assert_done()


async def test_a_stall_is_ended_by_the_framework(lk_clock: VirtualClock) -> None:
    with pytest.raises(APITimeoutError):
        await ScriptedTTS(breaks=[Break(kind=BreakKind.STALL)]).synthesize(TEXT, conn_options=ONCE).collect()

    assert lk_clock.monotonic() == pytest.approx(2)


async def test_a_break_that_never_struck_is_an_error_at_the_end() -> None:
    with pytest.raises(ScriptError, match=r"at=60"):
        async with ScriptedTTS(breaks=[Break(at=60.0)]) as tts:
            await tts.synthesize(TEXT).collect()
