"""How long does a worker take from its start until the server knows it and three processes are warm?"""

from __future__ import annotations

from benchmarks.question import Measure, Question, Setting
from benchmarks.worker import WARM, BenchWorker


async def measure(setting: Setting) -> dict[str, float]:
    async with BenchWorker.running(setting.framework, setting.ground) as worker:
        registered = await worker.wait_registered()
        await worker.wait_warm()
        warm = worker.journal.of("prewarmed")[WARM - 1].at
        return {"start": max(registered, warm) - worker.started, "registered": registered - worker.started}


QUESTION = Question(
    "start of a worker",
    (
        Measure("start", "start of the worker until registered with 3 warm processes", "s", 0.8),
        Measure("registered", "start of the worker until registered", "s"),
    ),
    measure,
)
