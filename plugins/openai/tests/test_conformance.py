"""The providers keep the promises of their kinds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai_fake import (
    CHAT,
    REALTIME,
    SPEECH,
    TRANSCRIPTIONS,
    answering,
    bearer,
    ear,
    speaking,
    transcribing,
)

from lk_agents.stt import RecognizeStream
from lk_agents.testing.conformance.llm import LLMCase, LLMConformance
from lk_agents.testing.conformance.plugin import PluginConformance
from lk_agents.testing.conformance.stt import STTCase, STTConformance
from lk_agents.testing.conformance.tts import TTSCase, TTSConformance
from lk_agents.testing.vendor import ExchangeKind, Script
from lk_agents_openai import LLM, STT, TTS

pytestmark = pytest.mark.e2e


class TestPackage(PluginConformance):
    distribution = "lk-agents-openai"


class TestLLM(LLMConformance):
    exchange = ExchangeKind.EVENTS

    @asynccontextmanager
    async def provider(self, case: LLMCase) -> AsyncIterator[LLM]:
        key = case.secret.reveal()
        script = Script().http("POST", CHAT, answering(case.text, case.calls), headers=bearer(key), repeat=True)
        async with case.serve(script) as vendor, LLM(base_url=f"{vendor.url}/v1", api_key=key) as llm:
            yield llm


class TestTTS(TTSConformance):
    exchange = ExchangeKind.CHUNKS

    @asynccontextmanager
    async def provider(self, case: TTSCase) -> AsyncIterator[TTS]:
        key = case.secret.reveal()
        texts: list[str] = []
        case.watch(texts=lambda: texts)
        script = Script().http("POST", SPEECH, speaking(texts), headers=bearer(key), repeat=True)
        async with case.serve(script) as vendor, TTS(base_url=f"{vendor.url}/v1", api_key=key) as tts:
            yield tts


class TestSTT(STTConformance):
    exchange = ExchangeKind.BODY
    stream_exchange = ExchangeKind.SOCKET

    @asynccontextmanager
    async def provider(self, case: STTCase) -> AsyncIterator[STT]:
        key = case.secret.reveal()
        script = Script()
        if case.streamed:
            script.socket(REALTIME, ear(case.utterances), query=None, headers=bearer(key), repeat=True)
        else:
            script.http("POST", TRANSCRIPTIONS, transcribing(case.utterances), headers=bearer(key), repeat=True)
        async with (
            case.serve(script) as vendor,
            STT(base_url=f"{vendor.url}/v1", api_key=key, use_realtime=True) as stt,
        ):
            yield stt

    async def change_options(self, stt: Any, stream: RecognizeStream) -> None:
        stt.update_options(prompt="greetings")


class TestSTTForRecordings(STTConformance):
    exchange = ExchangeKind.BODY

    @asynccontextmanager
    async def provider(self, case: STTCase) -> AsyncIterator[STT]:
        key = case.secret.reveal()
        script = Script().http("POST", TRANSCRIPTIONS, transcribing(case.utterances), headers=bearer(key), repeat=True)
        async with (
            case.serve(script) as vendor,
            STT(base_url=f"{vendor.url}/v1", api_key=key, model="whisper-1") as stt,
        ):
            yield stt
