"""What does a worker weigh with eight jobs that sit in their rooms, and what each of these?"""

from __future__ import annotations

import statistics

from benchmarks.failure import MeasurementError
from benchmarks.processes import is_alive, private_mb, pss_mb
from benchmarks.question import Measure, Question, Setting
from benchmarks.worker import BenchWorker

JOBS = 8


async def measure(setting: Setting) -> dict[str, float]:
    async with BenchWorker.running(setting.framework, setting.ground) as worker:
        await worker.wait_registered()
        jobs = []
        for room in await setting.ground.make_rooms(JOBS):
            await worker.wait_warm()  # as the wait is short, not more than one job starts at a time
            jobs.append(await worker.run_job(room, join=True))
        await worker.wait_settled(setting.effort.settle_seconds)
        if len(set(jobs)) != JOBS or not all(is_alive(pid) for pid in jobs):
            raise MeasurementError(f"not all of the {JOBS} jobs are still there")
        await setting.ground.check_agents(JOBS)
        return {
            "jobs_pss": pss_mb(worker.family.pids()),
            "job_uss": statistics.median(private_mb(pid) for pid in jobs),
        }


QUESTION = Question(
    "memory of a worker with 8 connected jobs and 3 warm processes",
    (
        Measure("jobs_pss", "total PSS with 8 connected idle jobs and 3 warm processes", "MB", 205),
        Measure("job_uss", "private memory (USS) of a connected idle job", "MB", 14),
    ),
    measure,
)
