"""The scripted recogniser, which knows only the old hooks, and what wraps recognisers pass the kit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from lk_agents.stt import STT, FallbackAdapter, StreamAdapter
from lk_agents.testing.conformance.stt import STTCase, STTConformance
from lk_agents.testing.providers import ScriptedSTT, ScriptedVAD


class TestScriptedSTT(STTConformance):
    virtual_time = True

    @asynccontextmanager
    async def provider(self, case: STTCase) -> AsyncIterator[STT[Any]]:
        stt = ScriptedSTT(case.utterances, breaks=case.breaks())
        case.watch(requests=lambda: stt.breaks.attempts)
        yield stt
        await stt.aclose()


class FallbackConformance(STTConformance):
    """Of an adapter over one recogniser, which is asked once in each round.

    A probe asks it as well, at once after the first failure: with the same recording. Streams are probed with audio
    that is still to come, and the check that counts gives all of it at the beginning.
    """

    virtual_time = True
    hears_recording = False

    @property
    def expected_attempts(self) -> int:
        return super().expected_attempts + (1 if self.hears_recording else 0)


class TestFallbackOverOne(FallbackConformance):
    @asynccontextmanager
    async def provider(self, case: STTCase) -> AsyncIterator[STT[Any]]:
        stt = ScriptedSTT(case.utterances, by_sound=True, breaks=case.breaks())
        case.watch(requests=lambda: stt.breaks.attempts)
        self.hears_recording = not case.streamed
        async with FallbackAdapter([stt], max_retry_per_stt=0, attempt_timeout=self.attempt_seconds) as adapter:
            yield adapter


class TestStreamAdapterOverRecordings(STTConformance):
    virtual_time = True
    flush_ends_segments = False
    measures_silence = False

    @asynccontextmanager
    async def provider(self, case: STTCase) -> AsyncIterator[STT[Any]]:
        stt = ScriptedSTT(case.utterances, streaming=False, breaks=case.breaks())
        case.watch(requests=lambda: stt.breaks.attempts)
        async with StreamAdapter(stt=stt, vad=ScriptedVAD()) as adapter:
            yield adapter


class TestFallbackOverRecordings(FallbackConformance):
    flush_ends_segments = False
    measures_silence = False

    @asynccontextmanager
    async def provider(self, case: STTCase) -> AsyncIterator[STT[Any]]:
        stt = ScriptedSTT(case.utterances, streaming=False, breaks=case.breaks())
        case.watch(requests=lambda: stt.breaks.attempts)
        self.hears_recording = not case.streamed
        patience = self.attempt_seconds
        async with FallbackAdapter([stt], vad=ScriptedVAD(), max_retry_per_stt=0, attempt_timeout=patience) as adapter:
            yield adapter
