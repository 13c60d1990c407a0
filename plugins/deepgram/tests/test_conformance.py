"""Deepgram keeps the promises of every recogniser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from deepgram_fake import PATH, ear, recording_answer

from lk_agents.foundation.secret import Secret
from lk_agents.stt import RecognizeStream
from lk_agents.testing.conformance.stt import STTCase, STTConformance
from lk_agents.testing.vendor import ExchangeKind, Script
from lk_agents_deepgram import STT, AudioEnergyFilter

pytestmark = pytest.mark.e2e


class TestDeepgram(STTConformance):
    stream_exchange = ExchangeKind.SOCKET
    exchange = ExchangeKind.BODY
    options_of_stt: ClassVar[dict[str, Any]] = {}

    @asynccontextmanager
    async def provider(self, case: STTCase) -> AsyncIterator[STT]:
        headers = {"Authorization": Secret(f"Token {case.secret.reveal()}")}
        script = Script()
        if case.streamed:
            script.socket(PATH, ear(case.utterances), query=None, headers=headers, repeat=True)
        else:
            script.http("POST", PATH, recording_answer(case.utterances), query=None, headers=headers, repeat=True)
        key = case.secret.reveal()
        async with (
            case.serve(script) as vendor,
            STT(base_url=vendor.url + PATH, api_key=key, **self.options_of_stt) as stt,
        ):
            yield stt

    async def change_options(self, stt: Any, stream: RecognizeStream) -> None:
        stt.update_options(numerals=True)


class TestDeepgramWithoutSilence(TestDeepgram):
    measures_silence = False
    options_of_stt: ClassVar[dict[str, Any]] = {"energy_filter": AudioEnergyFilter(min_silence=0.3)}
