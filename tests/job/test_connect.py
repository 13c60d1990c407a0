from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lk_agents.foundation.errors import JobError, RoomDisconnectedError, RoomReplacedError
from lk_agents.job.context import JobContext, get_current_job_context
from lk_agents.job.spec import EndCause
from lk_agents.job.subscription import AutoSubscribe
from lk_agents.testing.job import FakeHost, JobBench, job_spec
from lk_agents.testing.room import FakeParticipant, FakeRoom

pytestmark = pytest.mark.usefixtures("lk_clock")

FOREVER = 3600.0
AUDIO, VIDEO = 1, 2
STANDARD, SIP, AGENT = 0, 3, 4


async def stays(ctx: JobContext) -> None:
    await ctx.connect()
    await asyncio.sleep(FOREVER)


async def test_the_job_joins_with_its_token_and_holds_a_permit_meanwhile(lk_job: JobBench) -> None:
    job = lk_job.start(stays, spec=job_spec(url="ws://server", token="t"))
    await asyncio.sleep(0.01)

    assert job.room.joins == [("ws://server", "t")]
    assert job.host.log == ["started", "mark entrypoint", "permit", "permit back", "mark connected"]
    assert job.ctx.agent.identity == "agent"


async def test_a_failed_join_gives_the_permit_back_and_may_be_tried_again(lk_job: JobBench) -> None:
    room = FakeRoom(connect_error=OSError("refused"))

    async def entrypoint(ctx: JobContext) -> None:
        with pytest.raises(OSError, match="refused"):
            await ctx.connect()
        room.connect_error = None
        await ctx.connect()
        await ctx.connect()  # connected: does nothing

    job = lk_job.start(entrypoint, room=room)
    await asyncio.sleep(0.01)

    assert room.isconnected()
    assert len(room.joins) == 2
    assert job.host.log.count("permit back") == 2


async def test_options_are_handed_on(lk_job: JobBench) -> None:
    from livekit import rtc

    e2ee, config = rtc.E2EEOptions(), rtc.RtcConfiguration()

    async def entrypoint(ctx: JobContext) -> None:
        await ctx.connect(e2ee=e2ee, rtc_config=config, auto_subscribe=AutoSubscribe.SUBSCRIBE_NONE)

    job = lk_job.start(entrypoint)
    await asyncio.sleep(0.01)
    options = job.room.options

    assert (options.encryption, options.e2ee, options.rtc_config) == (e2ee, None, config)
    assert options.auto_subscribe is False


@pytest.mark.parametrize(
    ("mode", "kinds"),
    [
        (AutoSubscribe.SUBSCRIBE_ALL, set()),
        (AutoSubscribe.SUBSCRIBE_NONE, set()),
        (AutoSubscribe.AUDIO_ONLY, {AUDIO}),
        (AutoSubscribe.VIDEO_ONLY, {VIDEO}),
    ],
)
async def test_one_kind_is_subscribed_to_whether_published_before_or_after(
    lk_job: JobBench, mode: AutoSubscribe, kinds: set[int]
) -> None:
    room = FakeRoom()
    room.join("alice")
    tracks = [room.publish("alice", kind) for kind in (AUDIO, VIDEO)]

    async def entrypoint(ctx: JobContext) -> None:
        await ctx.connect(auto_subscribe=mode)

    lk_job.start(entrypoint, room=room)
    await asyncio.sleep(0.01)
    tracks += [room.publish("alice", kind) for kind in (AUDIO, VIDEO)]

    assert [track.subscribed for track in tracks] == [track.kind in kinds for track in tracks]
    assert room.options.auto_subscribe is (mode is AutoSubscribe.SUBSCRIBE_ALL)  # the server does it by itself


async def test_a_second_connect_during_the_first_is_refused(lk_job: JobBench) -> None:
    seen: list[str] = []

    async def entrypoint(ctx: JobContext) -> None:
        ctx.create_task(ctx.connect(), name="first")
        await asyncio.sleep(0)
        try:
            await ctx.connect()
        except JobError as error:
            seen.append(str(error))

    lk_job.start(entrypoint, room=FakeRoom(connect_seconds=0.01))
    await asyncio.sleep(0.05)

    assert seen == ["ctx.connect() is under way already; await the first call"]


async def test_a_job_that_is_ending_joins_no_room(lk_job: JobBench) -> None:
    async def entrypoint(ctx: JobContext) -> None:
        ctx.shutdown()
        with pytest.raises(JobError, match="the job is ending"):
            await ctx.connect()

    job = lk_job.start(entrypoint)
    await job.outcome()

    assert job.room.joins == []


async def test_a_join_has_a_limit(lk_job: JobBench) -> None:
    room = FakeRoom(connect_seconds=FOREVER)

    outcome = await lk_job.start(stays, room=room).outcome(timeout=60.0)

    assert outcome.reason == "JobError: the room at 'ws://127.0.0.1:7880' could not be joined in 30 s"


async def test_a_join_that_is_cancelled_is_left_when_it_is_through(lk_job: JobBench) -> None:
    room = FakeRoom(connect_seconds=0.1)
    job = lk_job.start(stays, room=room, shutdown_seconds=0.5)
    await asyncio.sleep(0.01)
    job.runner.stop("enough")
    await job.outcome()

    assert room.leave_reasons == [1]
    assert not room.isconnected()


async def test_a_replaced_room_is_left_at_once_and_fails_the_job_even_if_the_entrypoint_goes_on(
    lk_job: JobBench,
) -> None:
    entered: list[object] = []
    seen: list[str] = []

    async def participant(ctx: JobContext, somebody: object) -> None:
        entered.append(somebody)

    async def entrypoint(ctx: JobContext) -> None:
        ctx.add_participant_entrypoint(participant)
        with pytest.raises(RoomReplacedError, match=r"RM_fake.*RM_other"):
            await ctx.connect()
        seen.append(f"connected: {ctx.room.isconnected()}")
        await asyncio.sleep(FOREVER)

    room = FakeRoom(sid="RM_other")
    room.join("alice")
    outcome = await lk_job.start(entrypoint, room=room, shutdown_seconds=0.5).outcome()

    assert (outcome.cause, outcome.success) == (EndCause.ROOM_REPLACED, False)
    assert seen == ["connected: False"]
    assert entered == []


async def test_a_room_id_that_comes_late_is_still_checked(lk_job: JobBench) -> None:
    room = FakeRoom(sid=None)
    job = lk_job.start(stays, room=room)
    await asyncio.sleep(20.0)
    assert room.isconnected()

    room.tell_sid("RM_other")

    assert (await job.outcome()).cause is EndCause.ROOM_REPLACED


async def test_a_job_without_a_room_id_is_not_checked(lk_job: JobBench) -> None:
    job = lk_job.start(stays, spec=job_spec(room_sid=""), room=FakeRoom(sid="RM_other"))
    await asyncio.sleep(0.01)

    assert job.ctx.end_cause is None


async def test_the_current_job_is_known_everywhere_in_it_and_nowhere_else(lk_job: JobBench) -> None:
    seen: dict[str, object] = {}

    def note(where: str) -> None:
        seen[where] = get_current_job_context()

    async def participant(ctx: JobContext, somebody: object) -> None:
        note("participant entrypoint")

    async def callback() -> None:
        note("callback")

    async def child() -> None:
        note("task")

    async def entrypoint(ctx: JobContext) -> None:
        note("entrypoint")
        ctx.add_shutdown_callback(callback)
        ctx.add_participant_entrypoint(participant)
        await asyncio.create_task(child())
        await asyncio.to_thread(note, "thread")
        await ctx.connect()
        await asyncio.sleep(0.01)
        ctx.log_context_fields["call"] = "7"
        seen["fields"] = dict(ctx.log_context_fields)
        ctx.shutdown()

    room = FakeRoom()
    room.join("alice")
    job = lk_job.start(entrypoint, room=room, spec=job_spec("AJ_1", room_name="kitchen"))
    await job.outcome()

    assert seen.pop("fields") == {"job_id": "AJ_1", "room_name": "kitchen", "call": "7"}
    assert seen == dict.fromkeys(["entrypoint", "task", "thread", "participant entrypoint", "callback"], job.ctx)
    with pytest.raises(RuntimeError, match="no job here"):
        get_current_job_context()


async def test_a_context_shows_the_job(lk_job: JobBench) -> None:
    job = lk_job.start(
        stays, spec=job_spec("AJ_1", metadata="m", attributes={"a": "b"}, worker_id="AW_1"), host=FakeHost()
    )
    await asyncio.sleep(0.01)
    ctx = job.ctx
    ctx.mark("first_audio")

    assert (ctx.job.id, ctx.job.metadata, ctx.worker_id) == ("AJ_1", "m", "AW_1")
    assert ctx.info.accept_arguments.attributes == {"a": "b"}
    assert id(ctx.room) == id(job.room)
    assert ctx.proc.userdata == {}
    assert job.host.log[-1] == "mark first_audio"


async def test_the_agent_is_not_there_before_the_room_is_joined(lk_job: JobBench) -> None:
    async def entrypoint(ctx: JobContext) -> None:
        with pytest.raises(JobError, match=r"await ctx\.connect"):
            _ = ctx.agent
        ctx.shutdown()

    assert (await lk_job.start(entrypoint).outcome()).success


async def test_a_job_asks_the_inference_process_through_its_host(lk_job: JobBench) -> None:
    answers: list[object] = []

    async def entrypoint(ctx: JobContext) -> None:
        answers.append(await ctx.inference_executor.do_inference("double", b"ab"))
        ctx.shutdown()

    await lk_job.start(entrypoint, host=FakeHost(inference=lambda method, data: data * 2)).outcome()

    assert answers == [b"abab"]


# --- waiting for a participant ---------------------------------------------------------------------------------------


async def test_waiting_before_the_room_is_joined_is_an_error(lk_job: JobBench) -> None:
    async def entrypoint(ctx: JobContext) -> None:
        with pytest.raises(RuntimeError, match=r"await ctx\.connect"):
            await ctx.wait_for_participant()
        ctx.shutdown()

    assert (await lk_job.start(entrypoint).outcome()).success


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "alice"),
        ({"identity": "bob"}, "bob"),
        ({"kind": [SIP]}, "phone"),
        ({"kind": SIP}, "phone"),
        ({"kind": AGENT}, "other agent"),
        ({"identity": "phone", "kind": [STANDARD, SIP]}, "phone"),
    ],
)
@pytest.mark.parametrize("present", [True, False])
async def test_the_first_that_fits_is_returned_present_or_to_come(
    lk_job: JobBench, wanted: dict[str, Any], found: str, present: bool
) -> None:
    room = FakeRoom()
    people = [FakeParticipant("other agent", kind=AGENT), *map(FakeParticipant, ("alice", "bob"))]
    people.append(FakeParticipant("phone", kind=SIP))
    answers: list[str] = []

    def come() -> None:
        for somebody in people:
            room.join(somebody)

    async def entrypoint(ctx: JobContext) -> None:
        await ctx.connect()
        answers.append((await ctx.wait_for_participant(**wanted)).identity)

    if present:
        come()
    lk_job.start(entrypoint, room=room)
    await asyncio.sleep(0.01)
    if not present:
        come()
    await asyncio.sleep(0.01)

    assert answers == [found]


async def test_x16_waiting_ends_when_the_room_disconnects(lk_job: JobBench) -> None:
    raised: list[str] = []

    async def entrypoint(ctx: JobContext) -> None:
        await ctx.connect()
        try:
            await ctx.wait_for_participant(identity="alice")
        except RoomDisconnectedError as error:
            raised.append(str(error))

    job = lk_job.start(entrypoint)
    await asyncio.sleep(0.01)
    job.room.close()
    await job.outcome()

    assert raised == ["the room disconnected while somebody waited for alice"]


@pytest.mark.parametrize("how", ["found", "cancelled", "timed out"])
async def test_x16_waiting_leaves_no_listener_behind(lk_job: JobBench, how: str) -> None:
    job = lk_job.start(stays)
    await asyncio.sleep(0.01)
    before = job.room.listeners()
    wait = asyncio.create_task(job.ctx.wait_for_participant(timeout=0.02 if how == "timed out" else None))
    await asyncio.sleep(0.01)
    assert job.room.listeners() == before + 2

    if how == "cancelled":
        wait.cancel()
    elif how == "found":
        job.room.join("alice")
    await asyncio.wait({wait})

    assert job.room.listeners() == before
    assert wait.cancelled() is (how == "cancelled")
    if how == "timed out":
        assert isinstance(wait.exception(), TimeoutError)
