"""Speech in which each sample says where it was."""

from __future__ import annotations

import array
from collections.abc import AsyncIterable, Iterator

from livekit import rtc

from lk_agents.media.playout import Playout

RATE = 1000
"""One sample per millisecond, so that positions can be read."""
FRAME_MS = 20


def frame(start_ms: int, length_ms: int = FRAME_MS, *, channels: int = 1, rate: int = RATE) -> rtc.AudioFrame:
    """Return a frame in which each sample is its own position; every channel says the same."""
    samples = array.array("h", (n % 32_000 for n in range(start_ms, start_ms + length_ms) for _ in range(channels)))
    return rtc.AudioFrame(samples.tobytes(), rate, channels, length_ms)


def frames(length_ms: int, *, each: int = FRAME_MS, start: int = 0, channels: int = 1) -> Iterator[rtc.AudioFrame]:
    """Yield frames that last ``length_ms`` in all."""
    for begin in range(start, start + length_ms, each):
        yield frame(begin, min(each, start + length_ms - begin), channels=channels)


def samples(audio: bytes) -> list[int]:
    """Return the samples of what was played."""
    return list(memoryview(audio).cast("h"))


async def say(playout: Playout, length_ms: int, **how: int) -> None:
    """Push a whole speech."""
    for each in frames(length_ms, **how):
        await playout.push(each)
    playout.end_input()


async def drain(frames: AsyncIterable[rtc.AudioFrame]) -> list[rtc.AudioFrame]:
    """Return all frames up to the end."""
    return [each async for each in frames]
