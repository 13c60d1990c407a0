"""How long does a job take from the server's question until its entrypoint runs, in a process that is warm?

The question counts from the moment at which the worker has read and decoded it. Included: the user's request function,
the server's answer to the acceptance, and the hand-over to the process.
"""

from __future__ import annotations

import statistics

from benchmarks.failure import MeasurementError
from benchmarks.question import Measure, Question, Setting
from benchmarks.worker import BenchWorker

NOTED_SECONDS = 5.0
"""The spies write what they note a moment later."""


async def measure(setting: Setting) -> dict[str, float]:
    async with BenchWorker.running(setting.framework, setting.ground, spy=True) as worker:
        await worker.wait_registered()
        for room in await setting.ground.make_rooms(setting.effort.samples):
            warm = await worker.wait_warm()
            if (pid := await worker.run_job(room)) not in warm:
                raise MeasurementError(f"the job ran in process {pid}, which was not warm")
        jobs = len(worker.journal.of("entered"))
        await worker.journal.until(
            lambda: len(worker.journal.of("offered")) >= jobs, what="the offers of all jobs", seconds=NOTED_SECONDS
        )
        offered = {entry.fields["job"]: entry.at for entry in worker.journal.of("offered")}
        times = [entry.at - offered[entry.fields["job"]] for entry in worker.journal.of("entered")]
        return {"latency": statistics.median(times) * 1000}


QUESTION = Question(
    "latency of a job",
    (Measure("latency", "availability request until the entrypoint runs, warm, median", "ms", 1.5),),
    measure,
)
