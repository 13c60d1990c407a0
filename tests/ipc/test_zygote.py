"""The zygote: killed with jobs running, refusing to preload what opens threads or sockets, and failing to start."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.ipc import agents
from tests.ipc.pools import alive, job, processes, program_of, until, zombies

from lk_agents.foundation.errors import ConfigError
from lk_agents.ipc.zygote import zygotes_work_here

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(40),
    pytest.mark.skipif(not zygotes_work_here(), reason="zygotes need Linux 5.4 or newer"),
]


async def test_killing_the_zygote_ends_no_job_and_another_one_serves_the_next(tmp_path: Path) -> None:
    async with processes(idle_target=1) as (bench, launcher):
        ending, leaving, killed = (
            job("wait", file=str(tmp_path / "ended")),
            job("wait"),
            job("wait"),
        )
        for spec in (ending, leaving, killed):
            await bench.pool.submit(spec, deadline_seconds=10)
        await bench.until(lambda: len(bench.lines("waiting")) == 3, "three jobs")
        pids = {p.job_id: p.pid for p in bench.pool.snapshot().processes if p.job_id}
        first = launcher.zygote_pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await bench.logged("the process that jobs are forked from is gone")

        # its children are ours now, and so are their exit codes
        victim = pids[killed.job_id]
        assert victim is not None
        os.kill(victim, signal.SIGKILL)
        report = await bench.end_of(killed.job_id)
        assert (report.exit_code, report.lost) == (-signal.SIGKILL, True)
        assert "killed by SIGKILL, perhaps out of memory" in report.outcome.reason

        # a new zygote forks for new jobs
        facts = json.loads((await bench.run(job("tell_facts"))).outcome.reason)
        assert facts["pid"] not in pids.values()
        await until(lambda: launcher.ready, "another zygote")
        assert launcher.zygote_pid != first

        # the job that was running meanwhile ends in order
        assert bench.pool.stop_job(ending.job_id, "enough")
        report = await bench.end_of(ending.job_id)
        assert (report.lost, report.outcome.reason) == (False, "enough")
        assert await asyncio.to_thread((tmp_path / "ended").read_text) == "enough"
        await bench.pool.aclose()
        assert alive([pid for pid in pids.values() if pid]) == []
    assert zombies() == []


async def test_the_exit_code_of_a_job_is_known_though_its_zygote_was_killed_in_the_same_moment() -> None:
    async with processes() as (bench, launcher):
        for _ in range(3):
            spec = job("wait")
            await bench.pool.submit(spec, deadline_seconds=10)
            await bench.until(lambda: bench.count("running") == 1, "a running job")
            (pid,) = [p.pid for p in bench.pool.snapshot().processes if p.phase == "running"]
            zygote = launcher.zygote_pid
            assert pid is not None
            assert zygote is not None
            os.kill(zygote, signal.SIGSTOP)  # it will never tell
            os.kill(pid, signal.SIGKILL)
            os.kill(zygote, signal.SIGKILL)
            report = await bench.end_of(spec.job_id)
            assert report.exit_code == -signal.SIGKILL
            await bench.empty()


async def test_a_zygote_that_is_killed_again_and_again_is_replaced_each_time() -> None:
    async with processes(idle_target=1) as (bench, launcher):
        await bench.warm()
        seen = set()
        for _ in range(3):
            await until(lambda: launcher.ready, "a zygote")
            zygote = launcher.zygote_pid
            assert zygote is not None
            seen.add(zygote)
            os.kill(zygote, signal.SIGKILL)
            await until(lambda: launcher.zygote_pid not in (None, *seen), "another one")
        assert len(seen) == 3
        assert (await bench.run(job("tell_facts"))).outcome.success


async def test_the_zygote_ignores_the_signals_of_terminals_and_supervisors() -> None:
    async with processes(idle_target=1) as (bench, launcher):
        await bench.warm()
        zygote = launcher.zygote_pid
        assert zygote is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(zygote, number)
        assert (await bench.run(job("tell_facts"))).outcome.success
        assert launcher.zygote_pid == zygote


@pytest.mark.parametrize(
    ("hook", "module", "opened"),
    [
        (agents.preload_a_thread, "tests.ipc.opens_thread", "a thread (a-clock-of-mine)"),
        (agents.preload_a_socket, "tests.ipc.opens_socket", "a socket"),
    ],
    ids=["thread", "socket"],
)
async def test_a_module_that_opens_something_is_named_left_out_and_imported_in_each_process(
    hook: Callable[[], list[str]], module: str, opened: str
) -> None:
    async with processes(idle_target=1, hooks={"lk_agents_preload_modules": hook}) as (bench, _):
        refused = await bench.logged("cannot be imported before the fork")
        assert (vars(refused)["module_name"], vars(refused)["opened"]) == (module, opened)
        facts = json.loads((await bench.run(job("tell_facts"))).outcome.reason)

    assert module in facts["modules"]
    if "thread" in module:
        assert facts["threads"] == [module]


async def test_weights_that_open_a_thread_are_refused_and_the_pool_says_so() -> None:
    hooks = {"lk_agents_preload_weights": agents.weights_that_open_a_thread}
    async with processes(idle_target=1, hooks=hooks) as (bench, _):
        await bench.until(lambda: bench.pool.snapshot().broken_reason is not None, "a broken pool", seconds=8)

        assert "lk_agents_preload_weights" in str(bench.pool.snapshot().broken_reason)
        assert "a thread (weights)" in str(bench.pool.snapshot().broken_reason)
        assert len(bench.lines("cannot be imported before the fork")) < 5


def test_a_function_that_cannot_be_found_by_name_is_refused_by_name() -> None:
    program = program_of(prewarm=lambda proc: None)

    with pytest.raises(ConfigError, match=r"prewarm_fnc .*lambda.* cannot be handed to another process"):
        program.pickled()
