"""What the tests of the console have in common: a screen that remembers, lines without a keyboard, loud samples."""

from __future__ import annotations

import array
import asyncio
import wave
from pathlib import Path

from lk_agents.foundation import clock
from lk_agents.media import TextSegment
from lk_agents.utils.aio import Chan, ChanClosed

RATE = 24_000
LOUD = 500


class RememberingScreen:
    def __init__(self) -> None:
        self.segments: list[TextSegment] = []
        self.texts: list[tuple[float, str]] = []
        self.states: list[str] = []

    def show_text(self, segment: TextSegment, *, by_user: bool) -> None:
        self.segments.append(segment)
        self.texts.append((clock.monotonic(), f"{'user' if by_user else 'agent'}: {segment.text}"))

    def show_state(self, state: str) -> None:
        self.states.append(state)


class MemoryLines:
    def __init__(self, *lines: str) -> None:
        self.over = asyncio.Event()
        self.lines: Chan[str] = Chan()
        for line in lines:
            self.lines.send_nowait(line)

    def __aiter__(self) -> MemoryLines:
        return self

    async def __anext__(self) -> str:
        try:
            return await self.lines.recv()
        except ChanClosed:
            self.over.set()
            raise StopAsyncIteration from None


def loud(seconds: float, *, rate: int = 16_000, channels: int = 1) -> bytes:
    """Return a tone."""
    samples = [6_000 if n // 30 % 2 else -6_000 for n in range(round(seconds * rate)) for _ in range(channels)]
    return array.array("h", samples).tobytes()


def silence(seconds: float, *, rate: int = 16_000, channels: int = 1) -> bytes:
    return bytes(round(seconds * rate) * channels * 2)


def write_wav(path: Path, data: bytes, *, rate: int = 16_000, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return path


def read_channels(path: Path) -> tuple[int, list[array.array[int]]]:
    """Return the rate of a file, and the samples of each of its channels."""
    with wave.open(str(path), "rb") as file:
        samples = array.array("h", file.readframes(file.getnframes()))
        return file.getframerate(), [samples[n :: file.getnchannels()] for n in range(file.getnchannels())]


def loud_parts(samples: array.array[int], rate: int) -> list[tuple[float, float]]:
    """Return from when to when there is sound, in seconds, to 10 ms."""
    step, found, began = rate // 100, [], None
    for start in range(0, len(samples) + step, step):
        block = samples[start : start + step]
        is_loud = bool(block) and max(map(abs, block)) > LOUD
        if is_loud and began is None:
            began = start / rate
        elif not is_loud and began is not None:
            found.append((round(began, 2), round(start / rate, 2)))
            began = None
    return found
