"""How long does a job take from the server's question until its entrypoint runs, in a process that is warm?"""

from __future__ import annotations

import statistics

from benchmarks.failure import MeasurementError
from benchmarks.question import Measure, Question, Setting
from benchmarks.worker import BenchWorker


async def measure(setting: Setting) -> dict[str, float]:
    async with BenchWorker.running(setting.framework, setting.ground) as worker:
        await worker.wait_registered()
        for room in await setting.ground.make_rooms(setting.effort.samples):
            warm = await worker.wait_warm()
            if (pid := await worker.run_job(room)) not in warm:
                raise MeasurementError(f"the job ran in process {pid}, which was not warm")
        asked = {entry.fields["job"]: entry.at for entry in worker.journal.of("asked")}
        times = [entry.at - asked[entry.fields["job"]] for entry in worker.journal.of("entered")]
        return {"latency": statistics.median(times) * 1000}


QUESTION = Question(
    "latency of a job",
    (Measure("latency", "availability request until the entrypoint runs, warm, median", "ms", 1.5),),
    measure,
)
