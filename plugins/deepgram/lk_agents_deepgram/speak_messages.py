"""What is said to Deepgram while it speaks, and what it says beside the audio. Pure; unknown fields are passed over."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, TypeAlias

from lk_agents_deepgram.message_parts import decoded, part
from lk_agents_deepgram.messages import ErrorMessage, Metadata, UnknownMessage, error_in

__all__ = [
    "CLEAR",
    "CLOSE",
    "FLUSH",
    "Cleared",
    "Flushed",
    "SpeakMessage",
    "SpeakWarning",
    "parse_speak",
    "speak",
]

FLUSH: Final = '{"type":"Flush"}'
CLEAR: Final = '{"type":"Clear"}'
CLOSE: Final = '{"type":"Close"}'


@dataclass(frozen=True)
class Flushed:
    """All audio of the text before a flush has been sent."""


@dataclass(frozen=True)
class Cleared:
    """What was not spoken yet is forgotten, and no more audio of it comes."""


@dataclass(frozen=True)
class SpeakWarning:
    """Something was not done, such as a flush too many."""

    code: str = ""


SpeakMessage: TypeAlias = Flushed | Cleared | SpeakWarning | Metadata | ErrorMessage | UnknownMessage


def speak(word: str) -> str:
    """Return what has a word spoken; white space follows it, since the next one does without any."""
    return json.dumps({"type": "Speak", "text": f"{word} "}, ensure_ascii=False)


def parse_speak(text: str) -> SpeakMessage:
    """Return the message that a text on the connection is.

    :raises MalformedMessageError: it is no JSON, or a field of it has another form than documented.
    """
    message = decoded(text)
    match kind := part(message, "type", str, ""):
        case "Flushed":
            return Flushed()
        case "Cleared":
            return Cleared()
        case "Warning":
            return SpeakWarning(part(message, "code", str, "") or part(message, "warn_code", str, ""))
        case "Metadata":
            return Metadata(part(message, "request_id", str, ""))
        case "Error":
            return error_in(message)
        case _:
            return UnknownMessage(kind)
