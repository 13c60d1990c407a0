"""What OpenAI says in a speech-to-speech session: its messages as records. Pure; unknown fields are passed over.

Where the older dialect has another name for the same message, it is the same record.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias, cast

import msgspec

from lk_agents_openai.live_messages import (
    Cleared,
    MalformedMessageError,
    NothingNew,
    Problem,
    SpeechStarted,
    SpeechStopped,
    UnknownMessage,
)
from lk_agents_openai.realtime.message_parts import Item, ItemPart, ResponseTold, SessionFields

__all__ = [
    "AudioDelta",
    "AudioDone",
    "Cleared",
    "Committed",
    "ConversationItemCreated",
    "ConversationItemDeleted",
    "ErrorMessage",
    "ItemTruncated",
    "MalformedMessageError",
    "NothingNew",
    "OutputItemAdded",
    "OutputItemDone",
    "PartAdded",
    "PartDone",
    "PartOf",
    "RealtimeMessage",
    "ResponseCreated",
    "ResponseDone",
    "SessionCreated",
    "SessionUpdated",
    "SpeechStarted",
    "SpeechStopped",
    "TextDelta",
    "TextDone",
    "TranscriptDelta",
    "TranscriptDone",
    "TranscriptionCompleted",
    "TranscriptionFailed",
    "UnknownMessage",
    "parse_realtime",
]


# --- the session and the user --------------------------------------------------------------------------------------


class SessionCreated(msgspec.Struct):
    """There is a session."""

    session: SessionFields | None = None


class SessionUpdated(msgspec.Struct):
    """It is as it was asked to be."""

    session: SessionFields | None = None


class ErrorMessage(msgspec.Struct):
    """Something that the client has said, or the server itself, is at fault."""

    event_id: str | None = None
    error: Problem = msgspec.field(default_factory=Problem)


class Committed(msgspec.Struct):
    """What the user has said is an item now."""

    item_id: str


class TranscriptionCompleted(msgspec.Struct):
    """What the user has said in an item."""

    item_id: str
    transcript: str


class TranscriptionFailed(msgspec.Struct):
    """It could not be understood."""

    item_id: str
    error: Problem = msgspec.field(default_factory=Problem)


# --- the conversation ----------------------------------------------------------------------------------------------


class ConversationItemCreated(msgspec.Struct):
    """Something is in the conversation, behind what is named, or at its end; what the model says is still empty."""

    item: Item
    previous_item_id: str | None = None


class ConversationItemDeleted(msgspec.Struct):
    """Something is not in it any more."""

    item_id: str


class ItemTruncated(msgspec.Struct):
    """What the model has said is cut; the text of it is gone."""

    item_id: str


# --- responses -----------------------------------------------------------------------------------------------------


class ResponseCreated(msgspec.Struct):
    """The model begins to answer."""

    response: ResponseTold


class ResponseDone(msgspec.Struct):
    """It has answered, or does not any more."""

    response: ResponseTold


class OutputItemAdded(msgspec.Struct):
    """The answer has something: a message, or a call."""

    response_id: str
    item: Item
    output_index: int = 0


class OutputItemDone(msgspec.Struct):
    """That is whole; a call has its arguments."""

    response_id: str
    item: Item
    output_index: int = 0


class PartOf(msgspec.Struct):
    """Where in an answer something belongs."""

    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0


class PartAdded(PartOf, kw_only=True):
    """A message has a part."""

    part: ItemPart


class PartDone(PartOf, kw_only=True):
    """That is whole."""

    part: ItemPart = msgspec.field(default_factory=ItemPart)


class AudioDelta(PartOf, kw_only=True):
    """A piece of what is spoken: samples of 16 bit, which may be cut within one."""

    delta: bytes


class AudioDone(PartOf):
    """That was all of it."""


class TranscriptDelta(PartOf, kw_only=True):
    """A piece of what is spoken, as text."""

    delta: str


class TranscriptDone(PartOf, kw_only=True):
    """All of that."""

    transcript: str | None = None


class TextDelta(PartOf, kw_only=True):
    """A piece of what is written."""

    delta: str


class TextDone(PartOf, kw_only=True):
    """All of that."""

    text: str | None = None


RealtimeMessage: TypeAlias = (
    SessionCreated
    | SessionUpdated
    | ErrorMessage
    | SpeechStarted
    | SpeechStopped
    | Committed
    | Cleared
    | TranscriptionCompleted
    | TranscriptionFailed
    | ConversationItemCreated
    | ConversationItemDeleted
    | ItemTruncated
    | ResponseCreated
    | ResponseDone
    | OutputItemAdded
    | OutputItemDone
    | PartAdded
    | PartDone
    | AudioDelta
    | AudioDone
    | TranscriptDelta
    | TranscriptDone
    | TextDelta
    | TextDone
    | NothingNew
    | UnknownMessage
)

TRANSCRIPTION: Final = "conversation.item.input_audio_transcription"
_FORMS: Final[dict[str, Any]] = {
    "error": ErrorMessage,
    "session.created": SessionCreated,
    "session.updated": SessionUpdated,
    "input_audio_buffer.speech_started": SpeechStarted,
    "input_audio_buffer.speech_stopped": SpeechStopped,
    "input_audio_buffer.committed": Committed,
    "input_audio_buffer.cleared": Cleared,
    f"{TRANSCRIPTION}.completed": TranscriptionCompleted,
    f"{TRANSCRIPTION}.failed": TranscriptionFailed,
    "conversation.item.added": ConversationItemCreated,
    "conversation.item.created": ConversationItemCreated,
    "conversation.item.deleted": ConversationItemDeleted,
    "conversation.item.truncated": ItemTruncated,
    "response.created": ResponseCreated,
    "response.done": ResponseDone,
    "response.output_item.added": OutputItemAdded,
    "response.output_item.done": OutputItemDone,
    "response.content_part.added": PartAdded,
    "response.content_part.done": PartDone,
    "response.output_audio.delta": AudioDelta,
    "response.output_audio.done": AudioDone,
    "response.output_audio_transcript.delta": TranscriptDelta,
    "response.output_audio_transcript.done": TranscriptDone,
    "response.output_text.delta": TextDelta,
    "response.output_text.done": TextDone,
    "response.audio.delta": AudioDelta,
    "response.audio.done": AudioDone,
    "response.audio_transcript.delta": TranscriptDelta,
    "response.audio_transcript.done": TranscriptDone,
    "response.text.delta": TextDelta,
    "response.text.done": TextDone,
    **dict.fromkeys(
        (
            "conversation.created",
            "conversation.item.done",
            "conversation.item.retrieved",
            f"{TRANSCRIPTION}.delta",
            f"{TRANSCRIPTION}.segment",
            "input_audio_buffer.dtmf_event_received",
            "input_audio_buffer.timeout_triggered",
            "mcp_list_tools.completed",
            "mcp_list_tools.failed",
            "mcp_list_tools.in_progress",
            "output_audio_buffer.cleared",
            "output_audio_buffer.started",
            "output_audio_buffer.stopped",
            "rate_limits.updated",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.mcp_call.completed",
            "response.mcp_call.failed",
            "response.mcp_call.in_progress",
            "response.mcp_call_arguments.delta",
            "response.mcp_call_arguments.done",
        ),
        NothingNew,
    ),
}


class _Head(msgspec.Struct):
    type: str


_HEAD: Final = msgspec.json.Decoder(_Head)
_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    kind: msgspec.json.Decoder(form) for kind, form in _FORMS.items()
}


def parse_realtime(text: str) -> RealtimeMessage:
    """Return the message that a text of the session is.

    :raises MalformedMessageError: it is no JSON, or a field of it has another form than documented.
    """
    try:
        kind = _HEAD.decode(text).type
        decoder = _DECODERS.get(kind)
        if decoder is None:
            return UnknownMessage(kind)
        return cast("RealtimeMessage", decoder.decode(text))
    except msgspec.DecodeError as error:
        raise MalformedMessageError(str(error)) from None  # the cause may quote it
