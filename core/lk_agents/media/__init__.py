"""Sound and text in and out of a conversation, and the clock of what was really heard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.media.playout import Playout
    from lk_agents.media.protocols import AudioIn, AudioOut, TextIO, TextMessage, TextSegment
    from lk_agents.media.room_io import RoomAudioIn, RoomAudioOut
    from lk_agents.media.room_session import RoomSessionIO
    from lk_agents.media.room_text import RoomTextIO
    from lk_agents.media.session_io import EndPolicy, SessionIO
    from lk_agents.media.surroundings import SessionRequest, session_io_for, use_session_io

__all__ = [
    "AudioIn",
    "AudioOut",
    "EndPolicy",
    "Playout",
    "RoomAudioIn",
    "RoomAudioOut",
    "RoomSessionIO",
    "RoomTextIO",
    "SessionIO",
    "SessionRequest",
    "TextIO",
    "TextMessage",
    "TextSegment",
    "session_io_for",
    "use_session_io",
]

_NAMES = {
    "playout": ("Playout",),
    "protocols": ("AudioIn", "AudioOut", "TextIO", "TextMessage", "TextSegment"),
    "room_io": ("RoomAudioIn", "RoomAudioOut"),
    "room_session": ("RoomSessionIO",),
    "room_text": ("RoomTextIO",),
    "session_io": ("EndPolicy", "SessionIO"),
    "surroundings": ("SessionRequest", "session_io_for", "use_session_io"),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
