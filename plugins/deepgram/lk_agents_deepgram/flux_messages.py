"""What Flux says: its messages as records. Pure; unknown fields are passed over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from lk_agents.streams.words import TimedWord
from lk_agents_deepgram.message_parts import decoded, number, objects, part, texts
from lk_agents_deepgram.messages import ErrorMessage, UnknownMessage, error_in

__all__ = ["Configured", "Connected", "FluxMessage", "FluxWarning", "TurnInfo", "parse_flux"]


@dataclass(frozen=True)
class Connected:
    """The connection is ready."""

    request_id: str = ""


@dataclass(frozen=True, kw_only=True)
class TurnInfo:
    """How far a turn of the user has come; times are Deepgram's seconds.

    :param event: what has happened: ``StartOfTurn``, ``Update``, ``EagerEndOfTurn``, ``TurnResumed`` or ``EndOfTurn``.
    :param turn: counts the turns.
    :param window_start: from where on the turn's audio was listened to.
    :param window_end: until where.
    :param transcript: all that was said in this turn so far.
    :param words: with their times, where Deepgram tells those of all words.
    :param confidence: the mean of the words'.
    :param languages: what was spoken, most of it first, where several languages may come.
    """

    event: str
    turn: int
    window_start: float = 0.0
    window_end: float = 0.0
    transcript: str = ""
    words: tuple[TimedWord, ...] = ()
    confidence: float = 0.0
    languages: tuple[str, ...] = ()
    request_id: str = ""


@dataclass(frozen=True)
class Configured:
    """Options were changed, or could not be.

    :param code: why not.
    """

    is_done: bool
    code: str = ""


@dataclass(frozen=True)
class FluxWarning:
    """Something is not as it should be; Flux goes on."""

    code: str = ""


FluxMessage: TypeAlias = Connected | TurnInfo | Configured | FluxWarning | ErrorMessage | UnknownMessage


def parse_flux(text: str) -> FluxMessage:
    """Return the message that a text of the connection is.

    :raises MalformedMessageError: it is no JSON, or a field of it has another form than documented.
    """
    message = decoded(text)
    match kind := part(message, "type", str, ""):
        case "TurnInfo":
            return _turn_info(message)
        case "Connected":
            return Connected(part(message, "request_id", str, ""))
        case "ConfigureSuccess":
            return Configured(is_done=True)
        case "ConfigureFailure":
            return Configured(is_done=False, code=part(message, "code", str, ""))
        case "Warning":
            return FluxWarning(part(message, "code", str, ""))
        case "Error":
            return error_in(message)
        case _:
            return UnknownMessage(kind)


def _turn_info(message: Mapping[str, Any]) -> TurnInfo:
    words = objects(message, "words")
    confidences = [number(each, "confidence") for each in words]
    timed = all(each.get("start") is not None and each.get("end") is not None for each in words)
    return TurnInfo(
        event=part(message, "event", str, None),
        turn=part(message, "turn_index", int, None),
        window_start=number(message, "audio_window_start"),
        window_end=number(message, "audio_window_end"),
        transcript=part(message, "transcript", str, ""),
        words=tuple(_word(each) for each in words) if timed else (),
        confidence=sum(confidences) / len(confidences) if confidences else 0.0,
        languages=texts(message, "languages"),
        request_id=part(message, "request_id", str, ""),
    )


def _word(found: Mapping[str, Any]) -> TimedWord:
    return TimedWord(
        part(found, "word", str, ""), number(found, "start"), number(found, "end"), number(found, "confidence")
    )
