"""How long does a caller wait for his answer, how fast does he silence the agent, and what does the agent take?

One conversation by a real server: twelve phrases of speech, nine of them said into the agent's answer. Everything is
measured in the caller, from samples sent and received. Recogniser, model and voice are scripted and answer at once, and
an agent takes its turn after 0.5 s: what is above that, the way, and what else the framework waits for, is its own.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from benchmarks.failure import MeasurementError
from benchmarks.program import run_program
from benchmarks.question import Effort, Measure, Question, Setting
from benchmarks.talk.conversation import floor_ms, hold
from benchmarks.talk.script import ENDPOINTING_SECONDS
from benchmarks.talk.turns import Turn

TURNS: Final = 12
FEWEST: Final = 4
BEEPS: Final = 6

ENDPOINTING: Final = ENDPOINTING_SECONDS * 1000
TIMERS: Final[Mapping[str, Callable[[float], float]]] = {
    "lk_agents": lambda _: ENDPOINTING,
    "livekit_agents_0": lambda hangover: hangover + ENDPOINTING,
    "livekit_agents_1": lambda hangover: max(hangover, ENDPOINTING),
}
"""What each framework waits for after the last loud sample, in milliseconds, given when its detector says that it was
the last: lk-agents counts the delay from the speech, 0.12 from the detector's word, 1.8 from the speech, but not before
the detector's word."""


async def measure(setting: Setting) -> dict[str, float]:
    interruptions = plan(setting.effort)
    floor = await floor_ms(setting.ground, BEEPS)
    hangovers = await run_program(setting.framework, "hangover")
    timers = [TIMERS[setting.framework.dialect](each) for each in hangovers]
    talk = await hold(setting, 1, interruptions)
    silencing = [turn.silencing for turn in talk.turns if turn.silencing is not None]
    return {
        "turn": statistics.median(talk.responses_ms),
        "turn_own": own_ms(talk.turns, timers, floor),
        "barge_in": statistics.median(silencing) * 1000,
        "talk_cpu": talk.cpu_percent,
        "talk_uss": talk.uss_mb,
        "talk_gaps": len(talk.gaps),
        "talk_floor": floor,
    }


def plan(effort: Effort) -> list[bool]:
    """Return for each phrase whether it is said into the answer to the one before: all but two, and the last."""
    return [False, False, *[True] * (max(FEWEST, effort.of(TURNS)) - 3), False]


def own_ms(turns: Sequence[Turn], timers: Sequence[float], floor: float) -> float:
    """Return how long the agent itself took, the median; 0 if the way took longer in the calls that measured it.

    :param timers: what it waits for after each of the phrases, which are said in turn.
    :param floor: what the way takes, there and back.
    :raises MeasurementError: a turn was not answered.
    """
    own = []
    for index, turn in enumerate(turns):
        if turn.response is None:
            raise MeasurementError(f"turn {index + 1} was not answered")
        own.append(turn.response * 1000 - timers[index % len(timers)] - floor)
    return max(0.0, statistics.median(own))


QUESTION = Question(
    "turns of a conversation",
    (
        Measure("turn", "conversation: caller's last loud sample until the agent's first one, p50", "ms", 650),
        Measure(
            "turn_own",
            "the same without the way, the 0.5 s of patience and the detector's END, if waited for",
            "ms",
            25,
        ),
        Measure("barge_in", "caller interrupts: his first loud sample until the agent's last one, p50", "ms", 615),
        Measure("talk_cpu", "CPU of the worker's processes in a conversation, of one core", "%", 13),
        Measure("talk_uss", "private memory (USS) of the job's process in a conversation", "MB", 36),
        Measure("talk_gaps", "gaps over 40 ms while the agent speaks", "", 0),
        Measure("talk_floor", "of a turn, the way: a sound and the answer of somebody who answers at once", "ms"),
    ),
    measure,
)
