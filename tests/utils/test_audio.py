"""Joining, measuring, mixing and resampling frames."""

import itertools
import math
import subprocess
import sys
from array import array
from pathlib import Path

import pytest
from livekit import rtc

from lk_agents.foundation.errors import ConfigError
from lk_agents.utils import audio


def frame(*samples: int, rate: int = 16000, channels: int = 1) -> rtc.AudioFrame:
    return rtc.AudioFrame(array("h", samples).tobytes(), rate, channels, len(samples) // channels)


def tone(seconds: float, *, rate: int, channels: int = 1, hertz: float = 440.0) -> rtc.AudioFrame:
    count = round(seconds * rate)
    wave = (round(12000 * math.sin(2 * math.pi * hertz * n / rate)) for n in range(count))
    return rtc.AudioFrame(
        array("h", [sample for sample in wave for _ in range(channels)]).tobytes(), rate, channels, count
    )


def samples(frames: list[rtc.AudioFrame]) -> list[int]:
    return [sample for one in frames for sample in one.data]


def crossings(values: list[int]) -> int:
    return sum(before < 0 <= after for before, after in itertools.pairwise(values))


def test_frames_are_joined_in_order() -> None:
    joined = audio.combine_frames([frame(1, 2), frame(3), frame(4, 5, 6)])

    assert list(joined.data) == [1, 2, 3, 4, 5, 6]
    assert (joined.samples_per_channel, joined.sample_rate, joined.num_channels) == (6, 16000, 1)


def test_frames_of_two_channels_keep_them() -> None:
    joined = audio.merge_frames([frame(1, 2, 3, 4, channels=2), frame(5, 6, channels=2)])

    assert list(joined.data) == [1, 2, 3, 4, 5, 6]
    assert (joined.samples_per_channel, joined.num_channels) == (3, 2)


def test_what_a_buffer_holds_beyond_its_samples_is_left_out() -> None:
    longer = rtc.AudioFrame(array("h", [1, 2, 99, 99]).tobytes(), 16000, 1, 2)
    joined = audio.combine_frames([longer, frame(3)])

    assert (list(joined.data), joined.samples_per_channel) == ([1, 2, 3], 3)


def test_a_single_frame_is_returned_as_it_is() -> None:
    one = frame(1)

    assert audio.combine_frames(one) is one


@pytest.mark.parametrize(
    "frames", [[], [frame(1), frame(1, rate=8000)], [frame(1, 2), frame(1, 2, channels=2)]], ids=["none", "rate", "2"]
)
def test_what_does_not_fit_together_cannot_be_joined(frames: list[rtc.AudioFrame]) -> None:
    with pytest.raises(ValueError, match="combine"):
        audio.combine_frames(frames)


def test_durations_add_up() -> None:
    assert audio.calculate_audio_duration([frame(*[0] * 1600), frame(*[0] * 800)]) == pytest.approx(0.15)
    assert audio.calculate_audio_duration(frame(*[0] * 1600)) == pytest.approx(0.1)
    assert audio.calculate_audio_duration([]) == 0.0


def test_silence_has_the_length_that_was_asked_for() -> None:
    silence = audio.silence_frame(0.29, 24000, 2)

    assert (silence.samples_per_channel, silence.sample_rate, silence.num_channels) == (6960, 24000, 2)
    assert not any(silence.data)


def test_the_channels_are_mixed_to_their_mean() -> None:
    mixed = audio.mix_to_mono(frame(10, 20, -5, -6, 32767, 32767, channels=2))

    assert list(mixed.data) == [15, -6, 32767]
    assert (mixed.num_channels, mixed.samples_per_channel, mixed.sample_rate) == (1, 3, 16000)


def test_one_channel_need_not_be_mixed() -> None:
    one = frame(1, 2)

    assert audio.mix_to_mono(one) is one


def test_frames_of_the_right_rate_pass_untouched() -> None:
    resampler, one = audio.Resampler(16000), frame(1, 2, 3, 4, channels=2)

    assert resampler.push(one)[0] is one
    assert resampler.flush() == []


@pytest.mark.parametrize(
    ("rate", "result", "channels"), [(48000, 16000, 1), (16000, 48000, 1), (24000, 48000, 2), (44100, 16000, 2)]
)
def test_resampling_keeps_length_pitch_and_channels(rate: int, result: int, channels: int) -> None:
    resampler = audio.Resampler(result)
    stream = audio.AudioByteStream(rate, channels, rate // 100)
    out = []
    for piece in stream.push(tone(1.0, rate=rate, channels=channels).data):
        out += resampler.push(piece)
    out += resampler.flush()

    assert sum(one.samples_per_channel for one in out) == result
    assert {(one.sample_rate, one.num_channels) for one in out} == {(result, channels)}
    assert crossings(samples(out)[::channels]) == pytest.approx(440, abs=3)


def test_a_resampler_goes_on_after_a_flush() -> None:
    resampler = audio.Resampler(16000)
    for _ in range(2):
        out = resampler.push(tone(0.5, rate=48000)) + resampler.flush()
        assert sum(one.samples_per_channel for one in out) == 8000


def test_a_change_of_rate_and_channels_loses_nothing() -> None:
    resampler = audio.Resampler(16000, mono=True)
    out = []
    for rate, channels in ((48000, 2), (44100, 1), (16000, 2), (8000, 1)):
        out += resampler.push(tone(0.5, rate=rate, channels=channels))
    out += resampler.flush()

    assert sum(one.samples_per_channel for one in out) == 4 * 8000
    assert {(one.sample_rate, one.num_channels) for one in out} == {(16000, 1)}
    assert crossings(samples(out)) == pytest.approx(880, abs=6)


def test_a_resampler_needs_a_rate() -> None:
    with pytest.raises(ConfigError, match="0 Hz"):
        audio.Resampler(0)


async def test_an_audio_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    path.write_bytes(tone(0.5, rate=24000).to_wav_bytes())
    frames = [one async for one in audio.audio_frames_from_file(path, sample_rate=16000, num_channels=2)]

    assert sum(one.samples_per_channel for one in frames) == 8000
    assert {(one.sample_rate, one.num_channels) for one in frames} == {(16000, 2)}
    assert crossings(samples(frames)[::2]) == pytest.approx(220, abs=2)


async def test_reading_a_file_may_stop_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    path.write_bytes(tone(60.0, rate=8000).to_wav_bytes())
    frames = audio.audio_frames_from_file(str(path))
    await anext(frames)
    await frames.aclose()

    with pytest.raises(StopAsyncIteration):
        await anext(frames)


async def test_a_file_that_is_not_there_is_the_usual_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await anext(audio.audio_frames_from_file(tmp_path / "nothing.wav"))


def test_the_type_of_a_buffer_can_be_had_at_run_time() -> None:
    from lk_agents.utils import AudioBuffer

    assert AudioBuffer == list[rtc.AudioFrame] | rtc.AudioFrame
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = audio.nonsense


def test_importing_these_modules_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from lk_agents.utils import audio, codecs, connection_pool, images\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'livekit', 'numpy', 'av', 'PIL', 'aiohttp'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout == "[]\n"
