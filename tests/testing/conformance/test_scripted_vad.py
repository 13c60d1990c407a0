"""The scripted detector, which knows only the old hooks, passes the kit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lk_agents.testing.conformance.vad import VADConformance
from lk_agents.testing.providers import ScriptedVAD
from lk_agents.vad import VAD


class TestScriptedVADByLoudness(VADConformance):
    virtual_time = True

    @asynccontextmanager
    async def provider(self) -> AsyncIterator[VAD]:
        yield ScriptedVAD()
