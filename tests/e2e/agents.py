"""Entrypoints, which write down what happens to them; the path of the journal is their user argument."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from functools import partial
from typing import Any

from livekit import api, rtc
from tests.e2e import journal

from lk_agents.job.context import JobContext
from lk_agents.job.subscription import AutoSubscribe


def note(ctx: JobContext, event: str, **fields: Any) -> None:
    path = ctx.proc.user_arguments
    journal.write(path, event, room=ctx.job.room.name, job=ctx.job.id, worker=ctx.worker_id, **fields)


async def _ended(ctx: JobContext, reason: str) -> None:
    note(ctx, "callback", reason=reason, in_room=ctx.room.isconnected())


async def obedient(ctx: JobContext) -> None:
    """Join the room and do what the packets say that come there."""
    orders: asyncio.Queue[str] = asyncio.Queue()
    ctx.room.on("data_received", lambda packet: orders.put_nowait(packet.data.decode()))
    ctx.room.on("reconnected", lambda: note(ctx, "reconnected"))
    ctx.add_shutdown_callback(partial(_ended, ctx))
    note(
        ctx,
        "entered",
        metadata=ctx.job.metadata[:100],
        length=len(ctx.job.metadata),
        participant=ctx.job.participant.identity,
        token=ctx.info.token,
    )
    await ctx.connect()
    note(ctx, "connected", sid=await ctx.room.sid, identity=ctx.agent.identity)
    done: set[str] = set()
    while True:
        number, order = (await orders.get()).split(" ", 1)
        if number in done:  # repeated, for it might have been lost
            continue
        done.add(number)
        note(ctx, "ordered", number=number, order=order)
        if not await _obey(ctx, order):
            return


async def _obey(ctx: JobContext, order: str) -> bool:
    """Do it, and return whether to go on."""
    match order:
        case "return":
            pass
        case "shutdown":
            ctx.shutdown("as told")
        case "raise":
            raise ValueError("raised as told")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "reconnect":
            await ctx.room.simulate_scenario(rtc.SimulateScenarioKind.SIMULATE_FULL_RECONNECT)
            return True
        case "resume":
            await ctx.room.simulate_scenario(rtc.SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT)
            return True
        case "ask the server":
            request = api.ListParticipantsRequest(room=ctx.job.room.name)
            found = (await ctx.api.room.list_participants(request)).participants
            note(ctx, "asked", identities=[one.identity for one in found])
            return True
        case _:
            return True
    return False


async def stubborn(ctx: JobContext) -> None:
    """Join the room, and never leave it: block everything at the end."""

    async def never_done() -> None:
        note(ctx, "callback")
        threading.Event().wait()  # and with it the loop

    ctx.add_shutdown_callback(never_done)
    await ctx.connect()
    note(ctx, "connected", identity=ctx.agent.identity)
    await asyncio.sleep(3600)


async def brief(ctx: JobContext) -> None:
    """Note the job and end it, without joining the room."""
    note(ctx, "entered", participant=ctx.job.participant.identity)
    ctx.shutdown("nothing to do")


async def holding(ctx: JobContext) -> None:
    """Note the job and keep it, without joining the room."""
    note(ctx, "entered", participant=ctx.job.participant.identity)
    await asyncio.sleep(3600)


async def raising(ctx: JobContext) -> None:
    """Fail before joining the room."""
    note(ctx, "entered")
    raise ValueError("it failed before it joined")


async def returning(ctx: JobContext) -> None:
    """Return without having joined the room."""
    note(ctx, "entered")


async def late(ctx: JobContext) -> None:
    """Join the room when the job's metadata, a path, exists as a file."""
    note(ctx, "entered")
    while not await asyncio.to_thread(os.path.exists, ctx.job.metadata):
        await asyncio.sleep(0.02)
    try:
        await ctx.connect()
    finally:
        note(ctx, "joined late")


async def greeting(ctx: JobContext) -> None:
    """Wait for a participant, and run an entrypoint for each."""
    ctx.add_participant_entrypoint(_greet)
    await ctx.connect()
    note(ctx, "connected")
    first = await ctx.wait_for_participant()
    note(ctx, "first", identity=first.identity)
    named = await ctx.wait_for_participant(identity="second")
    note(ctx, "named", identity=named.identity)


async def _greet(ctx: JobContext, participant: rtc.RemoteParticipant) -> None:
    note(ctx, "greeted", identity=participant.identity)


async def listening(ctx: JobContext) -> None:
    """Receive audio only, and note each track that comes, and the first frame of sound."""
    tasks: set[asyncio.Task[None]] = set()

    def subscribed(track: rtc.Track, _publication: Any, participant: rtc.RemoteParticipant) -> None:
        note(ctx, "subscribed", kind=rtc.TrackKind.Name(track.kind), identity=participant.identity)
        if isinstance(track, rtc.RemoteAudioTrack):
            tasks.add(ctx.create_task(_first_sound(ctx, track), name="first_sound"))

    ctx.room.on("track_subscribed", subscribed)
    ctx.room.on("track_published", lambda publication, _: note(ctx, "published", track_name=publication.name))
    await ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
    note(ctx, "connected")


async def _first_sound(ctx: JobContext, track: rtc.RemoteAudioTrack) -> None:
    stream = rtc.AudioStream(track)
    try:
        async for event in stream:
            if any(event.frame.data):
                note(ctx, "sound")
                return
    finally:
        await stream.aclose()
