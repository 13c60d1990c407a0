"""How long does the sentence tokenizer take for text that comes in tokens of four characters?

Each framework's default for text to speech. How many sentences it finds is its own affair; that no character is lost is
proven.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.failure import MeasurementError
from benchmarks.program import run_program
from benchmarks.question import Measure, Question, Setting, Share

CHARACTERS: Final = 200_000
LONGEST: Final = 500
"""Who finds longer sentences in these texts has not looked for them."""
TEXTS: Final = {"english": "English", "mixed": "eleven languages"}
THIRD: Final = Share(1 / 3, "livekit-agents 0.12.21")


async def measure(setting: Setting) -> dict[str, float]:
    told = await run_program(setting.framework, "sentences", characters=setting.effort.of(CHARACTERS))
    check(told)
    return {f"sentences_{name}": told[f"{name}_seconds_per_million"] for name in TEXTS}


def check(told: Mapping[str, Any]) -> None:
    """Look whether the text was cut, and is all there.

    :raises MeasurementError: it was not, or is not.
    """
    for name in TEXTS:
        if not told[f"{name}_whole"]:
            raise MeasurementError(f"{name}: the sentences have other characters than the text")
        if told[f"{name}_longest"] > LONGEST:
            raise MeasurementError(f"{name}: a sentence has {told[f'{name}_longest']} characters")


QUESTION = Question(
    "sentence tokenizer",
    tuple(
        Measure(f"sentences_{name}", f"sentences out of tokens, {title}: CPU per million characters", "s", share=THIRD)
        for name, title in TEXTS.items()
    ),
    measure,
)
