"""The inference process: a second entry of the same supervisor and zygote."""

from __future__ import annotations

import json

import pytest
from tests.ipc.pools import job, processes

from lk_agents.foundation.errors import InferenceError
from lk_agents.ipc.inference_desk import QUEUE_LIMIT
from lk_agents.ipc.zygote import zygotes_work_here
from lk_agents.testing.conformance.pool_bench import PoolBench

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(40),
    pytest.mark.skipif(not zygotes_work_here(), reason="zygotes need Linux 5.4 or newer"),
]


async def ask(bench: PoolBench, data: bytes, method: str = "mirror") -> bytes | None:
    """Ask as the worker itself does, once the process is warm."""
    await bench.until(lambda: bench.count("idle") >= 1, "the inference process")
    return await bench.pool.do_inference(method, data)


async def test_jobs_and_the_worker_get_answers() -> None:
    async with processes(inference=True) as (bench, _):
        assert await ask(bench, b"abc") == b"cba"
        report = await bench.run(job("ask", method="mirror", data="hello", count=20))

        assert json.loads(report.outcome.reason) == ["olleh"]


async def test_a_runner_that_raises_is_an_error_for_its_caller_alone() -> None:
    async with processes(inference=True) as (bench, _):
        with pytest.raises(InferenceError, match="mirror: ValueError: bad question"):
            await ask(bench, b"raise")
        assert await ask(bench, b"abc") == b"cba"
        assert bench.count("idle") == 1


async def test_a_method_that_nobody_offers_is_an_error_that_lists_what_there_is() -> None:
    async with processes(inference=True) as (bench, _):
        with pytest.raises(InferenceError, match="no such method; there are: mirror"):
            await ask(bench, b"", method="glass")


async def test_x26_a_process_that_dies_in_mid_request_answers_all_and_is_restarted() -> None:
    async with processes(inference=True) as (bench, _):
        await ask(bench, b"abc")
        report = await bench.run(job("ask", method="mirror", data="die", count=3))
        (answer,) = json.loads(report.outcome.reason)

        assert answer.startswith("InferenceError: mirror: the inference process is gone")
        assert await ask(bench, b"abc") == b"cba"


async def test_an_answer_that_is_too_large_is_an_error_and_not_the_end_of_the_process() -> None:
    async with processes(inference=True) as (bench, _):
        with pytest.raises(InferenceError, match="over the limit"):
            await ask(bench, b"huge")
        assert await ask(bench, b"abc") == b"cba"


async def test_more_questions_than_the_queue_holds_are_answered_as_overload() -> None:
    async with processes(inference=True) as (bench, _):
        await ask(bench, b"abc")
        report = await bench.run(job("ask", method="mirror", data="slow", count=QUEUE_LIMIT + 5))

        overload, answer = json.loads(report.outcome.reason)
        assert overload == f"InferenceOverloadedError: mirror: {QUEUE_LIMIT} requests wait already"
        assert answer == "wols"


async def test_a_job_that_is_gone_does_not_disturb_the_others() -> None:
    async with processes(inference=True) as (bench, _):
        await ask(bench, b"abc")
        spec = job("ask", method="mirror", data="slow", count=3)
        await bench.pool.submit(spec, deadline_seconds=10)
        await bench.pool.submit(other := job("ask", method="mirror", data="abc"), deadline_seconds=10)
        bench.pool.stop_job(spec.job_id, "room closed")
        await bench.end_of(spec.job_id)
        report = await bench.end_of(other.job_id)

        assert json.loads(report.outcome.reason) == ["cba"]
