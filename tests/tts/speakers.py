"""Small synthesizers, written as a plugin's author would, whose audio can be read back."""

from __future__ import annotations

import array
import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from livekit import rtc

from lk_agents.foundation.errors import APIConnectionError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.metrics.records import TTSMetrics
from lk_agents.tts import TTS, ChunkedStream, SynthesizedAudio, SynthesizeStream, TTSCapabilities

RATE = 1_000
SAMPLES = 10
"""Of one character: it lasts 10 ms, and each of its samples is its code point."""
CHARACTER_SECONDS = SAMPLES / RATE
MARK = "\0"
"""What a piece of 10 ms of silence is read back as."""
ONCE = APIConnectOptions(max_retry=0)


def frame_of(text: str, rate: int = RATE) -> rtc.AudioFrame:
    """Return the frame that says a text."""
    samples = array.array("h", [ord(character) for character in text for _ in range(SAMPLES)])
    return rtc.AudioFrame(samples.tobytes(), rate, 1, len(samples))


def frames_of(text: str, characters: int) -> list[rtc.AudioFrame]:
    """Return the frames that say a text, so many characters in each."""
    return [frame_of(text[at : at + characters]) for at in range(0, len(text), characters)]


def heard(audio: Iterable[SynthesizedAudio]) -> str:
    """Read back what was said."""
    samples = array.array("h")
    for each in audio:
        samples.frombytes(bytes(each.frame.data.cast("B")))
    runs = [samples[at : at + SAMPLES] for at in range(0, len(samples), SAMPLES)]
    assert all(len(set(run)) == 1 and len(run) == SAMPLES for run in runs), "a character is cut"
    return "".join(chr(run[0]) for run in runs)


def segments(audio: Iterable[SynthesizedAudio]) -> list[str]:
    """Read back what was said in each segment, and check that exactly its last piece is final."""
    found: list[list[SynthesizedAudio]] = []
    for each in audio:
        assert each.segment_id
        if not found or found[-1][-1].segment_id != each.segment_id:
            found.append([])
        found[-1].append(each)
    for pieces in found:
        assert [piece.is_final for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert len({pieces[0].segment_id for pieces in found}) == len(found), "segments interleave"
    return [heard(pieces) for pieces in found]


def about(value: float) -> Any:
    """Return what is equal to a value but for rounding, also within lists and tuples."""
    return pytest.approx(value)


async def read(stream: AsyncIterable[SynthesizedAudio]) -> list[SynthesizedAudio]:
    return [audio async for audio in stream]


async def read_until_error(
    stream: AsyncIterable[SynthesizedAudio],
) -> tuple[list[SynthesizedAudio], BaseException | None]:
    """Return what came and the error that ended it."""
    audio: list[SynthesizedAudio] = []
    try:
        async for each in stream:
            audio.append(each)  # noqa: PERF401  what came before the error counts
    except Exception as error:
        return audio, error
    return audio, None


async def forever() -> None:
    await asyncio.Event().wait()


@dataclass
class Fault:
    """Strikes before the frame of that number of an attempt, or at its end if there are not so many.

    Without a deed it breaks the connection.
    """

    at: int = 0
    deed: Callable[[], Awaitable[None]] | None = None

    async def strike(self) -> None:
        if self.deed is None:
            raise APIConnectionError("the connection broke")
        await self.deed()


def stall(at: int = 0) -> Fault:
    return Fault(at, forever)


def pause(seconds: float, at: int = 0) -> Fault:
    return Fault(at, lambda: asyncio.sleep(seconds))


@dataclass
class Ears:
    """Keeps what an engine emits."""

    metrics: list[TTSMetrics] = field(default_factory=list)

    @classmethod
    def on(cls, tts: TTS[Any]) -> Ears:
        ears = cls()
        tts.on("metrics_collected", ears.metrics.append)
        return ears


class Speaker(TTS):
    """Says one character in 10 ms of audio; each attempt has the next of the faults, and the last one's again.

    :param silent: it answers, but gives no audio.
    """

    def __init__(
        self,
        *faults: Fault | None,
        streaming: bool = True,
        characters: int = 5,
        frame_seconds: float = 0.0,
        silent: bool = False,
        conn_options: APIConnectOptions | None = None,
    ) -> None:
        super().__init__(
            capabilities=TTSCapabilities(streaming=streaming),
            sample_rate=RATE,
            num_channels=1,
            conn_options=conn_options,
        )
        self.faults = list(faults)
        self.characters = characters
        self.frame_seconds = frame_seconds
        self.silent = silent
        self.asked: list[str] = []
        self.attempts = 0
        self.options: list[APIConnectOptions] = []
        self.prewarmed = 0
        self.closed = 0

    def next_fault(self) -> Fault | None:
        self.attempts += 1
        if not self.faults:
            return None
        return self.faults[0] if len(self.faults) == 1 else self.faults.pop(0)

    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        return _Text(tts=self, input_text=text, conn_options=conn_options)

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
        if not self.capabilities.streaming:
            return super().stream()
        return _Stream(tts=self, conn_options=conn_options)

    def prewarm(self) -> None:
        self.prewarmed += 1

    async def aclose(self) -> None:
        self.closed += 1

    def frames(self, text: str) -> Iterator[rtc.AudioFrame]:
        if not self.silent:
            yield from frames_of(text, self.characters)


class _Text(ChunkedStream):
    _tts: Speaker

    async def _run(self) -> None:
        self._tts.options.append(self._conn_options)
        self._tts.asked.append(self._input_text)
        fault = self._tts.next_fault()
        sent = 0
        for frame in self._tts.frames(self._input_text):
            if fault is not None and sent == fault.at:
                await fault.strike()
            await asyncio.sleep(self._tts.frame_seconds)
            self._event_ch.send_nowait(SynthesizedAudio(frame, f"request-{self._tts.attempts}"))
            sent += 1
        if fault is not None and sent <= fault.at:
            await fault.strike()


class _Stream(SynthesizeStream):
    _tts: Speaker

    async def _run(self) -> None:
        self._tts.options.append(self._conn_options)
        fault = self._tts.next_fault()
        sent, text = 0, ""
        async for item in self._input_ch:
            if isinstance(item, str):
                self._mark_started()
                text += item
                continue
            self._tts.asked.append(text)
            number = len(self._tts.asked)
            frames = list(self._tts.frames(text))
            for frame in frames:
                if fault is not None and sent == fault.at:
                    await fault.strike()
                await asyncio.sleep(self._tts.frame_seconds)
                self._event_ch.send_nowait(
                    SynthesizedAudio(frame, f"request-{number}", frame is frames[-1], f"segment-{number}")
                )
                sent += 1
            text = ""
        if fault is not None and sent <= fault.at:
            await fault.strike()
