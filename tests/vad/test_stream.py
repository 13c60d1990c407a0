"""What every stream of a detector does, shown with one that was written for the older framework's hooks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from livekit import rtc

from lk_agents.foundation.errors import APIConnectionError, StreamInputError
from lk_agents.streams.inputs import AudioDropped
from lk_agents.vad import VAD, VADCapabilities, VADEvent, VADEventType, VADMetrics, VADStream

if TYPE_CHECKING:
    from lk_agents.testing.clock import VirtualClock

RATE = 1000
FRAME_SECONDS = 0.1


def frame(*, loud: bool = False, seconds: float = FRAME_SECONDS) -> rtc.AudioFrame:
    samples = round(seconds * RATE)
    return rtc.AudioFrame((b"\x00\x10" if loud else b"\x00\x00") * samples, RATE, 1, samples)


class Loudness(VAD):
    """Whatever is loud is speech; judges one frame at a time."""

    def __init__(self) -> None:
        super().__init__(capabilities=VADCapabilities(update_interval=FRAME_SECONDS))
        self.started = 0
        self.seconds_per_frame = 0.0
        self.released = asyncio.Event()
        self.released.set()
        self.error: Exception | None = None
        self.metrics: list[VADMetrics] = []
        self.dropped: list[AudioDropped] = []
        self.on("metrics_collected", self.metrics.append)
        self.on("audio_dropped", self.dropped.append)

    def stream(self) -> VADStream:
        return LoudnessStream(self)


class LoudnessStream(VADStream):
    """Written as a plugin of the older framework would be."""

    def __init__(self, vad: Loudness) -> None:
        super().__init__(vad)
        self._loudness = vad

    async def _main_task(self) -> None:
        self._loudness.started += 1
        speaking, index = False, 0
        async for item in self._input_ch:
            await self._loudness.released.wait()
            if isinstance(item, self._FlushSentinel):
                speaking = False
                continue
            if self._loudness.error is not None:
                raise self._loudness.error
            await asyncio.sleep(self._loudness.seconds_per_frame)
            index += item.samples_per_channel
            loud = any(item.data)
            self._send(VADEventType.INFERENCE_DONE, index, item)
            if loud != speaking:
                speaking = loud
                self._send(VADEventType.START_OF_SPEECH if loud else VADEventType.END_OF_SPEECH, index, item)

    def _send(self, kind: VADEventType, index: int, item: rtc.AudioFrame) -> None:
        self._event_ch.send_nowait(
            VADEvent(
                type=kind,
                samples_index=index,
                timestamp=index / RATE,
                speech_duration=0.0,
                silence_duration=0.0,
                frames=[item],
                inference_duration=0.25,
            )
        )


@pytest.fixture
async def vad() -> Loudness:
    return Loudness()


def kinds(events: list[VADEvent]) -> list[str]:
    return [str(event.type) for event in events if event.type != VADEventType.INFERENCE_DONE]


async def test_a_detector_written_on_the_old_hooks_works_unchanged(vad: Loudness) -> None:
    stream = vad.stream()
    for loud in (False, True, True, False):
        stream.push_frame(frame(loud=loud))
    stream.end_input()

    assert [(event.type.value, event.samples_index) async for event in stream] == [
        ("inference_done", 100),
        ("inference_done", 200),
        ("start_of_speech", 200),
        ("inference_done", 300),
        ("inference_done", 400),
        ("end_of_speech", 400),
    ]


async def test_a_flush_reaches_the_detector_between_the_frames(vad: Loudness) -> None:
    stream = vad.stream()
    stream.push_frame(frame(loud=True))
    stream.flush()
    stream.push_frame(frame(loud=True))
    stream.end_input()

    assert kinds([event async for event in stream]) == ["start_of_speech", "start_of_speech"]


async def test_what_was_detected_can_be_read_after_the_stream_was_closed(vad: Loudness) -> None:
    async with vad.stream() as stream:
        stream.push_frame(frame(loud=True))
        first = await anext(stream)

    await stream.aclose()  # a second time
    assert first.type is VADEventType.INFERENCE_DONE
    assert [event.type async for event in stream] == [VADEventType.START_OF_SPEECH]


async def test_an_error_ends_the_stream_untried_again_and_reaches_the_reader(vad: Loudness) -> None:
    vad.error = APIConnectionError("the model is gone")
    stream = vad.stream()
    stream.push_frame(frame())

    for _ in range(2):
        with pytest.raises(APIConnectionError) as caught:
            await anext(stream)
        assert caught.value is vad.error
    assert vad.started == 1


async def test_feeding_after_the_end_of_the_input_is_an_error(vad: Loudness) -> None:
    stream = vad.stream()
    stream.end_input()

    feeds: list[Callable[[], None]] = [lambda: stream.push_frame(frame()), stream.flush, stream.end_input]
    for feed in feeds:
        with pytest.raises(RuntimeError):
            feed()
    with pytest.raises(StreamInputError):
        await stream.feed(frame())
    await stream.aclose()


async def test_metrics_come_once_for_each_second_of_audio(vad: Loudness) -> None:
    stream = vad.stream()
    for _ in range(20):
        stream.push_frame(frame())
    stream.end_input()
    async for _ in stream:
        pass

    assert [(each.inference_count, each.inference_duration_total) for each in vad.metrics] == [(10, 2.5), (10, 2.5)]
    assert {each.label for each in vad.metrics} == {vad.label}


async def test_what_is_left_at_the_end_is_measured_as_well(vad: Loudness) -> None:
    stream = vad.stream()
    for _ in range(13):
        stream.push_frame(frame())
    stream.end_input()
    async for _ in stream:
        pass

    assert [each.inference_count for each in vad.metrics] == [10, 3]


async def test_a_stream_that_is_closed_early_is_measured_once(vad: Loudness) -> None:
    async with vad.stream() as stream:
        stream.push_frame(frame())
        await anext(stream)

    assert [each.inference_count for each in vad.metrics] == [1]


async def test_a_stream_that_judged_nothing_has_no_metrics(vad: Loudness) -> None:
    async with vad.stream():
        await asyncio.sleep(0)

    assert vad.metrics == []


async def test_idle_time_runs_from_the_last_start_or_end_of_speech(lk_clock: VirtualClock) -> None:
    vad = Loudness()
    vad.seconds_per_frame = FRAME_SECONDS
    wall = lk_clock.wall_seconds()
    stream = vad.stream()
    for index in range(40):
        stream.push_frame(frame(loud=14 <= index < 18))  # starts after 1.5 s, ends after 1.9 s
    stream.end_input()
    async for _ in stream:
        pass

    assert [each.idle_time for each in vad.metrics] == pytest.approx([1.0, 0.1, 1.1, 2.1])
    assert [each.timestamp - wall for each in vad.metrics] == pytest.approx([1.0, 2.0, 3.0, 4.0], abs=1e-3)


async def test_audio_that_waits_for_more_than_ten_seconds_is_dropped_counted_and_told_of(
    vad: Loudness, caplog: pytest.LogCaptureFixture
) -> None:
    vad.released.clear()
    stream = vad.stream()
    with caplog.at_level(logging.WARNING):
        for _ in range(120):
            stream.push_frame(frame())
    vad.released.set()
    stream.end_input()
    events = [event async for event in stream]

    assert sum(each.seconds for each in vad.dropped) == pytest.approx(2.0)
    assert vad.dropped[-1].total_seconds == pytest.approx(2.0)
    assert len(events) == 100
    assert [record.message for record in caplog.records] == ["voice activity detection lags behind: audio is dropped"]


async def test_times_lie_on_the_axis_of_the_stream_also_behind_audio_that_was_dropped(vad: Loudness) -> None:
    vad.released.clear()
    stream = vad.stream()
    stream.push_frame(frame())
    await asyncio.sleep(0.001)  # the detector takes it, and hangs
    for index in range(120):
        stream.push_frame(frame(loud=index == 119))
    vad.released.set()
    stream.end_input()
    events = [event async for event in stream]

    assert events[0].timestamp == pytest.approx(0.1)
    assert events[1].timestamp == pytest.approx(2.2)
    (start,) = (event for event in events if event.type == VADEventType.START_OF_SPEECH)
    assert start.timestamp == pytest.approx(12.1)
    assert start.samples_index == 10_100


@pytest.mark.parametrize("seconds", [0.1, 3.0, 7.0, 25.0])
async def test_feeding_waits_for_room_instead_of_dropping(vad: Loudness, seconds: float) -> None:
    stream = vad.stream()

    async def feed_all() -> None:
        for _ in range(round(75 / seconds)):
            await stream.feed(frame(seconds=seconds))
        stream.end_input()

    feeding = asyncio.create_task(feed_all())
    heard = [event.frames[0].duration async for event in stream]
    await feeding

    assert sum(heard) == pytest.approx(round(75 / seconds) * seconds)
    assert vad.dropped == []


async def test_whoever_waits_to_feed_hears_that_the_stream_has_ended(vad: Loudness) -> None:
    vad.released.clear()
    vad.error = APIConnectionError("the model is gone")
    stream = vad.stream()
    await stream.feed(frame(seconds=10.0))
    await asyncio.sleep(0.001)  # the detector takes it, and hangs
    await stream.feed(frame(seconds=10.0))
    feeding = asyncio.create_task(stream.feed(frame()))
    await asyncio.sleep(0.001)
    assert not feeding.done()

    vad.released.set()

    with pytest.raises(StreamInputError):
        await feeding
