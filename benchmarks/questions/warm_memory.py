"""What does a worker weigh that keeps three processes warm, and what each of these?"""

from __future__ import annotations

import statistics

from benchmarks.processes import private_mb, pss_mb
from benchmarks.question import Measure, Question, Setting
from benchmarks.worker import BenchWorker


async def measure(setting: Setting) -> dict[str, float]:
    async with BenchWorker.running(setting.framework, setting.ground) as worker:
        warm = await worker.wait_settled(setting.effort.settle_seconds)
        family = worker.family.pids()
        return {
            "idle_uss": statistics.median(private_mb(pid) for pid in warm),
            "warm_pss": pss_mb(family),
            "warm_uss": sum(private_mb(pid) for pid in family),
        }


QUESTION = Question(
    "memory of a worker with 3 warm processes",
    (
        Measure("idle_uss", "private memory (USS) of an idle job process", "MB", 3.5),
        Measure("warm_pss", "total PSS of worker, helpers and 3 warm processes", "MB", 90),
        Measure("warm_uss", "the same as a sum of private memory (USS), which leaves out what they share", "MB"),
    ),
    measure,
)
