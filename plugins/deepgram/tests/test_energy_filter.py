"""What counts as silence."""

from __future__ import annotations

import numpy as np
import pytest
from livekit import rtc

from lk_agents.foundation.errors import ConfigError
from lk_agents_deepgram import AudioEnergyFilter

State = AudioEnergyFilter.State
START, SPEAKING, END, SILENCE = State.START, State.SPEAKING, State.END, State.SILENCE


def frame(level: int, seconds: float = 0.1) -> rtc.AudioFrame:
    samples = np.full(round(16_000 * seconds), level, np.int16)
    return rtc.AudioFrame(samples.tobytes(), 16_000, 1, len(samples))


def judged(levels: list[int], **options: float) -> list[AudioEnergyFilter.State]:
    energy_filter = AudioEnergyFilter(**options)
    return [energy_filter.update(frame(level)) for level in levels]


def test_loud_frames_start_and_go_on() -> None:
    assert judged([1000, 1000, 1000]) == [START, SPEAKING, SPEAKING]


def test_quiet_frames_go_on_for_a_while_then_end_once_then_are_silence() -> None:
    levels = [1000, 0, 0, 0, 0, 0]

    assert judged(levels, min_silence=0.2) == [START, SPEAKING, SPEAKING, END, SILENCE, SILENCE]


def test_a_loud_frame_renews_the_patience() -> None:
    assert judged([1000, 0, 1000, 0, 0], min_silence=0.2)[-2:] == [SPEAKING, SPEAKING]


@pytest.mark.parametrize("quiet", [4, 5])
def test_sound_after_an_end_or_silence_starts_again(quiet: int) -> None:
    assert judged([1000, *[0] * quiet, 1000], min_silence=0.2)[-1] is START


def test_it_is_as_patient_at_the_beginning() -> None:
    assert judged([0, 0, 0, 0], min_silence=0.2) == [SPEAKING, SPEAKING, END, SILENCE]


@pytest.mark.parametrize(("level", "loud"), [(131, False), (132, True)])
def test_the_threshold_is_a_mean_square_of_samples_up_to_one(level: int, loud: bool) -> None:
    assert (judged([level])[0] is START) is loud


def test_its_own_threshold_counts() -> None:
    assert judged([1000], rms_threshold=0.5, min_silence=0.0) == [SILENCE]


def test_a_frame_without_samples_is_quiet() -> None:
    assert AudioEnergyFilter(min_silence=0.0).update(rtc.AudioFrame(b"", 16_000, 1, 0)) is SILENCE


@pytest.mark.parametrize("name", ["min_silence", "rms_threshold"])
def test_negative_values_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is -1"):
        AudioEnergyFilter(**{name: -1})
