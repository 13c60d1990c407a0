from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lk_agents.job.context import JobContext
from lk_agents.testing.job import JobBench, StartedJob
from lk_agents.testing.room import FakeParticipant, FakeRoom

pytestmark = pytest.mark.usefixtures("lk_clock")

FOREVER = 3600.0
SIP, AGENT = 3, 4


class Seen:
    """Participant entrypoints that write down whom they got, and stay."""

    def __init__(self) -> None:
        self.first: list[str] = []
        self.second: list[str] = []
        self.ended: list[str] = []

    async def one(self, ctx: JobContext, participant: Any) -> None:
        self.first.append(participant.identity)
        try:
            await asyncio.sleep(FOREVER)
        finally:
            self.ended.append(participant.identity)

    async def two(self, ctx: JobContext, participant: Any) -> None:
        self.second.append(participant.identity)


async def started(
    lk_job: JobBench, before: Callable[[JobContext], None], *, people: tuple[str, ...] = ()
) -> StartedJob:
    room = FakeRoom()
    for identity in people:
        room.join(identity)

    async def entrypoint(ctx: JobContext) -> None:
        before(ctx)
        await ctx.connect()

    job = lk_job.start(entrypoint, room=room, shutdown_seconds=0.5)
    await asyncio.sleep(0.01)
    return job


async def test_an_entrypoint_runs_for_those_present_and_those_to_come(lk_job: JobBench) -> None:
    seen = Seen()
    job = await started(lk_job, lambda ctx: ctx.add_participant_entrypoint(seen.one), people=("alice", "bob"))
    job.room.join("carol")
    job.room.join(FakeParticipant("phone", kind=SIP))
    job.room.join(FakeParticipant("other agent", kind=AGENT))
    await asyncio.sleep(0)

    assert seen.first == ["alice", "bob", "carol", "phone"]


async def test_an_entrypoint_may_choose_its_kinds(lk_job: JobBench) -> None:
    seen = Seen()

    def add(ctx: JobContext) -> None:
        ctx.add_participant_entrypoint(seen.one, kind=AGENT)  # type: ignore[arg-type]
        ctx.add_participant_entrypoint(seen.two, kind=[SIP])  # type: ignore[list-item]

    job = await started(lk_job, add, people=("alice",))
    job.room.join(FakeParticipant("phone", kind=SIP))
    job.room.join(FakeParticipant("other agent", kind=AGENT))
    await asyncio.sleep(0)

    assert (seen.first, seen.second) == (["other agent"], ["phone"])


async def test_x15_several_entrypoints_run_side_by_side(lk_job: JobBench) -> None:
    seen = Seen()

    def add(ctx: JobContext) -> None:
        ctx.add_participant_entrypoint(seen.one)
        ctx.add_participant_entrypoint(seen.two)

    job = await started(lk_job, add, people=("alice",))
    job.room.join("bob")
    await asyncio.sleep(0.01)

    assert (seen.first, seen.second) == (["alice", "bob"], ["alice", "bob"])
    assert job.ctx.task_failures == ()
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert {"part-entry-alice-one", "part-entry-bob-one"} <= names
    assert "part-entry-alice-two" not in names


async def test_x15_the_end_of_one_entrypoint_is_not_taken_for_that_of_another(
    lk_job: JobBench, caplog: pytest.LogCaptureFixture
) -> None:
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: unheard.append(context))
    seen = Seen()

    def add(ctx: JobContext) -> None:
        ctx.add_participant_entrypoint(seen.two)
        ctx.add_participant_entrypoint(seen.one)

    job = await started(lk_job, add, people=("alice",))
    job.room.leave("alice")
    job.room.join("alice")
    await asyncio.sleep(0.01)

    back = [vars(record)["entrypoint"] for record in caplog.records if record.message.startswith("a participant came")]
    assert back == ["one"], "the one that still runs; of the other, which has ended, nothing has stayed"
    assert seen.second == ["alice", "alice"]
    assert unheard == []


async def test_x15_one_added_after_connecting_runs_at_once_for_those_present(lk_job: JobBench) -> None:
    seen = Seen()
    job = await started(lk_job, lambda ctx: None, people=("alice",))

    job.ctx.add_participant_entrypoint(seen.one)
    await asyncio.sleep(0)

    assert seen.first == ["alice"]


async def test_x15_an_error_is_logged_with_the_name_and_ends_nothing_else(
    lk_job: JobBench, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Seen()

    async def failing(ctx: JobContext, participant: Any) -> None:
        raise ValueError("no greeting")

    def add(ctx: JobContext) -> None:
        ctx.add_participant_entrypoint(failing)
        ctx.add_participant_entrypoint(seen.one)

    job = await started(lk_job, add, people=("alice",))

    record = next(record for record in caplog.records if record.message == "a task of the job failed")
    assert record.task == "part-entry-alice-failing"  # type: ignore[attr-defined]
    assert [(failure.name, str(failure.error)) for failure in job.ctx.task_failures] == [
        ("part-entry-alice-failing", "no greeting")
    ]
    assert not job.done
    assert seen.first == ["alice"]


async def test_x15_all_are_cancelled_when_the_job_ends(lk_job: JobBench) -> None:
    seen = Seen()
    job = await started(lk_job, lambda ctx: ctx.add_participant_entrypoint(seen.one), people=("alice", "bob"))
    job.room.leave("bob")
    await asyncio.sleep(0.01)
    assert seen.ended == []  # leaving does not end it

    job.ctx.shutdown()
    job.room.join("carol")  # too late
    await job.outcome()

    assert sorted(seen.ended) == ["alice", "bob"]
    assert seen.first == ["alice", "bob"]


async def test_who_comes_back_gets_a_second_task_beside_the_older_one(
    lk_job: JobBench, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Seen()
    job = await started(lk_job, lambda ctx: ctx.add_participant_entrypoint(seen.one), people=("alice",))
    job.room.leave("alice")
    job.room.join("alice")
    await asyncio.sleep(0.01)

    assert seen.first == ["alice", "alice"]
    assert seen.ended == []
    assert len([record for record in caplog.records if record.message.startswith("a participant came back")]) == 1
    job.ctx.shutdown()
    await job.outcome()
    assert seen.ended == ["alice", "alice"]


async def test_who_comes_back_after_the_older_task_ended_is_no_matter(
    lk_job: JobBench, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Seen()
    job = await started(lk_job, lambda ctx: ctx.add_participant_entrypoint(seen.two), people=("alice",))
    job.room.leave("alice")
    job.room.join("alice")
    await asyncio.sleep(0.01)

    assert seen.second == ["alice", "alice"]
    assert not [record for record in caplog.records if record.message.startswith("a participant came back")]


async def test_the_same_function_twice_is_an_error(lk_job: JobBench) -> None:
    seen = Seen()
    job = await started(lk_job, lambda ctx: ctx.add_participant_entrypoint(seen.one))

    with pytest.raises(ValueError, match="'one' was added before"):
        job.ctx.add_participant_entrypoint(seen.one, kind=[SIP])  # type: ignore[list-item]


async def test_a_partial_and_a_callable_object_will_do(lk_job: JobBench) -> None:
    calls: list[str] = []

    async def greet(greeting: str, ctx: JobContext, participant: Any) -> None:
        calls.append(f"{greeting} {participant.identity}")

    class Greeter:
        def __call__(self, ctx: JobContext, participant: Any) -> Awaitable[None]:
            return greet("hi", ctx, participant)

    def add(ctx: JobContext) -> None:
        ctx.add_participant_entrypoint(functools.partial(greet, "hello"))
        ctx.add_participant_entrypoint(Greeter())  # type: ignore[arg-type]

    await started(lk_job, add, people=("alice",))

    assert calls == ["hello alice", "hi alice"]


async def test_somebody_who_comes_while_the_room_id_is_awaited_gets_one_task(lk_job: JobBench) -> None:
    seen = Seen()
    room = FakeRoom(sid=None)

    async def entrypoint(ctx: JobContext) -> None:
        ctx.add_participant_entrypoint(seen.one)
        await ctx.connect()

    lk_job.start(entrypoint, room=room)
    await asyncio.sleep(0.01)
    room.join("alice")
    assert seen.first == []
    room.tell_sid("RM_fake")
    await asyncio.sleep(0.01)

    assert seen.first == ["alice"]


async def test_a_task_that_is_cancelled_before_it_began_is_no_warning(lk_job: JobBench) -> None:
    begun: list[bool] = []

    async def work() -> None:
        begun.append(True)

    job = await started(lk_job, lambda ctx: None)
    task = job.ctx.create_task(work(), name="brief")
    task.cancel()
    await asyncio.wait({task})

    assert begun == []
    assert job.ctx.task_failures == ()
