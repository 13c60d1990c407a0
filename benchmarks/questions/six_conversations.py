"""What becomes of six conversations at once, which are more than two cores can hold under the older frameworks?

The callers share the processor with the agents. A caller says his next phrase when the agent has been quiet for a
second: who stops for so long in the middle of an answer speaks over the caller afterwards.
"""

from __future__ import annotations

import statistics
from typing import Final

from benchmarks.question import Measure, Question, Setting
from benchmarks.talk.conversation import hold

CONVERSATIONS: Final = 6
TURNS: Final = 6
FEWEST: Final = 2


async def measure(setting: Setting) -> dict[str, float]:
    talk = await hold(setting, CONVERSATIONS, [False] * max(FEWEST, setting.effort.of(TURNS)))
    return {
        "turn_of_6": statistics.median(talk.responses_ms),
        "quiet_of_6": sum(talk.gaps),
        "over_of_6": sum(turn.spoken_over for turn in talk.turns),
        "missed_of_6": sum(turn.response is None for turn in talk.turns),
    }


QUESTION = Question(
    f"{CONVERSATIONS} conversations at once",
    (
        Measure("turn_of_6", "6 conversations at once: last loud sample until the agent's first one, p50", "ms", 800),
        Measure("quiet_of_6", "6 conversations at once: quiet time inside the agents' answers, in all", "s", 0),
        Measure("over_of_6", "6 conversations at once: turns in which the agent spoke over the caller", "", 0),
        Measure("missed_of_6", "6 conversations at once: turns without an answer", "", 0),
    ),
    measure,
)
