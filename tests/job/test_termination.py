"""The server's termination of a job: obeyed, but not in the middle of a join and not after a reconnect."""

from __future__ import annotations

import asyncio

import pytest

from lk_agents.job.context import JobContext
from lk_agents.job.spec import EndCause
from lk_agents.testing.job import JobBench
from lk_agents.testing.room import FakeRoom

pytestmark = pytest.mark.usefixtures("lk_clock")

FOREVER = 3600.0


async def stays(ctx: JobContext) -> None:
    await ctx.connect()
    await asyncio.sleep(FOREVER)


async def test_a_termination_ends_the_job(lk_job: JobBench) -> None:
    job = lk_job.start(stays, shutdown_seconds=0.5)
    await job.host.logged("mark connected")

    assert await job.runner.terminate("the dispatch was deleted") is True

    outcome = await job.outcome()
    assert (outcome.cause, outcome.reason) == (EndCause.STOPPED, "the dispatch was deleted")
    assert await job.runner.terminate("again") is True


async def test_a_termination_during_a_join_waits_for_it(lk_job: JobBench) -> None:
    job = lk_job.start(stays, room=FakeRoom(connect_seconds=2.9))
    await job.host.logged("permit")

    assert await job.runner.terminate("gone") is True

    assert job.room.isconnected()
    await job.outcome()
    assert job.room.leave_reasons == [1]


async def test_a_termination_waits_for_a_join_only_so_long(lk_job: JobBench) -> None:
    job = lk_job.start(
        stays,
        room=FakeRoom(connect_seconds=3.1),
    )
    await job.host.logged("permit")

    assert await job.runner.terminate("gone") is True

    assert not job.room.isconnected()
    await job.outcome()


async def test_a_termination_soon_after_a_reconnect_is_ignored(
    lk_job: JobBench, caplog: pytest.LogCaptureFixture
) -> None:
    job = lk_job.start(stays)
    await job.host.logged("mark connected")
    job.room.begin_reconnect()
    job.room.finish_reconnect()
    await asyncio.sleep(9.9)

    assert await job.runner.terminate("left the room") is False

    assert not job.runner.ending
    assert "a termination is ignored: it is for the session that a reconnect has just replaced" in caplog.messages


async def test_a_termination_long_after_a_reconnect_is_obeyed(lk_job: JobBench) -> None:
    job = lk_job.start(stays)
    await job.host.logged("mark connected")
    job.room.begin_reconnect()
    job.room.finish_reconnect()
    await asyncio.sleep(10.1)

    assert await job.runner.terminate("left the room") is True
    await job.outcome()


async def test_a_termination_during_a_reconnect_waits_for_what_becomes_of_it(lk_job: JobBench) -> None:
    job = lk_job.start(stays)
    await job.host.logged("mark connected")
    job.room.begin_reconnect()
    answer = asyncio.create_task(job.runner.terminate("left the room"))
    await asyncio.sleep(9.0)
    assert not answer.done()

    job.room.finish_reconnect()

    assert await answer is False


async def test_a_room_that_goes_during_a_reconnect_ends_the_job_by_itself(lk_job: JobBench) -> None:
    job = lk_job.start(stays, shutdown_seconds=0.5)
    await job.host.logged("mark connected")
    job.room.begin_reconnect()
    answer = asyncio.create_task(job.runner.terminate("left the room"))
    await asyncio.sleep(0.02)

    job.room.close(14)

    assert await answer is True
    assert (await job.outcome()).cause is EndCause.ROOM_DISCONNECTED


async def test_a_stop_of_the_worker_is_obeyed_whatever_the_room_does(lk_job: JobBench) -> None:
    job = lk_job.start(stays, shutdown_seconds=0.5)
    await job.host.logged("mark connected")
    job.room.begin_reconnect()
    job.room.finish_reconnect()

    job.runner.stop("draining")

    assert (await job.outcome()).cause is EndCause.STOPPED
