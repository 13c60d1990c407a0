"""Every message that OpenAI documents is known, in both dialects; unknown ones pass, malformed ones are named."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from openai_fake import committed, completed, error, event, failed, speech_started, speech_stopped
from realtime_words import OLDER_NAMES, call_item, message_item, response_record, session_record, usage_record

from lk_agents_openai.realtime import messages as m
from lk_agents_openai.realtime.records import error_of

AT = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
USED: list[tuple[dict[str, Any], type]] = [
    (event("session.created", session=session_record({}, id="sess_1")), m.SessionCreated),
    (event("session.updated", session=session_record({}, id="sess_1")), m.SessionUpdated),
    (error("invalid_value", caused_by="event_1"), m.ErrorMessage),
    (speech_started("i1", 1.0), m.SpeechStarted),
    (speech_stopped("i1", 2.0), m.SpeechStopped),
    (committed("i1"), m.Committed),
    (event("input_audio_buffer.cleared"), m.Cleared),
    (completed("i1", "hi"), m.TranscriptionCompleted),
    (failed("i1"), m.TranscriptionFailed),
    (event("conversation.item.added", item=message_item("i1"), previous_item_id=None), m.ConversationItemCreated),
    (event("conversation.item.deleted", item_id="i1"), m.ConversationItemDeleted),
    (event("conversation.item.truncated", item_id="i1", content_index=0, audio_end_ms=5), m.ItemTruncated),
    (event("response.created", response=response_record("r1")), m.ResponseCreated),
    (event("response.done", response=response_record("r1", status="failed", usage=usage_record(1))), m.ResponseDone),
    (event("response.output_item.added", response_id="r1", output_index=0, item=message_item("i1")), m.OutputItemAdded),
    (
        event("response.output_item.done", response_id="r1", output_index=0, item=call_item("i1", "c", "f", "{}")),
        m.OutputItemDone,
    ),
    (event("response.content_part.added", **AT, part={"type": "audio", "transcript": ""}), m.PartAdded),
    (event("response.content_part.done", **AT, part={"type": "text", "text": "hi"}), m.PartDone),
    (event("response.output_audio.delta", **AT, delta=base64.b64encode(b"\1\2").decode()), m.AudioDelta),
    (event("response.output_audio.done", **AT), m.AudioDone),
    (event("response.output_audio_transcript.delta", **AT, delta="hi"), m.TranscriptDelta),
    (event("response.output_audio_transcript.done", **AT, transcript="hi"), m.TranscriptDone),
    (event("response.output_text.delta", **AT, delta="hi"), m.TextDelta),
    (event("response.output_text.done", **AT, text="hi"), m.TextDone),
]
PASSED_OVER = [
    "conversation.created",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.segment",
    "conversation.item.retrieved",
    "input_audio_buffer.dtmf_event_received",
    "input_audio_buffer.timeout_triggered",
    "mcp_list_tools.completed",
    "output_audio_buffer.started",
    "rate_limits.updated",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.mcp_call.completed",
]


def parsed(message: Any) -> Any:
    return m.parse_realtime(json.dumps(message))


@pytest.mark.parametrize(("message", "kind"), USED, ids=[message["type"] for message, _ in USED])
def test_each_documented_message_is_known(message: dict[str, Any], kind: type) -> None:
    assert type(parsed(message)) is kind


@pytest.mark.parametrize(("message", "kind"), USED, ids=[message["type"] for message, _ in USED])
def test_fields_that_nobody_knows_yet_are_passed_over(message: dict[str, Any], kind: type) -> None:
    assert parsed({**message, "of_the_future": {"a": [1]}}) == parsed(message)


@pytest.mark.parametrize(("message", "kind"), USED, ids=[message["type"] for message, _ in USED])
def test_the_older_dialect_has_the_same_messages_under_its_own_names(message: dict[str, Any], kind: type) -> None:
    older = OLDER_NAMES.get(message["type"], message["type"])

    assert parsed({**message, "type": older}) == parsed(message)


@pytest.mark.parametrize("kind", PASSED_OVER)
def test_what_tells_nothing_of_use_is_known_all_the_same(kind: str) -> None:
    assert isinstance(parsed(event(kind, anything=1)), m.NothingNew)


def test_a_message_of_an_unknown_type_is_told_as_such() -> None:
    assert parsed({"type": "response.of_the_future"}) == m.UnknownMessage("response.of_the_future")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "truncated"),
        ("{", "truncated"),
        ("[]", "Expected `object`"),
        ("{}", "missing required field `type`"),
        ('{"type": 7}', "$.type"),
        ('{"type": "response.done"}', "missing required field `response`"),
        ('{"type": "response.created", "response": {"id": 7}}', "$.response.id"),
        ('{"type": "conversation.item.added", "item": {"id": "secret words", "type": 1}}', "$.item.type"),
        ('{"type": "response.output_audio.delta", "response_id": "r", "item_id": "i", "delta": "?"}', "$.delta"),
        ('{"type": "conversation.item.input_audio_transcription.completed", "item_id": "i"}', "transcript"),
    ],
)
def test_what_has_another_form_is_named_and_not_quoted(text: str, named: str) -> None:
    with pytest.raises(m.MalformedMessageError) as caught:
        m.parse_realtime(text)

    assert named in str(caught.value)
    assert "secret words" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_sound_comes_as_bytes_and_usage_as_counts() -> None:
    told = {type(each): each for each in (parsed(message) for message, _ in USED)}
    done: m.ResponseDone = told[m.ResponseDone]

    assert told[m.AudioDelta].delta == b"\1\2"
    assert done.response.usage is not None
    assert done.response.usage.input_token_details is not None
    assert done.response.usage.input_token_details.cached_tokens == 6
    assert done.response.status_details is not None
    assert done.response.status_details.error is not None
    assert done.response.status_details.error.code == "overloaded"


@pytest.mark.parametrize(
    ("kind", "code", "retryable"),
    [
        ("server_error", None, True),
        ("invalid_request_error", "invalid_value", False),
        ("server_error", "insufficient_quota", False),
    ],
)
def test_whether_an_error_may_pass_is_told(kind: str, code: str | None, retryable: bool) -> None:
    told = error_of(parsed(error(code, kind=kind)).error, event_id="event_7")

    assert (told.type, told.code, told.event_id) == (kind, code or kind, "event_7")
    assert told.retryable is retryable
    assert told.phase == "receive"
