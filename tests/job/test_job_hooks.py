from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lk_agents.hooks.records import JobFinished
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.job.context import JobContext, get_current_job_context
from lk_agents.job.spec import EndCause
from lk_agents.testing.job import JobBench, job_spec
from lk_agents.utils.http_context import http_session

pytestmark = pytest.mark.usefixtures("lk_clock")

FOREVER = 3600.0


def plugins(**hooks: Any) -> PluginRegistry:
    registry = PluginRegistry()
    registry.add_own({f"lk_agents_job_{name}": function for name, function in hooks.items()}, name="own")
    return registry


async def test_hook_lk_agents_job_starting(lk_job: JobBench) -> None:
    steps: list[object] = []

    async def starting(ctx: JobContext) -> None:
        assert get_current_job_context() is ctx
        assert http_session() is not None
        steps.append(f"starting {ctx.job.id}, connected: {ctx.room.isconnected()}")

    async def entrypoint(ctx: JobContext) -> None:
        steps.append("entrypoint")

    await lk_job.start(entrypoint, spec=job_spec("AJ_1"), registry=plugins(starting=starting)).outcome()

    assert steps == ["starting AJ_1, connected: False", "entrypoint"]


async def test_hook_lk_agents_job_finished(lk_job: JobBench) -> None:
    steps: list[object] = []

    async def finished(ctx: JobContext, result: JobFinished) -> None:
        steps.append(result)
        steps.append([failure.name for failure in ctx.task_failures])

    async def failing() -> None:
        raise ValueError("in a task")

    async def callback() -> None:
        steps.append("callback")

    async def entrypoint(ctx: JobContext) -> None:
        ctx.add_shutdown_callback(callback)
        ctx.create_task(failing(), name="side work")
        await asyncio.sleep(5)
        raise ValueError("no such voice")

    spec = job_spec("AJ_1", room_name="kitchen")
    await lk_job.start(entrypoint, spec=spec, registry=plugins(finished=finished)).outcome()

    told = JobFinished(
        job_id="AJ_1",
        room_name="kitchen",
        success=False,
        cause="raised",
        reason="ValueError: no such voice",
        seconds=5.0,
    )
    assert steps == [told, ["side work"], "callback"]


@pytest.mark.parametrize("name", ["starting", "finished"])
async def test_a_hook_that_fails_or_hangs_does_not_stop_the_job(
    lk_job: JobBench, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    called: list[str] = []

    async def hanging(ctx: JobContext) -> None:
        await asyncio.sleep(FOREVER)

    def failing(ctx: JobContext) -> None:
        raise ValueError("broken")

    async def callback() -> None:
        called.append("callback")

    async def entrypoint(ctx: JobContext) -> None:
        ctx.add_shutdown_callback(callback)
        ctx.shutdown("done")

    registry = plugins(**{name: hanging})
    registry.add_own({f"lk_agents_job_{name}": failing}, name="failing")
    outcome = await lk_job.start(entrypoint, registry=registry, shutdown_seconds=60.0).outcome(timeout=90.0)

    assert (outcome.cause, outcome.success, called) == (EndCause.SHUTDOWN, True, ["callback"])
    failures = [record for record in caplog.records if record.message == "a hook implementation failed"]
    assert sorted(record.plugin for record in failures) == ["failing", "own"]  # type: ignore[attr-defined]


async def test_a_stop_does_not_wait_for_the_starting_hook(lk_job: JobBench) -> None:
    ended: list[str] = []

    async def hanging(ctx: JobContext) -> None:
        try:
            await asyncio.sleep(FOREVER)
        finally:
            ended.append("hook")

    async def entrypoint(ctx: JobContext) -> None:
        ended.append("entrypoint")

    job = lk_job.start(entrypoint, registry=plugins(starting=hanging))
    await asyncio.sleep(1)
    began = asyncio.get_running_loop().time()
    job.runner.stop("enough")
    await job.outcome()

    assert ended == ["hook"]
    assert asyncio.get_running_loop().time() - began < 1
