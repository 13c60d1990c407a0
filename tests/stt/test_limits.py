"""A recogniser that hangs, goes silent at the end or leaves too early is noticed without its help."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.stt.detecting import LoudnessStream, LoudnessVAD
from tests.stt.hearing import (
    FINAL,
    USAGE,
    HearingStream,
    HearingSTT,
    Leave,
    RecordingSTT,
    broken,
    frame,
    said,
    said_by,
    silence,
    spoken,
    texts,
)

from lk_agents.foundation.errors import APIConnectionError, APITimeoutError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.stt import FallbackAdapter, RecognitionUsage, RecognizeStream, SpeechData, SpeechEvent, StreamAdapter
from lk_agents.testing import VirtualClock
from lk_agents.utils.audio import AudioBuffer

pytestmark = pytest.mark.usefixtures("lk_clock")

ONCE = APIConnectOptions(max_retry=0, timeout=2)
TWICE = APIConnectOptions(max_retry=1, timeout=2)
FOR_EVER = 10_000.0


async def error_of(stream: RecognizeStream) -> APIConnectionError:
    """Read a stream until it fails, and return how."""
    with pytest.raises(APIConnectionError) as caught:
        async for _ in stream:
            pass
    return caught.value


async def test_an_attempt_that_hangs_is_cancelled_after_its_time_and_made_again(lk_clock: VirtualClock) -> None:
    engine = RecordingSTT(FOR_EVER, "hello")

    event = await engine.recognize(frame(1), conn_options=TWICE)

    assert event.alternatives[0].text == "hello"
    assert lk_clock.monotonic() == pytest.approx(2.1)


async def test_if_every_attempt_hangs_the_error_says_who_and_for_how_long(lk_clock: VirtualClock) -> None:
    with pytest.raises(APIConnectionError, match="failed 2 times") as caught:
        await RecordingSTT(FOR_EVER).recognize(frame(1), conn_options=TWICE)

    cause = caught.value.__cause__
    assert isinstance(cause, APITimeoutError)
    assert str(cause) == "tests.stt.hearing.RecordingSTT has recognised nothing within 2 s"
    assert (cause.phase, cause.retryable) == ("first_output", True)
    assert lk_clock.monotonic() == pytest.approx(4.1)


async def test_a_timeout_of_the_providers_own_is_not_taken_for_ours() -> None:
    own = TimeoutError("its own")

    with pytest.raises(TimeoutError) as caught:
        await RecordingSTT(own).recognize(frame(1), conn_options=TWICE)

    assert caught.value is own


async def test_a_stream_adapter_does_not_hang_with_its_recogniser(lk_clock: VirtualClock) -> None:
    async with StreamAdapter(stt=RecordingSTT(FOR_EVER), vad=LoudnessVAD()) as adapter:
        stream = adapter.stream(conn_options=ONCE)
        for each in spoken([1]):
            stream.push_frame(each)
        stream.end_input()

        assert isinstance(await error_of(stream), APITimeoutError)
    assert lk_clock.monotonic() == pytest.approx(2)


async def test_a_recognition_with_its_retries_may_take_longer_than_the_end_of_the_stream_adapter() -> None:
    engine = RecordingSTT(FOR_EVER, FOR_EVER, "hello")
    async with StreamAdapter(stt=engine, vad=LoudnessVAD()) as adapter:
        stream = adapter.stream(conn_options=APIConnectOptions(max_retry=2, timeout=2))
        for each in spoken([1]):
            stream.push_frame(each)
        stream.end_input()

        assert texts([event async for event in stream]) == ["hello"]


async def test_a_detector_that_does_not_end_does_not_hold_a_stream_adapter_up(lk_clock: VirtualClock) -> None:
    class Hanging(LoudnessStream):
        async def _main_task(self) -> None:
            await asyncio.Event().wait()

    class HangingVAD(LoudnessVAD):
        def stream(self) -> Hanging:
            return Hanging(self)

    async with StreamAdapter(stt=RecordingSTT(), vad=HangingVAD()) as adapter:
        stream = adapter.stream(conn_options=ONCE)
        stream.push_frame(frame(1))
        stream.end_input()

        assert isinstance(await error_of(stream), APITimeoutError)
    assert lk_clock.monotonic() == pytest.approx(2)


async def test_asking_one_after_the_other_may_take_longer_than_one_attempt(lk_clock: VirtualClock) -> None:
    members = [RecordingSTT(1.5) for _ in range(3)]
    for member in members[:2]:
        member.answers = [broken()]
    async with FallbackAdapter(
        [*members], vad=LoudnessVAD(), max_retry_per_stt=2, retry_interval=2, attempt_timeout=5
    ) as adapter:
        event = await adapter.recognize(frame(1), conn_options=ONCE)

    assert event.alternatives[0].text == "w1"
    assert lk_clock.monotonic() > 4


async def test_a_stream_that_says_nothing_after_the_end_of_its_input_fails_in_time(lk_clock: VirtualClock) -> None:
    stream = HearingSTT({"end": silence}).stream(conn_options=ONCE)
    stream.push_frame(frame(1))
    await asyncio.sleep(60)  # until then it may be silent
    stream.end_input()

    error = await error_of(stream)

    assert isinstance(error, APITimeoutError)
    assert (error.phase, error.retryable) == ("close", True)
    assert lk_clock.monotonic() == pytest.approx(62)


async def test_another_attempt_gets_what_was_not_final_when_it_went_silent() -> None:
    engine = HearingSTT({"end": silence})
    stream = engine.stream(conn_options=TWICE)
    for each in spoken([1, 2], pause=0):
        stream.push_frame(each)
    stream.end_input()

    assert texts([event async for event in stream]) == ["w1 w2"]
    assert engine.sessions == 2


async def test_an_attempt_that_begins_after_the_end_of_the_input_has_its_full_time(lk_clock: VirtualClock) -> None:
    async def connect_slowly(stream: HearingStream) -> None:
        await asyncio.sleep(1.9)

    engine = HearingSTT({"end": silence}, {"open": connect_slowly, "end": connect_slowly})
    stream = engine.stream(conn_options=TWICE)
    stream.push_frame(frame(1))
    stream.end_input()

    assert texts([event async for event in stream]) == ["w1"]
    assert lk_clock.monotonic() == pytest.approx(2.1 + 1.9 + 1.9)


async def tell_slowly(stream: HearingStream) -> None:
    for number in range(4):
        await asyncio.sleep(1.9)
        stream._event_ch.send_nowait(SpeechEvent(FINAL, alternatives=[SpeechData("en", f"w{number}")]))


async def test_every_event_gives_it_its_full_time_again() -> None:
    stream = HearingSTT({"end": tell_slowly}).stream(conn_options=ONCE)
    stream.push_frame(frame(0))
    stream.end_input()

    assert texts([event async for event in stream]) == ["w0", "w1", "w2", "w3"]


async def test_usage_is_no_sign_that_it_comes_to_its_end(lk_clock: VirtualClock) -> None:
    async def count(stream: HearingStream) -> None:
        while True:
            await asyncio.sleep(0.5)
            stream._event_ch.send_nowait(SpeechEvent(USAGE, recognition_usage=RecognitionUsage(0.5)))

    stream = HearingSTT({"end": count}).stream(conn_options=ONCE)
    stream.push_frame(frame(0))
    stream.end_input()

    assert isinstance(await error_of(stream), APITimeoutError)
    assert lk_clock.monotonic() == pytest.approx(2)


async def test_one_that_still_takes_audio_is_on_its_way() -> None:
    async def think(stream: HearingStream) -> None:
        await asyncio.sleep(1.9)

    stream = HearingSTT(dict.fromkeys(range(1, 10), think)).stream(conn_options=ONCE)
    for _ in range(9):
        stream.push_frame(frame(1))
    stream.end_input()

    assert texts([event async for event in stream]) == ["w1"]


async def test_a_reader_that_does_not_read_is_not_its_fault() -> None:
    async def tell_much(stream: HearingStream) -> None:
        for number in range(1_500):
            await stream._event_ch.send(SpeechEvent(FINAL, alternatives=[SpeechData("en", f"w{number}")]))

    stream = HearingSTT({"end": tell_much}).stream(conn_options=ONCE)
    stream.push_frame(frame(0))
    stream.end_input()
    await asyncio.sleep(60)

    assert len(texts([event async for event in stream])) == 1_500


async def leave(stream: HearingStream) -> None:
    raise Leave


Position = int | str


@pytest.mark.parametrize("position", ["open", 1, 4, 7])
async def test_a_provider_that_leaves_while_the_input_is_open_is_asked_again_and_no_word_is_lost(
    position: Position,
) -> None:
    engine = HearingSTT({position: leave})
    stream = engine.stream(conn_options=TWICE)
    for each in spoken([1, 2], [3]):
        stream.push_frame(each)
    await asyncio.sleep(1)
    stream.end_input()

    assert said([event async for event in stream]) == said_by([1, 2], [3])
    assert engine.sessions == 2


@pytest.mark.parametrize("ended", [False, True], ids=["while the input is open", "with audio that it has not taken"])
async def test_one_that_always_leaves_too_early_is_an_error(ended: bool) -> None:
    engine = HearingSTT({2: leave}, always=True)
    stream = engine.stream(conn_options=ONCE)
    for _ in range(3):
        stream.push_frame(frame(1))
    if ended:
        stream.end_input()

    error = await error_of(stream)

    assert str(error) == "tests.stt.hearing.HearingSTT has ended before its input"
    assert (error.phase, error.retryable) == ("receive", True)
    await stream.aclose()


async def test_one_that_has_taken_everything_may_leave_before_the_last_flush() -> None:
    class Hasty(RecognizeStream):
        async def _run(self) -> None:
            await self._input_ch.recv()

    stream = Hasty(stt=HearingSTT(), conn_options=ONCE)
    stream.push_frame(frame(1))
    stream.end_input()

    assert [event async for event in stream] == []


Use = Callable[[RecognizeStream], Awaitable[None]]


async def end_at_once(stream: RecognizeStream) -> None:
    stream.end_input()


async def end_later(stream: RecognizeStream) -> None:
    await asyncio.sleep(30)
    stream.flush()
    stream.end_input()


@pytest.mark.parametrize("use", [end_at_once, end_later])
async def test_a_stream_without_audio_asks_nobody(use: Use) -> None:
    engine = HearingSTT({"open": broken()}, always=True)
    stream = engine.stream(conn_options=ONCE)
    await use(stream)

    assert [event async for event in stream] == []
    assert engine.sessions == 0


async def test_the_provider_is_asked_as_soon_as_there_is_audio() -> None:
    engine = HearingSTT()
    async with engine.stream() as stream:
        await asyncio.sleep(5)
        stream.push_frame(frame(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        assert engine.sessions == 1


async def test_what_adapters_hand_on_is_not_limited_twice() -> None:
    class Slow(RecordingSTT):
        async def recognize(
            self, buffer: AudioBuffer, *, language: str | None = None, conn_options: APIConnectOptions = ONCE
        ) -> SpeechEvent:
            await asyncio.sleep(30)  # a recogniser that keeps its own time
            return await super().recognize(buffer, language=language, conn_options=conn_options)

    async with StreamAdapter(stt=Slow("hello"), vad=LoudnessVAD()) as adapter:
        event = await adapter.recognize(frame(1), conn_options=ONCE)

    assert event.alternatives[0].text == "hello"
