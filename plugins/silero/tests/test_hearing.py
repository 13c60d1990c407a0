"""What a conversation makes of the real model's judgement: when somebody really began and stopped to speak."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from livekit import rtc

from lk_agents.media.inputs import AudioInputs
from lk_agents.testing.audio import MemoryAudioIn
from lk_agents.testing.providers import ScriptedSTT
from lk_agents.vad import VAD, VADEventType
from lk_agents.voice import signals as s
from lk_agents.voice.hearing import Hearing
from lk_agents_silero import vad as silero

pytestmark = pytest.mark.usefixtures("lk_clock")

RECORDINGS = Path(__file__).resolve().parents[3] / "examples" / "demo" / "audio"
RATE = 16_000
WINDOW = 512
LEAD_SECONDS = 1.0

Samples = npt.NDArray[np.int16]


def recording(name: str) -> Samples:
    with wave.open(str(RECORDINGS / name)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def bounds(speech: Samples) -> tuple[float, float]:
    """Return where it is within 35 dB of its loudest 10 ms, in seconds, looking at every millisecond."""
    squares = np.concatenate([[0.0], np.cumsum(speech.astype(float) ** 2)])
    energies = (squares[160:] - squares[:-160])[::16]
    loud = np.flatnonzero(energies >= energies.max() * 10**-3.5)
    return loud[0] / 1000, loud[-1] / 1000 + 0.01


def in_a_room(speech: Samples, *, shift: int, noise: float) -> list[rtc.AudioFrame]:
    """Return speech with silence around it, which is not quite silent, in frames of one window each."""
    lead = np.zeros(round(LEAD_SECONDS * RATE) + shift)
    sound = np.concatenate([lead, speech.astype(float), np.zeros(RATE + RATE // 2)])
    sound += np.random.default_rng(shift).normal(0, noise, len(sound))
    samples = sound.clip(-32_768, 32_767).astype(np.int16)
    return [
        rtc.AudioFrame(samples[at : at + WINDOW].tobytes(), RATE, 1, WINDOW)
        for at in range(0, len(samples) - WINDOW + 1, WINDOW)
    ]


async def hear(frames: list[rtc.AudioFrame], vad: VAD, **options: Any) -> list[s.Input]:
    posted: list[s.Input] = []
    inputs, microphone = AudioInputs(), MemoryAudioIn()
    hearing = Hearing(vad=vad, stt=ScriptedSTT([]), post=posted.append, **options)
    running = asyncio.create_task(hearing.run(inputs))
    until = microphone.feed(frames)
    inputs.switch(microphone)
    await asyncio.sleep(until - asyncio.get_running_loop().time() + 0.1)
    await hearing.aclose()
    await running
    await inputs.aclose()
    return posted


@pytest.mark.parametrize("noise", [0.0, 30.0])
@pytest.mark.parametrize("shift", [0, 100, 200, 300, 400, 500])
@pytest.mark.parametrize("name", ["caller.wav", "somebody_else.wav"])
async def test_the_last_sample_of_speech_is_known_to_10_ms_and_the_first_to_a_window(
    name: str, shift: int, noise: float
) -> None:
    speech = recording(name)
    posted = await hear(in_a_room(speech, shift=shift, noise=noise), silero.VAD.load())

    began = [each for each in posted if isinstance(each, s.VoiceRunBegan)]
    ended = [each for each in posted if isinstance(each, s.VoiceRunEnded)]
    first, last = bounds(speech)
    spoken_at = LEAD_SECONDS + shift / RATE
    assert ended[-1].last_speech_at == pytest.approx(spoken_at + last, abs=0.012)
    assert began[0].onset_at == pytest.approx(spoken_at + first, abs=0.032)


async def test_a_run_is_over_long_before_the_detector_says_end() -> None:
    posted = await hear(in_a_room(recording("caller.wav"), shift=0, noise=0.0), silero.VAD.load())

    ended = [each for each in posted if isinstance(each, s.VoiceRunEnded)][-1]
    (stopped,) = [each for each in posted if isinstance(each, s.SpeechStopped)]
    assert ended.at - ended.last_speech_at < 0.2
    assert stopped.at - ended.last_speech_at > 0.55


async def test_changed_options_of_the_detector_count_in_mid_speech() -> None:
    vad = silero.VAD.load()

    def soon(event: Any) -> None:
        if event.type is VADEventType.START_OF_SPEECH:
            vad.update_options(min_silence_duration=0.1)

    posted = await hear(in_a_room(recording("caller.wav"), shift=0, noise=0.0), vad, on_vad_event=soon)

    ended = [each for each in posted if isinstance(each, s.VoiceRunEnded)][-1]
    stopped = [each for each in posted if isinstance(each, s.SpeechStopped)][-1]
    assert stopped.at - ended.at == pytest.approx(0.064, abs=0.001)  # four silent windows instead of two
