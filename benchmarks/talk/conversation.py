"""Holds conversations with a worker of one framework, and measures the way that sound takes."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.failure import MeasurementError
from benchmarks.frameworks import HERE, OURS, Framework
from benchmarks.ground import Ground
from benchmarks.processes import cpu_seconds, private_mb
from benchmarks.question import Setting
from benchmarks.talk.callers import Callers, tokens
from benchmarks.talk.proof import Conversation, Requests, check
from benchmarks.talk.turns import Turn
from benchmarks.worker import BenchWorker

__all__ = ["Talk", "floor_ms", "hold"]

TURN_SECONDS: Final = 40.0
"""Nobody needs longer for one, whatever the agent does."""
BEEP_SECONDS: Final = 5.0
CALLS: Final = 3
"""Calls that tell what the way takes: within one, the clocks of all who take part stand to each other as they do."""


@dataclass(frozen=True)
class Talk:
    """Conversations that were held at once.

    :param cpu_percent: of one core, of all the worker's processes, while they were held.
    :param uss_mb: private memory of a job's process at the end, the median.
    """

    conversations: Sequence[Conversation]
    cpu_percent: float
    uss_mb: float

    @property
    def turns(self) -> list[Turn]:
        """All turns."""
        return [turn for each in self.conversations for turn in each.turns]

    @property
    def responses_ms(self) -> list[float]:
        """How long the caller waited, for each turn that was answered."""
        return [turn.response * 1000 for turn in self.turns if turn.response is not None]

    @property
    def gaps(self) -> list[float]:
        """All quiet times within answers, in seconds."""
        return [gap for each in self.conversations for gap in each.gaps]


async def hold(setting: Setting, count: int, interruptions: Sequence[bool]) -> Talk:
    """Hold conversations at once, each in a room of its own.

    :param interruptions: for each phrase of a conversation, whether it interrupts the answer to the one before.
    :raises MeasurementError: one did not come about, or went otherwise than planned.
    """
    ground = setting.ground
    async with BenchWorker.running(_talking(setting.framework), ground, warm=1) as worker:
        await worker.wait_registered()
        rooms, jobs = await ground.make_rooms(count), []
        for room in rooms:
            await worker.wait_warm(1)
            jobs.append(await worker.run_job(room, join=True))
        await worker.wait_settled(setting.effort.settle_seconds, warm=1)
        parameters = {"callers": tokens(ground, rooms, "caller"), "interruptions": list(interruptions)}
        async with Callers.ready(ground, parameters) as callers:
            family = worker.family.pids()
            began, before = time.monotonic(), cpu_seconds(family)
            told = await callers.work(seconds=TURN_SECONDS * (len(interruptions) + 1))
            if worker.family.pids() != family:
                raise MeasurementError("processes came or went while the agents talked")
            after, lasted = cpu_seconds(family), time.monotonic() - began
            uss = statistics.median([await asyncio.to_thread(private_mb, pid) for pid in jobs])
        conversations = [Conversation.of(room, each) for room, each in zip(rooms, told, strict=True)]
        for each in conversations:
            requests = Requests.of(worker.journal, each.room)
            check(each, requests, interruptions, alone=count == 1, once=setting.framework is not OURS)
        return Talk(conversations, (sum(after.values()) - sum(before.values())) / lasted * 100, uss)


async def floor_ms(ground: Ground, beeps: int) -> float:
    """Return what the way takes, there and back, in a room with somebody who answers at once: the median.

    :raises MeasurementError: a beep was not answered.
    """
    found: list[float] = []
    for room in await ground.make_rooms(CALLS):
        joining = {name: tokens(ground, [room], name) for name in ("callers", "echo")}
        async with Callers.ready(ground, {**joining, "count": beeps}) as callers:
            [answers] = await callers.work(seconds=BEEP_SECONDS * beeps)
            found += answers
    return statistics.median(found) * 1000


def _talking(framework: Framework) -> Framework:
    """Return the framework with the agent that talks, and with all of its plugins."""
    return replace(framework, program=HERE / "talk" / f"{framework.dialect}_program.py", worker_settings={})
