"""Neither the API secret nor a job's token stands anywhere that somebody could read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from lk_agents.testing.server import Faults

if TYPE_CHECKING:
    from tests.secrets.conftest import Canary

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

CANARY = "canary-8f1c2d-secret-of-more-than-32-characters"
LOOKED_AT = {
    *("reprs_of_worker.txt", "reprs_of_jobs.txt", "reprs_of_request.txt", "reprs_in_steady.txt", "locals.txt"),
    *("reprs_at_registration.txt", "reprs_in_filter.txt", "reprs_in_prewarm.txt", "reprs_at_start.txt"),
    *("reprs_at_end.txt", "reprs_of_lost_job.txt", "health_worker.txt"),
}
"""What is written down of the objects that users and plugins meet."""

START = ("start", "--drain-timeout", "0")
WAYS = ["environment", "flag", "flag with =", "env file", "code"]
MODES = {"inherit": "", "none": "job_credentials='none', "}
OUTSIDE = [way for way in WAYS if way != "code"]
EXECUTORS = {"process": "", "spawn": "job_executor_type=JobExecutorType.SPAWN, "}


def _is_pythons_own(process: psutil.Process) -> bool:
    """Whether it is the helper of multiprocessing, which has the worker's environment and runs no code of a job."""
    return any("multiprocessing.resource_tracker" in part for part in process.cmdline())


async def run_jobs(canary: Canary) -> int:
    """Run jobs that end in all ways and one that goes on; return the process of that one."""
    await canary.server.wait_worker(seconds=40)
    for room in ("raises", "killed"):
        await canary.job(room)
    await canary.job("steady", ends=False)
    await canary.until((canary.folder / "steady.json").exists, "the job that goes on")
    await canary.until((canary.folder / "reprs_of_jobs.txt").exists, "a look at the running job")
    await canary.ask_health()
    pid: int = json.loads((canary.folder / "steady.json").read_text())["pid"]
    return pid


@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("way", WAYS)
async def test_no_output_no_repr_no_argument_holds_a_secret(canary: Canary, way: str, mode: str) -> None:
    async with canary.running(way, MODES[mode], *START, "--log-level", "DEBUG"):
        await run_jobs(canary)
        assert canary.argv_with_canary() == []
        await canary.drain()

    canary.check_nothing_shows()
    assert {path.name for path in canary.folder.glob("*.txt")} >= LOOKED_AT
    assert "it failed" in canary.output
    assert "SIGKILL" in canary.output
    assert ("every user of this machine could read" in canary.output) is way.startswith("flag")


@pytest.mark.parametrize("executor", list(EXECUTORS))
@pytest.mark.parametrize("way", OUTSIDE)
async def test_none_keeps_the_secret_out_of_memory_and_environment_of_every_process_but_the_worker(
    canary: Canary, way: str, executor: str
) -> None:
    from tests.secrets.conftest import holds

    async with canary.running(way, MODES["none"] + EXECUTORS[executor], *START) as process:
        job = await run_jobs(canary)
        others = [each.pid for each in canary.tree() if each.pid != process.pid and not _is_pythons_own(each)]
        assert job in others
        assert holds(process.pid, CANARY.encode()), "the test would find it"
        assert holds(job, b"canary-8f1c2d".replace(b"canary-8f1c2d", b"def with_locals")), "and reads that memory"
        assert canary.argv_with_canary() == []
        for pid in others:
            name = psutil.Process(pid).cmdline()
            assert holds(pid, CANARY.encode()) == [], name
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            for secret in (CANARY, *canary.tokens):
                assert secret.encode() not in environment, name
        await canary.drain()

    canary.check_nothing_shows()


async def test_with_inherit_the_job_has_the_secret_which_is_what_the_dump_would_show(canary: Canary) -> None:
    from tests.secrets.conftest import holds

    async with canary.running("environment", "", *START):
        job = await run_jobs(canary)
        assert holds(job, CANARY.encode())
        await canary.drain()


async def test_in_development_the_worker_that_the_watcher_starts_has_no_secret_among_its_arguments(
    canary: Canary,
) -> None:
    async with canary.running("flag", "", "dev", "--asyncio-debug"):
        await canary.server.wait_worker(seconds=40)
        await canary.job("steady", ends=False)
        await canary.until((canary.folder / "steady.json").exists, "the job")
        assert len(canary.tree()) > 2
        assert canary.argv_with_canary() == []
        await canary.drain()

    canary.check_nothing_shows()


async def test_a_job_that_is_carried_over_to_new_code_takes_its_token_along_unseen(canary: Canary) -> None:
    steady = canary.folder / "steady.json"
    async with canary.running("environment", "", "dev"):
        await canary.server.wait_worker(seconds=40)
        await canary.job("steady", ends=False)
        await canary.until(steady.exists, "the job")
        steady.unlink()
        with (canary.folder / "my_agent.py").open("a") as file:
            file.write("# another version\n")
        await canary.until(steady.exists, "the job in the new worker")
        assert canary.argv_with_canary() == []
        await canary.drain()

    canary.check_nothing_shows()
    assert "a job is resumed" in canary.output


@pytest.mark.parametrize("mode", list(MODES))
async def test_hooks_that_are_traced_with_their_arguments_bring_nothing_to_light(canary: Canary, mode: str) -> None:
    async with canary.running("environment", MODES[mode], *START, "--log-level", "DEBUG", LK_AGENTS_TRACE_HOOKS="1"):
        await run_jobs(canary)
        await canary.drain()

    canary.check_nothing_shows()
    assert "lk_agents_job_lost" in canary.output


@pytest.mark.parametrize("mode", list(MODES))
async def test_jobs_in_threads_bring_nothing_to_light(canary: Canary, mode: str) -> None:
    threads = "job_executor_type=JobExecutorType.THREAD, "
    async with canary.running("environment", MODES[mode] + threads, *START, "--log-level", "DEBUG"):
        await canary.server.wait_worker(seconds=40)
        await canary.job("raises")
        await canary.job("steady", ends=False)
        await canary.until((canary.folder / "steady.json").exists, "the job that goes on")
        await canary.drain()

    canary.check_nothing_shows()
    assert "it failed" in canary.output


COMMANDS = {
    "doctor": ("doctor",),
    "doctor for programs": ("doctor", "--json"),
    "plugins": ("plugins",),
    "download-files": ("download-files",),
}


@pytest.mark.parametrize("command", list(COMMANDS.values()), ids=list(COMMANDS))
@pytest.mark.parametrize("way", ["environment", "code"])
async def test_no_other_command_shows_a_secret(canary: Canary, way: str, command: tuple[str, ...]) -> None:
    async with canary.running(way, "", *command) as process:
        assert await process.wait() in {0, 1}

    canary.check_nothing_shows()
    assert canary.output


@pytest.mark.parametrize("way", ["environment", "flag", "code"])
async def test_connect_asks_the_server_and_shows_no_secret(canary: Canary, way: str) -> None:
    async with canary.running(way, "", "connect", "--no-watch", "--room", "the-room"):
        await canary.server.wait_worker(seconds=40)
        await canary.until((canary.folder / "port.json").exists, "the registration")
        await canary.drain()

    canary.check_nothing_shows()
    assert "the-room" in canary.output, "it failed, as this server knows no rooms, and said so"


@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("way", OUTSIDE)
async def test_a_server_that_refuses_the_key_brings_nothing_to_light(canary: Canary, way: str, mode: str) -> None:
    canary.server.faults = Faults(refuse_status=401)
    async with canary.running(way, MODES[mode], *START, "--log-level", "DEBUG") as process:
        assert await process.wait() == 1

    canary.check_nothing_shows()
    assert "refuses the API key 'canary-key'" in canary.output


@pytest.mark.parametrize("mode", list(MODES))
async def test_a_prewarm_function_that_fails_brings_nothing_to_light(canary: Canary, mode: str) -> None:
    async with canary.running("environment", MODES[mode], *START, "--log-level", "DEBUG", PREWARM_RAISES="1"):
        await canary.server.wait_worker(seconds=40)
        await canary.job("raises")
        await canary.drain()

    canary.check_nothing_shows()
    assert "is torn" in canary.output


@pytest.mark.parametrize("mode", list(MODES))
async def test_a_job_that_hangs_shows_its_stacks_and_nothing_else(canary: Canary, mode: str) -> None:
    options = f"{MODES[mode]}shutdown_process_timeout=1.0, "
    async with canary.running("environment", options, "start", "--drain-timeout", "1"):
        await canary.server.wait_worker(seconds=40)
        await canary.job("hangs", ends=False)
        await canary.until((canary.folder / "reprs_in_hangs.txt").exists, "the job")
        await canary.drain()

    canary.check_nothing_shows()
    assert "in entry" in canary.output, "the stacks were shown"


@pytest.mark.parametrize("mode", list(MODES))
async def test_what_the_users_own_code_logs_is_cut_out_of_the_output(canary: Canary, mode: str) -> None:
    async with canary.running("environment", MODES[mode], *START):
        await canary.server.wait_worker(seconds=40)
        await canary.job("prints")
        await canary.drain()

    canary.check_nothing_shows(cut_out=True)
    assert "a token in words: [redacted]" in canary.output
    assert "a token in an error: [redacted]" in canary.output
