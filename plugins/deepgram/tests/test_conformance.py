"""Deepgram keeps the promises of every recogniser and synthesizer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from deepgram_fake import PATH, ear, recording_answer
from deepgram_flux_fake import FLUX_PATH, flux_ear, flux_script
from deepgram_speak_fake import SPEAK_PATH, mouth, speak_script, speaking

from lk_agents.foundation.secret import Secret
from lk_agents.stt import RecognizeStream
from lk_agents.testing.conformance.stt import STTCase, STTConformance
from lk_agents.testing.conformance.tts import TTSCase, TTSConformance
from lk_agents.testing.vendor import ExchangeKind, Script
from lk_agents.tts import SynthesizeStream
from lk_agents_deepgram import STT, TTS, AudioEnergyFilter, STTv2

pytestmark = pytest.mark.e2e


class TestDeepgram(STTConformance):
    stream_exchange = ExchangeKind.SOCKET
    exchange = ExchangeKind.BODY
    options_of_stt: ClassVar[dict[str, Any]] = {}

    @asynccontextmanager
    async def provider(self, case: STTCase) -> AsyncIterator[STT]:
        headers = {"Authorization": Secret(f"Token {case.secret.reveal()}")}
        script = Script()
        if case.streamed:
            script.socket(PATH, ear(case.utterances), query=None, headers=headers, repeat=True)
        else:
            script.http("POST", PATH, recording_answer(case.utterances), query=None, headers=headers, repeat=True)
        key = case.secret.reveal()
        async with (
            case.serve(script) as vendor,
            STT(base_url=vendor.url + PATH, api_key=key, **self.options_of_stt) as stt,
        ):
            yield stt

    async def change_options(self, stt: Any, stream: RecognizeStream) -> None:
        stt.update_options(numerals=True)


class TestDeepgramWithoutSilence(TestDeepgram):
    measures_silence = False
    options_of_stt: ClassVar[dict[str, Any]] = {"energy_filter": AudioEnergyFilter(min_silence=0.3)}


class TestFlux(STTConformance):
    stream_exchange = ExchangeKind.SOCKET
    exchange = ExchangeKind.SOCKET

    @asynccontextmanager
    async def provider(self, case: STTCase) -> AsyncIterator[STTv2]:
        key = case.secret.reveal()
        script = flux_script(flux_ear(case.utterances), key=key)
        async with case.serve(script) as vendor, STTv2(base_url=vendor.url + FLUX_PATH, api_key=key) as stt:
            yield stt

    async def change_options(self, stt: Any, stream: RecognizeStream) -> None:
        stt.update_options(eot_threshold=0.8)


class TestSpeech(TTSConformance):
    exchange = ExchangeKind.CHUNKS
    stream_exchange = ExchangeKind.SOCKET

    @asynccontextmanager
    async def provider(self, case: TTSCase) -> AsyncIterator[TTS]:
        key = case.secret.reveal()
        texts: list[str] = []
        case.watch(texts=lambda: texts)
        script = speak_script(mouth(texts), answers=[speaking(texts)], key=key)
        async with case.serve(script) as vendor, TTS(base_url=vendor.url + SPEAK_PATH, api_key=key) as tts:
            yield tts

    @pytest.mark.parametrize("streamed", [True], ids=["stream"])
    def test_no_audio_for_a_text_is_an_error(self, streamed: bool) -> None:
        """Of whole texts it is checked below: here a text over HTTP would get the fault of a socket."""
        super().test_no_audio_for_a_text_is_an_error(streamed)

    async def change_options(self, tts: Any, stream: SynthesizeStream) -> None:
        tts.update_options(model="aura-luna-en")


class TestSpeechOfWholeTexts(TTSConformance):
    exchange = ExchangeKind.CHUNKS

    @asynccontextmanager
    async def provider(self, case: TTSCase) -> AsyncIterator[TTS]:
        key = case.secret.reveal()
        texts: list[str] = []
        case.watch(texts=lambda: texts)
        script = speak_script(answers=[speaking(texts)], key=key)
        async with (
            case.serve(script) as vendor,
            TTS(base_url=vendor.ws_url + SPEAK_PATH, api_key=key, use_streaming=False, sample_rate=16_000) as tts,
        ):
            yield tts
