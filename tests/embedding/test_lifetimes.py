"""Two workers in a program, five in turn, one in another thread, one that is cancelled: nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import psutil
import pytest
from livekit.protocol import agent

from lk_agents.testing.server import Faults

if TYPE_CHECKING:
    from tests.embedding.conftest import Install, Rig

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

EXECUTORS = ["PROCESS", "SPAWN", "THREAD"]
NO_JOB_COMES = 1.2
"""Longer than it takes until the worker looks for what a job left behind."""


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_five_workers_in_turn_leave_nothing_open(rig: Rig, executor: str) -> None:
    async with rig.running("rounds.py", executor) as host:
        rounds = []
        for number in range(5):
            await host.hear("registered")
            dispatch = await rig.server.dispatch(f"room-{number}", seconds=10.0)
            await host.until(lambda lines, number=number: len(lines) == 2 * number + 1)  # type: ignore[misc]
            host.say("close")
            rounds.append(await host.hear("closed"))
            assert len(rig.server.final_updates(dispatch.job.id)) == 1
        await host.end()

    for closed in rounds:
        assert closed["children"] == []
        assert closed["threads"] == []
        assert closed["changed"] == {}
    first, last = ([entry.split()[1] for entry in closed["descriptors"]] for closed in (rounds[0], rounds[-1]))
    assert len(last) == len(first), "what is opened once may stay; what is opened each time may not"
    assert len(host.journal()) == 10


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_two_workers_at_the_same_time_have_jobs_of_their_own(rig: Rig, executor: str) -> None:
    async with rig.running("two_workers.py", executor, "together") as host:
        ids = await host.hear("registered")
        assert len(set(ids)) == 2
        for name in ("sales", "support"):
            assert (await rig.server.dispatch(f"of-{name}", agent_name=name, seconds=10.0)).outcome == "assigned"
        where = "inside" if executor == "THREAD" else "outside"
        await host.until(lambda lines: set(lines) == {f"job of-{name} {name} {where}" for name in ("sales", "support")})

        host.say("close the first")
        await host.hear("first_closed")
        assert "over of-sales" in host.journal()
        assert "over of-support" not in host.journal()
        assert (await rig.server.dispatch("another", agent_name="support", seconds=10.0)).outcome == "assigned"
        await host.until(lambda lines: f"job another support {where}" in lines)
        host.say("close the second")
        assert await host.hear("left") == []
        await host.end()

    assert {"over of-support", "over another"} <= set(host.journal())


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_two_workers_one_after_the_other(rig: Rig, executor: str) -> None:
    async with rig.running("two_workers.py", executor, "in-turn") as host:
        for name in ("sales", "support"):
            await host.hear("registered")
            await rig.server.dispatch(f"of-{name}", agent_name=name, seconds=10.0)
            await host.until(lambda lines, name=name: any(line.startswith(f"job of-{name}") for line in lines))  # type: ignore[misc]
            host.say("next")
        assert await host.hear("left") == []
        await host.end()

    assert [line.split()[1] for line in host.journal()] == ["of-sales", "of-sales", "of-support", "of-support"]


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_off_the_main_thread_a_worker_works_if_the_plugins_were_loaded_before(rig: Rig, executor: str) -> None:
    async with rig.running("off_main_thread.py", executor, "loaded") as host:
        await host.hear("registered")
        await rig.server.dispatch("somewhere", seconds=10.0)
        await host.until(lambda lines: len(lines) == 1)
        host.say("stop")
        left = await host.hear("left")
        await host.end()

    assert host.journal()[1] == "over somewhere"
    assert left["children"] == []
    assert left["threads"] == []


PLUGIN = """
from lk_agents import Plugin, hookimpl

@hookimpl
def lk_agents_register_plugin():
    return Plugin("Offside", "1.0", "lk_agents_offside")
"""


async def test_off_the_main_thread_the_error_says_what_to_do_before(rig: Rig, install: Install) -> None:
    site = install("offside", PLUGIN)
    async with rig.running("off_main_thread.py", "PROCESS", "not-loaded", PYTHONPATH=site) as host:
        refused = await host.hear("refused")
        await host.hear("left")
        await host.end()

    assert refused.startswith("PluginError: the worker starts off the main thread")
    assert "lk_agents.hooks.current.current_registry().register_plugins()" in refused
    assert "offside" in refused
    assert not rig.server.attempts


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("how", ["running", "neighbour"])
async def test_cancelling_the_surrounding_task_closes_everything(rig: Rig, executor: str, how: str) -> None:
    async with rig.running("cancelled.py", executor, how) as host:
        await host.hear("registered")
        dispatch = await rig.server.dispatch("somewhere", seconds=10.0)
        await host.until(lambda lines: len(lines) == 1)
        host.say("cancel")
        ended = await host.hear_line("ended")
        await host.end()

    assert ended["ended"] == ("group failed" if how == "neighbour" else "cancelled")
    assert host.journal()[1] == "over somewhere"
    assert (ended["state"], ended["children"], ended["tasks"]) == ("closed", [], [])
    assert len(rig.server.final_updates(dispatch.job.id)) == 1
    assert rig.server.connections[0].closed


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_cancelling_the_start_closes_everything(rig: Rig, executor: str) -> None:
    rig.server.faults = Faults(ignore_register=True)
    async with rig.running("cancelled.py", executor, "starting") as host:
        await host.hear("made")
        await rig.server.until(lambda: rig.server.connections, seconds=20.0)
        host.say("cancel")
        ended = await host.hear_line("ended")
        await host.end()

    assert (ended["ended"], ended["state"]) == ("cancelled", "closed")
    assert (ended["children"], ended["tasks"]) == ([], [])


@pytest.mark.parametrize("executor", EXECUTORS)
async def test_subprocesses_of_the_host_are_for_the_host_to_wait_for(rig: Rig, executor: str) -> None:
    async with rig.running("own_subprocesses.py", executor) as host:
        await host.hear("registered")
        for number in range(2):  # jobs that end are when the worker reaps
            dispatch = await rig.server.dispatch(f"room-{number}", seconds=10.0)
            await host.until(lambda lines, number=number: f"job room-{number}" in "\n".join(lines))  # type: ignore[misc]
            await rig.server.workers[0].terminate(dispatch.job.id)
            await rig.server.until(lambda dispatch=dispatch: rig.server.final_updates(dispatch.job.id), seconds=20.0)  # type: ignore[misc]
        if executor == "PROCESS":
            for process in psutil.Process(host.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):  # a job that has just ended
                    if process.name() in ("lk-zygote", "lk-job"):
                        process.kill()
        await asyncio.sleep(NO_JOB_COMES)
        host.say("stop")
        assert await host.hear("alive") is True
        assert await host.hear("codes") == [7, 8, 8, 8, 9, 10, 11]
        assert await host.hear("ended") == -15
        await host.end()


@pytest.mark.parametrize("executor", ["PROCESS", "SPAWN"])
@pytest.mark.parametrize("custom", ["ignores", "collects"])
async def test_a_host_with_other_customs_about_its_children(rig: Rig, executor: str, custom: str) -> None:
    async with rig.running("other_customs.py", executor, custom) as host:
        await host.hear("registered")
        dispatch = await rig.server.dispatch("killed", seconds=10.0)
        await rig.server.until(lambda: rig.server.final_updates(dispatch.job.id), seconds=20.0)
        host.say("stop")
        assert await host.hear("left") == []
        await host.end()

    (update,) = rig.server.final_updates(dispatch.job.id)
    assert update.status == agent.JobStatus.JS_FAILED
    if executor == "PROCESS":  # its parent is not the host
        assert "SIGKILL" in update.error
