"""How long does it take to cut audio, written 20 ms at a time, into frames?"""

from __future__ import annotations

from typing import Final

from benchmarks.failure import MeasurementError
from benchmarks.program import run_program
from benchmarks.question import Measure, Question, Setting, Share
from benchmarks.speech.chunks import WRITES_IN_A_FRAME

FRAMES: Final = 60_000


async def measure(setting: Setting) -> dict[str, float]:
    frames = setting.effort.of(FRAMES)
    told = await run_program(setting.framework, "chunks", writes=frames * WRITES_IN_A_FRAME)
    if told["frames"] != frames or not told["whole"]:
        raise MeasurementError(f"{told['frames']} frames instead of {frames}, or the last one is not what was written")
    return {"chunks": told["seconds_per_gb"]}


QUESTION = Question(
    "cutting audio into frames",
    (
        Measure(
            "chunks",
            "AudioByteStream, writes of 20 ms at 48 kHz: CPU per GB",
            "s",
            share=Share(0.5, "livekit-agents 0.12.21"),
        ),
    ),
    measure,
)
