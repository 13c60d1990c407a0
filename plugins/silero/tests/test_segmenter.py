"""Windows of probability in, events out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.vad.events import VADEvent, VADEventType
from lk_agents_silero.options import VADOptions
from lk_agents_silero.segmenter import Segmenter

WINDOW = 0.032
START, END = VADEventType.START_OF_SPEECH, VADEventType.END_OF_SPEECH


def segmenter(**options: Any) -> Segmenter:
    return Segmenter(VADOptions(**options), window_samples=512)


def judge(of: Segmenter, probabilities: list[float]) -> list[VADEvent]:
    return [event for probability in probabilities for event in of.judge(probability)]


def changes(events: list[VADEvent]) -> list[tuple[VADEventType, int]]:
    return [(event.type, event.samples_index // 512) for event in events if event.type != VADEventType.INFERENCE_DONE]


def test_the_first_probability_counts_as_it_is_and_later_ones_are_smoothed() -> None:
    events = judge(segmenter(activation_threshold=1.0), [0.4, 1.0, 0.0])

    assert [event.probability for event in events] == pytest.approx([0.4, 0.79, 0.2765])


def test_an_inference_tells_the_state_before_its_window_was_judged() -> None:
    events = judge(segmenter(), [1.0, 1.0, 1.0])
    inferences = [event for event in events if event.type == VADEventType.INFERENCE_DONE]

    assert [event.speaking for event in inferences] == [False, False, True]
    assert [event.raw_accumulated_speech for event in inferences] == pytest.approx([0.0, WINDOW, 2 * WINDOW])


@pytest.mark.parametrize(("staying", "verdicts"), [(None, [True, False]), (0.3, [True, True])])
def test_an_inference_tells_the_verdict_on_its_own_window(staying: float | None, verdicts: list[bool]) -> None:
    events = judge(segmenter(deactivation_threshold=staying, min_speech_duration=0.0), [0.9, 0.2])

    assert [event.is_speech for event in events if event.type == VADEventType.INFERENCE_DONE] == verdicts
    assert {event.is_speech for event in events if event.type != VADEventType.INFERENCE_DONE} == {None}


def test_the_lengths_of_the_present_run_and_state_are_told_with_each_window() -> None:
    events = judge(segmenter(), 2 * [1.0] + 3 * [0.0])
    last = events[-1]

    assert last.speaking
    assert last.raw_accumulated_silence == pytest.approx(2 * WINDOW)
    assert last.raw_accumulated_speech == 0.0
    assert last.speech_duration == pytest.approx(5 * WINDOW)
    assert last.silence_duration == 0.0


def test_a_probability_at_the_threshold_is_speech() -> None:
    assert changes(judge(segmenter(activation_threshold=0.5), 2 * [0.5])) == [(START, 2)]


def test_while_somebody_speaks_the_lower_threshold_counts() -> None:
    options = {"activation_threshold": 0.6, "deactivation_threshold": 0.3, "min_silence_duration": 0.0}
    steady = [0.9, 0.9] + 10 * [0.4]

    assert changes(judge(segmenter(**options), steady)) == [(START, 2)]
    assert changes(judge(segmenter(**{**options, "deactivation_threshold": None}), steady))[:2] == [
        (START, 2),
        (END, 3),
    ]


def test_the_lower_threshold_does_not_start_speech() -> None:
    assert changes(judge(segmenter(activation_threshold=0.6, deactivation_threshold=0.3), 20 * [0.5])) == []


def test_durations_of_zero_act_at_the_first_window() -> None:
    events = judge(segmenter(min_speech_duration=0.0, min_silence_duration=0.0), [0.0, 1.0, 0.0, 0.0, 1.0])

    assert changes(events) == [(START, 2), (END, 3), (START, 5)]


@pytest.mark.parametrize(("seconds", "windows"), [(0.096, 3), (0.0961, 4), (0.32, 10), (3.2, 100)])
def test_a_duration_of_whole_windows_needs_no_window_more(seconds: float, windows: int) -> None:
    assert changes(judge(segmenter(min_speech_duration=seconds), 200 * [1.0])) == [(START, windows)]


def test_the_end_tells_speech_and_silence_apart() -> None:
    *_, end = judge(segmenter(), 7 * [1.0] + 18 * [0.0])

    assert end.type == END
    assert end.speech_duration == pytest.approx(7 * WINDOW)
    assert end.silence_duration == pytest.approx(18 * WINDOW)


def test_starting_anew_forgets_speech_and_smoothing_and_goes_on_counting_where_told() -> None:
    run = segmenter()
    judge(run, 10 * [1.0])
    run.restart(samples_index=10_000)

    (event,) = run.judge(0.2)
    assert (event.probability, event.speaking, event.samples_index) == (0.2, False, 10_512)
    assert (event.speech_duration, event.silence_duration) == pytest.approx((0.0, WINDOW))
    assert run.is_idle


def test_other_options_count_from_the_next_window_on() -> None:
    run = segmenter()
    judge(run, 5 * [1.0])
    run.options = replace(run.options, min_silence_duration=0.0)

    assert changes(run.judge(0.0)) == [(END, 6)]


def test_it_is_idle_only_while_neither_speech_nor_a_run_is_under_way() -> None:
    run = segmenter()
    idle = []
    for probability in [0.0, 1.0, 1.0] + 18 * [0.0]:
        run.judge(probability)
        idle.append(run.is_idle)

    assert idle == [True] + 19 * [False] + [True]


@given(
    probabilities=st.lists(st.floats(0, 1), max_size=200),
    speech=st.floats(0, 0.3),
    silence=st.floats(0, 0.3),
    activation=st.floats(0, 1),
    share=st.floats(0, 1),
)
def test_starts_and_ends_take_turns_and_lengths_add_up(
    probabilities: list[float], speech: float, silence: float, activation: float, share: float
) -> None:
    run = segmenter(
        min_speech_duration=speech,
        min_silence_duration=silence,
        activation_threshold=activation,
        deactivation_threshold=activation * share,
    )
    found = [event for event in judge(run, probabilities) if event.type != VADEventType.INFERENCE_DONE]

    assert [event.type for event in found] == [START if index % 2 == 0 else END for index in range(len(found))]
    for start, end in zip(found[::2], found[1::2], strict=False):
        assert start.speech_duration >= speech - 1e-6
        assert end.silence_duration >= silence - 1e-6
        began = start.timestamp - start.speech_duration
        assert began + end.speech_duration + end.silence_duration == pytest.approx(end.timestamp)
    assert run.speaking == (len(found) % 2 == 1)
