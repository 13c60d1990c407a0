"""How long does a new process take until it is ready for a job?

Asked of the pools themselves: each notes when it wants a process and when it has it. One at a time: a job that only
sits there takes a warm process, and the pool replaces it.
"""

from __future__ import annotations

import statistics

from benchmarks.failure import MeasurementError
from benchmarks.question import Measure, Question, Setting
from benchmarks.worker import WARM, BenchWorker


async def measure(setting: Setting) -> dict[str, float]:
    async with BenchWorker.running(setting.framework, setting.ground, spy=True) as worker:
        await worker.wait_registered()
        rooms = await setting.ground.make_rooms(setting.effort.samples)
        for room in rooms:
            await worker.wait_warm()
            await worker.run_job(room)
        await worker.wait_warm()
        asked = worker.journal.of("forking")[WARM:]
        ready = {entry.fields["executor"]: entry.at for entry in worker.journal.of("ready")}
        times = [ready[entry.fields["executor"]] - entry.at for entry in asked if entry.fields["executor"] in ready]
        if len(times) != len(rooms):
            raise MeasurementError(f"{len(times)} processes replaced the {len(rooms)} that jobs have taken")
        return {"fork": statistics.median(times) * 1000}


QUESTION = Question(
    "a new process",
    (Measure("fork", "fork request until the process is ready, median", "ms", 10),),
    measure,
)
