"""Real processes from an executed zygote: jobs that end in every bad way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from tests.ipc import agents
from tests.ipc.pools import LIMITS, alive, descriptor_count, job, proc_status, processes, until, zombies

from lk_agents.ipc.records import Limits
from lk_agents.ipc.zygote import zygotes_work_here
from lk_agents.job.spec import EndCause

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(40),
    pytest.mark.skipif(not zygotes_work_here(), reason="zygotes need Linux 5.4 or newer"),
]


async def test_a_panic_of_the_native_library_fails_the_job_and_its_callbacks_run(tmp_path: Path) -> None:
    async with processes() as (bench, _):
        report = await bench.run(job("panic", file=str(tmp_path / "ended")))

    assert (report.outcome.success, report.outcome.cause, report.lost) == (False, EndCause.NATIVE_PANIC, False)
    assert "panicked" in (tmp_path / "ended").read_text()


async def test_a_blocked_loop_is_ended_after_its_limit_with_the_stacks_of_threads_and_tasks() -> None:
    limits = Limits(start_silence_seconds=1, shutdown_seconds=5, loop_blocked_seconds=2, beat_silence_seconds=30)
    async with processes(limits=limits) as (bench, _):
        began = time.monotonic()
        report = await bench.run(job("block"))
        seconds = time.monotonic() - began

    assert seconds > limits.loop_blocked_seconds
    assert report.lost
    assert report.outcome.reason.startswith("its event loop was blocked for")
    assert "stuck_in_this_function" in report.outcome.detail
    assert "Task 'bystander'" in report.outcome.detail
    assert "a_task_that_waits" in report.outcome.detail
    assert report.exit_code == -signal.SIGKILL


async def test_a_job_that_ignores_everything_is_killed_together_with_the_programs_it_started() -> None:
    async with processes(limits=Limits(start_silence_seconds=4, shutdown_seconds=1)) as (bench, _):
        spec = job("defy")
        await bench.pool.submit(spec, deadline_seconds=10)
        program: int = vars(await bench.logged("defying"))["program"]
        began = time.monotonic()
        await bench.pool.aclose()
        report = await bench.end_of(spec.job_id)

        assert time.monotonic() - began < 1 + 5 + 1
        assert report.lost
        assert report.exit_code == -signal.SIGKILL
        await until(lambda: not alive([program]), "the end of the job's program")


async def test_what_a_job_starts_can_be_terminated() -> None:
    async with processes() as (bench, _):
        report = await bench.run(job("end_programs"))

    ended = -signal.SIGTERM
    assert json.loads(report.outcome.reason) == {
        "plain": ended,
        "asyncio": ended,
        "spawned": ended,
        "forked": ended,
    }


async def test_x07_a_warm_process_that_was_killed_a_moment_ago_loses_no_job() -> None:
    async with processes(idle_target=1) as (bench, _):
        for _ in range(5):
            (pid,) = await bench.warm()
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            report = await bench.run(job("tell_facts"))
            assert report.outcome.success
            assert report.pid != pid


async def test_every_line_logged_before_a_sigkill_arrives() -> None:
    async with processes() as (bench, _):
        report = await bench.run(job("last_words", lines=2000))

        assert report.exit_code == -signal.SIGKILL
        lines = [line.getMessage() for line in bench.lines("line ", logger="tests.ipc.user")]
        assert lines == [f"line {number}" for number in range(2000)]
        assert all(vars(line)["job_id"] == report.spec.job_id for line in bench.lines(logger="tests.ipc.user"))


async def test_a_full_pipe_drops_debug_lines_and_says_so_and_keeps_the_others() -> None:
    async with processes() as (bench, _):
        spec = job("flood", debug=2000, info=20)
        await bench.pool.submit(spec, deadline_seconds=10)
        await bench.logged("flooding")
        time.sleep(1.5)  # a worker that does not read
        await bench.end_of(spec.job_id)
        lost = await bench.logged("log lines were lost")

        important = [line.getMessage() for line in bench.lines("important")]
        assert important == [f"important {number}" for number in range(20)]
        debug = len(bench.lines("d" * 1000))
        assert 0 < vars(lost)["lost"] <= 2000 - debug


async def test_a_line_larger_than_the_pipe_does_not_stop_a_job_whose_worker_does_not_read() -> None:
    async with processes() as (bench, _):
        spec = job("log_hugely", size=4 * 2**20)
        await bench.pool.submit(spec, deadline_seconds=10)
        await bench.logged("huge")
        time.sleep(3)  # a worker that does not read
        report = await bench.end_of(spec.job_id)

        assert float(report.outcome.reason) < 1


@pytest.mark.parametrize(
    ("order", "code", "reason"),
    [
        ({"code": 3}, 3, "exited with code 3"),
        ({"code": 0}, 0, "exited with code 0"),
        ({"number": signal.SIGABRT.value}, -6, "killed by SIGABRT"),
        ({"number": signal.SIGSEGV.value}, -11, "killed by SIGSEGV"),
    ],
)
async def test_the_end_of_a_process_is_told_by_code_and_in_words(order: dict[str, int], code: int, reason: str) -> None:
    async with processes() as (bench, _):
        report = await bench.run(job("leave", **order))

    assert (report.lost, report.exit_code, report.outcome.reason) == (True, code, reason)
    assert report.outcome.cause is EndCause.PROCESS_LOST


async def test_no_process_gets_a_second_job_and_numpys_numbers_differ() -> None:
    async with processes(idle_target=2, hooks={"lk_agents_preload_modules": agents.preload_numpy}) as (bench, _):
        facts = [json.loads((await bench.run(job("tell_facts"))).outcome.reason) for _ in range(4)]

    assert len({fact["pid"] for fact in facts}) == 4
    assert len({fact["numpy"] for fact in facts}) == 4


async def test_a_child_has_no_descriptors_but_its_own() -> None:
    async with processes(idle_target=3) as (bench, _):
        await bench.warm(3)
        facts = json.loads((await bench.run(job("tell_facts"))).outcome.reason)

    sockets = [kind for kind in facts["descriptors"] if kind == "socket"]
    assert len(sockets) == 4, facts["descriptors"]  # channel, side channel, and both ends of the loop's own


async def test_x10_a_prewarm_that_crashes_breaks_the_pool_at_once_and_not_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "model"
    async with processes(idle_target=1, prewarm=agents.raise_until, user_arguments=str(file)) as (bench, _):
        await bench.until(lambda: bench.pool.snapshot().broken_reason is not None, "a broken pool")
        began = time.monotonic()
        with pytest.raises(Exception, match="RuntimeError: the model is not there yet"):
            await bench.pool.submit(job("tell_facts"), deadline_seconds=10)
        assert time.monotonic() - began < 0.5

        file.touch()
        await bench.warm()
        assert bench.pool.snapshot().broken_reason is None


async def test_a_prewarm_that_ends_the_process_is_a_failed_start_with_the_signal() -> None:
    async with processes(prewarm=agents.kill_this_process) as (bench, _):
        with pytest.raises(Exception, match="killed by SIGSEGV"):
            await bench.pool.submit(job("tell_facts"), deadline_seconds=10)


async def test_x06_closing_in_the_middle_of_starts_leaves_nothing() -> None:
    for pause in (0.0, 0.3, 0.6, 0.8):
        async with processes(idle_target=4) as (bench, launcher):
            await asyncio.sleep(pause)
            pids = [process.pid for process in bench.pool.snapshot().processes if process.pid]
            zygote = launcher.zygote_pid
            async with asyncio.timeout(5):
                await bench.pool.aclose()
            assert alive([*pids, *([zygote] if zygote else [])]) == []


async def test_kill_leaves_nothing_within_five_seconds() -> None:
    async with processes(idle_target=2) as (bench, launcher):
        await bench.warm(2)
        for order in ("defy", "block", "wait"):
            await bench.pool.submit(job(order), deadline_seconds=10)
        program: int = vars(await bench.logged("defying"))["program"]
        await bench.logged("blocking")
        await bench.logged("waiting")
        pids = [process.pid for process in bench.pool.snapshot().processes if process.pid]
        assert len(pids) >= 3
        began = time.monotonic()
        await bench.pool.kill()

        assert time.monotonic() - began < 5
        assert alive([*pids, program]) == []
        assert launcher.zygote_pid is None
        assert len(bench.reports) == 3


async def test_a_job_is_offered_to_the_kernel_before_the_worker_when_memory_runs_out() -> None:
    async with processes(idle_target=1) as (bench, _):
        (pid,) = await bench.warm()

        assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) == min(
            1000, int(Path("/proc/self/oom_score_adj").read_text()) + 300
        )


async def test_a_child_ignores_sigint_and_leaves_sigterm_to_its_pulse() -> None:
    async with processes(idle_target=1) as (bench, _):
        (pid,) = await bench.warm()
        assert pid is not None
        ignored = int(proc_status(pid, "SigIgn"), 16)
        assert ignored & 1 << signal.SIGINT - 1
        assert int(proc_status(pid, "SigBlk"), 16) & 1 << signal.SIGTERM - 1


async def test_the_atexit_callbacks_of_a_job_run_and_one_that_hangs_is_cut(tmp_path: Path) -> None:
    async with processes(limits=LIMITS) as (bench, _):
        quick, slow = tmp_path / "quick", tmp_path / "slow"
        await bench.run(job("at_exit", file=str(quick)))
        await bench.empty()
        assert quick.read_text() == "done"

        await bench.run(job("at_exit", file=str(slow), seconds=60))
        began = time.monotonic()
        await bench.empty()

        assert slow.read_text() == "began"
        assert 1 < time.monotonic() - began < 5
        assert bench.lines("has to be ended") == []


async def test_what_jobs_leave_behind_is_ended_and_reaped() -> None:
    async with processes() as (bench, _):
        for _ in range(5):
            await bench.run(job("leave_orphans"))
        await bench.empty()
        await until(lambda: not zombies(), "no zombies", seconds=5)
        assert zombies() == []


async def test_what_jobs_leave_behind_in_sessions_of_its_own_is_reaped_when_it_ends() -> None:
    async with processes() as (bench, _):
        pids = [int((await bench.run(job("leave_sessions"))).outcome.reason) for _ in range(3)]
        await until(lambda: not alive(pids), "the end of the programs", seconds=5)
        await bench.run(job("tell_facts"))

        await until(lambda: not any(map(psutil.pid_exists, pids)), "no zombies", seconds=5)
        assert not [pid for pid in pids if psutil.pid_exists(pid)]


async def test_a_hundred_jobs_leave_the_workers_descriptors_as_they_were() -> None:
    async with processes(idle_target=2) as (bench, launcher):
        await bench.warm(2)
        zygote = launcher.zygote_pid
        assert zygote is not None
        before, zygote_before = descriptor_count(), descriptor_count(zygote)
        for _ in range(25):
            reports = await asyncio.gather(*(bench.run(job("tell_facts")) for _ in range(4)))
            assert all(report.outcome.success for report in reports)
        await bench.until(lambda: len(bench.pool.snapshot().processes) == 2, "only the warm ones left")
        await bench.warm(2)

        await until(lambda: descriptor_count() <= before, f"{before} descriptors, there are {descriptor_count()}")
        await until(lambda: descriptor_count(zygote) <= zygote_before, "as many in the zygote")
        assert zombies() == []


async def test_a_job_that_uses_too_much_memory_is_ended_with_that_cause() -> None:
    limits = Limits(start_silence_seconds=1, shutdown_seconds=5, memory_warn_mb=60, memory_limit_mb=100)
    async with processes(idle_target=1, limits=limits, prewarm=agents.use_much_memory) as (bench, _):
        await bench.until(lambda: bench.pool.snapshot().broken_reason is not None, "a broken pool", seconds=25)

        assert "over the limit of 100 MB (job_memory_limit_mb)" in str(bench.pool.snapshot().broken_reason)
