"""A recogniser of recordings that listens with the help of a detector of voice activity."""

from __future__ import annotations

import asyncio

import pytest
from tests.stt.detecting import LoudnessStream, LoudnessVAD
from tests.stt.hearing import (
    END,
    FINAL,
    START,
    RecordingSTT,
    broken,
    frame,
    metrics_of,
    samples,
    spoken,
    texts,
)

from lk_agents import stt
from lk_agents.foundation.errors import APIConnectionError, APIError, StreamInputError
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.stt import SpeechData, SpeechEvent, StreamAdapter, TimedWord
from lk_agents.testing import VirtualClock
from lk_agents.utils.audio import AudioBuffer, combine_frames


async def listen(stream: stt.RecognizeStream, *sentences: list[int], pause: int = 3) -> list[SpeechEvent]:
    for each in spoken(*sentences, pause=pause):
        stream.push_frame(each)
    stream.end_input()
    return [event async for event in stream]


def adapted(recogniser: stt.STT, *, forgets: bool = False) -> StreamAdapter:
    return StreamAdapter(stt=recogniser, vad=LoudnessVAD(forgets=forgets))


def heard(recogniser: RecordingSTT, call: int = 0) -> list[int]:
    """Return the samples of a recording, one for each 0.1 s."""
    return samples(combine_frames(recogniser.calls[call][0]))[::100]


def test_it_listens_and_gives_no_interims() -> None:
    recogniser = RecordingSTT()
    adapter = adapted(recogniser)

    assert (adapter.capabilities.streaming, adapter.capabilities.interim_results) == (True, False)
    assert adapter.wrapped_stt is recogniser
    assert adapter.label == "lk_agents.stt.stream_adapter.StreamAdapter"


async def test_each_speech_is_a_start_an_end_and_then_its_final() -> None:
    recogniser = RecordingSTT()

    events = await listen(adapted(recogniser).stream(), [1, 2], [3])

    assert [event.type for event in events] == [START, END, FINAL] * 2
    assert texts(events) == ["w1 w2", "w3"]
    assert all(event.request_id == "" for event in events)


async def test_the_recogniser_gets_the_whole_utterance_as_one_frame_with_the_callers_language_and_options() -> None:
    recogniser = RecordingSTT()
    options = APIConnectOptions(max_retry=7, timeout=3)

    await listen(adapted(recogniser).stream(language="de", conn_options=options), [1, 2])

    buffer, language, conn_options = recogniser.calls[0]
    assert not isinstance(buffer, list)
    assert heard(recogniser) == [1, 1, 1, 2, 2, 2, 0, 0]
    assert (language, conn_options) == ("de", options)


async def test_only_the_first_alternative_is_handed_on_and_nothing_where_nothing_was_understood() -> None:
    class Unsure(RecordingSTT):
        def __init__(self, *alternatives: list[str]) -> None:
            super().__init__()
            self.alternatives = list(alternatives)

        async def _recognize_impl(
            self, buffer: AudioBuffer, *, language: str | None, conn_options: APIConnectOptions
        ) -> SpeechEvent:
            return SpeechEvent(FINAL, alternatives=[SpeechData("en", text) for text in self.alternatives.pop(0)])

    events = await listen(adapted(Unsure(["one", "won"], [""], [])).stream(), [1], [2], [3])

    assert [event.type for event in events] == [START, END, FINAL, START, END, START, END]
    assert [each.text for each in events[2].alternatives] == ["one"]


async def test_a_final_lies_where_it_was_said() -> None:
    events = await listen(adapted(RecordingSTT()).stream(), [1], [2])

    finals = [event.alternatives[0] for event in events if event.type == FINAL]
    # 0.1 s of silence before the second speech, and none before the first, belong to the recordings
    assert [each.start_time for each in finals] == pytest.approx([0.0, 0.5])
    assert [each.end_time for each in finals] == pytest.approx([0.3, 0.9])


async def test_times_of_the_recording_become_times_of_the_stream() -> None:
    class Aligning(RecordingSTT):
        async def _recognize_impl(
            self, buffer: AudioBuffer, *, language: str | None, conn_options: APIConnectOptions
        ) -> SpeechEvent:
            words = [TimedWord("hello", 0.1, 0.4)]
            return SpeechEvent(FINAL, alternatives=[SpeechData("en", "hello", 0.1, 0.4, words=words)])

    events = await listen(adapted(Aligning()).stream(), [1], [2])

    second = events[-1].alternatives[0]
    assert (second.start_time, second.end_time) == pytest.approx((0.6, 0.9))
    assert (second.words[0].start_time, second.words[0].end_time) == pytest.approx((0.6, 0.9))


async def test_speech_that_is_still_open_when_the_input_ends_is_recognised_to_its_last_sample() -> None:
    recogniser = RecordingSTT()
    stream = adapted(recogniser).stream()
    for each in [frame(0), frame(0), frame(1), frame(2), frame(3, each=0.04)]:
        stream.push_frame(each)
    stream.end_input()

    events = [event async for event in stream]

    assert [event.type for event in events] == [START, END, FINAL]
    assert texts(events) == ["w1 w2 w3"]
    assert samples(combine_frames(recogniser.calls[0][0])) == [0] * 100 + [1] * 100 + [2] * 100 + [3] * 40
    final = events[-1].alternatives[0]
    assert (final.start_time, final.end_time) == pytest.approx((0.1, 0.44))


@pytest.mark.parametrize("forgets", [True, False], ids=["that forgets", "that goes on"])
async def test_a_flush_in_mid_speech_reaches_the_detector_and_costs_no_word(forgets: bool) -> None:
    recogniser = RecordingSTT()
    adapter = adapted(recogniser, forgets=forgets)
    stream = adapter.stream()
    for each in spoken([1, 2], pause=0):
        stream.push_frame(each)
    stream.flush()
    for each in spoken([3], pause=5):
        stream.push_frame(each)
    stream.end_input()

    events = [event async for event in stream]

    assert texts(events) == (["w1 w2", "w3"] if forgets else ["w1 w2 w3"])
    assert [event.type for event in events] == [START, END, FINAL] * (2 if forgets else 1)


async def test_an_error_of_the_recogniser_ends_the_stream_as_what_it_is() -> None:
    error = broken()
    recogniser = RecordingSTT(error)
    stream = adapted(recogniser).stream(conn_options=APIConnectOptions(max_retry=0))

    with pytest.raises(APIConnectionError) as caught:
        await listen(stream, [1], [2])

    assert caught.value is error
    assert len(recogniser.calls) == 1


@pytest.mark.usefixtures("lk_clock")
async def test_the_recogniser_is_asked_as_often_as_the_options_say_and_no_more() -> None:
    recogniser = RecordingSTT(broken())
    vad = LoudnessVAD()
    stream = StreamAdapter(stt=recogniser, vad=vad).stream(conn_options=APIConnectOptions(max_retry=2))

    with pytest.raises(APIError, match="failed 3 times"):
        await listen(stream, [1])

    assert len(recogniser.calls) == 3
    assert len(vad.streams) == 1


@pytest.mark.usefixtures("lk_clock")
async def test_recognising_a_recording_makes_one_loop_of_retries_and_one_measurement() -> None:
    failing = RecordingSTT(broken())
    with pytest.raises(APIConnectionError):
        await adapted(failing).recognize(frame(1), conn_options=APIConnectOptions(max_retry=2))
    assert len(failing.calls) == 3

    recogniser = RecordingSTT()
    adapter = adapted(recogniser)
    inner, outer = metrics_of(recogniser), metrics_of(adapter)
    event = await adapter.recognize(frame(1), language="de")

    assert event.alternatives[0].text == "w1"
    assert recogniser.calls[0][1:] == ("de", DEFAULT_API_CONNECT_OPTIONS)
    assert len(inner) == 1
    assert outer == inner


async def test_the_stream_measures_nothing_itself_and_hands_the_recognisers_metrics_on() -> None:
    recogniser = RecordingSTT()
    adapter = adapted(recogniser)
    metrics = metrics_of(adapter)

    await listen(adapter.stream(), [1], [2])

    assert [(one.streamed, one.label) for one in metrics] == [(False, recogniser.label)] * 2


async def test_closing_the_adapter_ends_that_and_leaves_the_recogniser_open() -> None:
    recogniser = RecordingSTT()
    adapter = adapted(recogniser)
    metrics = metrics_of(adapter)

    await adapter.aclose()
    await recogniser.recognize(frame(1))

    assert metrics == []


async def test_the_detectors_stream_opens_with_the_first_attempt_and_is_closed_with_the_stream() -> None:
    vad = LoudnessVAD()
    stream = StreamAdapter(stt=RecordingSTT(), vad=vad).stream()
    stream.push_frame(frame(1))
    assert (await anext(stream)).type == START

    await stream.aclose()

    with pytest.raises(StreamInputError, match="this stream has ended"):
        vad.streams[0].push_frame(frame(1))


async def test_a_detector_that_hangs_is_closed_with_the_stream() -> None:
    class Hanging(LoudnessStream):
        ended = False

        async def _main_task(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                self.ended = True

    class HangingVAD(LoudnessVAD):
        def stream(self) -> Hanging:
            self.streams.append(hanging := Hanging(self))
            return hanging

    vad = HangingVAD()
    stream = StreamAdapter(stt=RecordingSTT(), vad=vad).stream()
    stream.push_frame(frame(1))
    for _ in range(3):
        await asyncio.sleep(0)

    await stream.aclose()

    assert isinstance(vad.streams[0], Hanging)
    assert vad.streams[0].ended


@pytest.mark.usefixtures("lk_clock")
async def test_what_is_said_while_something_is_recognised_follows_in_its_order(lk_clock: VirtualClock) -> None:
    stream = adapted(RecordingSTT(2.0)).stream()
    for each in spoken([1], [2], pause=3):
        stream.push_frame(each)
    stream.end_input()

    told = [(event.type, lk_clock.monotonic()) async for event in stream]

    assert told == [(START, 0), (END, 0), (FINAL, 2), (START, 2), (END, 2), (FINAL, 4)]


async def test_a_file_is_fed_as_fast_as_it_is_recognised_and_nothing_is_lost() -> None:
    recogniser = RecordingSTT()
    stream = adapted(recogniser).stream()
    sentences = [[number] for number in range(1, 61)]

    async def feed() -> None:
        for each in spoken(*sentences, pause=3):
            await stream.feed(each)
        stream.end_input()

    feeding = asyncio.create_task(feed(), name="feed")
    events = [event async for event in stream]
    await feeding

    assert texts(events) == [f"w{number}" for number in range(1, 61)]


def test_preparing_the_adapter_prepares_both_engines() -> None:
    class Prepared(RecordingSTT):
        warm = False

        def prewarm(self) -> None:
            self.warm = True

    recogniser, vad = Prepared(), LoudnessVAD()

    StreamAdapter(stt=recogniser, vad=vad).prewarm()

    assert recogniser.warm
    assert vad.warm


async def test_an_adapter_of_an_adapter_hears_the_same() -> None:
    events = await listen(StreamAdapter(stt=adapted(RecordingSTT()), vad=LoudnessVAD()).stream(), [1, 2], [3])

    assert texts(events) == ["w1 w2", "w3"]


@pytest.mark.usefixtures("lk_clock")
async def test_a_speech_that_never_ends_is_kept_for_a_minute() -> None:
    recogniser = RecordingSTT()
    stream = adapted(recogniser).stream()
    for number in range(900):
        await stream.feed(frame(1 + number // 100))
        await asyncio.sleep(0)
    stream.end_input()

    events = [event async for event in stream]

    assert sum(each.duration for each in [combine_frames(recogniser.calls[0][0])]) == pytest.approx(60, abs=0.2)
    assert texts(events) == ["w4 w5 w6 w7 w8 w9"]
