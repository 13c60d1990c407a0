"""Which tracks of the other participants an agent receives."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["AutoSubscribe", "KindSubscription"]

_KIND_AUDIO: Final = 1
_KIND_VIDEO: Final = 2


class AutoSubscribe(str, Enum):  # noqa: UP042  a StrEnum prints otherwise than the public surface says
    """What to receive of whatever the others publish."""

    SUBSCRIBE_ALL = "subscribe_all"
    SUBSCRIBE_NONE = "subscribe_none"
    AUDIO_ONLY = "audio_only"
    VIDEO_ONLY = "video_only"


_KINDS: Final = {AutoSubscribe.AUDIO_ONLY: _KIND_AUDIO, AutoSubscribe.VIDEO_ONLY: _KIND_VIDEO}


class KindSubscription:
    """Receives one kind of track, from everybody, as long as it is open; nothing where ``mode`` names no kind.

    Build it before the room is joined, so that no track published in between is missed.
    """

    def __init__(self, room: rtc.Room, mode: AutoSubscribe) -> None:
        self._room = room
        self._kind = _KINDS.get(mode)
        room.on("track_published", self._take)

    def take_present(self) -> None:
        """Receive what was published before the room was joined."""
        for participant in self._room.remote_participants.values():
            for publication in participant.track_publications.values():
                self._take(publication)

    def close(self) -> None:
        """Receive nothing that is published from now on."""
        self._room.off("track_published", self._take)

    def _take(self, publication: rtc.RemoteTrackPublication) -> None:
        if publication.kind == self._kind:
            publication.set_subscribed(True)
