"""How long after the last loud sample of a phrase the detector says that it is over, in the time of the stream.

The frameworks wait for that, or do not; it is the detector's affair, and none of the agent's speed.
"""

from __future__ import annotations

import asyncio
import statistics
from typing import Any, Final

from benchmarks.speech.dialects import Dialect

__all__ = ["run"]

WINDOW_SECONDS: Final = 0.032
STEPS: Final = 8
"""A phrase begins anywhere in a window: it is tried at so many places."""
BEFORE_SECONDS: Final = 1.0
AFTER_SECONDS: Final = 2.0


def run(dialect: Dialect) -> list[float]:
    """Return that time in milliseconds for each of the callers' phrases, on average."""
    return asyncio.run(_all(dialect))


async def _all(dialect: Dialect) -> list[float]:
    from benchmarks.talk.sound import phrases

    detector = dialect.silero()
    return [
        statistics.mean([await _hangover(dialect, detector, phrase, step) for step in range(STEPS)]) * 1000
        for phrase in phrases()
    ]


async def _hangover(dialect: Dialect, detector: Any, phrase: Any, step: int) -> float:
    import numpy as np
    from livekit import rtc

    from benchmarks.talk.sound import RATE, hush

    kinds, stream = dialect.part("vad").VADEventType, detector.stream()
    frame = RATE // 100
    before = BEFORE_SECONDS + step * WINDOW_SECONDS / STEPS
    sound = np.concatenate([hush(before), phrase.samples, hush(AFTER_SECONDS)])
    for start in range(0, len(sound) - frame + 1, frame):
        stream.push_frame(rtc.AudioFrame(sound[start : start + frame].tobytes(), RATE, 1, frame))
    stream.end_input()
    windows, end = 0, 0
    async for event in stream:
        windows += event.type == kinds.INFERENCE_DONE
        end = windows if event.type == kinds.END_OF_SPEECH else end
    await stream.aclose()
    return float(end * WINDOW_SECONDS - before - phrase.last / RATE)
