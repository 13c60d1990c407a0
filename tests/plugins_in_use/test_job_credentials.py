"""Key and secret reach jobs or do not, as ``WorkerOptions.job_credentials`` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugins_in_use.conftest import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

NONE = "job_credentials='none', plugins=['acme'], num_idle_processes=1, "


async def test_jobs_inherit_them_by_default(stage: Stage) -> None:
    stage.write_agent("plugins=['acme'], num_idle_processes=1")
    async with stage.running("my_agent.py", "start") as command:
        _, said = await stage.serve_one_job(command)
        await command.drain()

    assert said["environment"] == ["LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "LIVEKIT_URL"]
    assert said["api"] == "LiveKitAPI"
    assert said["at_exec"], "the test would see them"
    assert said["secret_in_memory"], "the test would find it"


async def test_none_leaves_them_out_of_the_jobs_environment_and_memory(stage: Stage) -> None:
    stage.write_agent(NONE)
    async with stage.running("my_agent.py", "start") as command:
        _, said = await stage.serve_one_job(command)
        await command.drain()

    assert said["environment"] == ["LIVEKIT_URL"]
    assert not said["at_exec"], "/proc/PID/environ shows them"
    assert not said["secret_in_memory"]
    assert said["api"].startswith("ConfigError: ctx.api has no credentials, because WorkerOptions.job_credentials")
    assert "set it to 'inherit'" in said["api"]


async def test_none_leaves_them_out_of_a_zygote_that_replaces_a_killed_one(stage: Stage) -> None:
    import psutil

    stage.write_agent(NONE)
    async with stage.running("my_agent.py", "start") as command:
        await stage.told(command, ["lk_agents_prewarm"])
        first = stage.journal.lines("lk_agents_prewarm")[0]
        psutil.Process(first["parent"]).kill()
        await stage.until(lambda: len(stage.journal.lines("lk_agents_preload_weights")) == 2, command)
        psutil.Process(first["pid"]).kill()
        await stage.until(lambda: len(stage.journal.lines("lk_agents_prewarm")) >= 2, command)
        _, said = await stage.serve_one_job(command)
        await command.drain()

    assert said["parent"] != first["parent"]
    assert said["environment"] == ["LIVEKIT_URL"]
    assert not said["at_exec"]


async def test_none_leaves_them_out_of_spawned_processes(stage: Stage) -> None:
    stage.write_agent(f"{NONE}job_executor_type=JobExecutorType.SPAWN")
    async with stage.running("my_agent.py", "start") as command:
        _, said = await stage.serve_one_job(command)
        await command.drain()

    assert said["environment"] == ["LIVEKIT_URL"]
    assert said["api"].startswith("ConfigError: ctx.api has no credentials")


async def test_none_takes_the_api_from_jobs_in_threads(stage: Stage) -> None:
    stage.write_agent(f"{NONE}job_executor_type=JobExecutorType.THREAD")
    async with stage.running("my_agent.py", "start") as command:
        _, said = await stage.serve_one_job(command)
        await command.drain()

    assert said["api"].startswith("ConfigError: ctx.api has no credentials")


@pytest.mark.parametrize("where", ["dev --no-watch", "dev"])
async def test_none_holds_in_development_too(stage: Stage, where: str) -> None:
    stage.write_agent(NONE.replace("num_idle_processes=1, ", ""))
    async with stage.running("my_agent.py", *where.split()) as command:
        _, said = await stage.serve_one_job(command)
        await command.drain()

    assert said["environment"] == ["LIVEKIT_URL"]
    assert not said["at_exec"]
