"""How long do the packages of the speech layer take to import, each alone, beyond the root package?"""

from __future__ import annotations

from typing import Final

from benchmarks.program import run_program
from benchmarks.question import Measure, Question, Setting

REPETITIONS: Final = 3


async def measure(setting: Setting) -> dict[str, float]:
    told = (await run_program(setting.framework, "imports", repetitions=REPETITIONS)).values()
    return {
        "import": max(each["ms"] for each in told),
        "import_heavy": len({name for each in told for name in each["heavy"]}),
        "import_whole": max(each["whole_ms"] for each in told),
    }


QUESTION = Question(
    "import of the speech layer's packages",
    (
        Measure(
            "import",
            "`import lk_agents.stt`, tts, llm, ... each alone beyond the root package, no name used: the slowest",
            "ms",
            30,
            own=True,
        ),
        Measure("import_heavy", "the same: media, codecs, HTTP clients and vendors' libraries loaded", "", 0, own=True),
        Measure("import_whole", "the same, every public name of the package used as well: the slowest", "ms", own=True),
    ),
    measure,
)
