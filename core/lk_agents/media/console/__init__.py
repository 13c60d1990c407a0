"""A conversation without a room: microphone, speaker and keyboard of this machine, or files in their place.

Nothing here is loaded unless it is used; the names below are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.media.console.echo import EchoCanceller
    from lk_agents.media.console.files import FileSink, FileSource, NoSink, NoSource, read_wav
    from lk_agents.media.console.ports import USER, Screen, VoiceSink, VoiceSource
    from lk_agents.media.console.session import ConsoleSessionIO, Keyboard
    from lk_agents.media.console.sound_card import Microphone, Speaker, list_devices, load_sounddevice
    from lk_agents.media.console.typed import TypedLines

__all__ = [
    "USER",
    "ConsoleSessionIO",
    "EchoCanceller",
    "FileSink",
    "FileSource",
    "Keyboard",
    "Microphone",
    "NoSink",
    "NoSource",
    "Screen",
    "Speaker",
    "TypedLines",
    "VoiceSink",
    "VoiceSource",
    "list_devices",
    "load_sounddevice",
    "read_wav",
]

_NAMES = {
    "echo": ("EchoCanceller",),
    "files": ("FileSink", "FileSource", "NoSink", "NoSource", "read_wav"),
    "ports": ("USER", "Screen", "VoiceSink", "VoiceSource"),
    "session": ("ConsoleSessionIO", "Keyboard"),
    "sound_card": ("Microphone", "Speaker", "list_devices", "load_sounddevice"),
    "typed": ("TypedLines",),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
