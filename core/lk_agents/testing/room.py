"""A room without a server, as the console has it, and the handles to play the others in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lk_agents.job.local_room import (
    CLIENT_INITIATED,
    DATA_LOSSY,
    DATA_RELIABLE,
    KIND_AUDIO,
    PARTICIPANT_REMOVED,
    DataPacket,
    LocalParticipant,
    LocalRoom,
    Participant,
    Publication,
    change_attributes,
)

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.testing.audio import MemoryAudioIn

__all__ = [
    "FakeLocalParticipant",
    "FakeParticipant",
    "FakePublication",
    "FakeRoom",
    "FakeTextReader",
    "FakeTrack",
    "SentData",
]


class FakeTrack:
    """What can be heard, or seen, of a publication, once it is subscribed."""

    def __init__(self, publication: FakePublication) -> None:
        self.sid = publication.sid
        self.kind = publication.kind
        self.name = publication.name
        self.voice: MemoryAudioIn | None = None
        """What the agent hears of it, by a :class:`FakeRoomMedia`: ``feed()`` lets its owner speak."""


class FakePublication(Publication):
    """A track that somebody publishes."""

    def __init__(self, kind: int = KIND_AUDIO, *, name: str = "", source: int | None = None) -> None:
        super().__init__(kind, name=name, source=source)
        self.muted = False
        self.track: FakeTrack | None = None
        """Set while it is subscribed."""
        self.tell: Callable[[str, FakeTrack, FakePublication], None] | None = None
        """Called with the name of the event when it is subscribed, or no more."""

    def set_subscribed(self, subscribed: bool) -> None:
        """Receive the track, or no more; both at once."""
        if subscribed == self.subscribed:
            return
        super().set_subscribed(subscribed)
        track = self.track or FakeTrack(self)
        self.track = track if subscribed else None
        if self.tell is not None:
            self.tell("track_subscribed" if subscribed else "track_unsubscribed", track, self)


class FakeTextReader:
    """A text stream that arrives in parts; see ``livekit.rtc.TextStreamReader``.

    :param seconds: how long each part takes.
    :param error: raised behind the parts.
    """

    def __init__(self, parts: Iterable[str], *, seconds: float = 0.0, error: Exception | None = None) -> None:
        self.closed = False
        self._parts = iter(parts)
        self._seconds = seconds
        self._error = error

    def __aiter__(self) -> FakeTextReader:
        return self

    async def __anext__(self) -> str:
        """Wait for the next part."""
        for part in self._parts:
            await asyncio.sleep(self._seconds)
            return part
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Read no more."""
        self.closed = True


class FakeParticipant(Participant):
    """Somebody in the room, whose part the test plays."""


@dataclass(frozen=True)
class SentData:
    """Data that the agent has published.

    :param to: the identities it was meant for; empty for everybody.
    """

    payload: bytes
    reliable: bool
    to: tuple[str, ...]
    topic: str


class FakeLocalParticipant(LocalParticipant):
    """The agent itself; what it publishes is written down."""

    def __init__(self, identity: str, *, emit: Callable[..., None] | None = None) -> None:
        super().__init__(identity, emit=emit)
        self.transcriptions: list[rtc.Transcription] = []
        """What was published, in order."""
        self.sent: list[SentData] = []
        """The data that were published, in order."""
        self.publish_seconds = 0.0
        """How long publishing takes."""
        self.publish_error: Exception | None = None
        """What publishing raises, as long as it is set."""

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
        """Change attributes, after ``publish_seconds``; an empty value takes one away, those not named stay.

        :raises Exception: ``publish_error``, if there is one.
        """
        await self._publishing()
        await super().set_attributes(attributes)

    async def _publishing(self) -> None:
        await asyncio.sleep(self.publish_seconds)
        if self.publish_error is not None:
            raise self.publish_error


class FakeRoom(LocalRoom):
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
        super().__init__(name, sid=sid or "", identity=identity)
        self.connect_seconds = connect_seconds
        self.connect_error = connect_error
        self.disconnect_seconds = disconnect_seconds
        self.remote_participants: dict[str, FakeParticipant] = {}
        self.joins: list[tuple[str, str]] = []
        """Address and token of each join that was tried."""
        self.leave_reasons: list[int] = []
        """The reason of each time the agent left by itself."""
        self._local: FakeLocalParticipant = FakeLocalParticipant(identity, emit=self.emit)
        self._text_handlers: dict[str, Callable[[FakeTextReader, str], None]] = {}
        self._sid_told = asyncio.Event()
        if sid is not None:
            self._sid_told.set()

    # --- what a job uses ----------------------------------------------------------------------------------------

    @property
    async def sid(self) -> str:
        """The room's id; waits until it is known."""
        await self._sid_told.wait()
        return self._sid

    @property
    def local_participant(self) -> FakeLocalParticipant:
        """The agent itself.

        :raises RuntimeError: the room was never connected.
        """
        self._check_joined()
        return self._local

    async def connect(self, url: str, token: str, options: Any = None) -> None:
        """Join, after ``connect_seconds``.

        :raises Exception: ``connect_error``, if there is one.
        """
        self.joins.append((url, token))
        await asyncio.sleep(self.connect_seconds)
        if self.connect_error is not None:
            raise self.connect_error
        await super().connect(url, token, options)

    async def disconnect(self, *, reason: int = CLIENT_INITIATED) -> None:
        """Leave, after ``disconnect_seconds``. Does nothing if the room is not connected."""
        if not self._connected:
            return
        await asyncio.sleep(self.disconnect_seconds)
        if self._connected:
            self.leave_reasons.append(reason)
            self._drop(reason)

    def register_text_stream_handler(self, topic: str, handler: Callable[[FakeTextReader, str], None]) -> None:
        """Call ``handler`` with each text stream of a topic, and the identity of its sender.

        :raises ValueError: the topic has a handler.
        """
        if topic in self._text_handlers:
            raise ValueError(f"text streams of the topic {topic!r} have a handler already")
        self._text_handlers[topic] = handler

    def unregister_text_stream_handler(self, topic: str) -> None:
        """Take a handler away; nothing happens if there is none."""
        self._text_handlers.pop(topic, None)

    def listeners(self) -> int:
        """Return how many callbacks and handlers are registered, to find those that were forgotten."""
        return super().listeners() + len(self._text_handlers)

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

    def publish(self, identity: str, kind: int = KIND_AUDIO, *, source: int | None = None) -> FakePublication:
        """Let somebody publish a track; it is subscribed when the agent asks for it.

        :param source: a track source's number; by default the microphone for audio and the camera for video.
        :raises KeyError: nobody of that identity is there.
        """
        somebody = self.remote_participants[identity]
        publication = FakePublication(kind, source=source)

        def tell(event: str, track: FakeTrack, publication: FakePublication) -> None:
            if self._connected:
                self.emit(event, track, publication, somebody)

        publication.tell = tell
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
        publication.set_subscribed(False)
        if self._connected:
            self.emit("track_unpublished", publication, somebody)

    def mute(self, identity: str, publication: FakePublication, *, muted: bool = True) -> None:
        """Let somebody mute a track, or take that back.

        :raises KeyError: nobody of that identity is there.
        """
        somebody = self.remote_participants[identity]
        publication.muted = muted
        if self._connected:
            self.emit("track_muted" if muted else "track_unmuted", somebody, publication)

    def send_text(
        self,
        text: str | Iterable[str],
        *,
        identity: str,
        topic: str = "lk.chat",
        seconds: float = 0.0,
        error: Exception | None = None,
    ) -> FakeTextReader:
        """Let somebody send a text stream to the agent; without a handler for its topic nobody reads it.

        :param text: the whole text, or its parts.
        :param identity: of whoever sends it, who may have left.
        :param seconds: how long each part takes.
        :param error: breaks it off behind the text.
        """
        reader = FakeTextReader([text] if isinstance(text, str) else text, seconds=seconds, error=error)
        handler = self._text_handlers.get(topic)
        if self._connected and handler is not None:
            handler(reader, identity)
        return reader

    def send_data(self, data: bytes, *, identity: str | None = None, topic: str = "", reliable: bool = True) -> None:
        """Let somebody send data to the agent.

        :param identity: who sends; None for the server.
        :raises KeyError: nobody of that identity is there.
        """
        sender = None if identity is None else self.remote_participants[identity]
        if self._connected:
            self.emit("data_received", DataPacket(data, DATA_RELIABLE if reliable else DATA_LOSSY, sender, topic))

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
