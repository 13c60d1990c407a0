"""How long do callers wait for their answers when one worker talks with four of them at once?"""

from __future__ import annotations

from typing import Final

from benchmarks.figures import percentile
from benchmarks.question import Measure, Question, Setting
from benchmarks.talk.conversation import hold

CONVERSATIONS: Final = 4
TURNS: Final = 6
FEWEST: Final = 2


async def measure(setting: Setting) -> dict[str, float]:
    talk = await hold(setting, CONVERSATIONS, [False] * max(FEWEST, setting.effort.of(TURNS)))
    return {
        "turn_of_4": percentile(talk.responses_ms, 0.95),
        "missed_of_4": sum(turn.response is None for turn in talk.turns),
    }


QUESTION = Question(
    f"{CONVERSATIONS} conversations at once",
    (
        Measure("turn_of_4", "4 conversations at once: last loud sample until the agent's first one, p95", "ms", 750),
        Measure("missed_of_4", "4 conversations at once: turns without an answer", "", 0),
    ),
    measure,
)
