"""The steps of a job's end: their order, their limits, and that nobody can hold them up."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable

import pytest

from lk_agents.foundation.errors import ConfigError, JobError
from lk_agents.job.context import JobContext
from lk_agents.job.spec import EndCause, JobOutcome
from lk_agents.testing.job import FakeHost, JobBench
from lk_agents.testing.room import FakeRoom
from lk_agents.utils.http_context import http_session

pytestmark = pytest.mark.usefixtures("lk_clock")

FOREVER = 3600.0


async def stays(ctx: JobContext) -> None:
    await ctx.connect()
    await asyncio.sleep(FOREVER)


async def test_the_end_has_an_order(lk_job: JobBench) -> None:
    steps: list[str] = []

    async def participant(ctx: JobContext, somebody: object) -> None:
        try:
            await asyncio.sleep(FOREVER)
        finally:
            steps.append("participant task")

    async def callback() -> None:
        steps.append(f"callback, connected: {room.isconnected()}")

    async def entrypoint(ctx: JobContext) -> None:
        ctx.add_participant_entrypoint(participant)
        ctx.add_shutdown_callback(callback)
        await ctx.connect()
        try:
            await asyncio.sleep(FOREVER)
        finally:
            steps.append("entrypoint")

    class Host(FakeHost):
        async def job_ended(self, outcome: JobOutcome) -> None:
            steps.append(f"reported, connected: {room.isconnected()}")

    room = FakeRoom()
    room.join("alice")
    job = lk_job.start(entrypoint, room=room, host=Host(), shutdown_seconds=1.0)
    await asyncio.sleep(0.02)
    job.runner.stop("enough")
    await job.outcome()

    assert steps == ["entrypoint", "participant task", "callback, connected: True", "reported, connected: True"]
    assert not room.isconnected()


@pytest.mark.parametrize(("failed", "reason"), [(False, 1), (True, 16)])
async def test_the_others_in_the_room_learn_that_the_agent_failed(lk_job: JobBench, failed: bool, reason: int) -> None:
    async def entrypoint(ctx: JobContext) -> None:
        await ctx.connect()
        if failed:
            raise ValueError
        ctx.shutdown()

    job = lk_job.start(entrypoint)
    await job.outcome()

    assert job.room.leave_reasons == [reason]


async def test_x12_the_entrypoint_may_return_by_itself_before_it_is_cancelled(lk_job: JobBench) -> None:
    steps = []

    async def entrypoint(ctx: JobContext) -> None:
        await ctx.connect()
        ctx.shutdown()
        await asyncio.sleep(0.02)
        steps.append("goodbye said")

    async def saying(_reason: str) -> None:
        steps.append("callback")

    def entry(ctx: JobContext) -> Awaitable[None]:
        ctx.add_shutdown_callback(saying)
        return entrypoint(ctx)

    await lk_job.start(entry).outcome()

    assert steps == ["goodbye said", "callback"]


async def test_x12_the_entrypoint_is_cancelled_after_its_grace(lk_job: JobBench) -> None:
    cancelled_at: list[float] = []
    loop = asyncio.get_running_loop()

    async def entrypoint(ctx: JobContext) -> None:
        try:
            await stays(ctx)
        except asyncio.CancelledError:
            cancelled_at.append(loop.time() - began)
            raise

    job = lk_job.start(entrypoint, shutdown_seconds=60.0)
    await job.host.logged("mark connected")
    began = loop.time()
    job.runner.stop("enough")

    assert (await job.outcome()).success
    assert cancelled_at == [pytest.approx(1.0)]
    assert loop.time() - began == pytest.approx(1.0)


async def test_callbacks_get_what_the_other_steps_leave_of_the_time(lk_job: JobBench) -> None:
    loop = asyncio.get_running_loop()
    had: list[float] = []

    async def hanging() -> None:
        began = loop.time()
        try:
            await asyncio.sleep(FOREVER)
        finally:
            had.append(loop.time() - began)

    async def entrypoint(ctx: JobContext) -> None:
        ctx.add_shutdown_callback(hanging)
        await stays(ctx)

    host = FakeHost(report_seconds=1.0)
    job = lk_job.start(entrypoint, room=FakeRoom(disconnect_seconds=1.0), host=host, shutdown_seconds=60.0)
    await host.logged("mark connected")
    began = loop.time()
    job.runner.stop("enough")
    await job.outcome(timeout=90.0)

    assert had == [pytest.approx(56.0)]  # 1 s for the entrypoint before, 3 s for the report and leaving after
    assert loop.time() - began <= 60.0


async def stubborn(release: asyncio.Event) -> None:
    while not release.is_set():
        try:
            await release.wait()
        except asyncio.CancelledError:
            continue


async def test_x12_an_entrypoint_that_swallows_its_cancellation_does_not_hang_the_end(
    lk_job: JobBench, caplog: pytest.LogCaptureFixture
) -> None:
    release, called = asyncio.Event(), []

    async def callback() -> None:
        called.append(True)

    async def entrypoint(ctx: JobContext) -> None:
        ctx.add_shutdown_callback(callback)
        ctx.create_task(stubborn(release), name="stubborn task")
        await ctx.connect()
        await stubborn(release)

    job = lk_job.start(entrypoint, shutdown_seconds=0.5)
    await asyncio.sleep(0.01)
    job.runner.stop("enough")
    outcome = await job.outcome(timeout=3.0)
    release.set()
    await asyncio.sleep(0)

    assert (outcome.cause, called) == (EndCause.STOPPED, [True])
    named = [record.task for record in caplog.records if record.message == "a task ignores its cancellation"]  # type: ignore[attr-defined]
    assert named == ["job_user_entrypoint", "stubborn task"]


async def test_an_error_of_the_entrypoint_during_the_end_changes_nothing(
    lk_job: JobBench, caplog: pytest.LogCaptureFixture
) -> None:
    async def entrypoint(ctx: JobContext) -> None:
        ctx.shutdown("done")
        raise ValueError("late")

    outcome = await lk_job.start(entrypoint).outcome()

    assert (outcome.cause, outcome.success) == (EndCause.SHUTDOWN, True)
    assert "the entrypoint failed while the job was ending" in caplog.messages


async def test_x13_a_failing_callback_stops_no_other(lk_job: JobBench, caplog: pytest.LogCaptureFixture) -> None:
    saved = []

    async def failing() -> None:
        raise RuntimeError("the database is gone")

    async def leaving() -> None:
        raise SystemExit(1)

    async def saving() -> None:
        await asyncio.sleep(0.02)
        saved.append(True)

    async def entrypoint(ctx: JobContext) -> None:
        for callback in (failing, leaving, saving):
            ctx.add_shutdown_callback(callback)
        ctx.shutdown()

    outcome = await lk_job.start(entrypoint).outcome()

    assert outcome.success
    assert saved == [True]
    assert caplog.messages.count("a shutdown callback failed") == 2


async def test_x13_a_callback_that_never_ends_is_cancelled_when_the_time_is_over(
    lk_job: JobBench, caplog: pytest.LogCaptureFixture
) -> None:
    async def hanging() -> None:
        await asyncio.sleep(FOREVER)

    async def entrypoint(ctx: JobContext) -> None:
        ctx.add_shutdown_callback(hanging)
        ctx.shutdown()

    job = lk_job.start(entrypoint, shutdown_seconds=0.3)

    assert (await job.outcome(timeout=3.0)).success
    assert "a shutdown callback did not end in time and is cancelled" in caplog.messages


async def test_x13_a_callback_that_swallows_its_cancellation_is_left_behind(lk_job: JobBench) -> None:
    release = asyncio.Event()

    async def entrypoint(ctx: JobContext) -> None:
        ctx.add_shutdown_callback(functools.partial(stubborn, release))
        ctx.shutdown()

    outcome = await lk_job.start(entrypoint, shutdown_seconds=0.2).outcome(timeout=3.0)
    release.set()
    await asyncio.sleep(0)

    assert outcome.success


async def test_a_stop_with_little_time_shortens_an_end_under_way(lk_job: JobBench) -> None:
    waits = asyncio.Event()

    async def hanging() -> None:
        waits.set()
        await asyncio.sleep(FOREVER)

    async def entrypoint(ctx: JobContext) -> None:
        ctx.add_shutdown_callback(hanging)
        ctx.shutdown("first")

    job = lk_job.start(entrypoint, shutdown_seconds=FOREVER)
    await waits.wait()
    job.runner.stop("second signal", grace_seconds=0.1)
    outcome = await job.outcome(timeout=3.0)

    assert (outcome.cause, outcome.reason) == (EndCause.SHUTDOWN, "first")


async def test_a_stop_never_gives_more_time_than_there_was(lk_job: JobBench) -> None:
    async def hanging() -> None:
        await asyncio.sleep(FOREVER)

    async def entrypoint(ctx: JobContext) -> None:
        ctx.add_shutdown_callback(hanging)
        await stays(ctx)

    job = lk_job.start(entrypoint, shutdown_seconds=0.2)
    await asyncio.sleep(0.01)
    job.runner.stop("drain", grace_seconds=FOREVER)

    assert (await job.outcome(timeout=3.0)).cause is EndCause.STOPPED


async def test_a_worker_that_does_not_answer_and_a_room_that_does_not_let_go_are_bounded(
    lk_job: JobBench, caplog: pytest.LogCaptureFixture
) -> None:
    job = lk_job.start(
        stays, room=FakeRoom(disconnect_seconds=FOREVER), host=FakeHost(report_seconds=FOREVER), shutdown_seconds=0.2
    )
    await asyncio.sleep(0.01)
    job.runner.stop("enough")

    await job.outcome(timeout=5.0)
    steps = [record.step for record in caplog.records if record.message == "a step of the job's end took too long"]  # type: ignore[attr-defined]
    assert steps == ["report the end of the job", "leave the room"]


async def test_the_jobs_http_session_is_closed_at_its_end(lk_job: JobBench) -> None:
    sessions = []

    async def entrypoint(ctx: JobContext) -> None:
        sessions.append(http_session())
        ctx.shutdown()

    await lk_job.start(entrypoint).outcome()

    assert sessions[0].closed


async def test_errors_that_nobody_awaits_are_logged_with_the_job(
    lk_job: JobBench, caplog: pytest.LogCaptureFixture
) -> None:
    async def failing() -> None:
        raise ValueError("lost")

    async def entrypoint(ctx: JobContext) -> None:
        task = asyncio.create_task(failing(), name="forgotten")
        await asyncio.sleep(0)
        del task
        await asyncio.sleep(0)
        ctx.shutdown()

    job = lk_job.start(entrypoint)
    await job.outcome()

    record = next(record for record in caplog.records if record.message == "an error in the job was not handled")
    assert (record.job_id, record.task) == (job.runner.job_id, "forgotten")  # type: ignore[attr-defined]
    assert record.exc_info is not None
    assert asyncio.get_running_loop().get_exception_handler() is None


class Saver:
    """Callbacks of every form."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    async def bound_zero(self) -> None:
        self.calls.append(("bound_zero",))

    async def bound_one(self, reason: str) -> None:
        self.calls.append(("bound_one", reason))

    async def two(self, prefix: str, reason: str) -> None:
        self.calls.append((prefix, reason))

    async def __call__(self, reason: str) -> None:
        self.calls.append(("object", reason))

    async def default(self, retries: int = 3) -> None:
        self.calls.append(("default", str(retries)))

    async def default_reason(self, reason: str = "") -> None:
        self.calls.append(("default_reason", reason))

    async def anything(self, *args: str) -> None:
        self.calls.append(("anything", *args))

    async def keyword(self, *, reason: str) -> None:
        self.calls.append(("keyword", reason))

    def plain(self) -> None:
        self.calls.append(("plain",))


FORMS: dict[str, tuple[Callable[[Saver], object], tuple[str, ...]]] = {
    "a bound method without arguments": (lambda s: s.bound_zero, ("bound_zero",)),
    "a bound method with the reason": (lambda s: s.bound_one, ("bound_one", "why")),
    "a partial that leaves the reason": (lambda s: functools.partial(s.two, "partial"), ("partial", "why")),
    "a partial that leaves nothing": (lambda s: functools.partial(s.two, "partial", "own"), ("partial", "own")),
    "a partial by keyword": (lambda s: functools.partial(s.bound_one, reason="own"), ("bound_one", "own")),
    "a callable object": (lambda s: s, ("object", "why")),
    "a default that binds a value": (lambda s: s.default, ("default", "3")),
    "a default named reason": (lambda s: s.default_reason, ("default_reason", "why")),
    "any number of arguments": (lambda s: s.anything, ("anything", "why")),
    "a keyword-only reason": (lambda s: s.keyword, ("keyword", "why")),
    "a plain function": (lambda s: s.plain, ("plain",)),
}


@pytest.mark.parametrize("form", FORMS)
async def test_x14_callbacks_are_called_by_their_signature(lk_job: JobBench, form: str) -> None:
    build, call = FORMS[form]
    saver = Saver()

    async def entrypoint(ctx: JobContext) -> None:
        ctx.add_shutdown_callback(build(saver))  # type: ignore[arg-type]
        ctx.shutdown("why")

    await lk_job.start(entrypoint).outcome()

    assert saver.calls == [call]


async def test_x14_a_callback_that_needs_more_is_refused_when_it_is_added(lk_job: JobBench) -> None:
    async def entrypoint(ctx: JobContext) -> None:
        with pytest.raises(ConfigError, match=r"\(prefix, reason\).*functools.partial"):
            ctx.add_shutdown_callback(Saver().two)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="not 'save'"):
            ctx.add_shutdown_callback("save")  # type: ignore[arg-type]
        ctx.shutdown()

    assert (await lk_job.start(entrypoint).outcome()).success


async def test_a_callback_added_by_a_callback_is_refused(lk_job: JobBench) -> None:
    refused = []

    async def entrypoint(ctx: JobContext) -> None:
        async def callback() -> None:
            with pytest.raises(JobError, match="too late"):
                ctx.add_shutdown_callback(callback)
            with pytest.raises(JobError, match="the job is ending"):
                ctx.create_task(asyncio.sleep(0), name="late")
            refused.append(True)

        ctx.add_shutdown_callback(callback)
        ctx.shutdown()

    await lk_job.start(entrypoint).outcome()

    assert refused == [True]


async def test_a_callback_that_was_taken_back_is_not_called(lk_job: JobBench) -> None:
    saver = Saver()

    async def entrypoint(ctx: JobContext) -> None:
        ctx.add_shutdown_callback(saver.bound_zero)
        ctx.add_shutdown_callback(saver.bound_one)
        ctx.add_shutdown_callback(saver.bound_zero)
        ctx.remove_shutdown_callback(saver.bound_zero)
        ctx.remove_shutdown_callback(saver.bound_one)
        ctx.remove_shutdown_callback(saver.bound_one)  # it is not there any more
        ctx.shutdown("why")

    assert (await lk_job.start(entrypoint).outcome()).success
    assert saver.calls == [("bound_zero",)]


async def test_a_callback_that_takes_itself_back_runs_to_its_end(lk_job: JobBench) -> None:
    steps: list[str] = []

    async def entrypoint(ctx: JobContext) -> None:
        async def callback() -> None:
            ctx.remove_shutdown_callback(callback)
            await asyncio.sleep(0.1)
            steps.append("done")

        ctx.add_shutdown_callback(callback)
        ctx.shutdown()

    await lk_job.start(entrypoint).outcome()

    assert steps == ["done"]
