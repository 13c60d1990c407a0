"""Scripted probabilities in place of the model, and sound that the real model takes for speech."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from livekit import rtc

from lk_agents.vad.events import VADEvent, VADEventType
from lk_agents_silero.options import VADOptions
from lk_agents_silero.stream import VADStream
from lk_agents_silero.vad import VAD

Samples = npt.NDArray[np.int16]


class ScriptedModel:
    """Answers with one probability after the other, and 0 when there is none left."""

    def __init__(self, probabilities: Iterable[float], sample_rate: int = 16000) -> None:
        self.sample_rate = sample_rate
        self.window_size_samples = sample_rate * 32 // 1000
        self.heard: list[Samples] = []
        self.resets = 0
        self.works: Callable[[], None] = lambda: None
        self._probabilities = iter(probabilities)

    def __call__(self, window: Samples) -> float:
        assert window.shape == (self.window_size_samples,)
        self.heard.append(window.copy())
        self.works()
        return next(self._probabilities, 0.0)

    def reset(self) -> None:
        self.resets += 1


class Bench:
    """One stream over a scripted model."""

    def __init__(self, probabilities: Iterable[float] = (), *, sample_rate: int = 16000, **options: Any) -> None:
        self.opts = VADOptions(sample_rate=sample_rate, **options)
        self.vad = VAD(session=None, opts=self.opts)
        self.model = ScriptedModel(probabilities, sample_rate)
        self.stream = VADStream(self.vad, self.opts, self.model)

    async def push(self, seconds: float, *, rate: int = 16000, frame_seconds: float = 0.032, level: int = 1000) -> None:
        """Push sound of one level, as fast as it is taken."""
        samples, each = round(seconds * rate), round(frame_seconds * rate)
        for start in range(0, samples, each):
            length = min(each, samples - start)
            await self.stream.feed(rtc.AudioFrame(np.full(length, level, np.int16).tobytes(), rate, 1, length))

    async def rest(self) -> list[VADEvent]:
        """End the input and return all events not read yet."""
        self.stream.end_input()
        return [event async for event in self.stream]

    async def windows(self, count: int) -> list[VADEvent]:
        """Read on until that many windows are judged."""
        events: list[VADEvent] = []
        while sum(event.type == VADEventType.INFERENCE_DONE for event in events) < count:
            events.append(await anext(self.stream))
        return events


@pytest.fixture
async def bench() -> AsyncIterator[Callable[..., Bench]]:
    """Build streams over scripted models; they are closed at the end."""
    made: list[Bench] = []

    def make(*args: Any, **options: Any) -> Bench:
        made.append(Bench(*args, **options))
        return made[-1]

    yield make
    for each in made:
        await each.stream.aclose()


FORMANTS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
"""Of five vowels, in Hz."""
BANDWIDTHS = (80, 100, 140)
SYLLABLE_SECONDS = 0.2


def _resonate(sound: Sequence[float], hertz: float, bandwidth: float, rate: int) -> list[float]:
    radius = math.exp(-math.pi * bandwidth / rate)
    first, second = 2 * radius * math.cos(2 * math.pi * hertz / rate), -radius * radius
    before, now, out = 0.0, 0.0, []
    for value in sound:
        before, now = now, value + first * now + second * before
        out.append(now)
    return out


def make_voice(seconds: float, rate: int) -> Samples:
    """Return vowels: pulses of a wavering pitch through three resonances, in syllables of a fifth of a second."""
    time = np.arange(round(seconds * rate)) / rate
    pitch = 120 + 15 * np.sin(2 * np.pi * 0.7 * time) + 3 * np.sin(2 * np.pi * 5 * time)
    pulses = np.diff(np.floor(np.cumsum(pitch / rate)), prepend=0.0)
    breath = np.random.default_rng(0).normal(0, 0.01, len(pulses))
    sound = np.zeros(len(pulses))
    length = round(SYLLABLE_SECONDS * rate)
    for number, start in enumerate(range(0, len(pulses), length)):
        syllable: Sequence[float] = (pulses + breath)[start : start + length].tolist()
        for hertz, bandwidth in zip(FORMANTS[number % len(FORMANTS)], BANDWIDTHS, strict=True):
            syllable = _resonate(syllable, hertz, bandwidth, rate)
        sound[start : start + length] = np.array(syllable) * np.hanning(len(syllable)) ** 0.3
    return np.asarray(sound / np.abs(sound).max() * 12000, np.int16)


@pytest.fixture(scope="session")
def voice() -> Callable[[int], Samples]:
    """Give 1.6 s of voice at a rate; the real model is sure that it is speech."""
    known: dict[int, Samples] = {}

    def at(rate: int) -> Samples:
        if rate not in known:
            known[rate] = make_voice(1.6, rate)
        return known[rate]

    return at


@pytest.fixture(scope="session")
def session() -> Any:
    """The real model, as the runtime of its authors computes it."""
    from lk_agents_silero.onnx import load_session

    return load_session()
