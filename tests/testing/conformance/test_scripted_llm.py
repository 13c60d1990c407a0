"""The scripted model, which knows only the old hooks, and what wraps models pass the kit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from lk_agents.llm import LLM, FallbackAdapter
from lk_agents.testing.conformance.llm import LLMCase, LLMConformance
from lk_agents.testing.providers import ScriptedLLM

REQUESTS = 8
"""More than any check makes."""


class TestScriptedLLM(LLMConformance):
    virtual_time = True

    @asynccontextmanager
    async def provider(self, case: LLMCase) -> AsyncIterator[LLM[Any]]:
        llm = ScriptedLLM([case.answer()] * REQUESTS, breaks=case.breaks())
        case.watch(requests=lambda: llm.breaks.attempts)
        yield llm
        await llm.aclose()


class FallbackConformance(LLMConformance):
    """Of adapters, one in the other: the model is asked once in each round, and by the first probe of each of them."""

    virtual_time = True
    adapters: ClassVar[int]

    @property
    def expected_attempts(self) -> int:
        return super().expected_attempts + self.adapters


class TestFallbackOverOne(FallbackConformance):
    adapters = 1

    @asynccontextmanager
    async def provider(self, case: LLMCase) -> AsyncIterator[LLM[Any]]:
        llm = ScriptedLLM([case.answer()] * REQUESTS, breaks=case.breaks())
        case.watch(requests=lambda: llm.breaks.attempts)
        async with FallbackAdapter([llm], max_retry_per_llm=0, attempt_timeout=self.attempt_seconds) as adapter:
            yield adapter


class TestFallbackOverFallback(FallbackConformance):
    adapters = 2

    @asynccontextmanager
    async def provider(self, case: LLMCase) -> AsyncIterator[LLM[Any]]:
        llm = ScriptedLLM([case.answer()] * REQUESTS, breaks=case.breaks())
        case.watch(requests=lambda: llm.breaks.attempts)
        async with (
            FallbackAdapter([llm], max_retry_per_llm=0, attempt_timeout=self.attempt_seconds) as inner,
            FallbackAdapter([inner], max_retry_per_llm=0, attempt_timeout=2 * self.attempt_seconds) as outer,
        ):
            yield outer
