"""Participants of the room: waiting for one, and running an entrypoint for each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from lk_agents.foundation.errors import ConfigError, JobError, RoomDisconnectedError
from lk_agents.foundation.log import logger

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.job.context import JobContext
    from lk_agents.job.tasks import JobTasks

__all__ = [
    "DEFAULT_PARTICIPANT_KINDS",
    "KindFilter",
    "ParticipantEntrypoint",
    "ParticipantEntrypoints",
    "wait_for_participant",
]

ParticipantEntrypoint: TypeAlias = "Callable[[JobContext, rtc.RemoteParticipant], Coroutine[Any, Any, None]]"
"""A coroutine function that is run for a participant."""

KindFilter: TypeAlias = "Sequence[rtc.ParticipantKind.ValueType] | rtc.ParticipantKind.ValueType"
"""One kind of participant, or several."""

DEFAULT_PARTICIPANT_KINDS: Final = cast("list[rtc.ParticipantKind.ValueType]", [3, 0])
"""People: ``PARTICIPANT_KIND_SIP`` (3) and ``PARTICIPANT_KIND_STANDARD`` (0); no agents, recorders or ingress."""


def _matches(participant: rtc.RemoteParticipant, kind: KindFilter) -> bool:
    return participant.kind == kind if isinstance(kind, int) else participant.kind in kind


async def wait_for_participant(
    room: rtc.Room, *, identity: str | None, kind: KindFilter, timeout: float | None = None
) -> rtc.RemoteParticipant:
    """Return the first participant of that identity (None: any) and kind, present or to come.

    Cancelled or not, it leaves no listener behind.

    :raises JobError: the room is not connected.
    :raises RoomDisconnectedError: the room went away meanwhile.
    :raises TimeoutError: nobody came in ``timeout`` seconds.
    """
    if not room.isconnected():
        raise JobError("there is nobody to wait for: the room is not connected; await ctx.connect() first")
    found: asyncio.Future[rtc.RemoteParticipant] = asyncio.get_running_loop().create_future()

    def consider(participant: rtc.RemoteParticipant) -> None:
        if not found.done() and identity in {None, participant.identity} and _matches(participant, kind):
            found.set_result(participant)

    def give_up() -> None:
        if not found.done():
            found.set_exception(
                RoomDisconnectedError(f"the room disconnected while somebody waited for {identity or 'a participant'}")
            )

    for participant in room.remote_participants.values():
        consider(participant)
    room.on("participant_connected", consider)
    room.on("disconnected", give_up)
    try:
        async with asyncio.timeout(timeout):
            return await found
    finally:
        room.off("participant_connected", consider)
        room.off("disconnected", give_up)


class ParticipantEntrypoints:
    """Runs each entrypoint for each participant, as tasks of the job.

    Nothing runs before :meth:`open`; from then on it runs for everybody there, and for whoever comes.
    """

    def __init__(self, ctx: JobContext, tasks: JobTasks) -> None:
        self._ctx = ctx
        self._tasks = tasks
        self._entrypoints: dict[ParticipantEntrypoint, KindFilter] = {}
        self._running: dict[asyncio.Task[None], tuple[str, ParticipantEntrypoint]] = {}
        self._open = False
        ctx.room.on("participant_connected", self._on_connected)

    def add(self, entrypoint: ParticipantEntrypoint, kind: KindFilter) -> None:
        """Add an entrypoint; when the room is joined already, it runs at once for those present.

        :raises ConfigError: it was added before.
        """
        if entrypoint in self._entrypoints:
            raise ConfigError(f"participant entrypoint {_name(entrypoint)!r} was added before; add it once")
        self._entrypoints[entrypoint] = kind
        if self._open:
            for participant in tuple(self._ctx.room.remote_participants.values()):
                self._consider(entrypoint, participant)

    def open(self) -> None:
        """Run the entrypoints for everybody in the room, and from now on for whoever comes. Idempotent."""
        if self._open:
            return
        self._open = True
        for participant in tuple(self._ctx.room.remote_participants.values()):
            self._on_connected(participant)

    def close(self) -> None:
        """Run nothing more; what runs goes on."""
        self._open = False
        self._ctx.room.off("participant_connected", self._on_connected)

    def _on_connected(self, participant: rtc.RemoteParticipant) -> None:
        if self._open:
            for entrypoint in tuple(self._entrypoints):
                self._consider(entrypoint, participant)

    def _consider(self, entrypoint: ParticipantEntrypoint, participant: rtc.RemoteParticipant) -> None:
        if not _matches(participant, self._entrypoints[entrypoint]):
            return
        identity = participant.identity
        if (identity, entrypoint) in self._running.values():
            logger.warning(
                "a participant came back while its entrypoint was still running; a second one is started",
                extra={"job_id": self._ctx.job.id, "entrypoint": _name(entrypoint)},
            )
        work = _run(entrypoint, self._ctx, participant)
        task = self._tasks.start(work, name=f"part-entry-{identity}-{_name(entrypoint)}")
        self._running[task] = (identity, entrypoint)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._running[task]


async def _run(entrypoint: ParticipantEntrypoint, ctx: JobContext, participant: rtc.RemoteParticipant) -> None:
    await entrypoint(ctx, participant)


def _name(entrypoint: ParticipantEntrypoint) -> str:
    return getattr(entrypoint, "__name__", None) or type(entrypoint).__name__
