"""Each hook is called where its description says and as often, whatever puts the plugin in use and runs the jobs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugins_in_use.conftest import Command, Stage

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

OF_THE_WORKER = (
    "lk_agents_filter_request",
    "lk_agents_register_inference_runners",
    "lk_agents_worker_starting",
    "lk_agents_worker_registered",
    "lk_agents_worker_draining",
    "lk_agents_worker_stopped",
)
OF_THE_JOB = ("lk_agents_job_starting", "lk_agents_job_finished")
OF_THE_ZYGOTE = ("lk_agents_preload_modules", "lk_agents_preload_weights")
NOT_HERE = ("lk_agents_job_lost", "lk_agents_register_commands", "lk_agents_dev_server")
FOR_INSTALLED = {"lk_agents_register_plugin", "lk_agents_register_commands", "lk_agents_dev_server"}

NAMED = "plugins=['acme'], "


async def play(stage: Stage, command: Command) -> str:
    """Let the worker serve one job with everything around it, and end; returns what it printed."""
    dispatch, said = await stage.serve_one_job(command)
    assert dispatch.outcome == "assigned"
    assert said["userdata"] == {"acme": "warm"}
    assert said["answer"] == "ALOUD"
    await stage.told(command, ["lk_agents_compute_load", "lk_agents_job_finished"])
    return await command.drain()


def once(stage: Stage, hooks: tuple[str, ...], kind: str, worker_pid: int) -> None:
    for hook in hooks:
        assert stage.journal.calls(hook, worker_pid) == Counter({kind: 1}), hook


def check_worker(stage: Stage, worker_pid: int) -> None:
    once(stage, OF_THE_WORKER, "worker", worker_pid)
    assert set(stage.journal.calls("lk_agents_compute_load", worker_pid)) == {"worker"}
    for hook in NOT_HERE:
        assert not stage.journal.lines(hook), hook
    assert all(line["main_thread"] for line in stage.journal.lines("lk_agents_register_plugin"))


def check_jobs(stage: Stage, kind: str, worker_pid: int) -> None:
    once(stage, OF_THE_JOB, kind, worker_pid)
    prewarmed = stage.journal.processes("lk_agents_prewarm")
    assert set(stage.journal.calls("lk_agents_prewarm", worker_pid)) == {kind}
    said = stage.said()
    assert said is not None
    assert said["pid"] in prewarmed
    if kind != "worker":
        assert len(set(prewarmed)) == len(prewarmed), "once for each process"
        assert set(stage.journal.processes("lk_agents_job_finished")) == {said["pid"]}


WAYS = {
    "named": (NAMED, ""),
    "imported": ("", "import lk_agents_acme.voice"),
    "named and imported": (NAMED, "from lk_agents_acme import voice"),
}


@pytest.mark.parametrize("way", WAYS)
async def test_in_processes_that_are_forked_from_the_worker(stage: Stage, way: str) -> None:
    options, imports = WAYS[way]
    stage.write_agent(f"{options}num_idle_processes=1", imports=imports, asks=True)
    async with stage.running("my_agent.py", "start") as command:
        await play(stage, command)

    check_worker(stage, command.pid)
    check_jobs(stage, "job", command.pid)
    once(stage, OF_THE_ZYGOTE, "zygote", command.pid)
    once(stage, ("lk_agents_register_plugin",), "worker", command.pid)


async def test_by_the_command_lk_agents_as_well(stage: Stage) -> None:
    stage.write_agent(f"{NAMED}num_idle_processes=1", asks=True)
    async with stage.running("-m", "lk_agents", "start", "my_agent.py") as command:
        await play(stage, command)

    check_worker(stage, command.pid)
    check_jobs(stage, "job", command.pid)
    once(stage, OF_THE_ZYGOTE, "zygote", command.pid)
    once(stage, ("lk_agents_register_plugin",), "worker", command.pid)


async def test_in_processes_that_are_forked_from_an_executed_zygote(stage: Stage) -> None:
    stage.write_agent(f"{NAMED}num_idle_processes=1, job_credentials='none'", asks=True)
    async with stage.running("my_agent.py", "start") as command:
        await play(stage, command)

    check_worker(stage, command.pid)
    check_jobs(stage, "job", command.pid)
    once(stage, OF_THE_ZYGOTE, "zygote", command.pid)
    assert stage.journal.calls("lk_agents_register_plugin", command.pid) == {"worker": 1, "zygote": 1}


async def test_in_processes_that_load_nothing_before_the_fork(stage: Stage) -> None:
    stage.write_agent(f"{NAMED}num_idle_processes=1, preload_app=False", asks=True)
    async with stage.running("my_agent.py", "start") as command:
        await play(stage, command)

    check_worker(stage, command.pid)
    check_jobs(stage, "job", command.pid)
    assert not stage.journal.lines("lk_agents_preload_weights"), "there is nothing to share"
    modules = stage.journal.processes("lk_agents_preload_modules")
    assert len(modules) == len(set(modules))
    assert set(stage.journal.calls("lk_agents_preload_modules", command.pid)) == {"job", "inference"}
    registered = stage.journal.calls("lk_agents_register_plugin", command.pid)
    assert registered["worker"] == 1
    assert registered["zygote"] == 0
    assert registered["job"] == len(stage.journal.lines("lk_agents_prewarm"))


async def test_in_spawned_processes(stage: Stage) -> None:
    options = f"{NAMED}num_idle_processes=1, job_executor_type=JobExecutorType.SPAWN"
    stage.write_agent(options, asks=True)
    async with stage.running("my_agent.py", "start") as command:
        await play(stage, command)

    check_worker(stage, command.pid)
    check_jobs(stage, "spawned", command.pid)
    assert not stage.journal.lines("lk_agents_preload_weights"), "there is nothing to share"
    for hook in ("lk_agents_preload_modules", "lk_agents_register_plugin"):
        processes = [pid for pid in stage.journal.processes(hook) if pid != command.pid]
        assert len(processes) == len(set(processes)), "once for each process"
        assert set(processes) >= set(stage.journal.processes("lk_agents_prewarm"))
    assert stage.journal.calls("lk_agents_register_plugin", command.pid)["worker"] == 1
    assert stage.journal.calls("lk_agents_preload_modules", command.pid)["worker"] == 0


async def test_in_threads(stage: Stage) -> None:
    options = f"{NAMED}num_idle_processes=1, job_executor_type=JobExecutorType.THREAD"
    stage.write_agent(options, asks=True)
    async with stage.running("my_agent.py", "start") as command:
        await play(stage, command)

    check_worker(stage, command.pid)
    check_jobs(stage, "worker", command.pid)
    assert not any(line["main_thread"] for line in stage.journal.lines("lk_agents_prewarm"))
    once(stage, OF_THE_ZYGOTE, "zygote", command.pid)  # that of the inference process
    assert stage.journal.calls("lk_agents_register_plugin", command.pid) == {"worker": 1, "zygote": 1}


async def test_neither_named_nor_imported_only_introduces_itself(stage: Stage) -> None:
    stage.write_agent("num_idle_processes=1", imports="import lk_agents_acme")
    async with stage.running("my_agent.py", "start") as command:
        _, said = await stage.serve_one_job(command)
        await command.drain()

    assert said["userdata"] == {}
    assert {line["hook"] for line in stage.journal.lines()} == {"lk_agents_register_plugin"}
    once(stage, ("lk_agents_register_plugin",), "worker", command.pid)


async def test_commands_and_dev_server_of_what_is_only_installed(stage: Stage) -> None:
    code, output = await stage.run("-m", "lk_agents", "acme-say")

    assert (code, output.strip()) == (0, "acme says hello")
    assert sorted(line["hook"] for line in stage.journal.lines()) == [
        "lk_agents_register_commands",
        "lk_agents_register_plugin",
    ]


async def test_the_filter_refuses_and_the_next_worker_is_asked(stage: Stage) -> None:
    stage.write_agent(NAMED)
    async with stage.running("my_agent.py", "start") as command:
        await stage.server.wait_worker(seconds=40)
        dispatch = await stage.server.dispatch("refused")
        await command.drain()

    assert dispatch.outcome == "refused"
    assert [line["room"] for line in stage.journal.lines("lk_agents_filter_request")] == ["refused"]
    assert not stage.journal.lines("lk_agents_job_starting")
