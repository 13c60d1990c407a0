"""Cutting audio into windows, and keeping an utterance."""

from __future__ import annotations

import numpy as np
import pytest
from livekit import rtc

from lk_agents_silero.audio import SpeechBuffer, Window, WindowCutter
from lk_agents_silero.options import VADOptions


def frame(samples: list[int] | range, rate: int = 16000, channels: int = 1) -> rtc.AudioFrame:
    data = np.array(samples, np.int16)
    return rtc.AudioFrame(data.tobytes(), rate, channels, len(data) // channels)


def cutter(input_rate: int = 16000, model_rate: int = 16000) -> WindowCutter:
    return WindowCutter(input_rate=input_rate, model_rate=model_rate, window_samples=model_rate * 32 // 1000)


def take_all(of: WindowCutter) -> list[Window]:
    return list(iter(of.take, None))


@pytest.mark.parametrize("length", [1, 160, 512, 700, 3000])
def test_windows_follow_each_other_whatever_the_frames(length: int) -> None:
    cut = cutter()
    windows = []
    for start in range(0, 3000, length):
        cut.push(frame(range(start, min(start + length, 3000))))
        windows += take_all(cut)

    assert len(windows) == 5
    joined = np.frombuffer(b"".join(window.heard for window in windows), np.int16)
    assert joined.tolist() == list(range(2560))
    assert all(window.for_model == window.heard for window in windows)


def test_several_channels_are_mixed_to_one() -> None:
    cut = cutter()
    cut.push(frame([value for _ in range(512) for value in (1000, 3000)], channels=2))

    (window,) = take_all(cut)
    assert set(np.frombuffer(window.heard, np.int16).tolist()) == {2000}


def test_the_number_of_channels_may_change() -> None:
    cut = cutter()
    cut.push(frame(256 * [7]))
    cut.push(frame(512 * [7], channels=2))

    (window,) = take_all(cut)
    assert set(np.frombuffer(window.heard, np.int16).tolist()) == {7}


@pytest.mark.parametrize("rate", [8000, 11025, 24000, 32000, 44100, 48000])
@pytest.mark.parametrize("frame_seconds", [0.01, 0.032, 6.4])
def test_resampling_drifts_by_nothing(rate: int, frame_seconds: float) -> None:
    cut = cutter(rate)
    tone = np.asarray(8000 * np.sin(2 * np.pi * 300 * np.arange(rate * 32 // 5) / rate), np.int16)
    windows = []
    each = round(frame_seconds * rate)
    for start in range(0, len(tone), each):
        cut.push(frame(tone[start : start + each].tolist(), rate))
        windows += take_all(cut)

    assert len(windows) in {199, 200}  # the resampler may hold a little back
    joined = b"".join(window.heard for window in windows)
    assert joined == tone.tobytes()[: len(joined)]
    assert abs(len(joined) // 2 - len(windows) * 0.032 * rate) < 1
    heard = np.frombuffer(b"".join(window.for_model for window in windows), np.int16).astype(float)
    expected = 8000 * np.sin(2 * np.pi * 300 * np.arange(len(heard)) / 16000)
    assert np.corrcoef(heard[160:], expected[160:])[0, 1] > 0.99  # in phase, to the end


def test_beginning_anew_drops_what_is_no_window_yet_and_tells_where_it_goes_on() -> None:
    cut = cutter(48000)
    cut.push(frame(48000 * [5], 48000))
    take_all(cut)

    assert cut.restart() == 16000
    cut.push(frame(4800 * [9], 48000))
    windows = take_all(cut)
    assert {value for window in windows for value in np.frombuffer(window.heard, np.int16).tolist()} == {9}


def buffer(**options: float) -> SpeechBuffer:
    return SpeechBuffer(VADOptions(**options), 1000)  # type: ignore[arg-type]


def values(of: SpeechBuffer) -> list[int]:
    return np.frombuffer(of.content(), np.int16).tolist()  # type: ignore[no-any-return]


def sound(first: int, last: int) -> bytes:
    return np.arange(first, last, dtype=np.int16).tobytes()


def test_while_nobody_speaks_the_newest_audio_is_kept_as_padding() -> None:
    kept = buffer(prefix_padding_duration=0.05)
    for start in range(0, 300, 30):
        kept.slide(sound(start, start + 30))

    assert values(kept) == list(range(250, 300))


def test_an_utterance_is_its_padding_and_all_that_follows() -> None:
    kept = buffer(prefix_padding_duration=0.05)
    kept.slide(sound(0, 100))
    assert not kept.append(sound(100, 400))

    assert values(kept) == list(range(50, 400))


def test_of_a_long_utterance_the_beginning_is_kept_and_its_overflow_told_once() -> None:
    kept = buffer(prefix_padding_duration=0.05, max_buffered_speech=0.1)
    kept.slide(sound(0, 50))

    told = [kept.append(sound(start, start + 30)) for start in range(50, 350, 30)]
    assert told == [False, False, False, True, False, False, False, False, False, False]
    assert values(kept) == list(range(150))


def test_after_an_utterance_its_newest_audio_is_the_next_ones_padding() -> None:
    kept = buffer(prefix_padding_duration=0.05)
    kept.append(sound(0, 500))
    kept.end_utterance()

    assert values(kept) == list(range(450, 500))


def test_audio_that_does_not_reach_to_the_present_is_no_padding() -> None:
    kept = buffer(prefix_padding_duration=0.05, max_buffered_speech=0.1)
    kept.append(sound(0, 500))
    kept.end_utterance()

    assert values(kept) == []
    assert kept.append(sound(0, 500))  # told again: it is another utterance


def test_nothing_of_an_utterance_is_kept_if_that_is_wanted_but_its_padding_is() -> None:
    kept = buffer(prefix_padding_duration=0.05, max_buffered_speech=0.0)
    kept.slide(sound(0, 40))
    kept.slide(sound(40, 80))
    kept.append(sound(80, 120))

    assert values(kept) == list(range(30, 80))


def test_no_padding_is_kept_if_none_is_wanted() -> None:
    kept = buffer(prefix_padding_duration=0.0)
    kept.slide(sound(0, 100))
    kept.append(sound(100, 130))

    assert values(kept) == list(range(100, 130))


def test_a_smaller_size_cuts_what_is_there_and_a_larger_one_takes_more() -> None:
    kept = buffer(prefix_padding_duration=0.0, max_buffered_speech=1.0)
    kept.append(sound(0, 500))
    kept.resize(VADOptions(prefix_padding_duration=0.0, max_buffered_speech=0.2))
    assert values(kept) == list(range(200))
    kept.append(sound(500, 600))
    assert values(kept) == list(range(200))

    kept.resize(VADOptions(prefix_padding_duration=0.0, max_buffered_speech=1.0))
    kept.append(sound(600, 700))
    assert values(kept) == [*range(200), *range(600, 700)]
