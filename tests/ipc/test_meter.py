"""What is measured in jobs reaches the worker: now and then, at the job's end, and whatever becomes of the process."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest
from tests.ipc.pools import job, processes, threads, until
from tests.metrics import made

from lk_agents.hooks.registry import PluginRegistry
from lk_agents.ipc.child import JobChild
from lk_agents.ipc.messages import EndReported, FromChild, Initialize, JobEnded, Measured, StartJob
from lk_agents.ipc.meter import TELL_SECONDS, Meter
from lk_agents.ipc.program import Program
from lk_agents.ipc.zygote import zygotes_work_here
from lk_agents.metrics.publish import publish
from lk_agents.metrics.totals import Totals
from lk_agents.testing.job import job_spec
from lk_agents.utils.events import EventEmitter

ANSWERS = "lk_agents_llm_requests_total\tacme\t\tok"
DEATHS = "lk_agents_process_deaths_total\trunning"


def answers(told: Measured) -> float:
    return told.counts.get(ANSWERS, 0.0)


async def test_records_are_added_up_and_told_after_a_while(lk_clock: object) -> None:
    said: list[Any] = []
    meter = Meter(said.append)
    for _ in range(1000):
        meter.record(made.LLM)
    await asyncio.sleep(TELL_SECONDS - 0.1)
    assert said == []

    await asyncio.sleep(0.2)

    (told,) = said
    assert answers(told) == 1000
    assert sum(told.spreads["lk_agents_llm_ttft_seconds\tacme\t"][1:]) == 1000


async def test_nothing_is_told_twice_and_nothing_where_there_is_nothing(lk_clock: object) -> None:
    said: list[Any] = []
    meter = Meter(said.append)
    meter.tell()
    meter.record(made.LLM)
    meter.tell()
    meter.tell()
    await asyncio.sleep(3 * TELL_SECONDS)

    assert [answers(told) for told in said] == [1]


async def test_a_worker_that_does_not_read_is_told_when_it_does(lk_clock: object) -> None:
    said: list[Any] = []
    congested = True
    meter = Meter(said.append, lambda: congested)
    for _ in range(10):
        meter.record(made.LLM)
        await asyncio.sleep(TELL_SECONDS)
    assert said == []

    congested = False
    await asyncio.sleep(TELL_SECONDS)

    assert [answers(told) for told in said] == [10]


async def _measures(ctx: Any) -> None:
    publish(EventEmitter[str](), made.LLM)
    await asyncio.get_running_loop().create_task(_in_a_task())
    ctx.shutdown("measured")


async def _in_a_task() -> None:
    publish(EventEmitter[str](), made.LLM)


async def test_what_was_measured_is_told_before_the_end_of_the_job() -> None:
    said: list[FromChild] = []
    program = Program(entrypoint=_measures, prewarm=None, registry=PluginRegistry())

    def say(message: FromChild) -> None:
        said.append(message)
        if isinstance(message, JobEnded):
            child.receive(EndReported())

    init = Initialize(executor_id=1, worker_pid=1, beat_seconds=1, shutdown_seconds=2)
    child = JobChild(program, init, send=say, send_now=say)
    assert child.warm_up()
    serving = asyncio.create_task(child.serve(), name="serve")
    await asyncio.sleep(0)
    child.receive(StartJob(spec=job_spec()))
    async with asyncio.timeout(5):
        await serving

    kinds = [type(message) for message in said]
    assert kinds.index(Measured) < kinds.index(JobEnded)
    assert [answers(message) for message in said if isinstance(message, Measured)] == [2]


async def test_jobs_in_threads_count_apart_and_add_up() -> None:
    totals = Totals()
    async with threads(totals=totals) as bench:
        await asyncio.gather(*(bench.run(job("measure", answers=count)) for count in (1, 2, 4)))

    assert totals.copy()[0][ANSWERS] == 7


@pytest.mark.e2e
@pytest.mark.timeout(40)
@pytest.mark.skipif(not zygotes_work_here(), reason="zygotes need Linux 5.4 or newer")
async def test_counters_stay_and_gauges_go_when_a_process_is_killed() -> None:
    totals = Totals()
    async with processes(totals=totals) as (bench, _):
        await bench.run(job("measure", answers=2))
        spec = job("measure", answers=5, end=False)
        await bench.pool.submit(spec, deadline_seconds=10)
        await until(lambda: totals.copy()[0][ANSWERS] == 7, "the second job's figures")
        (running,) = [each for each in bench.pool.snapshot().processes if each.job_id == spec.job_id]
        assert running.pid is not None

        os.kill(running.pid, signal.SIGKILL)
        report = await bench.end_of(spec.job_id)
        await bench.empty()

        assert report.lost
        assert totals.copy()[0][ANSWERS] == 7
        assert totals.copy()[0][DEATHS] == 1
        await bench.run(job("measure", answers=1))

    assert totals.copy()[0][ANSWERS] == 8
