"""What the tests of the fallback adapter share."""

from __future__ import annotations

import array
import asyncio
import math
from collections.abc import Callable
from typing import Any

from livekit import rtc
from tests.tts.speakers import Fault, Speaker

from lk_agents.foundation.types import APIConnectOptions
from lk_agents.tokenize.basic import SentenceTokenizer
from lk_agents.tts import (
    TTS,
    AvailabilityChangedEvent,
    ChunkedStream,
    FallbackAdapter,
    SynthesizedAudio,
    SynthesizedAudioEmitter,
    SynthesizeStream,
    TTSCapabilities,
)

SENTENCES = ["The first one.", "The second is longer.", "And a third.", "A last one."]
TEXT = " ".join(SENTENCES)


def fallback(*members: TTS[Any], **options: Any) -> FallbackAdapter:
    """Return an adapter whose members do not retry, and which cuts short sentences too."""
    options = {
        "max_retry_per_tts": 0,
        "sentence_tokenizer": SentenceTokenizer(min_sentence_len=5),
        **options,
    }
    return FallbackAdapter(list(members), **options)


def changes_of(adapter: FallbackAdapter) -> list[tuple[TTS[Any], bool]]:
    """Return a list that grows with the adapter's events."""
    changes: list[tuple[TTS[Any], bool]] = []

    @adapter.on("tts_availability_changed")
    def note(event: AvailabilityChangedEvent) -> None:
        changes.append((event.tts, event.available))

    return changes


def push(stream: SynthesizeStream, *texts: str) -> SynthesizeStream:
    """Push texts, each a segment, and end the input."""
    for text in texts:
        stream.push_text(text)
        stream.flush()
    stream.end_input()
    return stream


class Tone(TTS):
    """Gives a tone of some seconds for each text, whatever it says.

    :param break_after: seconds after which the connection breaks; None for never.
    """

    def __init__(self, seconds: float, rate: int, *, num_channels: int = 1, break_after: float | None = None) -> None:
        super().__init__(capabilities=TTSCapabilities(streaming=True), sample_rate=rate, num_channels=num_channels)
        self.seconds = seconds
        self.break_after = break_after
        self.attempts = 0

    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        return _ToneText(tts=self, input_text=text, conn_options=conn_options)

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
        return _ToneStream(tts=self, conn_options=conn_options)

    async def sound(self, send: Callable[[rtc.AudioFrame], None]) -> None:
        """Send 100 ms after 100 ms."""
        self.attempts += 1
        sent = 0.0
        while sent < self.seconds - 1e-6:
            if self.break_after is not None and sent >= self.break_after - 1e-6:
                await Fault().strike()
            seconds = min(0.1, self.seconds - sent)
            send(_tone(sent, seconds, self.sample_rate, self.num_channels))
            sent += seconds
            await asyncio.sleep(0)


class _ToneText(ChunkedStream):
    _tts: Tone

    async def _run(self) -> None:
        await self._tts.sound(lambda frame: self._event_ch.send_nowait(SynthesizedAudio(frame, "")))


class _ToneStream(SynthesizeStream):
    _tts: Tone

    async def _run(self) -> None:
        async for item in self._input_ch:
            if not isinstance(item, str):
                emitter = SynthesizedAudioEmitter(event_ch=self._event_ch, request_id="")
                await self._tts.sound(emitter.push)
                emitter.flush()


def _tone(start: float, seconds: float, rate: int, num_channels: int) -> rtc.AudioFrame:
    count = round(seconds * rate)
    samples = array.array(
        "h",
        [
            round(8_000 * math.sin(2 * math.pi * 440 * (start + at / rate)))
            for at in range(count)
            for _ in range(num_channels)
        ],
    )
    return rtc.AudioFrame(samples.tobytes(), rate, num_channels, count)


def whole(*faults: Fault | None, **options: Any) -> Speaker:
    """Return a member that takes whole texts only."""
    return Speaker(*faults, streaming=False, **options)
