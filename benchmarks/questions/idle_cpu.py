"""What CPU time does a worker take that does nothing but wait, with three warm processes?

Each framework measures its load here as it does by default: that is a part of what waiting costs.
"""

from __future__ import annotations

import asyncio
import time

from benchmarks.failure import MeasurementError
from benchmarks.processes import cpu_seconds
from benchmarks.question import Measure, Question, Setting
from benchmarks.worker import BenchWorker


async def measure(setting: Setting) -> dict[str, float]:
    async with BenchWorker.running(setting.framework, setting.ground, own_load=True) as worker:
        await worker.wait_settled(setting.effort.settle_seconds)
        family = worker.family.pids()
        began, before = time.monotonic(), cpu_seconds(family)
        await asyncio.sleep(setting.effort.cpu_seconds)
        after, lasted = cpu_seconds(family), time.monotonic() - began
        await worker.wait_warm()
        if worker.family.pids() != family:
            raise MeasurementError("processes came or went in a worker that has nothing to do")
        return {"idle_cpu": (sum(after.values()) - sum(before.values())) / lasted * 100}


QUESTION = Question(
    "CPU time of an idle worker",
    (Measure("idle_cpu", "CPU of an idle worker with 3 warm processes, of one core", "%", 0.3),),
    measure,
)
