"""The proof of the demo, tried on sounds whose answer is known."""

import numpy as np
import pytest

from demo.correlation import best_match
from demo.recording import Recording

RATE = 8000


def noise(seconds: float, seed: int) -> Recording:
    """Return what sounds like nothing else: two noises of different seeds have nothing in common."""
    wave = np.random.default_rng(seed).normal(0, 3000, round(seconds * RATE))
    return Recording(wave.astype(np.int16), RATE)


def changed(recording: Recording, *, gain: float = 1.0, delay: float = 0.0, offset: float = 0.0) -> Recording:
    """Return the recording louder or softer, later, or on a constant."""
    wave = np.concatenate([np.zeros(round(delay * RATE)), recording.samples * gain]) + offset
    return Recording(wave.astype(np.int16), RATE)


def test_a_recording_fits_itself_perfectly() -> None:
    speech = noise(3, seed=1)

    match = best_match(speech, speech, length_seconds=2)

    assert match.score == pytest.approx(1)
    assert match.recording_seconds == match.reference_seconds


def test_loudness_delay_and_a_constant_do_not_matter() -> None:
    speech = noise(3, seed=1)

    match = best_match(speech, changed(speech, gain=0.2, delay=0.7, offset=50), length_seconds=2)

    assert match.score > 0.999
    assert match.recording_seconds - match.reference_seconds == pytest.approx(0.7, abs=1 / RATE)


def test_another_recording_does_not_fit() -> None:
    assert best_match(noise(3, seed=1), noise(4, seed=2), length_seconds=2).score < 0.1


def test_noise_on_top_costs_as_much_as_it_is_loud() -> None:
    speech, hiss = noise(3, seed=1), noise(3, seed=2)
    mixed = Recording((speech.samples // 2 + hiss.samples // 2).astype(np.int16), RATE)

    assert best_match(speech, mixed, length_seconds=2).score == pytest.approx(2**-0.5, abs=0.03)


def test_the_same_wave_upside_down_is_not_the_same() -> None:
    speech = noise(3, seed=1)

    assert best_match(speech, changed(speech, gain=-1), length_seconds=2).score < 0.1


def test_a_jump_of_the_jitter_buffer_leaves_the_longer_part() -> None:
    speech = noise(4.4, seed=1)
    cut = round(1.5 * RATE)
    jumped = Recording(np.delete(speech.samples, slice(cut, cut + 160)), RATE)

    match = best_match(speech, jumped, length_seconds=2)

    assert match.score > 0.99
    assert match.reference_seconds >= 1.5


def test_silence_fits_nothing() -> None:
    silence = Recording(np.zeros(4 * RATE, np.int16), RATE)

    assert best_match(noise(3, seed=1), silence, length_seconds=2).score == pytest.approx(0, abs=1e-6)


def test_only_stretches_that_are_mostly_speech_are_compared() -> None:
    pause = np.zeros(3 * RATE, np.int16)
    reference = Recording(np.concatenate([noise(1, seed=1).samples, pause, noise(2.2, seed=2).samples]), RATE)

    match = best_match(reference, reference, length_seconds=2)

    assert match.reference_seconds >= 3


@pytest.mark.parametrize(
    ("reference", "recording", "complaint"),
    [
        (noise(3, seed=1), Recording(noise(3, seed=1).samples, 16000), "rates differ: 8000 and 16000 Hz"),
        (noise(1, seed=1), noise(3, seed=1), "the reference lasts 1.0 s"),
        (noise(3, seed=1), noise(0.5, seed=1), "the recording 0.5 s"),
        (Recording(np.zeros(24000, np.int16), RATE), noise(3, seed=1), "no 2 s of speech"),
    ],
)
def test_what_cannot_be_compared_is_refused(reference: Recording, recording: Recording, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        best_match(reference, recording, length_seconds=2)
