"""How long does a test of five minutes of conversation take, in virtual time, with the providers of the test kit?

Frames of 20 ms come from the caller and go to him; streams, adapters, forwarders and playout are the real ones.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.failure import MeasurementError
from benchmarks.program import run_program
from benchmarks.question import Measure, Question, Setting

LASTS_SECONDS: Final = 290.0


async def measure(setting: Setting) -> dict[str, float]:
    told = await run_program(setting.framework, "conversation", interpreter=Path(sys.executable))
    check(told)
    return {"conversation": told["seconds"]}


def check(told: Mapping[str, Any]) -> None:
    """Look whether the conversation was held.

    :raises MeasurementError: it was shorter, or something was not understood or not answered.
    """
    replies = told["answered"] + told["interrupted"]
    if told["lasted"] < LASTS_SECONDS or not told["wanted_understood"] == told["understood"] == replies:
        raise MeasurementError(f"the conversation was not held as it is written: {dict(told)}")


QUESTION = Question(
    "five minutes of conversation",
    (Measure("conversation", "five minutes of conversation with the test kit, in real time", "s", 5, own=True),),
    measure,
)
