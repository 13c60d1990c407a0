"""The scripted synthesizer, which knows only the old hooks, and what wraps synthesizers pass the kit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from lk_agents.testing.conformance.tts import TTSCase, TTSConformance
from lk_agents.testing.providers import ScriptedTTS
from lk_agents.tokenize.basic import SentenceTokenizer
from lk_agents.tts import TTS, FallbackAdapter, StreamAdapter


class TestScriptedTTS(TTSConformance):
    virtual_time = True

    @asynccontextmanager
    async def provider(self, case: TTSCase) -> AsyncIterator[TTS[Any]]:
        tts = ScriptedTTS(breaks=case.breaks())
        case.watch(requests=lambda: tts.breaks.attempts, texts=lambda: tts.spoken)
        yield tts
        await tts.aclose()


class FallbackConformance(TTSConformance):
    """Of an adapter over one synthesizer, which is asked once in each round, and by the first probe."""

    virtual_time = True

    @property
    def expected_attempts(self) -> int:
        return super().expected_attempts + 1


class TestFallbackOverOne(FallbackConformance):
    @asynccontextmanager
    async def provider(self, case: TTSCase) -> AsyncIterator[TTS[Any]]:
        tts = ScriptedTTS(breaks=case.breaks())
        case.watch(requests=lambda: tts.breaks.attempts, texts=lambda: tts.spoken)
        async with FallbackAdapter([tts], max_retry_per_tts=0, attempt_timeout=self.attempt_seconds) as adapter:
            yield adapter


class TestStreamAdapterOverTexts(TTSConformance):
    virtual_time = True

    @asynccontextmanager
    async def provider(self, case: TTSCase) -> AsyncIterator[TTS[Any]]:
        tts = ScriptedTTS(streaming=False, breaks=case.breaks())
        case.watch(requests=lambda: tts.breaks.attempts, texts=lambda: tts.spoken)
        async with StreamAdapter(tts=tts, sentence_tokenizer=SentenceTokenizer()) as adapter:
            yield adapter


class TestFallbackOverStreamAdapter(FallbackConformance):
    @asynccontextmanager
    async def provider(self, case: TTSCase) -> AsyncIterator[TTS[Any]]:
        tts = ScriptedTTS(streaming=False, breaks=case.breaks())
        case.watch(requests=lambda: tts.breaks.attempts, texts=lambda: tts.spoken)
        member = StreamAdapter(tts=tts, sentence_tokenizer=SentenceTokenizer())
        async with FallbackAdapter([member], max_retry_per_tts=0, attempt_timeout=self.attempt_seconds) as adapter:
            yield adapter
            await member.aclose()
