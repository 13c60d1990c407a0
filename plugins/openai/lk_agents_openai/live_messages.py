"""What OpenAI says on a live connection: its messages as records. Pure; unknown fields are passed over."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, cast

import msgspec

__all__ = [
    "Cleared",
    "Committed",
    "Completed",
    "Delta",
    "ErrorMessage",
    "Failed",
    "LiveMessage",
    "MalformedMessageError",
    "NothingNew",
    "Session",
    "SpeechStarted",
    "SpeechStopped",
    "UnknownMessage",
    "parse_live",
]


class MalformedMessageError(ValueError):
    """A message has another form than documented; the text names the field and nothing that was said."""


class Problem(msgspec.Struct):
    """What is wrong, in the server's words."""

    message: str | None = None
    type: str | None = None
    code: str | None = None
    param: str | None = None
    event_id: str | None = None


class _SessionFields(msgspec.Struct):
    id: str | None = None


class Language(msgspec.Struct):
    """A language that was found."""

    code: str


class Session(msgspec.Struct):
    """The session as it is now."""

    session: _SessionFields | None = None


class SpeechStarted(msgspec.Struct):
    """Somebody has begun to speak; milliseconds of the audio that was sent, the padding before it included."""

    item_id: str
    audio_start_ms: float | None = None


class SpeechStopped(msgspec.Struct):
    """Somebody has stopped; the silence by which that was noticed is included."""

    item_id: str
    audio_end_ms: float | None = None


class Committed(msgspec.Struct):
    """What was sent since the last time is an item now, and is being recognised."""

    item_id: str


class Cleared(msgspec.Struct):
    """What was sent and not committed is forgotten."""


class Delta(msgspec.Struct):
    """A further piece of a transcript."""

    item_id: str
    delta: str | None = None


class Completed(msgspec.Struct):
    """A transcript as a whole."""

    item_id: str
    transcript: str
    languages: list[Language] | None = None


class Failed(msgspec.Struct):
    """An item could not be recognised."""

    item_id: str
    error: Problem = msgspec.field(default_factory=Problem)


class ErrorMessage(msgspec.Struct):
    """Something that the client has said, or the server itself, is at fault."""

    error: Problem = msgspec.field(default_factory=Problem)


class NothingNew(msgspec.Struct):
    """A message that is known and tells nothing that is of use here."""


class UnknownMessage(msgspec.Struct):
    """A message of a type that is not known here."""

    type: str


class _Head(msgspec.Struct):
    type: str


LiveMessage: TypeAlias = (
    Session
    | SpeechStarted
    | SpeechStopped
    | Committed
    | Cleared
    | Delta
    | Completed
    | Failed
    | ErrorMessage
    | NothingNew
    | UnknownMessage
)

TRANSCRIPTION: Final = "conversation.item.input_audio_transcription"
_FORMS: Final[dict[str, Any]] = {
    "error": ErrorMessage,
    "session.created": Session,
    "session.updated": Session,
    "transcription_session.created": Session,
    "transcription_session.updated": Session,
    "input_audio_buffer.speech_started": SpeechStarted,
    "input_audio_buffer.speech_stopped": SpeechStopped,
    "input_audio_buffer.committed": Committed,
    "input_audio_buffer.cleared": Cleared,
    f"{TRANSCRIPTION}.delta": Delta,
    f"{TRANSCRIPTION}.completed": Completed,
    f"{TRANSCRIPTION}.failed": Failed,
    f"{TRANSCRIPTION}.segment": NothingNew,
    "conversation.created": NothingNew,
    "conversation.item.added": NothingNew,
    "conversation.item.created": NothingNew,
    "conversation.item.done": NothingNew,
    "input_audio_buffer.timeout_triggered": NothingNew,
    "rate_limits.updated": NothingNew,
}
_HEAD: Final = msgspec.json.Decoder(_Head)
_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    kind: msgspec.json.Decoder(form) for kind, form in _FORMS.items()
}


def parse_live(text: str) -> LiveMessage:
    """Return the message that a text of the live connection is.

    :raises MalformedMessageError: it is no JSON, or a field of it has another form than documented.
    """
    try:
        kind = _HEAD.decode(text).type
        decoder = _DECODERS.get(kind)
        if decoder is None:
            return UnknownMessage(kind)
        return cast("LiveMessage", decoder.decode(text))
    except msgspec.DecodeError as error:
        raise MalformedMessageError(str(error)) from None  # the cause may quote it
