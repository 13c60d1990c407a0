"""A room without a server: what jobs use of ``livekit.rtc.Room``, and the handles to play the others in it.

Events come in the order and with the arguments of the real room. A callback is called at once, in the call that
causes the event, where the real room calls it a moment later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lk_agents.foundation.ids import short_id
from lk_agents.utils.events import EventEmitter

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["FakeDataPacket", "FakeLocalParticipant", "FakeParticipant", "FakePublication", "FakeRoom", "SentData"]

CLIENT_INITIATED = 1
PARTICIPANT_REMOVED = 4
KIND_STANDARD = 0
KIND_AUDIO = 1
SOURCE_CAMERA = 1
SOURCE_MICROPHONE = 2
DATA_LOSSY = 0
DATA_RELIABLE = 1


class FakePublication:
    """A track that somebody publishes.

    :param kind: 1 for audio, 2 for video.
    :param source: a track source's number; by default the microphone for audio and the camera for video.
    """

    def __init__(self, kind: int = KIND_AUDIO, *, name: str = "", source: int | None = None) -> None:
        self.sid = short_id("TR_")
        self.kind = kind
        self.source = source or (SOURCE_MICROPHONE if kind == KIND_AUDIO else SOURCE_CAMERA)
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


@dataclass(frozen=True)
class FakeDataPacket:
    """What comes with the event ``data_received``.

    :param kind: 0 for lossy, 1 for reliable.
    :param participant: who sent it; None for the server.
    """

    data: bytes
    kind: int
    participant: FakeParticipant | None
    topic: str = ""


@dataclass(frozen=True)
class SentData:
    """Data that the agent has published.

    :param to: the identities it was meant for; empty for everybody.
    """

    payload: bytes
    reliable: bool
    to: tuple[str, ...]
    topic: str


class FakeLocalParticipant(FakeParticipant):
    """The agent itself; what it publishes is written down."""

    def __init__(self, identity: str, *, emit: Callable[..., None] | None = None) -> None:
        super().__init__(identity)
        self.transcriptions: list[rtc.Transcription] = []
        """What was published, in order."""
        self.sent: list[SentData] = []
        """The data that were published, in order."""
        self.publish_seconds = 0.0
        """How long publishing takes."""
        self.publish_error: Exception | None = None
        """What publishing raises, as long as it is set."""
        self._emit = emit

    async def publish_transcription(self, transcription: rtc.Transcription) -> None:
        """Show a transcript, after ``publish_seconds``.

        :raises Exception: ``publish_error``, if there is one.
        """
        await self._publishing()
        self.transcriptions.append(transcription)

    async def publish_data(
        self,
        payload: bytes | str,
        *,
        reliable: bool = True,
        destination_identities: Collection[str] = (),
        topic: str = "",
    ) -> None:
        """Send data, after ``publish_seconds``.

        :raises Exception: ``publish_error``, if there is one.
        """
        await self._publishing()
        data = payload.encode() if isinstance(payload, str) else payload
        self.sent.append(SentData(data, reliable, tuple(destination_identities), topic))

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        """Change attributes; an empty value takes one away, those that are not named stay."""
        await self._publishing()
        change_attributes(self, attributes)
        if self._emit is not None:
            self._emit("participant_attributes_changed", attributes, self)

    async def _publishing(self) -> None:
        await asyncio.sleep(self.publish_seconds)
        if self.publish_error is not None:
            raise self.publish_error


def change_attributes(participant: FakeParticipant, changed: dict[str, str]) -> None:
    """Change attributes as the server does."""
    participant.attributes.update(changed)
    for key in [key for key, value in changed.items() if not value]:
        del participant.attributes[key]


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
        self._local = FakeLocalParticipant(identity, emit=self.emit)
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

    def unpublish(self, identity: str, sid: str) -> None:
        """Let somebody take a track back.

        :raises KeyError: nobody of that identity is there, or the track is not theirs.
        """
        somebody = self.remote_participants[identity]
        publication = somebody.track_publications.pop(sid)
        if self._connected:
            self.emit("track_unpublished", publication, somebody)

    def send_data(self, data: bytes, *, identity: str | None = None, topic: str = "", reliable: bool = True) -> None:
        """Let somebody send data to the agent.

        :param identity: who sends; None for the server.
        :raises KeyError: nobody of that identity is there.
        """
        sender = None if identity is None else self.remote_participants[identity]
        if self._connected:
            self.emit("data_received", FakeDataPacket(data, DATA_RELIABLE if reliable else DATA_LOSSY, sender, topic))

    def change_attributes(self, identity: str, changed: dict[str, str]) -> None:
        """Let somebody's attributes change; an empty value takes one away.

        :raises KeyError: nobody of that identity is there.
        """
        somebody = self.remote_participants[identity]
        change_attributes(somebody, changed)
        if self._connected:
            self.emit("participant_attributes_changed", changed, somebody)

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
