"""Recordings: reading, cutting, and those that the demo brings along."""

import wave
from pathlib import Path

import numpy as np
import pytest

from demo.correlation import best_match
from demo.recording import Recording, hum, read_wav

AUDIO = Path(__file__).resolve().parents[2] / "examples" / "demo" / "audio"


def write_wav(path: Path, samples: list[int], *, channels: int = 1, rate: int = 8000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.array(samples, dtype="<i2").tobytes())
    return path


def test_a_wav_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    recording = read_wav(write_wav(tmp_path / "short.wav", [0, 1, -1, 32767, -32768], rate=5))

    assert recording.samples.tolist() == [0, 1, -1, 32767, -32768]
    assert recording.seconds == 1


def test_stereo_is_refused_by_name(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "stereo.wav", [0, 0], channels=2)

    with pytest.raises(ValueError, match=r"stereo\.wav has 2 channels of 16 bits"):
        read_wav(path)


def test_the_last_frame_is_filled_up_with_silence() -> None:
    frames = list(Recording(np.arange(5, dtype=np.int16), 100).frames(0.02))

    assert [frame.tolist() for frame in frames] == [[0, 1], [2, 3], [4, 0]]


def test_the_hum_repeats_without_a_click() -> None:
    once = hum(16000, 0.02)
    steps = np.abs(np.diff(np.tile(once.samples, 2).astype(int)))

    assert steps[len(once.samples) - 1] <= steps.max()
    assert once.seconds == 0.02


@pytest.mark.parametrize("name", ["caller.wav", "somebody_else.wav"])
def test_the_demos_recordings_are_short_mono_speech(name: str) -> None:
    recording = read_wav(AUDIO / name)

    assert 3 <= recording.seconds <= 6
    assert recording.rate == 16000
    assert (AUDIO / name).stat().st_size < 300_000
    assert best_match(recording, recording, length_seconds=2).score == pytest.approx(1)


def test_the_demos_recordings_cannot_be_mistaken_for_each_other() -> None:
    caller, other = read_wav(AUDIO / "caller.wav"), read_wav(AUDIO / "somebody_else.wav")

    assert best_match(other, caller, length_seconds=2).score < 0.2
    assert best_match(caller, other, length_seconds=2).score < 0.2
