"""The detector passes the kit, with the real model and with what it takes for speech."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import numpy as np
import pytest
from livekit import rtc

from lk_agents.testing.conformance.vad import VADConformance
from lk_agents.vad import VADStream
from lk_agents_silero import VAD


class TestSilero(VADConformance):
    speech = ((0.8, 2.4), (4.0, 5.6))
    audio_seconds = 7.2
    voices: ClassVar[dict[str, Callable[[int], Any]]] = {}

    @pytest.fixture(autouse=True)
    def _keep_voice(self, voice: Callable[[int], Any]) -> None:
        self.voices["spoken"] = voice

    @asynccontextmanager
    async def provider(self) -> AsyncIterator[VAD]:
        yield VAD.load()

    def audio(self, sample_rate: int = 16_000) -> list[rtc.AudioFrame]:
        samples = np.zeros(round(self.audio_seconds * sample_rate), np.int16)
        for start, _ in self.speech:
            said = self.voices["spoken"](sample_rate)
            first = round(start * sample_rate)
            samples[first : first + len(said)] = said
        length = sample_rate // 50
        return [
            rtc.AudioFrame(samples[at : at + length].tobytes(), sample_rate, 1, length)
            for at in range(0, len(samples), length)
        ]

    async def change_options(self, vad: Any, stream: VADStream) -> None:
        vad.update_options(min_speech_duration=0.1)
