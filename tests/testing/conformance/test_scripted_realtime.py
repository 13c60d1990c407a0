"""The scripted speech-to-speech model passes the kit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lk_agents.realtime import RealtimeModel
from lk_agents.testing.conformance.realtime import RealtimeCase, RealtimeConformance
from lk_agents.testing.providers import ScriptedRealtime

RESPONSES = 8
"""More than any check asks for."""


class TestScriptedRealtime(RealtimeConformance):
    virtual_time = True

    @asynccontextmanager
    async def provider(self, case: RealtimeCase) -> AsyncIterator[RealtimeModel]:
        model = ScriptedRealtime(
            [case.answer(number) for number in range(RESPONSES)],
            caller=case.caller if case.server_vad else None,
            breaks=case.breaks(),
            connect_seconds=self.attempt_seconds,
        )
        case.watch(requests=lambda: model.breaks.attempts)
        case.watch_server(truncated=lambda: model.sessions[0].truncated, functions=lambda: model.sessions[0].functions)
        yield model
        await model.aclose()
