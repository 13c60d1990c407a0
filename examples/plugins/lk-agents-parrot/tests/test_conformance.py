"""What every recogniser and every plugin must do, checked by the kit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from lk_agents.stt import RecognizeStream
from lk_agents.testing.conformance.plugin import PluginConformance
from lk_agents.testing.conformance.stt import STTCase, STTConformance
from lk_agents.testing.vendor import ExchangeKind
from lk_agents_parrot import STT
from parrot import parrot


class TestParrot(STTConformance):
    stream_exchange = ExchangeKind.SOCKET
    exchange = ExchangeKind.BODY

    @asynccontextmanager
    async def provider(self, case: STTCase) -> AsyncIterator[STT]:
        key = case.secret.reveal()
        async with (
            case.serve(parrot(case.utterances, key)) as vendor,
            aiohttp.ClientSession() as session,
            STT(api_key=key, base_url=vendor.url, http_session=session) as stt,
        ):
            yield stt

    async def change_options(self, stt: Any, stream: RecognizeStream) -> None:
        stt.update_options(language="fr")


class TestPackage(PluginConformance):
    distribution = "lk-agents-parrot"
