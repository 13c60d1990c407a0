"""A room without a server, in a real job."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, cast

import pytest
from livekit import rtc

from lk_agents.foundation.errors import JobError
from lk_agents.job import AutoSubscribe, JobContext, JobProcess
from lk_agents.job.local_room import LocalParticipant, LocalRoom, Participant
from lk_agents.job.runner import JobRunner
from lk_agents.job.spec import EndCause, JobOutcome
from lk_agents.testing.job import FakeHost, job_spec


async def run(entrypoint: Any, room: LocalRoom) -> JobOutcome:
    runner = JobRunner(
        job_spec("AJ_1", room_name=room.name, room_sid=await room.sid),
        process=JobProcess(),
        entrypoint=entrypoint,
        host=FakeHost(),
        room_factory=lambda _: cast("rtc.Room", room),
        shutdown_seconds=5.0,
    )
    async with asyncio.timeout(10):
        return await runner.run()


async def test_a_job_joins_finds_who_is_there_and_leaves() -> None:
    room = LocalRoom("here", sid="RM_1", identity="agent", others=[Participant("somebody")])
    seen: list[object] = []
    room.on("disconnected", seen.append)

    async def entrypoint(ctx: JobContext) -> None:
        assert not ctx.room.isconnected()
        await ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
        somebody = await ctx.wait_for_participant(timeout=1.0)
        seen.extend([somebody.identity, ctx.agent.identity, ctx.room.isconnected(), ctx.room.name])
        ctx.shutdown("done")

    outcome = await run(entrypoint, room)

    assert (outcome.cause, outcome.success) == (EndCause.SHUTDOWN, True)
    assert seen == ["somebody", "agent", True, "here", rtc.DisconnectReason.CLIENT_INITIATED]
    assert not room.isconnected()


async def test_an_entrypoint_of_participants_runs_for_who_is_there() -> None:
    room = LocalRoom(
        others=[Participant("person"), Participant("robot", kind=rtc.ParticipantKind.PARTICIPANT_KIND_AGENT)]
    )
    met: list[str] = []

    async def meet(ctx: JobContext, participant: rtc.RemoteParticipant) -> None:
        met.append(participant.identity)
        ctx.shutdown()

    async def entrypoint(ctx: JobContext) -> None:
        ctx.add_participant_entrypoint(meet)
        await ctx.connect()

    await run(entrypoint, room)

    assert met == ["person"]


async def test_nobody_is_the_agent_before_the_room_was_joined() -> None:
    room = LocalRoom()
    with pytest.raises(RuntimeError, match="before connecting"):
        _ = room.local_participant
    await room.connect("", "")
    await room.disconnect()

    assert room.local_participant.identity == "agent"


async def test_attributes_of_the_agent_are_kept_and_told() -> None:
    room = LocalRoom()
    await room.connect("", "")
    told: list[Any] = []
    room.on("participant_attributes_changed", lambda changed, who: told.append((changed, who.identity)))
    await room.local_participant.set_attributes({"mood": "good", "place": "home"})
    await room.local_participant.set_attributes({"mood": "", "never": ""})

    assert room.local_participant.attributes == {"place": "home"}
    assert told == [({"mood": "good", "place": "home"}, "agent"), ({"mood": "", "never": ""}, "agent")]


async def test_what_is_published_reaches_nobody_and_does_no_harm() -> None:
    room = LocalRoom(others=[Participant("somebody")])
    await room.connect("", "")
    told: list[object] = []
    room.on("data_received", told.append)
    await room.local_participant.publish_data("hello", topic="chat")
    await room.local_participant.publish_transcription(rtc.Transcription("agent", "", []))

    assert told == []


async def test_an_agent_that_is_ready_for_calls_and_streams_waits_for_none_in_vain() -> None:
    room = LocalRoom()
    await room.connect("", "")
    agent = room.local_participant

    @agent.register_rpc_method("look")
    async def look(_: object) -> str:
        return "seen"

    for register, unregister in (
        (room.register_text_stream_handler, room.unregister_text_stream_handler),
        (room.register_byte_stream_handler, room.unregister_byte_stream_handler),
    ):
        register("chat", print)
        with pytest.raises(ValueError, match="'chat' already set"):
            register("chat", print)
        unregister("chat")
        unregister("chat")
        register("chat", print)
    await agent.send_text("hello", topic="chat")
    await agent.set_name("Ada")
    await agent.set_metadata("{}")

    assert agent.rpc_methods == {"look": look}
    assert (agent.name, agent.metadata) == ("Ada", "{}")
    agent.unregister_rpc_method("look")
    assert agent.rpc_methods == {}


@pytest.mark.parametrize(
    "name", ["send_text", "register_rpc_method", "unregister_rpc_method", "set_metadata", "set_name", "publish_track"]
)
def test_what_the_agent_does_is_called_as_on_the_real_participant(name: str) -> None:
    real, ours = getattr(rtc.LocalParticipant, name), getattr(LocalParticipant, name)

    first = [each for each in inspect.signature(real).parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert list(inspect.signature(ours).parameters)[: len(first)] == [each.name for each in first]
    assert inspect.iscoroutinefunction(real) == inspect.iscoroutinefunction(ours)


async def test_a_track_is_refused_with_the_way_to_be_heard() -> None:
    room = LocalRoom()
    await room.connect("", "")

    with pytest.raises(JobError, match="lk-agents dev FILE"):
        await room.local_participant.publish_track(cast("rtc.LocalTrack", None))


async def test_a_room_that_was_left_is_not_left_again() -> None:
    room = LocalRoom()
    reasons: list[object] = []
    room.on("disconnected", reasons.append)
    await room.disconnect()
    await room.connect("", "")
    await room.disconnect(reason=rtc.DisconnectReason.ROOM_CLOSED)
    await room.disconnect()

    assert reasons == [rtc.DisconnectReason.ROOM_CLOSED]
