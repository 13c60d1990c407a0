"""A stream from frame to event, over a scripted model."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from livekit import rtc

from lk_agents.foundation.errors import ConfigError
from lk_agents.metrics.records import VADMetrics
from lk_agents.vad.events import VADEvent, VADEventType
from lk_agents_silero.vad import VAD

if TYPE_CHECKING:
    from lk_agents.testing.clock import VirtualClock

MakeBench = Callable[..., Any]
START, END = VADEventType.START_OF_SPEECH, VADEventType.END_OF_SPEECH


def changes(events: list[VADEvent]) -> list[tuple[VADEventType, int]]:
    return [
        (event.type, round(event.timestamp / 0.032)) for event in events if event.type != VADEventType.INFERENCE_DONE
    ]


def inferences(events: list[VADEvent]) -> list[VADEvent]:
    return [event for event in events if event.type == VADEventType.INFERENCE_DONE]


async def test_the_model_is_given_the_samples_in_their_order(bench: MakeBench) -> None:
    run = bench()
    samples = np.arange(1, 1537, dtype=np.int16)
    for start in range(0, 1536, 160):
        piece = samples[start : start + 160]
        run.stream.push_frame(rtc.AudioFrame(piece.tobytes(), 16000, 1, len(piece)))
    await run.rest()

    assert np.concatenate(run.model.heard).tolist() == samples.tolist()


async def test_stereo_is_judged_and_told_as_one_channel(bench: MakeBench) -> None:
    run = bench(2 * [1.0])
    data = np.tile(np.array([1000, 3000], np.int16), 1024)
    run.stream.push_frame(rtc.AudioFrame(data.tobytes(), 16000, 2, 1024))
    events = await run.rest()

    assert {int(value) for window in run.model.heard for value in window} == {2000}
    assert {frame.num_channels for event in events for frame in event.frames} == {1}
    assert changes(events) == [(START, 2)]


async def test_audio_of_another_rate_is_left_out_with_one_error_for_each_rate(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    run = bench()
    await run.push(0.32)
    for _ in range(2):
        await run.push(1.0, rate=48000)
        await run.push(1.0, rate=8000)
    await run.push(0.32)
    events = await run.rest()

    assert len(inferences(events)) == 20
    assert [vars(record)["sample_rate"] for record in caplog.records] == [48000, 8000]
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


async def test_a_flush_begins_anew_and_speech_under_way_gets_no_end(bench: MakeBench) -> None:
    run = bench(10 * [1.0] + 40 * [0.0] + 10 * [1.0])
    await run.push(10 * 0.032 + 0.01)
    run.stream.flush()
    await run.push(50 * 0.032)
    events = await run.rest()

    assert changes(events) == [(START, 2), (START, 52)]
    assert run.model.resets == 2  # the end of the input is one as well
    assert inferences(events)[10].samples_index == 10 * 512 + 160 + 512  # the rest of a window was left out
    assert inferences(events)[10].probability == 0.0  # not smoothed with what was before
    assert events[-1].frames[0].samples_per_channel == 512


async def test_audio_from_before_a_flush_is_in_no_later_event(bench: MakeBench) -> None:
    run = bench(20 * [0.0] + 2 * [1.0])
    await run.push(20 * 0.032, level=111)
    run.stream.flush()
    await run.push(2 * 0.032, level=222)
    events = await run.rest()

    (start,) = (event for event in events if event.type == START)
    assert set(start.frames[0].data.tolist()) == {222}


async def test_after_a_second_of_digital_silence_the_model_is_not_asked_about_more_of_it(bench: MakeBench) -> None:
    run = bench(100 * [0.2])
    await run.push(100 * 0.032, level=0)
    await run.push(10 * 0.032)
    events = await run.rest()

    assert len(run.model.heard) == 32 + 10
    assert run.model.resets == 1  # at the end of the input: until then it remembers
    judged = inferences(events)
    assert len(judged) == 110
    assert judged[31].probability == pytest.approx(0.2)
    assert judged[99].probability == pytest.approx(0.0, abs=1e-6)
    assert [event.frames[0].samples_per_channel for event in judged] == 110 * [512]


async def test_a_single_loud_sample_ends_digital_silence(bench: MakeBench) -> None:
    run = bench()
    await run.push(40 * 0.032, level=0)
    await run.push(0.032 - 1 / 16000, level=0)
    await run.push(1 / 16000, level=1)
    await run.push(32 * 0.032, level=0)
    await run.rest()

    assert len(run.model.heard) == 32 + 1 + 32


async def test_digital_silence_at_another_rate_is_silence_too(bench: MakeBench) -> None:
    run = bench()
    await run.push(100 * 0.032, rate=48000, frame_seconds=0.01, level=0)
    events = await run.rest()

    assert len(inferences(events)) == 100
    assert len(run.model.heard) == 32


async def test_speech_ends_in_digital_silence_without_the_model(bench: MakeBench) -> None:
    run = bench(10 * [1.0], min_silence_duration=2.0)
    await run.push(10 * 0.032)
    await run.push(70 * 0.032, level=0)

    assert changes(await run.rest()) == [(START, 2), (END, 73)]


async def test_an_utterance_that_is_too_long_is_told_of_once(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    run = bench(100 * [1.0] + 20 * [0.0] + 100 * [1.0] + 20 * [0.0], max_buffered_speech=0.5)
    await run.push(240 * 0.032)
    await run.rest()

    assert len(caplog.records) == 2  # for two of them
    assert caplog.records[0].levelno == logging.WARNING


async def test_changed_options_reach_the_streams_that_listen(bench: MakeBench) -> None:
    vad = VAD.load()
    one, other = vad.stream(), vad.stream()
    vad.update_options(min_silence_duration=0, activation_threshold=0.9)

    assert vad.min_silence_duration == 0
    assert (one.opts.min_silence_duration, one.opts.activation_threshold) == (0, 0.9)
    assert other.opts == one.opts
    assert vad.stream().opts == one.opts
    for stream in (one, other):
        await stream.aclose()


async def test_options_of_one_stream_are_its_own(bench: MakeBench) -> None:
    vad = VAD.load()
    one, other = vad.stream(), vad.stream()
    one.update_options(min_speech_duration=0.5)
    vad.update_options(min_silence_duration=0.3)

    assert (one.opts.min_speech_duration, one.opts.min_silence_duration) == (0.5, 0.3)
    assert (other.opts.min_speech_duration, other.opts.min_silence_duration) == (0.05, 0.3)
    for stream in (one, other):
        await stream.aclose()


async def test_a_refused_change_changes_nothing() -> None:
    vad = VAD.load()
    async with vad.stream() as stream:
        stream.update_options(deactivation_threshold=0.4)
        with pytest.raises(ConfigError):
            vad.update_options(activation_threshold=0.3, min_silence_duration=1)  # too low for the stream's own

        assert (vad.opts.activation_threshold, vad.min_silence_duration) == (0.5, 0.55)
        assert stream.opts.activation_threshold == 0.5


async def test_options_changed_during_speech_count_from_the_next_window_on(bench: MakeBench) -> None:
    run = bench(40 * [1.0] + 100 * [0.0])
    await run.push(20 * 0.032)
    events = await run.windows(20)
    run.stream.update_options(min_silence_duration=0.1, max_buffered_speech=0.2, prefix_padding_duration=0)
    await run.push(40 * 0.032)
    events += await run.rest()

    assert changes(events) == [(START, 2), (END, 44)]
    assert events[-1].frames[0].samples_per_channel == 512
    (end,) = (event for event in events if event.type == END)
    assert end.frames[0].samples_per_channel == 3200
    assert end.speech_duration == pytest.approx(40 * 0.032)


async def test_metrics_come_every_32_windows_and_at_the_end(bench: MakeBench) -> None:
    run = bench()
    found: list[VADMetrics] = []
    run.vad.on("metrics_collected", found.append)
    await run.push(70 * 0.032)
    await run.rest()

    assert [each.inference_count for each in found] == [32, 32, 6]
    assert {each.label for each in found} == {"lk_agents_silero.vad.VAD"}


async def test_a_model_slower_than_the_audio_is_told_of(
    bench: MakeBench, lk_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    run = bench()
    run.model.works = lambda: lk_clock.advance(0.3)
    await run.push(3 * 0.032)
    events = await run.rest()

    assert [event.inference_duration for event in events] == pytest.approx([0.3, 0.3, 0.3])
    assert [vars(record)["behind_seconds"] for record in caplog.records] == [0.268, 0.536, 0.804]


async def test_the_loop_has_its_turn_while_ten_seconds_are_judged(bench: MakeBench) -> None:
    run = bench()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others(), name="others")
    samples = np.full(160_000, 1000, np.int16)
    run.stream.push_frame(rtc.AudioFrame(samples.tobytes(), 16000, 1, len(samples)))
    assert len(inferences(await run.rest())) == 312
    task.cancel()

    assert turns >= 312 / 4


async def test_small_frames_that_wait_give_the_loop_its_turn_as_well(bench: MakeBench) -> None:
    run = bench()
    for _ in range(1000):
        run.stream.push_frame(rtc.AudioFrame(320 * b"\1", 16000, 1, 160))
    run.stream.end_input()
    while not run.model.heard:
        await asyncio.sleep(0)

    assert len(run.model.heard) <= 4
    await run.stream.aclose()


async def test_nobody_reading_holds_the_model_back(bench: MakeBench) -> None:
    run = bench()
    samples = np.full(16000 * 60, 1000, np.int16)
    run.stream.push_frame(rtc.AudioFrame(samples.tobytes(), 16000, 1, len(samples)))
    for _ in range(2000):
        await asyncio.sleep(0)

    assert len(run.model.heard) == 1001
    assert len(inferences(await run.rest())) == 1875


async def test_closing_in_mid_speech_leaves_what_was_told_and_invents_no_end(bench: MakeBench) -> None:
    run = bench(100 * [1.0])
    await run.push(1.0)
    events = await run.windows(10)
    await run.stream.aclose()
    events += [event async for event in run.stream]

    assert changes(events) == [(START, 2)]
