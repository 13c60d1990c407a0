"""When speech begins and ends, for given probabilities of the windows: figures taken from the older framework.

W are windows of 32 ms; the probabilities are 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from lk_agents.vad.events import VADEvent, VADEventType

MakeBench = Callable[..., Any]
ROW_1 = 30 * [0.0] + 20 * [1.0] + 40 * [0.0]


@dataclass(frozen=True)
class Change:
    """A start or an end: after which window, and how many samples its frame has."""

    window: int
    samples: int


async def changes(bench: Any, *, rate: int = 16000, frame_seconds: float = 0.032, windows: int) -> list[VADEvent]:
    """Push as much sound as the windows take, and return the starts and ends."""
    await bench.push(windows * 0.032, rate=rate, frame_seconds=frame_seconds)
    events: list[VADEvent] = await bench.rest()
    assert sum(event.type == VADEventType.INFERENCE_DONE for event in events) == windows
    return [event for event in events if event.type != VADEventType.INFERENCE_DONE]


def seen(event: VADEvent) -> Change:
    (frame,) = event.frames
    return Change(round(event.timestamp / 0.032), frame.samples_per_channel)


async def test_speech_between_silences_starts_at_its_second_window_and_ends_after_eighteen_silent_ones(
    bench: MakeBench,
) -> None:
    run = bench(ROW_1)
    await run.push(90 * 0.032)
    events = await run.rest()
    start, end = (event for event in events if event.type != VADEventType.INFERENCE_DONE)

    assert (start.type, start.samples_index, start.timestamp) == (VADEventType.START_OF_SPEECH, 32 * 512, 1.024)
    assert seen(start) == Change(32, 9024)
    assert (start.speech_duration, start.silence_duration) == pytest.approx((0.064, 0.0))
    assert events[events.index(start) - 1].probability == pytest.approx(0.8775)
    assert (end.type, end.samples_index, end.timestamp) == (VADEventType.END_OF_SPEECH, 68 * 512, 2.176)
    assert seen(end) == Change(68, 27456)
    assert end.silence_duration == pytest.approx(0.576)


async def test_speech_from_the_first_window_on_has_no_padding(bench: MakeBench) -> None:
    start, end = await changes(bench(20 * [1.0]), windows=60)

    assert (seen(start), seen(end)) == (Change(2, 1024), Change(38, 19456))  # 0.064 s and 1.216 s


async def test_a_single_window_is_no_speech(bench: MakeBench) -> None:
    assert await changes(bench(30 * [0.0] + [1.0]), windows=90) == []


async def test_two_windows_are_speech(bench: MakeBench) -> None:
    start, end = await changes(bench(30 * [0.0] + 2 * [1.0]), windows=90)

    assert (seen(start).window, seen(end)) == (32, Change(50, 18240))  # 1.140 s


async def test_the_end_of_the_input_does_not_end_speech(bench: MakeBench) -> None:
    (start,) = await changes(bench(30 * [0.0] + 20 * [1.0]), windows=50)

    assert (start.type, seen(start).window) == (VADEventType.START_OF_SPEECH, 32)


async def test_a_short_silence_is_part_of_the_speech(bench: MakeBench) -> None:
    script = 30 * [0.0] + 20 * [1.0] + 10 * [0.0] + 20 * [1.0]
    start, end = await changes(bench(script), windows=120)

    assert (seen(start).window, seen(end)) == (32, Change(98, 42816))  # 2.676 s
    assert end.speech_duration == pytest.approx(50 * 0.032)


@pytest.mark.parametrize(
    ("rate", "started", "ended", "windows"),
    [(48000, 27072, 82368, {1536}), (44100, 24872, 75675, {1411, 1412})],
)
async def test_audio_in_events_has_the_rate_of_the_input(
    bench: MakeBench, rate: int, started: int, ended: int, windows: set[int]
) -> None:
    run = bench(ROW_1)
    await run.push(90 * 0.032 + 0.01, rate=rate, frame_seconds=0.01)
    events = await run.rest()
    start, end = (event for event in events if event.type != VADEventType.INFERENCE_DONE)

    assert (seen(start), seen(end)) == (Change(32, started), Change(68, ended))
    inferences = [event.frames[0] for event in events if event.type == VADEventType.INFERENCE_DONE]
    assert {frame.samples_per_channel for frame in inferences} == windows
    assert {frame.sample_rate for event in events for frame in event.frames} == {rate}


async def test_the_audio_of_an_utterance_is_capped(bench: MakeBench) -> None:
    script = 30 * [0.0] + 60 * [1.0]
    start, end = await changes(bench(script, max_buffered_speech=0.3), windows=130)

    assert (seen(start).samples, seen(end).samples) == (9024, 12800)  # 0.564 s and 0.800 s


async def test_the_model_at_8_khz_counts_its_own_samples(bench: MakeBench) -> None:
    run = bench(ROW_1, sample_rate=8000)
    await run.push(90 * 0.032 + 0.01)
    start, end = (event for event in await run.rest() if event.type != VADEventType.INFERENCE_DONE)

    assert (start.samples_index, end.samples_index) == (8192, 17408)
    assert (start.timestamp, end.timestamp) == (1.024, 2.176)


async def test_the_end_tells_the_length_of_the_speech_without_the_silence_behind_it(bench: MakeBench) -> None:
    _, end = await changes(bench(ROW_1), windows=90)

    assert end.speech_duration == pytest.approx(20 * 0.032)


async def test_every_speech_has_a_start_and_an_end_of_its_own(bench: MakeBench) -> None:
    run = bench(3 * ROW_1)
    kinds = [event.type for event in await changes(run, windows=270)]

    assert kinds == 3 * [VADEventType.START_OF_SPEECH, VADEventType.END_OF_SPEECH]
