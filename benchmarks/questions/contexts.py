"""What does a turn take that copies the chat context and appends a message, the longer the conversation is?"""

from __future__ import annotations

from typing import Final

from benchmarks.failure import MeasurementError
from benchmarks.program import run_program
from benchmarks.question import Measure, Question, Setting

LENGTHS: Final = (100, 500, 2000)
MESSAGES: Final = 400_000
GROWTH: Final = 2.0
"""What grows with the length would be 1 here, with the processor's caches a little more; with its square, 4."""


async def measure(setting: Setting) -> dict[str, float]:
    told = await run_program(setting.framework, "contexts", lengths=LENGTHS, messages=setting.effort.of(MESSAGES))
    for length in LENGTHS:
        if told[f"messages_{length}"] != length + 1 or not told[f"untouched_{length}"]:
            raise MeasurementError(f"a copy of {length} messages and one more has {told[f'messages_{length}']}")
    growth = (told["us_2000"] / 2000) / (told["us_500"] / 500)
    return {f"context_{length}": told[f"us_{length}"] for length in LENGTHS} | {"context_growth": growth}


QUESTION = Question(
    "chat context",
    (
        *[
            Measure(f"context_{length}", f"a turn's copy of {length} messages, and one more: CPU", "µs")
            for length in LENGTHS
        ],
        Measure("context_growth", "what a message costs at 2,000 messages, over what it costs at 500", "", GROWTH),
    ),
    measure,
)
