"""Every way a job ends, with every kind of shutdown callback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from lk_agents.job.context import JobContext
from lk_agents.job.spec import EndCause
from lk_agents.testing.job import JobBench, StartedJob, job_spec
from lk_agents.testing.room import FakeRoom

pytestmark = pytest.mark.usefixtures("lk_clock")

FOREVER = 3600.0


@dataclass(frozen=True, kw_only=True)
class Exit:
    """One way to end a job.

    :param poke: what is done to the job from outside, once its entrypoint is in its last statement.
    """

    entrypoint: Callable[[JobContext], Awaitable[None]]
    cause: EndCause
    success: bool
    reason: str
    poke: Callable[[StartedJob], None] | None = None
    room: Callable[[], FakeRoom] = FakeRoom


async def returns(ctx: JobContext) -> None: ...


async def raises_before(ctx: JobContext) -> None:
    raise ValueError("no such voice")


async def raises_after(ctx: JobContext) -> None:
    await ctx.connect()
    raise ValueError("no such voice")


async def exits(ctx: JobContext) -> None:
    raise SystemExit(3)


async def cancels_itself(ctx: JobContext) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(FOREVER)


async def shuts_down(ctx: JobContext) -> None:
    await ctx.connect()
    ctx.shutdown("the caller hung up")


async def shuts_down_before(ctx: JobContext) -> None:
    ctx.shutdown("nothing to do")


async def connects_and_returns(ctx: JobContext) -> None:
    await ctx.connect()


async def connects_and_stays(ctx: JobContext) -> None:
    await ctx.connect()
    await asyncio.sleep(FOREVER)


async def never_connects(ctx: JobContext) -> None:
    await asyncio.sleep(FOREVER)


EXITS = {
    "returned without connecting": Exit(
        entrypoint=returns,
        cause=EndCause.RETURNED,
        success=True,
        reason="the entrypoint returned without having connected",
    ),
    "raised before connecting": Exit(
        entrypoint=raises_before, cause=EndCause.RAISED, success=False, reason="ValueError: no such voice"
    ),
    "raised after connecting": Exit(
        entrypoint=raises_after, cause=EndCause.RAISED, success=False, reason="ValueError: no such voice"
    ),
    "called sys.exit": Exit(entrypoint=exits, cause=EndCause.RAISED, success=False, reason="JobError: "),
    "was cancelled from inside": Exit(
        entrypoint=cancels_itself, cause=EndCause.RAISED, success=False, reason="CancelledError: "
    ),
    "connection failed": Exit(
        entrypoint=connects_and_stays,
        cause=EndCause.RAISED,
        success=False,
        reason="OSError: refused",
        room=lambda: FakeRoom(connect_error=OSError("refused")),
    ),
    "room replaced": Exit(
        entrypoint=connects_and_stays,
        cause=EndCause.ROOM_REPLACED,
        success=False,
        reason="the job was for room RM_fake, which was closed; the room joined is RM_other",
        room=lambda: FakeRoom(sid="RM_other"),
    ),
    "shutdown": Exit(entrypoint=shuts_down, cause=EndCause.SHUTDOWN, success=True, reason="the caller hung up"),
    "shutdown before connecting": Exit(
        entrypoint=shuts_down_before, cause=EndCause.SHUTDOWN, success=True, reason="nothing to do"
    ),
    "room closed after the entrypoint": Exit(
        entrypoint=connects_and_returns,
        cause=EndCause.ROOM_DISCONNECTED,
        success=True,
        reason="room disconnected: ROOM_DELETED",
        poke=lambda job: job.room.close(5),
    ),
    "room closed during the entrypoint": Exit(
        entrypoint=connects_and_stays,
        cause=EndCause.ROOM_DISCONNECTED,
        success=True,
        reason="room disconnected: PARTICIPANT_REMOVED",
        poke=lambda job: job.room.close(),
    ),
    "connection lost": Exit(
        entrypoint=connects_and_stays,
        cause=EndCause.ROOM_DISCONNECTED,
        success=False,
        reason="room disconnected: CONNECTION_TIMEOUT",
        poke=lambda job: job.room.close(14),
    ),
    "stopped": Exit(
        entrypoint=connects_and_stays,
        cause=EndCause.STOPPED,
        success=True,
        reason="draining",
        poke=lambda job: job.runner.stop("draining"),
    ),
    "stopped, never joined": Exit(
        entrypoint=never_connects,
        cause=EndCause.STOPPED,
        success=True,
        reason="draining",
        poke=lambda job: job.runner.stop("draining"),
    ),
    "worker lost": Exit(
        entrypoint=connects_and_stays,
        cause=EndCause.WORKER_LOST,
        success=False,
        reason="end of file",
        poke=lambda job: job.runner.stop("end of file", cause=EndCause.WORKER_LOST),
    ),
    "out of memory": Exit(
        entrypoint=connects_and_stays,
        cause=EndCause.MEMORY,
        success=False,
        reason="400 MB",
        poke=lambda job: job.runner.stop("400 MB", cause=EndCause.MEMORY),
    ),
}


class Callbacks:
    """The four kinds of callback, and what became of each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    async def fast(self, reason: str) -> None:
        self.calls.append(("fast", reason))

    async def slow(self, reason: str) -> None:
        await asyncio.sleep(0.7)
        self.calls.append(("slow", reason))

    async def raising(self, reason: str) -> None:
        self.calls.append(("raising", reason))
        raise RuntimeError("the database is gone")

    async def blocking(self, reason: str) -> None:
        try:
            await asyncio.sleep(FOREVER)
        finally:
            self.calls.append(("blocking", reason))


@pytest.mark.parametrize("kind", ["fast", "slow", "raising", "blocking"])
@pytest.mark.parametrize("name", EXITS)
async def test_every_exit_runs_every_callback_and_reports_its_cause(lk_job: JobBench, name: str, kind: str) -> None:
    way, callbacks = EXITS[name], Callbacks()
    entered = asyncio.Event()

    async def entrypoint(ctx: JobContext) -> None:
        ctx.add_shutdown_callback(getattr(callbacks, kind))
        ctx.add_shutdown_callback(callbacks.fast)
        entered.set()
        await way.entrypoint(ctx)

    job = lk_job.start(entrypoint, room=way.room(), shutdown_seconds=60.0)
    await entered.wait()
    await asyncio.sleep(0.01)
    if way.poke is not None:
        way.poke(job)
    began = asyncio.get_running_loop().time()
    outcome = await job.outcome(timeout=90.0)
    assert asyncio.get_running_loop().time() - began <= (60.0 if kind == "blocking" else 2.0)

    assert (outcome.cause, outcome.success) == (way.cause, way.success)
    assert outcome.reason.startswith(way.reason)
    assert sorted(callbacks.calls) == sorted([(kind, outcome.reason), ("fast", outcome.reason)])
    assert job.host.outcome == outcome
    assert [line for line in job.host.log if line.startswith(("ending", "ended"))] == [
        f"ending {way.cause.value}",
        f"ended {way.cause.value}",
    ]
    assert not job.room.isconnected()


async def test_x11_an_error_of_the_entrypoint_ends_the_job_as_failed(
    lk_job: JobBench, caplog: pytest.LogCaptureFixture
) -> None:
    job = lk_job.start(raises_before)

    outcome = await job.outcome()

    assert not outcome.success
    assert outcome.reason == "ValueError: no such voice"
    assert "raise ValueError" in outcome.detail
    assert "the entrypoint failed; the job ends" in caplog.messages


async def test_an_error_that_quotes_the_token_is_reported_without_it(lk_job: JobBench) -> None:
    async def entrypoint(ctx: JobContext) -> None:
        raise OSError("GET /rtc?access_token=room-token failed")

    outcome = await lk_job.start(entrypoint).outcome()

    assert outcome.reason == "OSError: GET /rtc?access_token=*** failed"
    assert "room-token" not in outcome.detail


async def test_returning_without_connecting_is_warned_about(lk_job: JobBench, caplog: pytest.LogCaptureFixture) -> None:
    await lk_job.start(returns).outcome()

    assert "the entrypoint returned without having connected to the room; the job ends" in caplog.messages


async def test_an_entrypoint_that_connected_and_returned_leaves_the_job_running(lk_job: JobBench) -> None:
    job = lk_job.start(connects_and_returns)
    await asyncio.sleep(0.05)

    assert not job.done
    assert job.ctx.end_cause is None


async def test_a_return_while_another_task_connects_waits_for_that_task(lk_job: JobBench) -> None:
    async def entrypoint(ctx: JobContext) -> None:
        ctx.create_task(ctx.connect(), name="connector")
        await asyncio.sleep(0)

    job = lk_job.start(entrypoint, room=FakeRoom(connect_seconds=0.02))
    await asyncio.sleep(0.1)

    assert not job.done
    assert job.room.isconnected()


async def test_a_return_while_another_task_fails_to_connect_ends_the_job(lk_job: JobBench) -> None:
    async def entrypoint(ctx: JobContext) -> None:
        ctx.create_task(ctx.connect(), name="connector")
        await asyncio.sleep(0)

    job = lk_job.start(entrypoint, room=FakeRoom(connect_seconds=0.02, connect_error=OSError("refused")))

    assert (await job.outcome()).cause is EndCause.RETURNED
    assert [failure.name for failure in job.ctx.task_failures] == ["connector"]


@pytest.mark.parametrize("works", [returns, never_connects])
async def test_an_entrypoint_that_calls_neither_connect_nor_shutdown_is_warned_about(
    lk_job: JobBench, caplog: pytest.LogCaptureFixture, works: Callable[[JobContext], Awaitable[None]]
) -> None:
    job = lk_job.start(works)
    await asyncio.sleep(9.9)
    warned = "the entrypoint has called neither ctx.connect() nor ctx.shutdown(); nobody hears the agent"
    assert warned not in caplog.messages
    await asyncio.sleep(0.2)

    assert (warned in caplog.messages) is (works is never_connects)
    assert job.done is (works is returns)


async def test_the_first_cause_wins(lk_job: JobBench) -> None:
    job = lk_job.start(connects_and_stays)
    await asyncio.sleep(0.01)

    job.ctx.shutdown("first")
    job.ctx.shutdown("second")
    job.runner.stop("third")
    job.room.close()

    outcome = await job.outcome()
    assert (outcome.cause, outcome.reason) == (EndCause.SHUTDOWN, "first")


async def test_a_job_stopped_before_it_began_calls_no_entrypoint(lk_job: JobBench) -> None:
    called = []

    async def entrypoint(ctx: JobContext) -> None:
        called.append(ctx)

    job = lk_job.start(entrypoint)
    job.runner.stop("too late")

    assert (await job.outcome()).cause is EndCause.STOPPED
    assert not called


async def test_a_room_that_cannot_be_built_fails_the_job(lk_job: JobBench) -> None:
    class NoRoom(FakeRoom):
        def on(self, *args: object) -> object:  # type: ignore[override]
            raise ImportError("libstdc++ is too old")

    outcome = await lk_job.start(returns, room=NoRoom()).outcome()

    assert (outcome.cause, outcome.reason) == (EndCause.RAISED, "ImportError: libstdc++ is too old")


async def test_a_cancelled_run_leaves_no_task_behind(lk_job: JobBench) -> None:
    spec = job_spec()
    job = lk_job.start(connects_and_stays, spec=spec)
    await asyncio.sleep(0.01)
    run = next(task for task in asyncio.all_tasks() if task.get_name() == f"job {spec.job_id}")

    run.cancel()
    await asyncio.sleep(0.01)

    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    assert job.done
