"""What goes wrong with plugins is named, stops what it must, and nothing else."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from lk_agents.testing.server import FakeLiveKitServer

if TYPE_CHECKING:
    from tests.plugins_in_use.conftest import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

FAILED = 1
ZYGOTES = {"forked": "", "executed": "job_credentials='none', "}


def _records(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


async def _listed(stage: Stage, *arguments: str, **environment: str) -> dict[str, dict[str, Any]]:
    code, output = await stage.run("-m", "lk_agents", "plugins", *arguments, "--json", **environment)
    assert code == 0, output
    rows = json.loads(output[output.index("[\n") :])
    return {row["name"]: row for row in rows}


async def test_a_broken_plugin_beside_it_stops_nothing(crooked: Stage) -> None:
    crooked.write_agent("plugins=['acme']")
    async with crooked.running("my_agent.py", "start") as command:
        _, said = await crooked.serve_one_job(command)
        output = await command.drain()

    assert said["userdata"] == {"acme": "warm"}
    assert output.count("the licence of crooked has run out") == 1
    for line in ("crooked (lk-agents-crooked 0.0.7)", "misspelt (lk-agents-crooked 0.0.7)"):
        assert line in output


async def test_a_broken_plugin_is_named_with_distribution_version_and_cause(crooked: Stage) -> None:
    rows = await _listed(crooked)

    assert (rows["acme"]["distribution"], rows["acme"]["version"]) == ("lk-agents-acme", "2.3.4")
    assert not rows["acme"]["error"]
    assert (rows["crooked"]["distribution"], rows["crooked"]["version"]) == ("lk-agents-crooked", "0.0.7")
    assert "the licence of crooked has run out" in rows["crooked"]["error"]
    assert "did you mean 'lk_agents_prewarm'" in rows["misspelt"]["error"]
    assert rows["crooked"]["hooks"] == rows["misspelt"]["hooks"] == []


async def test_doctor_finds_a_broken_plugin_and_exits_with_one(stage: Stage, crooked: Stage) -> None:
    sound = {"LK_AGENTS_PLUGINS": "acme"}
    code, output = await stage.run("-m", "lk_agents", "doctor", "--no-server", **sound)
    assert code == 0, output

    code, output = await crooked.run("-m", "lk_agents", "doctor", "--no-server", "--json")

    assert code == FAILED, output
    report = json.loads(output[output.index("{\n") :])
    problems = {check["name"]: check for check in report["checks"] if check["status"] == "problem"}
    assert set(problems) == {"plugin crooked", "plugin misspelt"}
    assert "lk-agents-crooked 0.0.7" in problems["plugin crooked"]["detail"]
    assert "the licence of crooked has run out" in problems["plugin crooked"]["detail"]


async def test_the_allow_list_keeps_the_others_out(crooked: Stage) -> None:
    rows = await _listed(crooked, LK_AGENTS_PLUGINS="crooked")

    assert rows["acme"]["disabled"] == "LK_AGENTS_PLUGINS"
    assert "licence" in rows["crooked"]["error"]
    assert not crooked.journal.lines(), "it was not even asked to introduce itself"


@pytest.mark.parametrize("name", ["acme", "lk-agents-acme"])
async def test_a_disabled_plugin_runs_no_hook_although_it_is_imported(stage: Stage, name: str) -> None:
    stage.write_agent(imports="import lk_agents_acme.voice")
    async with stage.running("my_agent.py", "start", LK_AGENTS_DISABLED_PLUGINS=name) as command:
        _, said = await stage.serve_one_job(command)
        await command.drain()

    assert said["userdata"] == {}
    assert not stage.journal.lines()


async def test_the_deny_list_reaches_the_processes_of_jobs(stage: Stage) -> None:
    stage.write_agent("job_executor_type=JobExecutorType.SPAWN", imports="import lk_agents_acme.voice")
    async with stage.running("my_agent.py", "start", LK_AGENTS_DISABLED_PLUGINS="acme") as command:
        _, said = await stage.serve_one_job(command)
        await command.drain()

    assert said["userdata"] == {}
    assert not stage.journal.lines()


async def test_naming_a_disabled_plugin_stops_the_start(stage: Stage) -> None:
    stage.write_agent("plugins=['acme']")
    code, output = await stage.run("my_agent.py", "start", LK_AGENTS_DISABLED_PLUGINS="acme")

    assert code == FAILED
    assert "Traceback" not in output
    assert "LK_AGENTS_DISABLED_PLUGINS keeps it out" in output


async def test_a_misspelt_hook_of_a_named_plugin_stops_the_start_with_the_nearest_name(crooked: Stage) -> None:
    crooked.write_agent("plugins=['acme', 'misspelt']")
    code, output = await crooked.run("my_agent.py", "start")

    assert code == FAILED
    assert "Traceback" not in output
    assert "there is no hook 'lk_agents_prewam'; did you mean 'lk_agents_prewarm'?" in output
    assert not crooked.server.attempts, "the server was not even asked"


@pytest.mark.parametrize("executor", ["PROCESS", "SPAWN", "THREAD"])
async def test_a_prewarm_hook_that_raises_fails_the_start_of_the_process_and_is_named(
    stage: Stage, executor: str
) -> None:
    stage.write_agent(f"plugins=['acme'], num_idle_processes=1, job_executor_type=JobExecutorType.{executor}")
    async with stage.running("my_agent.py", "start", ACME_PREWARM_RAISES="1") as command:
        await stage.server.wait_worker(seconds=40)
        await stage.until(lambda: len(stage.journal.lines("lk_agents_prewarm")) >= 3, command)
        dispatch = await stage.server.dispatch("the-room")
        await stage.until(
            lambda: dispatch.outcome != "assigned" or stage.server.final_updates(dispatch.job.id), command
        )
        output = await command.drain()

    assert "the plugin 'acme' failed in lk_agents_prewarm: OSError: the model file is torn" in output
    assert stage.said() is None
    for update in stage.server.final_updates(dispatch.job.id):
        assert "the plugin 'acme' failed in lk_agents_prewarm" in update.error


@pytest.mark.parametrize("options", ZYGOTES.values(), ids=ZYGOTES)
async def test_what_fails_before_the_fork_is_named_and_the_processes_start_without_it(
    stage: Stage, options: str
) -> None:
    stage.write_agent(f"plugins=['acme'], {options}")
    async with stage.running("my_agent.py", "start", ACME_WEIGHTS_RAISE="1") as command:
        _, said = await stage.serve_one_job(command)
        output = await command.drain()

    assert said["userdata"] == {"acme": "warm"}
    (failed,) = (record for record in _records(output) if record["message"] == "a hook implementation failed")
    assert (failed["plugin"], failed["hook"]) == ("acme", "lk_agents_preload_weights")
    assert failed["exc_info"].startswith("Traceback")
    assert failed["exc_info"].endswith("and torn")  # 180 KB of it, of which a process without a channel keeps the ends


@pytest.mark.parametrize("options", ZYGOTES.values(), ids=ZYGOTES)
async def test_traced_hooks_are_logged_with_arguments_and_result(stage: Stage, options: str) -> None:
    stage.write_agent(f"plugins=['acme'], {options}num_idle_processes=1")
    async with stage.running("my_agent.py", "start", LK_AGENTS_TRACE_HOOKS="1") as command:
        await stage.serve_one_job(command)
        await stage.told(command, ["lk_agents_compute_load"])
        output = await command.drain()

    records = [record for record in _records(output) if record["message"] == "hook called"]
    traced = {record["hook"]: record for record in records if record["plugin"] == "acme"}
    assert set(traced) == {line["hook"] for line in stage.journal.lines()} - {"initialize"}
    load = traced["lk_agents_compute_load"]
    assert "worker" in load["arguments"]
    assert "name='acme'" in load["result"]
    assert load["seconds"] < 5
    assert stage.environment["LIVEKIT_API_SECRET"] not in output


async def test_calls_are_not_logged_without_being_asked_for(stage: Stage) -> None:
    stage.write_agent("plugins=['acme'], num_idle_processes=1")
    async with stage.running("my_agent.py", "start", "--log-level", "DEBUG") as command:
        await stage.serve_one_job(command)
        output = await command.drain()

    assert "hook called" not in output


@pytest.mark.parametrize("options", ["", "job_credentials='none', ", "job_executor_type=JobExecutorType.SPAWN, "])
async def test_a_job_that_kills_its_own_process_is_told_to_the_plugin(stage: Stage, options: str) -> None:
    stage.write_agent(f"plugins=['acme'], {options}num_idle_processes=1")
    async with stage.running("my_agent.py", "start") as command:
        await stage.server.wait_worker(seconds=40)
        dispatch = await stage.server.dispatch("killed", metadata="for whom")
        await stage.told(command, ["lk_agents_job_lost"])
        await command.drain()

    (lost,) = stage.journal.lines("lk_agents_job_lost")
    (started,) = stage.journal.lines("lk_agents_job_starting")
    assert lost["pid"] == command.pid, "the worker's process"
    assert (lost["job"], lost["room"], lost["metadata"]) == (dispatch.job.id, "killed", "for whom")
    assert (lost["cause"], lost["exit_code"]) == ("process_lost", -9)
    assert "SIGKILL" in lost["reason"]
    assert lost["job_pid"] == started["pid"]
    assert not stage.journal.lines("lk_agents_job_finished")
    assert len(stage.server.final_updates(dispatch.job.id)) == 1


async def test_the_dev_server_of_a_plugin_that_is_only_installed_serves(stage: Stage) -> None:
    stage.write_agent()
    async with FakeLiveKitServer(api_key="of-the-plugin", api_secret="of-the-plugin-and-long-enough-000") as offered:
        info = {"url": offered.url, "api_key": offered.api_key, "api_secret": offered.api_secret}
        own = {"LK_AGENTS_PLUGINS": "acme", "ACME_SERVER": json.dumps(info)}
        async with stage.running("my_agent.py", "dev", "--no-watch", "--server", **own) as command:
            await offered.wait_worker(seconds=40)
            await command.drain()

    assert [line["pid"] for line in stage.journal.lines("lk_agents_dev_server")] == [command.pid]
    assert not stage.server.attempts


async def test_a_job_may_come_when_no_process_is_warm_and_still_finds_the_plugin(stage: Stage) -> None:
    stage.write_agent("plugins=['acme'], num_idle_processes=0")
    async with stage.running("my_agent.py", "start") as command:
        (_, said), _ = await asyncio.gather(stage.serve_one_job(command), asyncio.sleep(0))
        await command.drain()

    assert said["userdata"] == {"acme": "warm"}
