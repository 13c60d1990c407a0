"""Sound and text in and out of a conversation, and the clock of what was really heard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.media.playout import Playout
    from lk_agents.media.protocols import AudioIn, AudioOut, TextIO, TextMessage, TextSegment
    from lk_agents.media.room_io import RoomAudioIn, RoomAudioOut

__all__ = [
    "AudioIn",
    "AudioOut",
    "Playout",
    "RoomAudioIn",
    "RoomAudioOut",
    "TextIO",
    "TextMessage",
    "TextSegment",
]

_NAMES = {
    "playout": ("Playout",),
    "protocols": ("AudioIn", "AudioOut", "TextIO", "TextMessage", "TextSegment"),
    "room_io": ("RoomAudioIn", "RoomAudioOut"),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
