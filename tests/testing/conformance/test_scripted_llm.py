"""The scripted model, which knows only the old hooks, and what wraps models pass the kit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

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


class TestFallbackOverOne(LLMConformance):
    virtual_time = True

    @asynccontextmanager
    async def provider(self, case: LLMCase) -> AsyncIterator[LLM[Any]]:
        llm = ScriptedLLM([case.answer()] * REQUESTS, breaks=case.breaks())
        async with FallbackAdapter([llm], max_retry_per_llm=0, attempt_timeout=self.attempt_seconds) as adapter:
            yield adapter


class TestFallbackOverFallback(LLMConformance):
    virtual_time = True

    @asynccontextmanager
    async def provider(self, case: LLMCase) -> AsyncIterator[LLM[Any]]:
        llm = ScriptedLLM([case.answer()] * REQUESTS, breaks=case.breaks())
        async with (
            FallbackAdapter([llm], max_retry_per_llm=0, attempt_timeout=self.attempt_seconds) as inner,
            FallbackAdapter([inner], max_retry_per_llm=0, attempt_timeout=2 * self.attempt_seconds) as outer,
        ):
            yield outer
