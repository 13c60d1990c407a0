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
from realtime_fake import World

from lk_agents.stt import RecognizeStream
from lk_agents.testing.conformance.llm import LLMCase, LLMConformance
from lk_agents.testing.conformance.plugin import PluginConformance
from lk_agents.testing.conformance.realtime import RealtimeCase, RealtimeConformance
from lk_agents.testing.conformance.stt import STTCase, STTConformance
from lk_agents.testing.conformance.tts import TTSCase, TTSConformance
from lk_agents.testing.vendor import ExchangeKind, Script
from lk_agents_openai import LLM, STT, TTS
from lk_agents_openai.realtime import RealtimeModel, ServerVadOptions

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


class TestRealtime(RealtimeConformance):
    stream_exchange = ExchangeKind.SOCKET
    messages_before_audio = 9

    @asynccontextmanager
    async def provider(self, case: RealtimeCase) -> AsyncIterator[RealtimeModel]:
        self._is_impatient = case.is_silent
        key, world = case.secret.reveal(), World(answers=case.answers, caller=case.caller)
        case.watch_server(truncated=lambda: world.truncated, functions=lambda: world.functions)
        query = {"model": "gpt-realtime"}
        script = Script().socket(REALTIME, world.talk, query=query, headers=bearer(key), repeat=True)
        async with case.serve(script) as vendor:
            model = RealtimeModel(
                base_url=f"{vendor.url}/v1",
                api_key=key,
                turn_detection=ServerVadOptions() if case.server_vad else None,
                conn_options=self.options,
            )
            try:
                yield model
            finally:
                await model.aclose()


class TestRealtimeOfOlderServers(RealtimeConformance):
    stream_exchange = ExchangeKind.SOCKET
    messages_before_audio = 7

    @asynccontextmanager
    async def provider(self, case: RealtimeCase) -> AsyncIterator[RealtimeModel]:
        self._is_impatient = case.is_silent
        key, world = case.secret.reveal(), World(answers=case.answers, caller=case.caller, beta=True)
        case.watch_server(truncated=lambda: world.truncated, functions=lambda: world.functions)
        query = {"api-version": "2025-04-01-preview", "deployment": "voice"}
        headers = {"api-key": case.secret}
        script = Script().socket("/openai/realtime", world.talk, query=query, headers=headers, repeat=True)
        async with case.serve(script) as vendor:
            model = RealtimeModel.with_azure(
                azure_deployment="voice",
                azure_endpoint=vendor.url,
                api_version="2025-04-01-preview",
                api_key=key,
                turn_detection=ServerVadOptions() if case.server_vad else None,
                conn_options=self.options,
            )
            try:
                yield model
            finally:
                await model.aclose()
