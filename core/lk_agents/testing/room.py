"""A room without a server: what jobs use of ``livekit.rtc.Room``, and the handles to play the others in it.

Events come in the order and with the arguments of the real room. A callback is called at once, in the call that
causes the event, where the real room calls it a moment later.
"""

from __future__ import annotations

import asyncio
from typing import Any

from lk_agents.foundation.ids import short_id
from lk_agents.utils.events import EventEmitter

__all__ = ["FakeLocalParticipant", "FakeParticipant", "FakePublication", "FakeRoom"]

CLIENT_INITIATED = 1
PARTICIPANT_REMOVED = 4
KIND_STANDARD = 0
KIND_AUDIO = 1


class FakePublication:
    """A track that somebody publishes.

    :param kind: 1 for audio, 2 for video.
    """

    def __init__(self, kind: int = KIND_AUDIO, *, name: str = "") -> None:
        self.sid = short_id("TR_")
        self.kind = kind
        self.name = name
        self.subscribed = False

    def set_subscribed(self, subscribed: bool) -> None:
        """Receive the track, or no more."""
        self.subscribed = subscribed


class FakeParticipant:
    """Somebody in the room.

    :param kind: a participant kind's number; 0 for a person with a browser, 3 for one on a phone, 4 for an agent.
    """

    def __init__(
        self,
        identity: str,
        *,
        kind: int = KIND_STANDARD,
        name: str = "",
        metadata: str = "",
        attributes: dict[str, str] | None = None,
    ) -> None:
        self.sid = short_id("PA_")
        self.identity = identity
        self.kind = kind
        self.name = name
        self.metadata = metadata
        self.attributes = dict(attributes or {})
        self.track_publications: dict[str, FakePublication] = {}

    def __repr__(self) -> str:
        return f"FakeParticipant({self.identity!r}, kind={self.kind})"


class FakeLocalParticipant(FakeParticipant):
    """The agent itself."""


class FakeRoom(EventEmitter[str]):
    """Plays a room for one job.

    :param name: the room's name.
    :param sid: the room's id; make it another than the job's to play a room that was closed and made anew. None
        until :meth:`tell_sid`.
    :param identity: the agent's identity.
    :param connect_seconds: how long a join takes.
    :param connect_error: what a join raises.
    :param disconnect_seconds: how long leaving takes.
    """

    def __init__(
        self,
        name: str = "room",
        *,
        sid: str | None = "RM_fake",
        identity: str = "agent",
        connect_seconds: float = 0.0,
        connect_error: Exception | None = None,
        disconnect_seconds: float = 0.0,
    ) -> None:
        super().__init__()
        self.name = name
        self.connect_seconds = connect_seconds
        self.connect_error = connect_error
        self.disconnect_seconds = disconnect_seconds
        self.remote_participants: dict[str, FakeParticipant] = {}
        self.options: Any = None
        self.joins: list[tuple[str, str]] = []
        """Address and token of each join that was tried."""
        self.leave_reasons: list[int] = []
        """The reason of each time the agent left by itself."""
        self._local = FakeLocalParticipant(identity)
        self._sid = sid
        self._sid_told = asyncio.Event()
        if sid is not None:
            self._sid_told.set()
        self._connected = False
        self._was_connected = False

    # --- what a job uses ----------------------------------------------------------------------------------------

    @property
    async def sid(self) -> str:
        """The room's id; waits until it is known."""
        await self._sid_told.wait()
        assert self._sid is not None
        return self._sid

    @property
    def local_participant(self) -> FakeLocalParticipant:
        """The agent itself.

        :raises RuntimeError: the room was never connected.
        """
        if not self._was_connected:
            raise RuntimeError("cannot access local participant before connecting")
        return self._local

    def isconnected(self) -> bool:
        """Tell whether the room is connected; true also while it reconnects."""
        return self._connected

    async def connect(self, url: str, token: str, options: Any = None) -> None:
        """Join, after ``connect_seconds``.

        :raises Exception: ``connect_error``, if there is one.
        """
        self.joins.append((url, token))
        self.options = options
        await asyncio.sleep(self.connect_seconds)
        if self.connect_error is not None:
            raise self.connect_error
        self._connected = self._was_connected = True

    async def disconnect(self, *, reason: int = CLIENT_INITIATED) -> None:
        """Leave, after ``disconnect_seconds``. Does nothing if the room is not connected."""
        if not self._connected:
            return
        await asyncio.sleep(self.disconnect_seconds)
        if self._connected:
            self.leave_reasons.append(reason)
            self._drop(reason)

    # --- playing the others ---------------------------------------------------------------------------------------

    def join(self, participant: FakeParticipant | str) -> FakeParticipant:
        """Let somebody come into the room; before the agent has joined, that is somebody it finds there.

        :raises ValueError: somebody of that identity is there.
        """
        somebody = FakeParticipant(participant) if isinstance(participant, str) else participant
        if somebody.identity in self.remote_participants:
            raise ValueError(f"{somebody.identity!r} is in the room already")
        self.remote_participants[somebody.identity] = somebody
        if self._connected:
            self.emit("participant_connected", somebody)
        return somebody

    def leave(self, identity: str) -> None:
        """Let somebody go.

        :raises KeyError: nobody of that identity is there.
        """
        somebody = self.remote_participants.pop(identity)
        if self._connected:
            self.emit("participant_disconnected", somebody)

    def publish(self, identity: str, kind: int = KIND_AUDIO) -> FakePublication:
        """Let somebody publish a track.

        :raises KeyError: nobody of that identity is there.
        """
        somebody = self.remote_participants[identity]
        publication = FakePublication(kind)
        somebody.track_publications[publication.sid] = publication
        if self._connected:
            self.emit("track_published", publication, somebody)
        return publication

    def close(self, reason: int = PARTICIPANT_REMOVED) -> None:
        """Let the server end the agent's connection, for one of the SDK's reasons."""
        if self._connected:
            self._drop(reason)

    def begin_reconnect(self) -> None:
        """Let the connection break and the SDK try again."""
        self.emit("reconnecting")

    def finish_reconnect(self) -> None:
        """Let the SDK come back."""
        self.emit("reconnected")

    def tell_sid(self, sid: str) -> None:
        """Let the server tell the room's id."""
        self._sid = sid
        self._sid_told.set()

    def listeners(self) -> int:
        """Return how many callbacks are registered, to find those that were forgotten."""
        return sum(len(handlers) for handlers in self._handlers.values())

    def _drop(self, reason: int) -> None:
        self._connected = False
        self.emit("connection_state_changed", 0)
        self.emit("disconnected", reason)
