"""The fallback adapter itself, and whole texts through it."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from tests.tts.members import SENTENCES, TEXT, Tone, changes_of, fallback, whole
from tests.tts.speakers import (
    ONCE,
    RATE,
    Ears,
    Fault,
    Speaker,
    about,
    frame_of,
    heard,
    pause,
    read,
    read_until_error,
    stall,
)

from lk_agents.foundation.errors import APIConnectionError, ConfigError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams.words import TimedWord
from lk_agents.testing import VirtualClock
from lk_agents.tts import ChunkedStream, FallbackAdapter, SynthesizedAudio


def seconds(audio: list[SynthesizedAudio]) -> float:
    return sum(piece.frame.duration for piece in audio)


# --- set-up -----------------------------------------------------------------------------------------------------------


def test_an_adapter_needs_a_member() -> None:
    with pytest.raises(ValueError, match="at least one"):
        FallbackAdapter([])


def test_members_need_the_same_number_of_channels() -> None:
    with pytest.raises(ConfigError, match="same number of channels"):
        FallbackAdapter([Tone(1, RATE), Tone(1, RATE, num_channels=2)])


@pytest.mark.parametrize(
    "options",
    [
        {"attempt_timeout": 0},
        {"attempt_timeout": math.nan},
        {"attempt_timeout": math.inf},
        {"no_fallback_after_audio_duration": math.nan},
        {"max_retry_per_tts": -1},
        {"retry_interval": -1},
        {"no_fallback_after_audio_duration": -1},
        {"sample_rate": 0},
    ],
)
def test_values_out_of_their_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        FallbackAdapter([Speaker()], **options)


def test_the_highest_rate_is_the_adapters_unless_one_is_given() -> None:
    assert FallbackAdapter([Tone(1, 24_000), Tone(1, 48_000)]).sample_rate == 48_000
    assert FallbackAdapter([Tone(1, 24_000), Tone(1, 48_000)], sample_rate=16_000).sample_rate == 16_000


async def test_it_streams_only_if_all_members_do() -> None:
    assert FallbackAdapter([Speaker(), Speaker()]).capabilities.streaming
    adapter = FallbackAdapter([Speaker(), whole()])

    assert not adapter.capabilities.streaming
    with pytest.raises(NotImplementedError, match="StreamAdapter"):
        adapter.stream()


def test_the_first_member_is_prepared() -> None:
    first, second = Speaker(), Speaker()
    FallbackAdapter([first, second]).prewarm()

    assert (first.prewarmed, second.prewarmed) == (1, 0)


# --- who speaks -------------------------------------------------------------------------------------------------------


async def test_the_first_member_speaks_and_the_others_are_not_asked() -> None:
    first, second = whole(), whole()
    adapter = fallback(first, second)
    changes = changes_of(adapter)

    assert heard(await read(adapter.synthesize(TEXT))) == "".join(SENTENCES)
    assert second.attempts == 0
    assert changes == []


async def test_the_second_member_speaks_when_the_first_fails(lk_clock: VirtualClock) -> None:
    first, second = whole(Fault()), whole()
    adapter = fallback(first, second)
    changes = changes_of(adapter)

    assert heard(await read(adapter.synthesize(TEXT))) == "".join(SENTENCES)
    assert changes == [(first, False)]
    await adapter.aclose()


async def test_an_unavailable_member_is_passed_over_until_it_speaks_again(lk_clock: VirtualClock) -> None:
    first, second = whole(Fault(), Fault(), None), whole()
    adapter = fallback(first, second)
    changes = changes_of(adapter)

    await read(adapter.synthesize("Hello."))
    await read(adapter.synthesize("Hello."))
    assert second.attempts == 2
    await asyncio.sleep(10)
    await read(adapter.synthesize("Hello."))

    assert second.attempts == 2
    assert changes == [(first, False), (first, True)]
    await adapter.aclose()


async def test_when_all_have_failed_the_error_tells_why_and_all_are_asked_again(lk_clock: VirtualClock) -> None:
    first, second = whole(Fault()), whole(Fault())
    adapter = fallback(first, second)
    changes = changes_of(adapter)

    _, error = await read_until_error(adapter.synthesize("Hello."))

    assert isinstance(error, APIConnectionError)
    assert isinstance(error.__cause__, APIConnectionError)
    assert changes == [(first, False), (second, False)]
    second.faults = []
    assert heard(await read(adapter.synthesize("Hello."))) == "Hello."
    await adapter.aclose()


async def test_silent_members_time_out_become_unavailable_and_are_probed(lk_clock: VirtualClock) -> None:
    members = [whole(pause(0.5)), whole(pause(0.5))]
    adapter = fallback(*members, attempt_timeout=0.1)
    changes = changes_of(adapter)

    _, error = await read_until_error(adapter.synthesize("Hello."))

    assert isinstance(error, APIConnectionError)
    assert changes == [(member, False) for member in members]
    assert lk_clock.monotonic() == about(0.2)
    await asyncio.sleep(1)
    assert [member.attempts > 1 for member in members] == [True, True]
    await adapter.aclose()


async def test_a_member_that_is_slow_for_all_its_retries_is_left_in_time(lk_clock: VirtualClock) -> None:
    first, second = whole(stall()), whole()
    adapter = fallback(first, second, attempt_timeout=2, max_retry_per_tts=5, retry_interval=0)

    audio = await read(adapter.synthesize("Hello."))

    assert heard(audio) == "Hello."
    assert lk_clock.monotonic() == about(2)
    await adapter.aclose()


async def test_a_member_that_falls_silent_within_a_sentence_is_replaced(lk_clock: VirtualClock) -> None:
    first, second = whole(stall(at=1)), whole()
    adapter = fallback(first, second, attempt_timeout=2)

    audio = await read(adapter.synthesize("Hello there."))

    assert heard(audio) == "HelloHello there."
    await adapter.aclose()


async def test_a_member_that_gives_no_audio_has_failed(lk_clock: VirtualClock) -> None:
    adapter = fallback(whole(silent=True))

    _, error = await read_until_error(adapter.synthesize("Hello."))

    assert isinstance(error, APIConnectionError)
    await adapter.aclose()


async def test_a_member_that_raises_anything_has_failed(lk_clock: VirtualClock) -> None:
    async def stumble() -> None:
        raise ZeroDivisionError

    adapter = fallback(whole(Fault(deed=stumble)), whole())

    assert heard(await read(adapter.synthesize("Hello."))) == "Hello."
    await adapter.aclose()


async def test_members_get_the_adapters_patience(lk_clock: VirtualClock) -> None:
    member = whole()
    adapter = fallback(member, attempt_timeout=3, max_retry_per_tts=2, retry_interval=1)

    await read(adapter.synthesize("Hello."))

    assert member.options == [APIConnectOptions(max_retry=2, retry_interval=1, timeout=3)]


async def test_retries_of_the_adapter_ask_all_members_again(lk_clock: VirtualClock) -> None:
    first, second = whole(Fault()), whole(Fault(), None)
    adapter = fallback(first, second)

    audio = await read(adapter.synthesize("Hello.", conn_options=APIConnectOptions(max_retry=1)))

    assert heard(audio) == "Hello."
    await adapter.aclose()


# --- by sentence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("sentence", range(len(SENTENCES)))
async def test_wherever_a_member_fails_no_finished_sentence_is_said_twice(
    lk_clock: VirtualClock, sentence: int, at: int
) -> None:
    first, second = whole(*[None] * sentence, Fault(at)), whole()
    adapter = fallback(first, second)

    audio = await read(adapter.synthesize(TEXT))

    broken = SENTENCES[sentence][: at * 5]
    assert heard(audio) == "".join([*SENTENCES[:sentence], broken, *SENTENCES[sentence:]])
    await adapter.aclose()


async def test_a_text_is_finished_by_whoever_is_left(lk_clock: VirtualClock) -> None:
    first, second = whole(None, Fault(), None), whole(None, Fault())
    adapter = fallback(first, second)
    changes = changes_of(adapter)

    audio = await read(adapter.synthesize(TEXT))

    assert heard(audio) == "".join(SENTENCES)
    assert changes == [(first, False), (first, True), (second, False)]
    await adapter.aclose()


@pytest.mark.parametrize(
    ("broken_after", "limit", "expected"),
    [(2.9, 3.0, 7.9), (3.0, 3.0, 3.0), (4.0, 3.0, 4.0), (4.0, None, 9.0), (0.1, 0.0, 0.1), (0.0, 0.0, 5.0)],
)
async def test_what_was_heard_for_long_enough_is_not_repeated(
    lk_clock: VirtualClock, broken_after: float, limit: float | None, expected: float
) -> None:
    adapter = fallback(Tone(5, RATE, break_after=broken_after), Tone(5, RATE), no_fallback_after_audio_duration=limit)
    changes = changes_of(adapter)

    audio = await read(adapter.synthesize("Hello."))

    assert seconds(audio) == about(expected)
    assert [available for _, available in changes] == [False]
    await adapter.aclose()


# --- rates ------------------------------------------------------------------------------------------------------------


async def test_a_failing_member_of_one_rate_is_replaced_by_one_of_another(lk_clock: VirtualClock) -> None:
    adapter = fallback(Tone(5, 24_000, break_after=0), Tone(5, 48_000))

    audio = await read(adapter.synthesize("hello test"))

    assert seconds(audio) == about(5)
    assert {piece.frame.sample_rate for piece in audio} == {48_000}
    await adapter.aclose()


@pytest.mark.parametrize(("rate", "num_channels"), [(16_000, 1), (44_100, 1), (16_000, 2)])
@pytest.mark.parametrize("length", [0.05, 0.5, 5.0])
async def test_resampled_audio_is_as_long_as_it_was(rate: int, num_channels: int, length: float) -> None:
    adapter = fallback(Tone(length, rate, num_channels=num_channels), sample_rate=48_000)

    audio = await read(adapter.synthesize("hello test"))

    assert seconds(audio) == pytest.approx(length, abs=0.001)
    assert {(piece.frame.sample_rate, piece.frame.num_channels) for piece in audio} == {(48_000, num_channels)}


class Timed(Speaker):
    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        return _TimedText(tts=self, input_text=text, conn_options=conn_options)


class _TimedText(ChunkedStream):
    async def _run(self) -> None:
        word = TimedWord(self._input_text.split()[0], 0.0, 0.03)
        self._event_ch.send_nowait(SynthesizedAudio(frame_of(self._input_text), "", words=[word]))


async def test_times_of_words_count_from_the_start_of_the_text() -> None:
    audio = await read(fallback(Timed(streaming=False)).synthesize(TEXT))

    assert [(word.text, word.start_time) for piece in audio for word in piece.words or ()] == [
        ("The", 0.0),
        ("The", about(0.14)),
        ("And", about(0.35)),
        ("A", about(0.47)),
    ]


# --- metrics and ends -------------------------------------------------------------------------------------------------


async def test_metrics_are_the_members(lk_clock: VirtualClock) -> None:
    first, second = whole(Fault()), whole()
    adapter = fallback(first, second)
    ears = Ears.on(adapter)

    await read(adapter.synthesize("Hello."))

    *failed, spoken = ears.metrics  # the probe's failure as well: it has its price
    assert failed
    assert all(record.error is not None for record in failed)
    assert (spoken.error, spoken.audio_duration) == (None, about(0.06))
    assert {record.label for record in ears.metrics} == {first.label}
    await adapter.aclose()


async def test_closing_ends_the_probes_and_leaves_the_members_open(lk_clock: VirtualClock) -> None:
    first, second = whole(Fault()), whole()
    adapter = fallback(first, second)
    ears = Ears.on(adapter)
    await read(adapter.synthesize("Hello."))
    await adapter.aclose()
    count, records = first.attempts, len(ears.metrics)

    await asyncio.sleep(100)
    await read(second.synthesize("Hello."))

    assert first.attempts == count
    assert len(ears.metrics) == records
    assert (first.closed, second.closed) == (0, 0)


@pytest.mark.parametrize("text", ["", " ", "👍", "**"])
async def test_nobody_is_asked_for_a_text_that_says_nothing(text: str) -> None:
    member = whole()

    assert await read(fallback(member).synthesize(text)) == []
    assert member.attempts == 0


async def test_a_stream_that_is_closed_closes_its_members(lk_clock: VirtualClock) -> None:
    member = whole(stall(at=1))
    adapter = fallback(member)
    ears = Ears.on(adapter)
    stream = adapter.synthesize("Hello there.")
    await asyncio.sleep(1)
    await stream.aclose()

    assert [record.cancelled for record in ears.metrics] == [True]


async def test_a_listener_that_fails_does_not_break_the_fallback(lk_clock: VirtualClock) -> None:
    adapter = fallback(whole(Fault()), whole())

    @adapter.on("tts_availability_changed")
    def listen(one: object, two: object) -> None: ...

    assert heard(await read(adapter.synthesize("Hello.", conn_options=ONCE))) == "Hello."
    await adapter.aclose()
