"""The supervisor with scripted executors, in virtual time."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.ipc.scripted import Diary, Script, ScriptedHandle, ScriptedLauncher, fail_to_start, job_spec, stay_silent

from lk_agents.foundation.errors import NoProcessError, PoolClosedError, ProcessStartError
from lk_agents.ipc.messages import JobEnded, JobStarted, Ready, StartJob, Stop, Terminated
from lk_agents.ipc.pool import PoolConfig
from lk_agents.ipc.records import Limits
from lk_agents.ipc.supervisor import Supervisor
from lk_agents.job.spec import EndCause, JobOutcome

pytestmark = pytest.mark.usefixtures("lk_clock")

GOOD = JobOutcome(success=True, cause=EndCause.SHUTDOWN, reason="bye")


async def entrypoint(ctx: Any) -> None:
    """Nobody calls it here."""


class Pool:
    """A pool, its executors and its listener."""

    def __init__(self, script: Script | None = None, *, limits: Limits | None = None, **config: Any) -> None:
        self.launcher = ScriptedLauncher(script)
        self.diary = Diary()
        self.pool = Supervisor(
            PoolConfig(entrypoint=entrypoint, **config), self.launcher, self.diary, limits=limits, start_at_once=8
        )

    @property
    def handles(self) -> list[ScriptedHandle]:
        """All executors so far."""
        return self.launcher.handles

    def count(self, phase: str) -> int:
        """Return how many executors are in that phase."""
        return self.pool.snapshot().count(phase)


@asynccontextmanager
async def pool_of(script: Script | None = None, **config: Any) -> AsyncIterator[Pool]:
    """Run a pool while the block lasts."""
    pool = Pool(script, **config)
    await pool.pool.start()
    await asyncio.sleep(0.01)
    yield pool
    await pool.pool.kill(0)


def begin_only(handle: ScriptedHandle, message: Any) -> None:
    """Begin jobs, and never end."""
    if isinstance(message, StartJob):
        handle.say(JobStarted())


def now() -> float:
    """Return the virtual time."""
    return asyncio.get_running_loop().time()


async def test_a_job_takes_a_warm_executor_and_the_next_one_is_started() -> None:
    async with pool_of(idle_target=2) as pool:
        await pool.pool.submit(job_spec("AJ_1"), deadline_seconds=5)
        await asyncio.sleep(0.01)

        assert pool.diary.started == ["AJ_1"]
        assert (pool.count("running"), pool.count("idle")) == (1, 2)
        assert list(pool.pool.jobs()) == ["AJ_1"]


async def test_without_warm_executors_each_job_starts_its_own() -> None:
    async with pool_of() as pool:
        await asyncio.gather(*(pool.pool.submit(job_spec(f"AJ_{n}"), deadline_seconds=5) for n in range(3)))

        assert sorted(pool.diary.started) == ["AJ_0", "AJ_1", "AJ_2"]
        assert len(pool.handles) == 3


async def test_each_job_is_reported_exactly_once_and_each_executor_released_once() -> None:
    async with pool_of(idle_target=1) as pool:
        await pool.pool.submit(job_spec(), deadline_seconds=5)
        handle = pool.handles[0]
        handle.say(JobEnded(outcome=GOOD), JobEnded(outcome=GOOD))
        handle.exit()
        await pool.pool.wait_no_jobs()
        await asyncio.sleep(1)

        assert [report.outcome for report in pool.diary.reports] == [GOOD]
        assert handle.released


async def test_a_job_no_executor_comes_for_fails_at_its_deadline_and_says_why() -> None:
    async with pool_of(Script(born=stay_silent)) as pool:
        began = now()
        with pytest.raises(NoProcessError, match=r"no process became ready within 3 s \(1 starting, 0 idle, 1 jobs"):
            await pool.pool.submit(job_spec(), deadline_seconds=3)

        assert now() - began == pytest.approx(3, abs=0.01)
        await asyncio.sleep(0.01)
        assert not pool.pool.jobs()


async def test_a_submit_that_is_cancelled_withdraws_its_job() -> None:
    async with pool_of(Script(born=stay_silent)) as pool:
        task = asyncio.create_task(pool.pool.submit(job_spec(), deadline_seconds=50), name="submit")
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await pool.pool.wait_no_jobs()

        pool.handles[0].say(Ready())
        await asyncio.sleep(0.01)

        assert pool.diary.started == []


async def test_x07_dead_idle_process_is_replaced() -> None:
    async with pool_of(idle_target=1) as pool:
        pool.handles[0].exit(-9)
        await asyncio.sleep(0.01)

        assert pool.handles[0].released
        assert [process.executor_id for process in pool.pool.snapshot().processes] == [2]
        assert pool.count("idle") == 1
        await pool.pool.submit(job_spec(), deadline_seconds=0.1)
        assert pool.handles[0].sent == []
        assert pool.handles[1].job_ids == ["AJ_1"]


async def test_x07_a_warm_executor_that_dies_is_replaced_and_the_job_sent_to_it_goes_to_another() -> None:
    def die_with_the_first_job(handle: ScriptedHandle, message: Any) -> None:
        if isinstance(message, StartJob):
            handle.exit(-9) if handle.init.executor_id == 1 else handle.say(JobStarted())

    async with pool_of(Script(told=die_with_the_first_job), idle_target=1) as pool:
        await pool.pool.submit(job_spec(), deadline_seconds=5)

        assert pool.diary.started == ["AJ_1"]
        assert pool.diary.reports == []
        assert any(isinstance(message, StartJob) for message in pool.handles[1].sent)


async def test_a_job_that_three_executors_could_not_begin_fails_by_name() -> None:
    def die(handle: ScriptedHandle, message: Any) -> None:
        handle.exit(-9)

    async with pool_of(Script(told=die), idle_target=1) as pool:
        with pytest.raises(ProcessStartError, match="3 processes could not begin the job, the last one: killed by SIG"):
            await pool.pool.submit(job_spec(), deadline_seconds=50)


async def test_an_executor_that_does_not_begin_its_job_is_ended_and_another_gets_it() -> None:
    def ignore_once(handle: ScriptedHandle, message: Any) -> None:
        if isinstance(message, StartJob) and handle.init.executor_id != 1:
            handle.say(JobStarted())

    async with pool_of(Script(told=ignore_once), idle_target=1) as pool:
        await pool.pool.submit(job_spec(), deadline_seconds=20)

        assert pool.handles[0].calls == ["dump", "terminate", "kill"]
        assert pool.diary.started == ["AJ_1"]


async def test_x10_starts_that_always_fail_are_tried_at_growing_intervals() -> None:
    births: list[float] = []

    def fail(handle: ScriptedHandle) -> None:
        births.append(now())
        fail_to_start(handle)

    async with pool_of(Script(born=fail), idle_target=1) as pool:
        began = now()
        with pytest.raises(ProcessStartError, match="3 processes in a row could not be started, the last one: prewarm"):
            await pool.pool.submit(job_spec(), deadline_seconds=50)
        assert now() == began
        await asyncio.sleep(100)

    gaps = [after - before for before, after in itertools.pairwise(births)]
    assert [round(gap) for gap in gaps] == [0, 0, 1, 2, 4, 8, 16, 30, 30]
    broken = [snapshot.broken_reason for snapshot in pool.diary.snapshots if snapshot.broken_reason]
    assert "ValueError: no model" in broken[0]


@pytest.mark.parametrize("idle_target", [0, 1])
async def test_x10_a_broken_pool_recovers_by_itself(idle_target: int) -> None:
    async with pool_of(Script(born=fail_to_start), idle_target=idle_target) as pool:
        for number in range(3):
            with pytest.raises(ProcessStartError):
                await pool.pool.submit(job_spec(f"AJ_{number}"), deadline_seconds=50)
        assert pool.pool.snapshot().broken_reason is not None

        pool.launcher.script = Script()
        await asyncio.sleep(31)

        assert pool.pool.snapshot().broken_reason is None
        assert pool.count("idle") == idle_target
        await pool.pool.submit(job_spec("AJ_9"), deadline_seconds=1)


async def test_a_launcher_that_cannot_start_anything_fails_jobs_with_its_reason() -> None:
    async with pool_of() as pool:
        pool.launcher.ready, pool.launcher.failure = False, "the process that jobs are forked from could not start: x"

        with pytest.raises(ProcessStartError, match="forked from could not start: x"):
            await pool.pool.submit(job_spec(), deadline_seconds=50)


async def test_while_the_launcher_is_restarting_jobs_wait_for_it() -> None:
    async with pool_of() as pool:
        pool.launcher.ready = False
        task = asyncio.create_task(pool.pool.submit(job_spec(), deadline_seconds=5), name="submit")
        await asyncio.sleep(1)
        pool.launcher.ready = True
        assert pool.launcher.sink is not None
        pool.launcher.sink.launcher_changed()
        await task

        assert pool.diary.started == ["AJ_1"]


async def test_warm_executors_that_are_too_heavy_break_the_pool_like_failed_starts() -> None:
    def heavy(handle: ScriptedHandle) -> None:
        handle.say(Ready())
        asyncio.get_running_loop().call_later(5, lambda: handle.beat(pss_mb=500))

    def light(handle: ScriptedHandle) -> None:
        handle.say(Ready())
        handle.beat(pss_mb=100)

    async with pool_of(Script(born=heavy), idle_target=1, memory_limit_mb=400) as pool:
        await asyncio.sleep(30)
        reason = pool.pool.snapshot().broken_reason
        assert reason is not None
        assert "500 MB of memory, over the limit of 400 MB" in reason
        started_in_half_a_minute = len(pool.handles)
        await asyncio.sleep(120)
        assert len(pool.handles) - started_in_half_a_minute <= 8

        pool.launcher.script = Script(born=light)
        await asyncio.sleep(60)
        assert pool.pool.snapshot().broken_reason is None


async def test_x06_closing_while_an_executor_is_starting_ends_it_and_returns() -> None:
    async with pool_of(Script(born=stay_silent), idle_target=2) as pool:
        began = now()
        await pool.pool.aclose()

        assert now() - began < 1
        assert [handle.calls for handle in pool.handles] == [["kill"], ["kill"]]
        assert pool.launcher.closed


async def test_x31_closing_fails_a_submit_that_still_waits() -> None:
    async with pool_of(Script(born=stay_silent)) as pool:
        task = asyncio.create_task(pool.pool.submit(job_spec(), deadline_seconds=500), name="submit")
        await asyncio.sleep(0.01)
        await pool.pool.aclose("the worker goes home")

        with pytest.raises(PoolClosedError, match="the worker goes home"):
            await task
        with pytest.raises(PoolClosedError, match="the worker goes home"):
            await pool.pool.submit(job_spec("AJ_2"), deadline_seconds=5)


async def test_nobody_rehearses_a_job_in_a_pool_that_closes() -> None:
    async with pool_of(Script(told=lambda handle, message: None), idle_target=1) as pool:
        closing = asyncio.create_task(pool.pool.aclose(), name="close")
        await asyncio.sleep(1)
        await closing

        assert [type(message) for message in pool.handles[0].sent] == [Stop]


async def test_closing_asks_jobs_to_end_and_waits_for_their_reports() -> None:
    async with pool_of(idle_target=1, shutdown_seconds=10) as pool:
        await pool.pool.submit(job_spec(), deadline_seconds=5)
        await pool.pool.aclose("drain")

        (report,) = pool.diary.reports
        assert (report.outcome.reason, report.lost) == ("drain", False)
        assert pool.pool.snapshot().processes == ()
        await pool.pool.aclose()
        await pool.pool.kill()


async def test_what_cannot_even_be_killed_is_left_behind_and_its_job_reported() -> None:
    async with pool_of(
        Script(told=lambda handle, message: handle.say(JobStarted()), can_be_killed=False),
        shutdown_seconds=10,
    ) as pool:
        await pool.pool.submit(job_spec(), deadline_seconds=5)
        began = now()
        await pool.pool.aclose()

        assert now() - began <= 10 + 7
        (report,) = pool.diary.reports
        assert report.lost
        assert "cannot be killed" in report.outcome.reason
        assert "Thread 1: in a loop" in report.outcome.detail


async def test_kill_after_close_hurries_the_jobs_that_close_would_wait_for() -> None:
    async with pool_of(
        Script(told=lambda handle, message: handle.say(JobStarted()) if isinstance(message, StartJob) else None)
    ) as pool:
        await pool.pool.submit(job_spec(), deadline_seconds=5)
        closing = asyncio.create_task(pool.pool.aclose(), name="close")
        await asyncio.sleep(1)
        began = now()
        await pool.pool.kill(2)
        await closing

        assert now() - began == pytest.approx(2, abs=0.1)
        assert pool.handles[0].calls == ["kill"]


async def test_being_told_once_more_to_end_at_once_puts_nothing_off() -> None:
    async with pool_of(Script(told=begin_only)) as pool:
        await pool.pool.submit(job_spec(), deadline_seconds=5)
        began = now()
        kills = []
        for _ in range(4):
            kills.append(asyncio.create_task(pool.pool.kill(2), name="kill"))
            await asyncio.sleep(0.5)
        await asyncio.gather(*kills)

        assert now() - began == pytest.approx(2, abs=0.1)
        assert pool.handles[0].calls == ["kill"]


async def test_a_job_whose_submitter_gave_up_a_moment_ago_is_reported_to_nobody() -> None:
    async with pool_of(Script(told=lambda handle, message: None), idle_target=1) as pool:
        submitting = asyncio.create_task(pool.pool.submit(job_spec(), deadline_seconds=50), name="submit")
        await asyncio.sleep(0.01)
        submitting.cancel()
        pool.pool.relieve_memory("no memory")
        pool.handles[0].exit(-9)
        with pytest.raises(asyncio.CancelledError):
            await submitting
        await pool.pool.wait_no_jobs()

        assert pool.diary.reports == []


async def test_a_job_that_fails_when_its_submitter_has_just_gone_leaves_no_unheard_error() -> None:
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: unheard.append(context))
    async with pool_of(Script(born=stay_silent)) as pool:
        submitting = asyncio.create_task(pool.pool.submit(job_spec(), deadline_seconds=50), name="submit")
        await asyncio.sleep(0.01)
        submitting.cancel()
        pool.pool.stop_job("AJ_1", "room closed")
        with pytest.raises(asyncio.CancelledError):
            await submitting
        await pool.pool.wait_no_jobs()

    gc.collect()
    assert unheard == []


async def test_a_lowered_target_stops_the_youngest_and_never_one_with_a_job() -> None:
    async with pool_of(idle_target=3) as pool:
        await pool.pool.submit(job_spec(), deadline_seconds=5)
        pool.pool.set_idle_target(1)
        await asyncio.sleep(0.1)

        assert (pool.count("idle"), pool.count("running")) == (1, 1)
        assert [type(message) for message in pool.handles[0].sent] == [StartJob]
        assert isinstance(pool.handles[-1].sent[0], Stop)


async def test_a_termination_reaches_the_job_and_one_that_still_waits_is_failed() -> None:
    async with pool_of() as pool:
        await pool.pool.submit(job_spec("AJ_1"), deadline_seconds=5)
        pool.launcher.script = Script(born=stay_silent)
        waiting = asyncio.create_task(pool.pool.submit(job_spec("AJ_2"), deadline_seconds=50), name="submit")
        await asyncio.sleep(0.01)

        assert pool.pool.stop_job("AJ_1", "room closed")
        assert pool.pool.stop_job("AJ_2", "room closed")
        assert not pool.pool.stop_job("AJ_3", "room closed")
        with pytest.raises(NoProcessError, match="before it was begun: room closed"):
            await waiting

        assert pool.handles[0].sent[-1] == Terminated(reason="room closed")


async def test_the_heaviest_job_is_ended_to_save_memory_one_at_a_time() -> None:
    async with pool_of(Script(told=begin_only)) as pool:
        for number in range(3):
            await pool.pool.submit(job_spec(f"AJ_{number}"), deadline_seconds=5)
        for handle, weight in zip(pool.handles, (100, 300, 200), strict=True):
            handle.beat(pss_mb=weight)
        await asyncio.sleep(0.01)

        pool.pool.relieve_memory("no memory")
        pool.pool.relieve_memory("no memory")
        await asyncio.sleep(0.01)

        stops = [[m for m in handle.sent if isinstance(m, Stop)] for handle in pool.handles]
        assert [len(stop) for stop in stops] == [0, 1, 0]
        assert stops[1][0].cause is EndCause.MEMORY


async def test_a_child_that_speaks_out_of_turn_is_ended_and_the_pool_goes_on() -> None:
    async with pool_of(idle_target=1) as pool:
        pool.handles[0].say(JobEnded(outcome=GOOD))
        await asyncio.sleep(10)

        assert pool.handles[0].released
        assert pool.count("idle") == 1
        await pool.pool.submit(job_spec(), deadline_seconds=1)


async def test_a_listener_that_raises_does_not_stop_the_pool() -> None:
    async with pool_of() as pool:
        pool.diary.started = None  # type: ignore[assignment]  # what makes job_started raise
        await pool.pool.submit(job_spec(), deadline_seconds=5)
        pool.diary.started = []
        pool.handles[0].say(JobEnded(outcome=GOOD))
        pool.handles[0].exit()
        await pool.pool.wait_no_jobs()

        assert len(pool.diary.reports) == 1


async def test_many_jobs_that_nobody_takes_all_fail_in_time_and_leave_nothing_behind() -> None:
    async with pool_of(Script(born=stay_silent)) as pool:
        submits = (pool.pool.submit(job_spec(f"AJ_{n}"), deadline_seconds=9) for n in range(50))
        errors = await asyncio.gather(*submits, return_exceptions=True)
        await pool.pool.wait_no_jobs()

        assert {type(error) for error in errors} == {NoProcessError}
        assert not pool.pool.jobs()
