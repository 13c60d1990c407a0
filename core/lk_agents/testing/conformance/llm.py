"""The kit for language models.

::

    class TestMyLLM(LLMConformance):
        exchange = ExchangeKind.EVENTS

        @asynccontextmanager
        async def provider(self, case):
            script = Script().http("POST", "/chat", answering(case.text, case.calls), repeat=True)
            async with case.serve(script) as vendor, MyLLM(base_url=vendor.url, api_key=case.secret.reveal()) as llm:
                yield llm
"""

from __future__ import annotations

from lk_agents.testing.conformance.llm_answers import LLMAnswerChecks
from lk_agents.testing.conformance.llm_cases import LLMCase
from lk_agents.testing.conformance.llm_troubles import LLMTroubleChecks

__all__ = ["LLMCase", "LLMConformance"]


class LLMConformance(LLMAnswerChecks, LLMTroubleChecks):
    """What every language model must do; a subclass says how one is built, and pytest finds the inherited checks."""
