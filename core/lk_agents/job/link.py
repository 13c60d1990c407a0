"""A job's connection to its room."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import JobError, RoomReplacedError
from lk_agents.foundation.log import logger
from lk_agents.job.ending import End
from lk_agents.job.spec import EndCause

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.job.host import JobRuntime
    from lk_agents.job.request import RunningJobInfo
    from lk_agents.job.tasks import JobTasks

__all__ = ["LinkPhase", "RoomLink", "new_room"]

_LEAVE_REPLACED_SECONDS: Final = 2.0

_LOST: Final = frozenset({"STATE_MISMATCH", "JOIN_FAILURE", "SIGNAL_CLOSE", "CONNECTION_TIMEOUT", "MEDIA_FAILURE"})
"""Reasons of a disconnect that nobody wanted."""


class LinkPhase(Enum):
    """Where a job stands with its room."""

    NEW = "new"
    CONNECTING = "connecting"
    FAILED = "failed"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    LEFT = "left"


def new_room(name: str) -> rtc.Room:
    """Build a real room that knows its name before it is joined. Needs a running event loop."""
    from livekit import rtc

    room = rtc.Room()
    room._info.name = name  # noqa: SLF001  the SDK has no public way, and users read room.name before connecting
    return room


class RoomLink:
    """Joins and leaves the job's room, and follows what becomes of the connection. Owned by the job's context.

    :param room: not yet connected.
    :param info: the job, with address and token.
    :param tasks: the job's tasks.
    :param runtime: what the end of the connection is told to.
    """

    def __init__(self, room: rtc.Room, info: RunningJobInfo, *, tasks: JobTasks, runtime: JobRuntime) -> None:
        self._room = room
        self._info = info
        self._tasks = tasks
        self._runtime = runtime
        self._phase = LinkPhase.NEW
        self._settled = asyncio.Event()
        self._settled.set()
        self._joining: asyncio.Task[None] | None = None
        self._reconnected_at: float | None = None
        self._refusal: str | None = None
        room.on("reconnecting", self._on_reconnecting)
        room.on("reconnected", self._on_reconnected)
        room.on("disconnected", self._on_disconnected)

    @property
    def phase(self) -> LinkPhase:
        """Where the job stands with its room."""
        return self._phase

    @property
    def was_joined(self) -> bool:
        """Whether the room was ever joined."""
        return self._phase in {LinkPhase.CONNECTED, LinkPhase.RECONNECTING, LinkPhase.LEFT}

    def refuse_joins(self, why: str) -> None:
        """Let no join begin from now on."""
        self._refusal = why

    def reconnected_within(self, seconds: float) -> bool:
        """Tell whether the room is connected and came back from a reconnect less than ``seconds`` ago."""
        return (
            self._phase is LinkPhase.CONNECTED
            and self._reconnected_at is not None
            and asyncio.get_running_loop().time() - self._reconnected_at < seconds
        )

    async def wait_settled(self, seconds: float) -> None:
        """Wait while the room is being joined or reconnects, ``seconds`` at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._settled.wait()

    async def join(self, options: rtc.RoomOptions) -> None:
        """Join the room.

        Cancelled, it leaves the native join to :meth:`leave`, which ends it properly.

        :raises JobError: the job is ending, another join is under way, or it took too long.
        :raises livekit.rtc.ConnectError: the room could not be joined.
        """
        if self._refusal is not None:
            raise JobError(f"the room is not joined any more: {self._refusal}")
        if self._phase is LinkPhase.CONNECTING:
            raise JobError("ctx.connect() is under way already; await the first call")
        self._set_phase(LinkPhase.CONNECTING)
        try:
            async with self._permit():
                await self._join(options)
        except BaseException:
            self._end_join(LinkPhase.FAILED)
            raise
        self._end_join(LinkPhase.CONNECTED)

    async def check_room(self) -> None:
        """Make sure that the joined room is the job's own, not one made anew after the job's was closed.

        :raises RoomReplacedError: it is another room; it has been left and the job ends.
        """
        expected = self._info.job.room.sid
        if not expected:
            return
        check = self._tasks.start(self._compare_sid(expected), name="job_room_sid")
        await asyncio.wait({check}, timeout=self._runtime.limits.sid_seconds)  # a later answer still ends the job
        if not check.done() or check.cancelled() or (difference := check.result()) is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_REPLACED_SECONDS):
                await self.leave(failed=False)
        raise RoomReplacedError(difference)

    async def leave(self, *, failed: bool) -> None:
        """Leave the room, also one whose join is still under way. Idempotent.

        :param failed: tell the other participants that the agent failed.
        """
        if self._joining is not None and not self._joining.done():
            await asyncio.wait({self._joining})
        if self._room.isconnected():
            await self._room.disconnect(**_leave_arguments(failed=failed))
        if self.was_joined:
            self._set_phase(LinkPhase.LEFT)

    def abandon(self) -> None:
        """Give up a join that is still under way; the process's end will close its connection."""
        if self._joining is not None:
            self._joining.cancel()

    def _permit(self) -> AbstractAsyncContextManager[None]:
        return self._runtime.host.connect_permit() if self._runtime.host is not None else nullcontext()

    async def _join(self, options: rtc.RoomOptions) -> None:
        limit = asyncio.timeout(seconds := self._runtime.limits.connect_seconds)
        work = self._room.connect(self._info.url, self._info.token, options)
        self._joining = asyncio.get_running_loop().create_task(work, name="job_room_connect")
        self._joining.add_done_callback(_mark_seen)
        try:
            async with limit:
                await asyncio.shield(self._joining)  # a native join cannot be called back: it is left when it is done
        except TimeoutError as error:
            if not limit.expired():
                raise
            self._joining.cancel()
            raise JobError(f"the room at {self._info.url!r} could not be joined in {seconds:g} s") from error
        except Exception as error:  # noqa: BLE001  raised again
            raise _without_frames(error)  # noqa: B904  the same error

    def _end_join(self, phase: LinkPhase) -> None:
        if self._phase is LinkPhase.CONNECTING:  # else the connection was lost again at once
            self._set_phase(phase)

    async def _compare_sid(self, expected: str) -> str | None:
        """Begin the job's end if the room is another one, and return the difference in words."""
        try:
            sid = await self._room.sid
        except RuntimeError:  # the room is gone before its id came; its own event ends the job
            return None
        if not sid or sid == expected:
            return None
        difference = f"the job was for room {expected}, which was closed; the room joined is {sid}, of the same name"
        logger.error(
            "the room was closed and made anew before the job joined it; the job ends",
            extra={"job_id": self._info.job.id, "expected_sid": expected, "sid": sid},
        )
        self._runtime.end(End(cause=EndCause.ROOM_REPLACED, reason=difference))
        return difference

    def _set_phase(self, phase: LinkPhase) -> None:
        self._phase = phase
        if phase in {LinkPhase.CONNECTING, LinkPhase.RECONNECTING}:
            self._settled.clear()
        else:
            self._settled.set()

    def _on_reconnecting(self) -> None:
        if self._phase is LinkPhase.CONNECTED:
            self._set_phase(LinkPhase.RECONNECTING)

    def _on_reconnected(self) -> None:
        self._reconnected_at = asyncio.get_running_loop().time()
        if self._phase is LinkPhase.RECONNECTING:
            self._set_phase(LinkPhase.CONNECTED)

    def _on_disconnected(self, reason: int = 0) -> None:
        self._set_phase(LinkPhase.LEFT)
        name = _reason_name(reason)
        lost = name in _LOST
        self._runtime.end(
            End(cause=EndCause.ROOM_DISCONNECTED, reason=f"room disconnected: {name}", connection_lost=lost)
        )


def _reason_name(reason: int) -> str:
    from livekit import rtc

    try:
        return rtc.DisconnectReason.Name(rtc.DisconnectReason.ValueType(reason))
    except ValueError:  # a newer server knows more reasons
        return f"reason {reason}"


def _leave_arguments(*, failed: bool) -> dict[str, Any]:
    if not failed:
        return {}
    from livekit import rtc

    return {"reason": rtc.DisconnectReason.AGENT_ERROR}


def _mark_seen(task: asyncio.Task[None]) -> None:
    """Keep asyncio from reporting the error of a join that nobody waits for any more."""
    if not task.cancelled():
        task.exception()


def _without_frames(error: Exception) -> Exception:
    """Return the error without its frames in the media SDK: their locals hold the token, and some tools show locals."""
    chained: BaseException | None = error
    while chained is not None:
        chained.__traceback__ = None
        chained = chained.__cause__ or chained.__context__
    return error
