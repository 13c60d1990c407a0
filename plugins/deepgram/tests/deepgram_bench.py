"""A recogniser over the scripted vendor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from deepgram_fake import PATH, Manner, Talk, ear, live_script
from livekit import rtc

from lk_agents.foundation.types import APIConnectOptions
from lk_agents.stt import RecognizeStream, SpeechEvent, SpeechEventType
from lk_agents.testing.providers.speech import Heard, voice
from lk_agents.testing.vendor import Fault, VendorServer
from lk_agents_deepgram import STT, SpeechStream

KEY = "key-that-nobody-may-see"
ONCE = APIConnectOptions(max_retry=0, timeout=5.0)
RETRYING = APIConnectOptions(max_retry=2, retry_interval=0.02, timeout=5.0)
SPEECH = (Heard("hello over there", 0.4, 1.2), Heard("how are you today", 2.2, 3.4))
SPEECH_SECONDS = 4.2
WORDS = ["hello", "over", "there", "how", "are", "you", "today"]


def speech(seconds: float = SPEECH_SECONDS, *, rate: int = 16_000) -> list[rtc.AudioFrame]:
    return voice(SPEECH, seconds, sample_rate=rate)


class Bench:
    """One recogniser, one vendor, and what is asked of them."""

    def __init__(self, vendor: VendorServer, stt: STT) -> None:
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
async def bench(
    manner: Manner | None = None, *, talk: Talk | None = None, fault: Fault | None = None, **options: Any
) -> AsyncIterator[Bench]:
    script = live_script(talk or ear(SPEECH, manner), key=KEY)
    async with (
        VendorServer(script, fault=fault) as vendor,
        STT(api_key=KEY, base_url=vendor.url + PATH, **options) as stt,
    ):
        yield Bench(vendor, stt)


def texts(events: Sequence[SpeechEvent], kind: SpeechEventType = SpeechEventType.FINAL_TRANSCRIPT) -> list[str]:
    return [event.alternatives[0].text for event in events if event.type is kind]


def words(events: Sequence[SpeechEvent]) -> list[str]:
    return " ".join(texts(events)).split()


async def read_until(stream: RecognizeStream, kind: SpeechEventType, count: int = 1) -> list[SpeechEvent]:
    events = []
    async for event in stream:
        events.append(event)
        if [each.type for each in events].count(kind) == count:
            break
    return events


def bounds(events: Sequence[SpeechEvent]) -> list[SpeechEventType]:
    kinds = {SpeechEventType.START_OF_SPEECH, SpeechEventType.END_OF_SPEECH}
    return [event.type for event in events if event.type in kinds]


async def feed_slowly(stream: SpeechStream, *, until: float, since: float = 0.0) -> None:
    """Push a part of what is said, so that the vendor has time to hear it meanwhile."""
    for number, frame in enumerate(speech()):
        if since <= number * 0.02 < until:
            stream.push_frame(frame)
            await asyncio.sleep(0.0005)
