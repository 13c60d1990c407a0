"""What does a worker weigh that keeps no process warm?"""

from __future__ import annotations

import asyncio

from benchmarks.processes import pss_mb
from benchmarks.question import Measure, Question, Setting
from benchmarks.worker import BenchWorker


async def measure(setting: Setting) -> dict[str, float]:
    async with BenchWorker.running(setting.framework, setting.ground, warm=0) as worker:
        await worker.wait_registered()
        await asyncio.sleep(setting.effort.settle_seconds)
        await worker.wait_warm(0)
        return {"cold_pss": pss_mb(worker.family.pids())}


QUESTION = Question(
    "memory of a worker with no warm process",
    (Measure("cold_pss", "total PSS of worker and helpers, none warm", "MB", 90),),
    measure,
)
