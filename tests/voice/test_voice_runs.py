"""From judged windows to runs of voice."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit import rtc

from lk_agents.voice.voice_runs import RunChange, VoiceRuns

W = 0.032
BEGAN, WENT_ON, ENDED, NONE = RunChange.BEGAN, RunChange.WENT_ON, RunChange.ENDED, RunChange.NONE
LOUD = 8000


def windows(sound: np.ndarray) -> list[rtc.AudioFrame]:
    """Return sound at 16 kHz as windows; the rest is left out."""
    data = sound.astype(np.int16)
    return [rtc.AudioFrame(data[at : at + 512].tobytes(), 16000, 1, 512) for at in range(0, len(data) - 511, 512)]


def levels(*parts: tuple[float, float]) -> np.ndarray:
    """Return a tone whose amplitude is that for so many seconds, one part after the other."""
    amplitude = np.concatenate([np.full(round(seconds * 16000), level, float) for seconds, level in parts])
    return amplitude * np.sin(2 * np.pi * 1000 * np.arange(len(amplitude)) / 16000)


def judge(runs: VoiceRuns, verdicts: str, sound: np.ndarray | None = None) -> list[RunChange]:
    """Judge one window for each letter: ``x`` is speech."""
    frames = windows(sound) if sound is not None else [None] * len(verdicts)
    return [
        runs.judge(is_speech=verdict == "x", begin=number * W, end=(number + 1) * W, frame=frame)
        for number, (verdict, frame) in enumerate(zip(verdicts, frames, strict=False))
    ]


def test_a_run_begins_with_its_first_window_and_ends_with_the_second_silent_one() -> None:
    assert judge(VoiceRuns(), "..xx..") == [NONE, NONE, BEGAN, WENT_ON, WENT_ON, ENDED]


def test_a_single_silent_window_is_part_of_the_run() -> None:
    runs = VoiceRuns()

    assert judge(runs, "x.x.x") == [BEGAN, WENT_ON, WENT_ON, WENT_ON, WENT_ON]
    assert (runs.onset, runs.last_speech) == pytest.approx((0.0, 5 * W))


def test_without_audio_whole_windows_count_as_sound() -> None:
    runs = VoiceRuns()
    judge(runs, "..xx..")

    assert (runs.onset, runs.last_speech) == pytest.approx((2 * W, 4 * W))


def test_the_last_speech_is_the_last_loud_block_and_not_the_last_window() -> None:
    runs = VoiceRuns()
    judge(runs, "xxxxxx..", levels((0.1, LOUD), (0.2, 10)))

    assert runs.last_speech == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(("decibels", "counts"), [(-30, True), (-40, False)])
def test_what_is_within_35_db_of_the_loudest_belongs_to_the_speech(decibels: int, counts: bool) -> None:
    runs = VoiceRuns()
    judge(runs, "xxxxx..", levels((0.096, LOUD), (0.2, LOUD * 10 ** (decibels / 20))))

    assert runs.last_speech == pytest.approx(5 * W if counts else 3 * W, abs=0.005)


def test_sound_in_a_window_that_was_judged_silent_is_no_speech() -> None:
    runs = VoiceRuns()
    judge(runs, "xx..", levels((1.0, LOUD)))

    assert runs.last_speech == pytest.approx(2 * W)


def test_every_run_has_a_loudest_of_its_own() -> None:
    runs = VoiceRuns()
    judge(runs, "xx...xxx", levels((2 * W, 30000), (3 * W, 0), (3 * W, 100)))

    assert runs.last_speech == pytest.approx(8 * W)


def test_the_onset_is_the_first_loud_block_of_the_first_window() -> None:
    runs = VoiceRuns()
    judge(runs, "..x", levels((2 * W + 0.012, 5), (W, LOUD)))

    assert runs.onset == pytest.approx(2 * W + 0.012)


def test_sound_that_leads_up_to_the_first_window_is_its_beginning() -> None:
    runs = VoiceRuns()
    judge(runs, "...x", levels((W + 0.012, 5), (3 * W, LOUD)))

    assert runs.onset == pytest.approx(W + 0.012)


def test_sound_with_a_gap_before_the_first_window_is_not_its_beginning() -> None:
    runs = VoiceRuns()
    judge(runs, "...x", levels((W, 5), (W, LOUD), (0.022, 5), (2 * W, LOUD)))

    assert runs.onset == pytest.approx(2 * W + 0.022)


def test_a_beginning_is_looked_for_in_two_windows_before_at_most() -> None:
    runs = VoiceRuns()
    judge(runs, "." * 10 + "x", levels((1.0, LOUD)))

    assert runs.onset == pytest.approx(8 * W)


def test_a_run_begins_after_the_speech_of_the_one_before() -> None:
    runs = VoiceRuns()
    judge(runs, "xx..x", levels((1.0, LOUD)))

    assert runs.onset == pytest.approx(2 * W)


def test_digital_silence_that_is_judged_to_be_speech_counts_as_whole_windows() -> None:
    runs = VoiceRuns()
    judge(runs, "..xx", levels((4 * W, 0)))

    assert (runs.onset, runs.last_speech) == pytest.approx((2 * W, 4 * W))


def test_a_window_of_another_length_and_rate_has_blocks_of_10_ms_too() -> None:
    runs = VoiceRuns()
    samples = np.concatenate([np.full(480, LOUD), np.zeros(500)]).astype(np.int16)
    runs.judge(is_speech=True, begin=1.0, end=1.0 + 980 / 48000, frame=rtc.AudioFrame(samples.tobytes(), 48000, 1, 980))

    assert runs.last_speech == pytest.approx(1.0 + 500 / 48000)


def test_a_run_that_is_open_can_be_ended_and_another_one_begins_after_it() -> None:
    runs = VoiceRuns()
    judge(runs, "xx")

    assert runs.end()
    assert not runs.end()
    assert runs.judge(is_speech=True, begin=1.0, end=1.0 + W, frame=None) is BEGAN
    assert runs.onset == 1.0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 32000)), max_size=60))
def test_runs_follow_each_other_and_lie_within_their_windows(script: list[tuple[bool, int]]) -> None:
    runs, found = VoiceRuns(), []
    for number, (is_speech, level) in enumerate(script):
        frame = windows(levels((W, level)))[0]
        change = runs.judge(is_speech=is_speech, begin=number * W, end=(number + 1) * W, frame=frame)
        assert runs.is_open == (change in {BEGAN, WENT_ON})
        if change is ENDED:
            found.append((runs.onset, runs.last_speech))
    for onset, last_speech in found:
        assert 0.0 <= onset <= last_speech <= len(script) * W
    assert all(before[1] <= after[0] for before, after in pairwise(found))
