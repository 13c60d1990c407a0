"""What Deepgram says: its messages as records. Pure; unknown fields are passed over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from lk_agents.streams.words import TimedWord
from lk_agents_deepgram.message_parts import MalformedMessageError, decoded, number, objects, part, texts

__all__ = [
    "Alternative",
    "ErrorMessage",
    "LiveMessage",
    "MalformedMessageError",
    "Metadata",
    "Recording",
    "Results",
    "SpeechStarted",
    "UnknownMessage",
    "UtteranceEnd",
    "error_in",
    "parse_live",
    "parse_recording",
]


@dataclass(frozen=True)
class Alternative:
    """One way to understand a piece of audio; times are Deepgram's seconds.

    :param languages: what was spoken, where several languages may come.
    """

    transcript: str
    confidence: float = 0.0
    words: tuple[TimedWord, ...] = ()
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Results:
    """A transcript of the audio from ``start``, ``duration`` seconds of it."""

    alternatives: tuple[Alternative, ...]
    start: float = 0.0
    duration: float = 0.0
    is_final: bool = False
    speech_final: bool = False
    request_id: str = ""


@dataclass(frozen=True)
class SpeechStarted:
    """Somebody has begun to speak, at ``timestamp`` if that is known."""

    timestamp: float | None = None


@dataclass(frozen=True)
class UtteranceEnd:
    """A gap came after the last word."""


@dataclass(frozen=True)
class Metadata:
    """The summary, after which nothing comes."""

    request_id: str = ""


@dataclass(frozen=True, kw_only=True)
class ErrorMessage:
    """Deepgram cannot go on."""

    variant: str = ""
    description: str = ""
    message: str = ""
    code: str = ""


@dataclass(frozen=True)
class UnknownMessage:
    """A message of a type that is not known here."""

    type: str


@dataclass(frozen=True, kw_only=True)
class Recording:
    """The transcript of a recording.

    :param language: what was detected; "" if nothing was to be.
    """

    alternatives: tuple[Alternative, ...] = field(default=())
    language: str = ""
    request_id: str = ""


LiveMessage: TypeAlias = Results | SpeechStarted | UtteranceEnd | Metadata | ErrorMessage | UnknownMessage


def parse_live(text: str) -> LiveMessage:
    """Return the message that a text of the live connection is.

    :raises MalformedMessageError: it is no JSON, or a field of it has another form than documented.
    """
    message = decoded(text)
    match kind := part(message, "type", str, ""):
        case "Results":
            return _results(message)
        case "SpeechStarted":
            return SpeechStarted(number(message, "timestamp") if "timestamp" in message else None)
        case "UtteranceEnd":
            return UtteranceEnd()
        case "Metadata":
            return Metadata(part(message, "request_id", str, ""))
        case "Error":
            return error_in(message)
        case _:
            return UnknownMessage(kind)


def parse_recording(text: bytes | str) -> Recording:
    """Return what the answer about a recording says; of several channels the first.

    :raises MalformedMessageError: it is no JSON, or a field of it has another form than documented.
    """
    message = decoded(text)
    request_id = part(part(message, "metadata", Mapping, {}), "request_id", str, "")
    results = part(message, "results", Mapping, None)
    channels = objects(results, "channels")
    if not channels:
        return Recording(request_id=request_id)
    return Recording(
        alternatives=_alternatives(channels[0]),
        language=part(channels[0], "detected_language", str, ""),
        request_id=request_id,
    )


def error_in(message: Mapping[str, Any]) -> ErrorMessage:
    """Return what an error message says, on whichever connection it comes.

    :raises MalformedMessageError: a field of it has another form than documented.
    """
    code = message.get("code")
    told = {**message, "code": str(code)} if isinstance(code, int) else message
    return ErrorMessage(**{key: part(told, key, str, "") for key in ("variant", "description", "message", "code")})


def _results(message: Mapping[str, Any]) -> Results:
    return Results(
        alternatives=_alternatives(part(message, "channel", Mapping, None)),
        start=number(message, "start"),
        duration=number(message, "duration"),
        is_final=part(message, "is_final", bool, False),
        speech_final=part(message, "speech_final", bool, False),
        request_id=part(part(message, "metadata", Mapping, {}), "request_id", str, ""),
    )


def _alternatives(channel: Mapping[str, Any]) -> tuple[Alternative, ...]:
    return tuple(_alternative(each) for each in objects(channel, "alternatives"))


def _alternative(found: Mapping[str, Any]) -> Alternative:
    return Alternative(
        transcript=part(found, "transcript", str, ""),
        confidence=number(found, "confidence"),
        words=tuple(_word(each) for each in objects(found, "words")),
        languages=texts(found, "languages"),
    )


def _word(found: Mapping[str, Any]) -> TimedWord:
    speaker = found.get("speaker")
    return TimedWord(
        part(found, "punctuated_word", str, "") or part(found, "word", str, ""),
        number(found, "start"),
        number(found, "end"),
        number(found, "confidence"),
        None if speaker is None else str(speaker),
    )
