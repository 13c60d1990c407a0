"""The real room object, as far as it goes without a server and without the native library."""

from __future__ import annotations

import asyncio

from livekit import rtc
from livekit.rtc import _ffi_client

from lk_agents.job.context import JobContext
from lk_agents.job.link import new_room
from lk_agents.job.participants import DEFAULT_PARTICIPANT_KINDS
from lk_agents.job.process import JobProcess
from lk_agents.job.runner import JobRunner
from lk_agents.job.spec import EndCause
from lk_agents.testing.job import FakeHost, job_spec
from lk_agents.testing.room import FakeRoom


async def test_a_job_that_never_connects_runs_over_a_real_room_without_the_native_library() -> None:
    seen: list[object] = []

    async def entrypoint(ctx: JobContext) -> None:
        seen.extend([type(ctx.room), ctx.room.name, ctx.room.isconnected()])
        ctx.add_participant_entrypoint(participant)
        ctx.shutdown("nothing to do")

    async def participant(ctx: JobContext, somebody: rtc.RemoteParticipant) -> None: ...

    host = FakeHost()
    runner = JobRunner(job_spec(room_name="kitchen"), process=JobProcess(), entrypoint=entrypoint, host=host)
    async with asyncio.timeout(10):
        outcome = await runner.run()

    assert (outcome.cause, outcome.success) == (EndCause.SHUTDOWN, True)
    assert seen == [rtc.Room, "kitchen", False]
    assert _ffi_client.FfiClient._instance is None


async def test_the_fake_room_has_what_jobs_use_of_the_real_one() -> None:
    real, fake = new_room("room"), FakeRoom("room")
    used = ["sid", "local_participant", "isconnected", "connect", "disconnect", "on", "off"]

    assert [name for name in used if not hasattr(rtc.Room, name) or not hasattr(FakeRoom, name)] == []
    assert (real.name, real.isconnected(), len(real.remote_participants)) == (
        fake.name,
        fake.isconnected(),
        len(fake.remote_participants),
    )


def test_the_default_kinds_are_people() -> None:
    kinds = rtc.ParticipantKind
    assert [kinds.PARTICIPANT_KIND_SIP, kinds.PARTICIPANT_KIND_STANDARD] == DEFAULT_PARTICIPANT_KINDS
