"""What does a worker weigh that keeps three processes warm, and what each of these?"""

from __future__ import annotations

import statistics

from benchmarks.processes import private_mb, pss_mb
from benchmarks.question import Measure, Question, Setting
from benchmarks.worker import BenchWorker


async def measure(setting: Setting) -> dict[str, float]:
    async with BenchWorker.running(setting.framework, setting.ground) as worker:
        warm = await worker.wait_settled(setting.effort.settle_seconds)
        return {
            "idle_uss": statistics.median(private_mb(pid) for pid in warm),
            "warm_pss": pss_mb(worker.family.pids()),
        }


QUESTION = Question(
    "memory of a worker with 3 warm processes",
    (
        Measure("idle_uss", "private memory (USS) of an idle job process", "MB", 3.5),
        Measure("warm_pss", "total PSS of worker, helpers and 3 warm processes", "MB", 90),
    ),
    measure,
)
