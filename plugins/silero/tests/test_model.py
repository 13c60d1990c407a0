"""The real model: its verdicts are those of a plain loop over the same file that carries the state."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from livekit import rtc

import lk_agents_silero
from lk_agents.vad.events import VADEvent, VADEventType
from lk_agents_silero.model import Model
from lk_agents_silero.network import Network
from lk_agents_silero.onnx import OnnxModel, load_session
from lk_agents_silero.vad import VAD
from lk_agents_silero.weights import Weights, load_weights

Samples = npt.NDArray[np.int16]
Voice = Callable[[int], Samples]


def reference(session: Any, samples: Samples, rate: int) -> list[float]:
    """Ask the model about each window in turn, as its authors show it."""
    window, context = rate * 32 // 1000, np.zeros(rate * 4 // 1000, np.float32)
    state = np.zeros((2, 1, 128), np.float32)
    sound = samples.astype(np.float32) / 32767
    probabilities = []
    for start in range(0, len(sound) - window + 1, window):
        heard = np.concatenate([context, sound[start : start + window]])[np.newaxis]
        probability, state = session.run(None, {"input": heard, "state": state, "sr": np.array(rate, np.int64)})
        context = heard[0, -len(context) :]
        probabilities.append(float(probability[0, 0]))
    return probabilities


def smoothed(probabilities: list[float]) -> list[float]:
    values = probabilities[:1]
    for probability in probabilities[1:]:
        values.append(0.35 * values[-1] + 0.65 * probability)
    return values


def hiss(samples: int, level: float = 30) -> Samples:
    return np.asarray(np.random.default_rng(1).normal(0, level, samples), np.int16)


def between(pause: Callable[[int], Samples], voice: Voice, rate: int) -> Samples:
    """Return voice between pauses of 1.2 and 1.5 s."""
    return np.concatenate([pause(round(1.2 * rate)), voice(rate), pause(round(1.5 * rate))])


async def judged(vad: VAD, samples: Samples, rate: int, frame_seconds: float = 0.032) -> list[VADEvent]:
    each = round(frame_seconds * rate)

    async def feed() -> None:
        for start in range(0, len(samples), each):
            piece = samples[start : start + each]
            await stream.feed(rtc.AudioFrame(piece.tobytes(), rate, 1, len(piece)))
        stream.end_input()

    async with vad.stream() as stream, asyncio.TaskGroup() as group:
        group.create_task(feed(), name="feed")
        return [event async for event in stream]


def changes(events: list[VADEvent]) -> list[str]:
    return [str(event.type) for event in events if event.type != VADEventType.INFERENCE_DONE]


@pytest.mark.parametrize("rate", [8000, 16000])
async def test_verdicts_are_those_of_a_reference_loop(session: Any, voice: Voice, rate: int) -> None:
    samples = between(hiss, voice, rate)

    events = await judged(VAD.load(sample_rate=rate), samples, rate)

    told = [event.probability for event in events if event.type == VADEventType.INFERENCE_DONE]
    expected = smoothed(reference(session, samples, rate))
    assert told == pytest.approx(expected, abs=1e-4)
    assert [value >= 0.5 for value in told] == [value >= 0.5 for value in expected]
    assert max(told) > 0.9  # it is heard as speech
    assert changes(events) == ["start_of_speech", "end_of_speech"]


async def test_verdicts_on_tones_and_noise_are_those_of_a_reference_loop(session: Any) -> None:
    time = np.arange(32000) / 16000
    harmonics = sum(np.sin(2 * np.pi * 150 * number * time) / number for number in range(1, 12))
    samples = np.concatenate([np.asarray(5000 * harmonics, np.int16), hiss(16000, 3000), hiss(16000, 1)])

    events = await judged(VAD.load(), samples, 16000)

    told = [event.probability for event in events if event.type == VADEventType.INFERENCE_DONE]
    assert told == pytest.approx(smoothed(reference(session, samples, 16000)), abs=1e-4)


@pytest.mark.parametrize("mute_seconds", [2.0, 20.0])
async def test_speech_after_a_muted_microphone_is_heard_as_early_as_by_a_reference_loop(
    session: Any, voice: Voice, mute_seconds: float
) -> None:
    mute = np.zeros(round(mute_seconds * 16000), np.int16)
    samples = np.concatenate([hiss(16000), voice(16000), mute, voice(16000), mute])

    events = await judged(VAD.load(), samples, 16000)

    told = [event.probability for event in events if event.type == VADEventType.INFERENCE_DONE]
    expected = smoothed(reference(session, samples, 16000))
    assert len(told) == len(expected)
    assert changes(events) == 2 * ["start_of_speech", "end_of_speech"]
    back = int((1.0 + 1.6 + mute_seconds) / 0.032)  # the window in which the voice is back
    heard, by_reference = (
        next(index for index in range(back, len(values)) if values[index] >= 0.5) for values in (told, expected)
    )
    assert heard <= by_reference
    assert heard - back <= 3


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("frame_seconds", [0.01, 8.6])
async def test_every_start_has_an_end_in_pieces_and_as_one_frame(voice: Voice, rate: int, frame_seconds: float) -> None:
    samples = np.concatenate([between(hiss, voice, rate), between(hiss, voice, rate)])

    events = await judged(VAD.load(), samples, rate, frame_seconds)

    assert changes(events) == 2 * ["start_of_speech", "end_of_speech"]
    starts = [event.timestamp - event.speech_duration for event in events if event.type == VADEventType.START_OF_SPEECH]
    ends = [event.timestamp - event.silence_duration for event in events if event.type == VADEventType.END_OF_SPEECH]
    assert starts == pytest.approx([1.2, 5.5], abs=0.1)
    assert ends == pytest.approx([2.8, 7.1], abs=0.25)


def windows_of(samples: Samples, count: int = 512) -> list[Samples]:
    return [samples[start : start + count] for start in range(0, len(samples) - count + 1, count)]


MAKERS: dict[str, Callable[[], Model]] = {
    "numpy": lambda: Network(load_weights(16000)),
    "onnxruntime": lambda: OnnxModel(session=load_session(), sample_rate=16000),
}


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Callable[[], Model]:
    return MAKERS[request.param]


def test_a_model_that_was_reset_judges_as_a_new_one(make: Callable[[], Model], voice: Voice) -> None:
    windows = windows_of(voice(16000))
    model = make()
    first = [model(window) for window in windows]
    model.reset()

    assert [model(window) for window in windows] == first


def test_streams_that_share_a_model_do_not_disturb_each_other(make: Callable[[], Model], voice: Voice) -> None:
    windows = windows_of(voice(16000))
    alone, one, other = make(), make(), make()
    expected = [alone(window) for window in windows]

    told = [(one(window), other(window[::-1])) for window in windows]

    assert [each[0] for each in told] == expected


@pytest.mark.parametrize("rate", [8000, 16000])
def test_both_ways_to_compute_it_judge_alike_also_at_the_limits(session: Any, voice: Voice, rate: int) -> None:
    network, runtime = Network(load_weights(rate)), OnnxModel(session=session, sample_rate=rate)
    loud = np.full(rate, 32767, np.int16)
    edge = np.where(np.arange(rate) % 40 < 20, 32767, -32768).astype(np.int16)
    sound = np.concatenate([voice(rate), loud, edge, hiss(rate, 1), np.zeros(rate, np.int16), voice(rate)])
    windows = windows_of(sound, network.window_size_samples)

    assert network.window_size_samples == runtime.window_size_samples == rate * 32 // 1000
    assert network.sample_rate == runtime.sample_rate == rate
    assert [network(window) for window in windows] == pytest.approx([runtime(window) for window in windows], abs=1e-4)


def test_the_weights_are_read_once_and_shared() -> None:
    found: list[Weights] = []
    threads = [threading.Thread(target=lambda: found.append(load_weights(8000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [each is found[0] for each in found] == 4 * [True]


@pytest.mark.parametrize("harm", ["missing", "another", "cut short"])
def test_an_installation_that_is_not_whole_is_named(tmp_path: Path, harm: str) -> None:
    copy = tmp_path / "lk_agents_silero"
    shutil.copytree(Path(lk_agents_silero.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    file = copy / "data/silero_vad.onnx"
    if harm == "missing":
        file.unlink()
    else:
        file.write_bytes(b"" if harm == "another" else file.read_bytes()[:1_000_001])
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import lk_agents_silero; lk_agents_silero.VAD.load()"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False)

    assert "PluginError: lk_agents_silero/data/silero_vad.onnx is missing or is another model" in done.stderr


def test_the_old_name_of_the_padding_still_works_and_warns() -> None:
    with pytest.warns(DeprecationWarning, match="prefix_padding_duration"):
        vad = VAD.load(padding_duration=0.2, prefix_padding_duration=0.9)

    assert vad.opts.prefix_padding_duration == 0.2


def test_options_are_checked_before_anything_is_loaded() -> None:
    with pytest.raises(ValueError, match="sample_rate is 44100"):
        VAD.load(sample_rate=44100, onnx_file_path="/there/is/none")
