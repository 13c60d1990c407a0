"""From positions of the audio to the clock."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.voice.hearing_clock import HearingClock

FRAME = 0.032


def hear(clock: HearingClock, count: int, *, at: float, frame: float = FRAME, delay: float = 0.0) -> float:
    """Let frames arrive as they are spoken from ``at`` on; returns when the last one was over."""
    for number in range(count):
        clock.heard(frame, at + (number + 1) * frame + delay)
    return at + count * frame


def test_audio_was_spoken_when_its_frame_arrived_less_its_length() -> None:
    clock = HearingClock()
    hear(clock, 10, at=100.0)

    assert clock.begun_at(0.0) == pytest.approx(100.0)
    assert clock.over_at(10 * FRAME) == pytest.approx(100.0 + 10 * FRAME)


def test_before_anything_was_heard_a_position_is_its_own_time() -> None:
    clock = HearingClock()

    assert (clock.begun_at(1.5), clock.over_at(1.5)) == (1.5, 1.5)


def test_a_late_frame_shifts_nothing() -> None:
    clock = HearingClock()
    at = hear(clock, 50, at=0.0)
    clock.heard(FRAME, at + FRAME + 0.15)
    assert clock.over_at(51 * FRAME) == pytest.approx(51 * FRAME)

    hear(clock, 50, at=at + FRAME)
    assert clock.begun_at(51 * FRAME) == pytest.approx(51 * FRAME)


def test_frames_that_come_in_a_burst_after_a_stall_were_spoken_one_after_the_other() -> None:
    clock = HearingClock()
    at = hear(clock, 50, at=0.0)
    for _ in range(31):
        clock.heard(FRAME, at + 1.0)  # the loop was blocked for a second

    assert clock.begun_at(50 * FRAME) == pytest.approx(50 * FRAME, abs=FRAME)
    assert clock.over_at(81 * FRAME) == pytest.approx(81 * FRAME, abs=FRAME)


@pytest.mark.parametrize("ppm", [-200, 200])
def test_an_hour_of_drift_and_jitter_does_not_add_up(ppm: int) -> None:
    clock = HearingClock()
    chance = random.Random(ppm)
    frame_took = FRAME * (1 + ppm / 1e6)
    worst = 0.0
    for number in range(1, round(3600 / FRAME) + 1):
        over = number * frame_took
        clock.heard(FRAME, over + chance.expovariate(1 / 0.005))
        if number > 100:
            worst = max(worst, abs(clock.over_at(number * FRAME) - over))

    assert worst < 0.003


@pytest.mark.parametrize("pause", [0.3, 5.0, 3600.0])
def test_a_pause_without_frames_is_followed_at_once(pause: float) -> None:
    clock = HearingClock()
    at = hear(clock, 50, at=0.0)
    clock.heard(FRAME, at + pause + FRAME)

    assert clock.begun_at(50 * FRAME) == pytest.approx(at + pause)
    assert clock.over_at(51 * FRAME) == pytest.approx(at + pause + FRAME)


def test_what_was_over_before_a_pause_was_over_before_it() -> None:
    clock = HearingClock()
    at = hear(clock, 50, at=0.0)
    hear(clock, 50, at=at + 5.0)

    assert clock.over_at(50 * FRAME) == pytest.approx(at)
    assert clock.begun_at(25 * FRAME) == pytest.approx(25 * FRAME)


def test_a_pause_too_short_to_be_noticed_is_followed_within_two_seconds() -> None:
    clock = HearingClock()
    at = hear(clock, 100, at=0.0)
    hear(clock, 64, at=at + 0.15)

    assert clock.over_at(164 * FRAME) == pytest.approx(164 * FRAME + 0.15)


def test_another_input_has_a_delay_of_its_own() -> None:
    clock = HearingClock()
    at = hear(clock, 50, at=0.0, delay=0.01)
    clock.begin_anew()
    hear(clock, 1, at=at, delay=0.05)

    assert clock.begun_at(50 * FRAME) == pytest.approx(at + 0.05)
    assert clock.over_at(50 * FRAME) == pytest.approx(at + 0.01)


@given(st.lists(st.tuples(st.floats(0.001, 0.1), st.floats(0.0, 0.5)), min_size=1, max_size=200))
def test_no_audio_was_spoken_after_it_arrived(frames: list[tuple[float, float]]) -> None:
    clock = HearingClock()
    at = 0.0
    for seconds, waited in frames:
        at += waited
        clock.heard(seconds, at)
        assert clock.over_at(clock.position) <= at + 1e-9
