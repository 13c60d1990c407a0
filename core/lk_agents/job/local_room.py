"""A room without a server: what jobs use of ``livekit.rtc.Room``, for a job that runs in front of its own console.

Events come in the order and with the arguments of the real room. A callback is called at once, in the call that
causes the event, where the real room calls it a moment later. What the agent publishes reaches nobody: there is no
network, and those who are in the room are there by name only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import JobError
from lk_agents.foundation.ids import short_id
from lk_agents.utils.events import EventEmitter

if TYPE_CHECKING:
    from livekit import rtc

__all__ = [
    "CLIENT_INITIATED",
    "DATA_LOSSY",
    "DATA_RELIABLE",
    "KIND_AUDIO",
    "KIND_STANDARD",
    "PARTICIPANT_REMOVED",
    "SOURCE_CAMERA",
    "SOURCE_MICROPHONE",
    "DataPacket",
    "LocalParticipant",
    "LocalRoom",
    "Participant",
    "Publication",
    "change_attributes",
]

CLIENT_INITIATED: Final = 1
PARTICIPANT_REMOVED: Final = 4
KIND_STANDARD: Final = 0
KIND_AUDIO: Final = 1
SOURCE_CAMERA: Final = 1
SOURCE_MICROPHONE: Final = 2
DATA_LOSSY: Final = 0
DATA_RELIABLE: Final = 1


class Publication:
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


class Participant:
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
        self.track_publications: dict[str, Publication] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.identity!r}, kind={self.kind})"


@dataclass(frozen=True)
class DataPacket:
    """What comes with the event ``data_received``.

    :param kind: 0 for lossy, 1 for reliable.
    :param participant: who sent it; None for the server.
    """

    data: bytes
    kind: int
    participant: Participant | None
    topic: str = ""


class LocalParticipant(Participant):
    """The agent itself. Attributes are kept and told; what else it publishes reaches nobody.

    :param emit: the room's, for the events that the agent causes.
    """

    def __init__(self, identity: str, *, emit: Callable[..., None] | None = None) -> None:
        super().__init__(identity)
        self.rpc_methods: dict[str, Callable[..., Any]] = {}
        """What may be called, by its name."""
        self._emit = emit

    async def publish_transcription(self, transcription: rtc.Transcription) -> None:
        """Show a transcript, to nobody."""

    async def publish_data(
        self,
        payload: bytes | str,
        *,
        reliable: bool = True,
        destination_identities: Collection[str] = (),
        topic: str = "",
    ) -> None:
        """Send data, to nobody."""

    async def send_text(self, text: str, **_: Any) -> None:
        """Send a text, to nobody."""

    def register_rpc_method(self, method_name: str, handler: Callable[..., Any] | None = None) -> Callable[..., Any]:
        """Be ready for calls, of which none will come; without ``handler``, return a decorator."""
        if handler is None:
            return lambda decorated: self.register_rpc_method(method_name, decorated)
        self.rpc_methods[method_name] = handler
        return handler

    def unregister_rpc_method(self, method: str) -> None:
        """Be ready for them no more."""
        self.rpc_methods.pop(method, None)

    async def set_metadata(self, metadata: str) -> None:
        """Change the metadata."""
        self.metadata = metadata

    async def set_name(self, name: str) -> None:
        """Change the display name."""
        self.name = name

    async def publish_track(self, track: rtc.LocalTrack, options: Any = None) -> Any:  # noqa: ARG002  the real one's
        """Refuse: there is no network for a track.

        :raises JobError: always.
        """
        raise JobError(
            "a room without a server plays no tracks; let an agent speak (agent.start(ctx.room)), "
            "or run the job in a real room: lk-agents dev FILE"
        )

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        """Change attributes; an empty value takes one away, those that are not named stay."""
        change_attributes(self, attributes)
        if self._emit is not None:
            self._emit("participant_attributes_changed", attributes, self)


def change_attributes(participant: Participant, changed: dict[str, str]) -> None:
    """Change attributes as the server does: an empty value takes one away."""
    participant.attributes.update(changed)
    for key in [key for key, value in changed.items() if not value]:
        participant.attributes.pop(key, None)


class LocalRoom(EventEmitter[str]):
    """A room for one job, which it joins and leaves at once.

    :param name: the room's name.
    :param sid: the room's id.
    :param identity: the agent's identity.
    :param others: who is there when the agent joins.
    """

    def __init__(
        self,
        name: str = "room",
        *,
        sid: str = "RM_local",
        identity: str = "agent",
        others: Iterable[Participant] = (),
    ) -> None:
        super().__init__()
        self.name = name
        self.metadata = ""
        self.remote_participants: Mapping[str, Participant] = {other.identity: other for other in others}
        self.options: Any = None
        self._local = LocalParticipant(identity, emit=self.emit)
        self._sid = sid
        self._streams: dict[tuple[str, str], Callable[..., None]] = {}
        self._connected = False
        self._was_connected = False

    @property
    async def sid(self) -> str:
        """The room's id."""
        return self._sid

    @property
    def local_participant(self) -> LocalParticipant:
        """The agent itself.

        :raises RuntimeError: the room was never connected.
        """
        self._check_joined()
        return self._local

    def isconnected(self) -> bool:
        """Tell whether the room is connected; true also while it reconnects."""
        return self._connected

    async def connect(self, url: str, token: str, options: Any = None) -> None:  # noqa: ARG002  nobody to show it to
        """Join."""
        self.options = options
        self._connected = self._was_connected = True

    async def disconnect(self, *, reason: int = CLIENT_INITIATED) -> None:
        """Leave. Does nothing if the room is not connected."""
        self._drop(reason)

    def register_text_stream_handler(self, topic: str, handler: Callable[..., None]) -> None:
        """Be ready for streams of text, of which none will come.

        :raises ValueError: somebody else takes those of that topic.
        """
        self._take_streams("text", topic, handler)

    def unregister_text_stream_handler(self, topic: str) -> None:
        """Be ready for them no more."""
        self._streams.pop(("text", topic), None)

    def register_byte_stream_handler(self, topic: str, handler: Callable[..., None]) -> None:
        """The same for streams of bytes.

        :raises ValueError: somebody else takes those of that topic.
        """
        self._take_streams("byte", topic, handler)

    def unregister_byte_stream_handler(self, topic: str) -> None:
        """Be ready for them no more."""
        self._streams.pop(("byte", topic), None)

    def listeners(self) -> int:
        """Return how many callbacks are registered, to find those that were forgotten."""
        return sum(len(handlers) for handlers in self._handlers.values())

    def _take_streams(self, kind: str, topic: str, handler: Callable[..., None]) -> None:
        if (kind, topic) in self._streams:
            raise ValueError(f"{kind} stream handler for topic {topic!r} already set")
        self._streams[kind, topic] = handler

    def _check_joined(self) -> None:
        if not self._was_connected:
            raise RuntimeError("cannot access local participant before connecting")

    def _drop(self, reason: int) -> None:
        if not self._connected:
            return
        self._connected = False
        self.emit("connection_state_changed", 0)
        self.emit("disconnected", reason)
