"""What Deepgram says: its messages as records. Pure; unknown fields are passed over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from lk_agents.streams.words import TimedWord

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
    "parse_live",
    "parse_recording",
]


class MalformedMessageError(ValueError):
    """A message has another form than documented; the text names the field and nothing that was said."""


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
    message = _decoded(text)
    match kind := _get(message, "type", str, ""):
        case "Results":
            return _results(message)
        case "SpeechStarted":
            return SpeechStarted(_number(message, "timestamp") if "timestamp" in message else None)
        case "UtteranceEnd":
            return UtteranceEnd()
        case "Metadata":
            return Metadata(_get(message, "request_id", str, ""))
        case "Error":
            return ErrorMessage(**{key: _get(message, key, str, "") for key in ("variant", "description", "message")})
        case _:
            return UnknownMessage(kind)


def parse_recording(text: bytes | str) -> Recording:
    """Return what the answer about a recording says; of several channels the first.

    :raises MalformedMessageError: it is no JSON, or a field of it has another form than documented.
    """
    message = _decoded(text)
    request_id = _get(_get(message, "metadata", Mapping, {}), "request_id", str, "")
    results = _get(message, "results", Mapping, None)
    channels = _get(results, "channels", Sequence, ())
    if not channels:
        return Recording(request_id=request_id)
    if not isinstance(channel := channels[0], Mapping):
        raise MalformedMessageError("'channels' does not hold objects")
    return Recording(
        alternatives=_alternatives(channel),
        language=_get(channel, "detected_language", str, ""),
        request_id=request_id,
    )


def _results(message: Mapping[str, Any]) -> Results:
    return Results(
        alternatives=_alternatives(_get(message, "channel", Mapping, None)),
        start=_number(message, "start"),
        duration=_number(message, "duration"),
        is_final=_get(message, "is_final", bool, False),
        speech_final=_get(message, "speech_final", bool, False),
        request_id=_get(_get(message, "metadata", Mapping, {}), "request_id", str, ""),
    )


def _alternatives(channel: Mapping[str, Any]) -> tuple[Alternative, ...]:
    found = _get(channel, "alternatives", Sequence, ())
    if not all(isinstance(each, Mapping) for each in found):
        raise MalformedMessageError("'alternatives' does not hold objects")
    return tuple(_alternative(each) for each in found)


def _alternative(found: Mapping[str, Any]) -> Alternative:
    words = _get(found, "words", Sequence, ())
    if not all(isinstance(each, Mapping) for each in words):
        raise MalformedMessageError("'words' does not hold objects")
    languages = _get(found, "languages", Sequence, ())
    return Alternative(
        transcript=_get(found, "transcript", str, ""),
        confidence=_number(found, "confidence"),
        words=tuple(_word(each) for each in words),
        languages=tuple(each for each in languages if isinstance(each, str)),
    )


def _word(found: Mapping[str, Any]) -> TimedWord:
    speaker = found.get("speaker")
    return TimedWord(
        _get(found, "punctuated_word", str, "") or _get(found, "word", str, ""),
        _number(found, "start"),
        _number(found, "end"),
        _number(found, "confidence"),
        None if speaker is None else str(speaker),
    )


def _decoded(text: bytes | str) -> Mapping[str, Any]:
    try:
        decoded = json.loads(text)
    except ValueError:
        raise MalformedMessageError("it is no JSON") from None  # the cause would quote it
    if not isinstance(decoded, Mapping):
        raise MalformedMessageError("it is no object")
    return decoded


def _number(found: Mapping[str, Any], name: str) -> float:
    value = found.get(name)
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedMessageError(f"{name!r} is no number but {type(value).__name__}")
    return float(value)


def _get(found: Mapping[str, Any], name: str, form: type[Any], default: Any) -> Any:
    """Return a field; ``default`` where it is absent or null, unless that is None too: then it must be there."""
    value = found.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, form) or (form is Sequence and isinstance(value, str)):
        kind = "missing" if value is None else f"of the type {type(value).__name__}"
        raise MalformedMessageError(f"{name!r} is {kind}")
    return value
