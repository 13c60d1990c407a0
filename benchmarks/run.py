"""The order of measuring: every question, the frameworks in turn, again and again."""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmarks.failure import MeasurementError
from benchmarks.figures import written
from benchmarks.frameworks import Framework
from benchmarks.ground import Ground
from benchmarks.question import Effort, Question, Setting
from benchmarks.results import Results
from benchmarks.worker import BenchWorker

__all__ = ["measure_all"]


async def measure_all(
    questions: Sequence[Question], frameworks: Sequence[Framework], effort: Effort, *, runs: int
) -> Results:
    """Measure, telling the user where it is. A question that fails is told, noted, and does not stop the others.

    :raises MeasurementError: a framework cannot even run one job.
    """
    results = Results()
    async with Ground.open() as ground:
        for framework in frameworks:
            await _rehearse(framework, ground)
        for run in range(1, runs + 1):
            for question in questions:
                if not question.is_for(run):
                    continue
                print(f"run {run} of {runs}: {question.name}", flush=True)
                for framework in filter(question.is_asked_of, frameworks):
                    await _ask(question, Setting(framework, ground, effort), results, run)
    return results


async def _rehearse(framework: Framework, ground: Ground) -> None:
    """Run one job: it must work at all, and what is compiled or read from the disk once is so before it counts."""
    print(f"trying {framework.name}", flush=True)
    async with BenchWorker.running(framework, ground) as worker:
        await worker.wait_registered()
        await worker.wait_warm()
        await worker.run_job(*await ground.make_rooms(1), join=True)
        await worker.wait_warm()


async def _ask(question: Question, setting: Setting, results: Results, run: int) -> None:
    name, began = setting.framework.name, time.monotonic()
    try:
        answer = await question.measure(setting)
        if answer.keys() != {measure.key for measure in question.measures}:
            raise MeasurementError(f"the question was answered with {sorted(answer)}")
    except MeasurementError as error:
        results.failures.append(f"run {run}, {question.name}, {error}")
        print(f"  {name:24} FAILED: {error}", flush=True)
        return
    finally:
        results.judge(name, setting.verdicts)
    results.add(name, answer, run)
    told = "; ".join(f"{one.key} {written(answer[one.key])} {one.unit}".rstrip() for one in question.measures)
    print(f"  {name:24} {told}   [{time.monotonic() - began:.0f} s]", flush=True)
