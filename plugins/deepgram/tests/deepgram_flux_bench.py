"""A recogniser of turns over the scripted vendor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from deepgram_bench import KEY, ONCE, SPEECH, speech
from deepgram_fake import Talk
from deepgram_flux_fake import FLUX_PATH, FluxManner, flux_ear, flux_script
from livekit import rtc

from lk_agents.foundation.types import APIConnectOptions
from lk_agents.stt import SpeechEvent
from lk_agents.testing.vendor import Fault, VendorServer
from lk_agents_deepgram import SpeechStreamv2, STTv2


class FluxBench:
    """One recogniser, one vendor, and what is asked of them."""

    def __init__(self, vendor: VendorServer, stt: STTv2) -> None:
        self.vendor = vendor
        self.stt = stt

    @property
    def queries(self) -> list[dict[str, str]]:
        return [dict(exchange.query) for exchange in self.vendor.journal]

    async def hear(
        self,
        frames: Sequence[rtc.AudioFrame] | None = None,
        *,
        conn_options: APIConnectOptions = ONCE,
        **options: Any,
    ) -> list[SpeechEvent]:
        async with self.stt.stream(conn_options=conn_options, **options) as stream:
            for frame in speech() if frames is None else frames:
                stream.push_frame(frame)
            stream.end_input()
            return [event async for event in stream]


@asynccontextmanager
async def flux_bench(
    manner: FluxManner | None = None, *, talk: Talk | None = None, fault: Fault | None = None, **options: Any
) -> AsyncIterator[FluxBench]:
    script = flux_script(talk or flux_ear(SPEECH, manner), key=KEY)
    async with (
        VendorServer(script, fault=fault) as vendor,
        STTv2(api_key=KEY, base_url=vendor.url + FLUX_PATH, **options) as stt,
    ):
        yield FluxBench(vendor, stt)


async def feed(stream: SpeechStreamv2, *, until: float, since: float = 0.0) -> None:
    """Push a part of what is said, so that the vendor has time to hear it meanwhile."""
    for number, frame in enumerate(speech()):
        if since <= number * 0.02 < until:
            stream.push_frame(frame)
            await asyncio.sleep(0.0005)
