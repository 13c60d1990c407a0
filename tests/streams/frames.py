"""Audio whose every sample says where it was."""

from __future__ import annotations

import array

from livekit import rtc

RATE = 1000
"""One sample per millisecond, so that positions can be read."""


def frame(start_ms: int, length_ms: int) -> rtc.AudioFrame:
    """Return a frame in which each sample is its own position in milliseconds."""
    return rtc.AudioFrame(array.array("h", range(start_ms, start_ms + length_ms)).tobytes(), RATE, 1, length_ms)


def positions(*frames: object) -> list[int]:
    """Return the positions that the frames are made of."""
    found: list[int] = []
    for each in frames:
        if isinstance(each, rtc.AudioFrame):
            found.extend(memoryview(each.data).cast("B").cast("h"))
    return found
