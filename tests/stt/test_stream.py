"""Pushing audio into a recogniser's stream and reading what it tells."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import pytest
from livekit import rtc
from tests.stt.hearing import (
    END,
    FINAL,
    INTERIM,
    ONCE,
    RATE,
    START,
    HearingStream,
    HearingSTT,
    broken,
    frame,
    samples,
    silence,
    spoken,
    texts,
)

from lk_agents.foundation.errors import APIConnectionError, ConfigError, StreamInputError
from lk_agents.stt import AudioDropped, RecognizeStream, SpeechData, SpeechEvent, SpeechEventType
from lk_agents.testing import VirtualClock


class Raw(RecognizeStream):
    """Keeps what it is given."""

    def __init__(self, engine: HearingSTT, sample_rate: int | None = None) -> None:
        super().__init__(stt=engine, conn_options=ONCE, sample_rate=sample_rate)
        self.items: list[object] = []

    async def _run(self) -> None:
        async for item in self._input_ch:
            self.items.append("flush" if isinstance(item, self._FlushSentinel) else item)

    @property
    def frames(self) -> list[rtc.AudioFrame]:
        return [item for item in self.items if isinstance(item, rtc.AudioFrame)]


async def test_a_sentence_is_a_start_interims_a_final_and_an_end() -> None:
    engine = HearingSTT()
    stream = engine.stream()
    for each in spoken([1, 2]):
        stream.push_frame(each)
    stream.end_input()

    events = [event async for event in stream]

    assert [event.type for event in events] == [START, INTERIM, INTERIM, FINAL, END]
    assert texts(events, INTERIM, FINAL) == ["w1", "w1 w2", "w1 w2"]
    final = events[3].alternatives[0]
    assert (final.start_time, final.end_time) == pytest.approx((0.0, 0.6))


async def test_a_flush_marks_the_end_of_a_segment_and_the_end_of_the_input_is_one_too() -> None:
    stream = Raw(HearingSTT())
    stream.push_frame(frame(1))
    stream.flush()
    stream.push_frame(frame(1))
    stream.end_input()

    assert [event async for event in stream] == []
    assert [item if item == "flush" else "frame" for item in stream.items] == ["frame", "flush", "frame", "flush"]


async def test_a_flush_before_any_audio_ends_nothing() -> None:
    stream = Raw(HearingSTT())
    stream.flush()
    stream.push_frame(frame(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert len(stream.items) == len(stream.frames) == 1
    await stream.aclose()


async def test_feeding_after_the_end_of_the_input_is_an_error() -> None:
    stream = Raw(HearingSTT())
    stream.end_input()

    feeds: list[Callable[[], None]] = [lambda: stream.push_frame(frame(1)), stream.flush, stream.end_input]
    for feed in feeds:
        with pytest.raises(RuntimeError, match="input of this stream has ended"):
            feed()
    with pytest.raises(RuntimeError):
        await stream.feed(frame(1))
    await stream.aclose()


async def test_audio_at_the_wanted_rate_passes_untouched_and_also_where_no_rate_is_wanted() -> None:
    for wanted in (None, RATE):
        stream = Raw(HearingSTT(), sample_rate=wanted)
        pushed = frame(1, 2, 3)
        stream.push_frame(pushed)
        stream.end_input()
        assert [event async for event in stream] == []

        assert stream.frames == [pushed]


async def test_audio_at_another_rate_is_resampled_whole_and_before_the_flush() -> None:
    stream = Raw(HearingSTT(), sample_rate=16_000)
    for _ in range(2):
        for _ in range(10):
            stream.push_frame(frame(100, each=0.01, rate=48_000))
        stream.flush()
    await asyncio.sleep(0)

    assert all(each.sample_rate == 16_000 for each in stream.frames)
    assert stream.items[-1] == "flush"
    assert stream.items.count("flush") == 2
    assert sum(each.samples_per_channel for each in stream.frames) == pytest.approx(3200, abs=2)
    await stream.aclose()


async def test_a_sample_rate_that_changes_is_refused_with_both_rates() -> None:
    stream = Raw(HearingSTT(), sample_rate=RATE)
    stream.push_frame(frame(1))

    with pytest.raises(ValueError, match="1000 Hz and now gets 2000 Hz") as caught:
        stream.push_frame(frame(1, rate=2000))

    assert isinstance(caught.value, ConfigError)
    await stream.aclose()


@pytest.mark.parametrize("wanted", [None, RATE], ids=["no rate wanted", "a rate wanted"])
async def test_channels_are_mixed_to_one_also_where_their_number_changes(wanted: int | None) -> None:
    stream = Raw(HearingSTT(), sample_rate=wanted)
    stereo = rtc.AudioFrame(b"\x02\x00\x04\x00" * 100, RATE, 2, 100)
    stream.push_frame(stereo)
    stream.push_frame(frame(7))
    stream.end_input()
    assert [event async for event in stream] == []

    assert [each.num_channels for each in stream.frames] == [1, 1]
    assert samples(*stream.frames) == [3] * 100 + [7] * 100


@pytest.mark.usefixtures("lk_clock")
async def test_what_nobody_takes_for_10_seconds_is_dropped_counted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    engine = HearingSTT({"open": silence})
    dropped: list[AudioDropped] = []
    engine.on("audio_dropped", dropped.append)
    stream = engine.stream()
    for _ in range(103):
        stream.push_frame(frame(1))

    assert [each.seconds for each in dropped] == pytest.approx([0.1] * 3)
    assert [each.total_seconds for each in dropped] == pytest.approx([0.1, 0.2, 0.3])
    assert sum("does not take its audio" in message for message in caplog.messages) == 1
    await stream.aclose()


@pytest.mark.usefixtures("lk_clock")
async def test_times_go_on_as_if_nothing_had_been_dropped() -> None:
    go = asyncio.Event()
    engine = HearingSTT({"open": lambda stream: go.wait()})
    stream = engine.stream()
    for _ in range(30):
        stream.push_frame(frame(0))
    for _ in range(95):
        stream.push_frame(frame(0))
    go.set()
    for each in spoken([1]):
        await asyncio.sleep(0.1)
        stream.push_frame(each)
    stream.end_input()

    (final,) = [event.alternatives[0] async for event in stream if event.type == FINAL]

    assert (final.start_time, final.end_time) == pytest.approx((12.5, 12.8))


async def test_feeding_a_file_waits_for_room_and_loses_nothing() -> None:
    engine = HearingSTT()
    dropped: list[AudioDropped] = []
    engine.on("audio_dropped", dropped.append)
    stream = engine.stream()

    async def feed() -> None:
        for _ in range(300):
            await stream.feed(frame(1))
        stream.end_input()

    feeding = asyncio.create_task(feed(), name="feed")
    events = [event async for event in stream]
    await feeding

    assert len(engine.given) == 300
    assert not dropped
    assert texts(events) == ["w1"]


@pytest.mark.usefixtures("lk_clock")
async def test_whoever_waits_for_room_in_a_stream_that_fails_is_told() -> None:
    async def fail_later(stream: HearingStream) -> None:
        await asyncio.sleep(1)
        raise broken()

    engine = HearingSTT({"open": fail_later})
    stream = engine.stream(conn_options=ONCE)

    async def feed() -> None:
        for _ in range(200):
            await stream.feed(frame(1))

    with pytest.raises(StreamInputError):
        await asyncio.wait_for(feed(), 5)
    with pytest.raises(APIConnectionError):
        await anext(stream)


async def test_closing_leaves_what_was_told_and_ends_without_error() -> None:
    stream = HearingSTT().stream()
    stream.push_frame(frame(1))
    for _ in range(3):
        await asyncio.sleep(0)

    await asyncio.gather(stream.aclose(), stream.aclose())

    assert [event.type async for event in stream] == [START, INTERIM]


async def test_leaving_the_context_closes_the_stream(lk_clock: VirtualClock) -> None:
    async with HearingSTT({"open": silence}).stream() as stream:
        await asyncio.sleep(1)

    with pytest.raises(StreamInputError):
        stream.push_frame(frame(1))


class Telling(RecognizeStream):
    """Tells what it was given to tell of a frame; a list for each attempt, with an exception at its end perhaps."""

    def __init__(self, engine: HearingSTT, *attempts: list[SpeechEvent | Exception]) -> None:
        self.attempts = list(attempts)
        super().__init__(stt=engine, conn_options=engine.opened[0][1] if engine.opened else ONCE)
        self.push_frame(frame(1))
        self.end_input()

    async def _run(self) -> None:
        async for _ in self._input_ch:
            pass
        for each in self.attempts.pop(0):
            if isinstance(each, Exception):
                raise each
            await self._event_ch.send(each)


async def test_a_second_start_without_an_end_is_dropped() -> None:
    stream = Telling(HearingSTT(), [SpeechEvent(each) for each in (START, START, END, START, END)])

    assert [event.type async for event in stream] == [START, END, START, END]


@pytest.mark.parametrize(
    "type",
    [SpeechEventType.PREFLIGHT_TRANSCRIPT, SpeechEventType.TURN_RESUMED, SpeechEventType.END_OF_TURN, INTERIM, FINAL],
)
async def test_what_comes_without_a_start_is_left_as_it_is(type: SpeechEventType) -> None:
    event = SpeechEvent(type, alternatives=[SpeechData("en", "hello")])

    assert [event async for event in Telling(HearingSTT(), [event])] == [event]


async def test_a_failure_that_is_not_the_providers_ends_the_stream_at_once() -> None:
    stream = Telling(HearingSTT(), [SpeechEvent(START), KeyError("a defect")])

    assert (await anext(stream)).type == START
    with pytest.raises(KeyError):
        await anext(stream)


async def test_a_stream_that_is_dropped_while_it_is_open_hints_at_closing_it() -> None:
    stream = HearingSTT().stream()
    stream.push_frame(frame(1))
    for _ in range(3):
        await asyncio.sleep(0)

    del stream
    with pytest.warns(ResourceWarning, match=r"a stream of tests\.stt\.hearing\.HearingSTT was dropped .* aclose\(\)"):
        gc.collect()


async def test_a_stream_that_has_ended_may_be_dropped() -> None:
    stream = HearingSTT().stream()
    stream.end_input()
    assert [event async for event in stream] == []

    del stream
    gc.collect()  # warnings are errors
