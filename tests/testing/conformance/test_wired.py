"""The kit over providers that ask a vendor's server over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.testing.conformance.wired import (
    ChunkedTTS,
    EventsLLM,
    SocketSTT,
    answering,
    closing,
    listening,
    speaking,
)

from lk_agents.llm import LLM
from lk_agents.stt import STT
from lk_agents.testing.conformance.llm import LLMCase, LLMConformance
from lk_agents.testing.conformance.stt import STTCase, STTConformance
from lk_agents.testing.conformance.tts import TTSCase, TTSConformance
from lk_agents.testing.vendor import ExchangeKind
from lk_agents.tokenize.basic import SentenceTokenizer
from lk_agents.tts import TTS, StreamAdapter

pytestmark = pytest.mark.e2e  # sockets and seconds


class TestSTTOverASocket(STTConformance):
    attempt_seconds = 0.2
    exchange = ExchangeKind.BODY
    stream_exchange = ExchangeKind.SOCKET

    @asynccontextmanager
    async def provider(self, case: STTCase) -> AsyncIterator[STT[Any]]:
        async with (
            case.serve(listening(case.utterances, case.secret)) as vendor,
            closing(SocketSTT(vendor.url, case.secret.reveal())) as stt,
        ):
            yield stt


class TestTTSOverHTTP(TTSConformance):
    attempt_seconds = 0.2
    exchange = ExchangeKind.CHUNKS

    @asynccontextmanager
    async def provider(self, case: TTSCase) -> AsyncIterator[TTS[Any]]:
        texts: list[str] = []
        case.watch(texts=lambda: texts)
        async with (
            case.serve(speaking(case.secret, texts)) as vendor,
            closing(ChunkedTTS(vendor.url, case.secret.reveal())) as tts,
        ):
            yield tts


class TestTTSInPiecesOverHTTP(TTSConformance):
    attempt_seconds = 0.2
    exchange = ExchangeKind.CHUNKS
    stream_exchange = ExchangeKind.CHUNKS

    @asynccontextmanager
    async def provider(self, case: TTSCase) -> AsyncIterator[TTS[Any]]:
        texts: list[str] = []
        case.watch(texts=lambda: texts)
        async with (
            case.serve(speaking(case.secret, texts)) as vendor,
            closing(ChunkedTTS(vendor.url, case.secret.reveal())) as tts,
            StreamAdapter(tts=tts, sentence_tokenizer=SentenceTokenizer()) as adapter,
        ):
            yield adapter


class TestLLMOverEvents(LLMConformance):
    attempt_seconds = 0.2
    exchange = ExchangeKind.EVENTS

    @asynccontextmanager
    async def provider(self, case: LLMCase) -> AsyncIterator[LLM[Any]]:
        async with (
            case.serve(answering(case.text, case.calls, case.secret)) as vendor,
            closing(EventsLLM(vendor.url, case.secret.reveal())) as llm,
        ):
            yield llm
