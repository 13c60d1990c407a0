"""What the messages of a live connection amount to, one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai_fake import (
    committed,
    completed,
    delta,
    error,
    event,
    failed,
    session_of,
    speech_started,
    speech_stopped,
)

from lk_agents.foundation.errors import APIError
from lk_agents.stt import SpeechEvent, SpeechEventType
from lk_agents.testing.clock import VirtualClock
from lk_agents_openai.listener import Listener
from lk_agents_openai.live_messages import (
    MalformedMessageError,
    NothingNew,
    UnknownMessage,
    parse_live,
)

START, INTERIM, FINAL, END = (
    SpeechEventType.START_OF_SPEECH,
    SpeechEventType.INTERIM_TRANSCRIPT,
    SpeechEventType.FINAL_TRANSCRIPT,
    SpeechEventType.END_OF_SPEECH,
)


class Connection:
    """A listener, and how much audio went out."""

    def __init__(self, language: str = "en", padding: tuple[float, float] = (0.6, 0.35)) -> None:
        self.sent = 0.0
        self.listener = Listener(language, padding_seconds=padding, sent_seconds=lambda: self.sent)

    def hear(self, *messages: dict[str, Any]) -> list[SpeechEvent]:
        return [told for each in messages for told in self.listener.hear(parse_live(json.dumps(each)))]


def kinds(events: list[SpeechEvent]) -> list[SpeechEventType]:
    return [each.type for each in events]


def test_speech_is_told_by_its_start_end_and_transcripts() -> None:
    line = Connection()
    events = line.hear(
        session_of("session.created", {}),
        speech_started("i1", 1.4),
        speech_stopped("i1", 4.35),
        committed("i1"),
        delta("i1", "hello"),
        delta("i1", " there"),
        completed("i1", "hello there"),
    )

    assert kinds(events) == [START, END, INTERIM, FINAL]
    assert {each.request_id for each in events} == {"i1"}
    (data,) = events[-1].alternatives
    assert (data.text, data.language) == ("hello there", "en")
    assert (data.start_time, data.end_time) == pytest.approx((2.0, 4.0))
    assert (line.listener.settled, line.listener.session_id) == (4.35, "sess_1")


async def test_an_interim_is_what_is_understood_so_far_and_comes_twice_a_second_at_most(lk_clock: VirtualClock) -> None:
    line = Connection()
    line.hear(committed("i1"))
    told = []
    for word in ("one", " two", " three", " four"):
        told += line.hear(delta("i1", word))
        lk_clock.advance(0.3)

    assert [each.alternatives[0].text for each in told if each.type is INTERIM] == ["one", "one two three"]


def test_transcripts_that_come_in_another_order_are_told_in_that_of_the_speech() -> None:
    line = Connection()
    line.hear(speech_started("i1", 0.0), speech_stopped("i1", 1.0), committed("i1"))
    line.hear(speech_started("i2", 2.0), speech_stopped("i2", 3.0), committed("i2"))

    assert line.hear(delta("i2", "two"), completed("i2", "two")) == []
    assert [each.alternatives[0].text for each in line.hear(completed("i1", "one"))] == ["one", "two"]
    assert line.listener.settled == 3.0


def test_what_comes_twice_is_told_once() -> None:
    line = Connection()
    said = [speech_started("i1", 0.0), speech_stopped("i1", 1.0), committed("i1"), completed("i1", "one")]

    assert kinds(line.hear(*said)) == [START, END, FINAL]
    assert line.hear(*said, delta("i1", "one")) == []
    assert line.listener.is_idle


def test_an_empty_transcript_is_none_and_settles_the_audio() -> None:
    line = Connection()
    events = line.hear(speech_started("i1", 0.0), speech_stopped("i1", 1.0), committed("i1"), completed("i1", " "))

    assert kinds(events) == [START, END]
    assert line.listener.settled == 1.0


def test_what_the_client_has_recognised_by_itself_begins_and_ends_with_its_transcript() -> None:
    line = Connection()
    line.sent = 2.5
    line.listener.committed("event_1")
    events = line.hear(committed("i1"), completed("i1", "hello"))

    assert kinds(events) == [START, FINAL, END]
    assert (events[1].alternatives[0].end_time, line.listener.settled, line.listener.cut_at) == (2.5, 2.5, 2.5)


def test_speech_that_the_client_has_cut_ends_with_its_transcript() -> None:
    line = Connection()
    line.hear(speech_started("i1", 1.0))
    line.sent = 2.0
    line.listener.committed("event_1")

    assert kinds(line.hear(committed("i1"), completed("i1", "hello"))) == [FINAL, END]
    assert not line.listener.speaking


def test_a_server_that_tells_transcripts_alone_is_understood() -> None:
    line = Connection()
    line.sent = 3.0
    events = line.hear(delta("i1", "hello"), completed("i1", "hello"))

    assert kinds(events) == [START, INTERIM, FINAL, END]
    assert line.listener.settled == 3.0


def test_a_language_that_was_found_is_told() -> None:
    line = Connection(language="")
    events = line.hear(committed("i1"), completed("i1", "bonjour", languages=[{"code": "fr"}]))

    assert events[1].alternatives[0].language == "fr"


def test_all_is_over_when_the_last_word_was_heard_and_nothing_is_being_recognised() -> None:
    line = Connection()
    line.hear(committed("i1"))
    line.hear(event("input_audio_buffer.cleared"))
    assert not line.listener.is_over

    line.hear(completed("i1", "one"))
    assert line.listener.is_over


def test_a_commit_of_nothing_is_forgiven_whoever_tells_it() -> None:
    line = Connection()
    for caused_by in ("event_1", None):
        line.listener.committed("event_1")
        line.hear(error("input_audio_buffer_commit_empty", caused_by="event_of_somebody"))
        assert line.listener.is_idle is False
        line.hear(error("input_audio_buffer_commit_empty", caused_by=caused_by))
        assert line.listener.is_idle


def test_a_session_that_has_expired_is_no_error() -> None:
    line = Connection()
    line.hear(error("session_expired"))

    assert line.listener.wants_renewal


async def test_a_connection_is_renewed_after_10_minutes_when_somebody_was_heard_to_the_end(
    lk_clock: VirtualClock,
) -> None:
    line = Connection()
    line.hear(committed("i1"), completed("i1", "one"))
    assert not line.listener.wants_renewal

    lk_clock.advance(601.0)
    line.hear(speech_started("i2", 601.0))
    assert not line.listener.wants_renewal
    line.hear(speech_stopped("i2", 602.0), committed("i2"), completed("i2", "two"))
    assert line.listener.wants_renewal


@pytest.mark.parametrize(
    ("message", "code", "retryable"),
    [
        (error("invalid_value"), "invalid_value", False),
        (error("overloaded", kind="server_error"), "overloaded", True),
        (error("insufficient_quota", kind="server_error"), "insufficient_quota", False),
        (error(None, kind="server_error"), "server_error", True),
        (failed("i1"), "audio_unintelligible", True),
    ],
)
def test_what_the_server_reports_is_an_error_with_its_code(message: Any, code: str, retryable: bool) -> None:
    with pytest.raises(APIError) as caught:
        Connection().hear(message)

    assert (caught.value.code, caught.value.retryable, caught.value.phase) == (code, retryable, "receive")


# --- messages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "conversation.item.added",
        "conversation.item.created",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.segment",
        "input_audio_buffer.timeout_triggered",
        "rate_limits.updated",
    ],
)
def test_messages_that_are_of_no_use_are_known(kind: str) -> None:
    assert isinstance(parse_live(json.dumps(event(kind, item={"id": 3}, text=[1]))), NothingNew)


def test_a_message_of_an_unknown_type_is_passed_over_by_its_type() -> None:
    assert parse_live('{"type": "something.new", "item_id": 3}') == UnknownMessage("something.new")


def test_unknown_fields_are_passed_over() -> None:
    assert parse_live(json.dumps({**delta("i1", "hi"), "new": {"item_id": 3}})) == parse_live(
        json.dumps(delta("i1", "hi"))
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html>", "JSON is malformed"),
        ("[]", "Expected `object`"),
        ('{"item_id": "secret"}', "type"),
        ('{"type": 3}', "type"),
        (json.dumps({**completed("i1", "x"), "transcript": ["secret"]}), "transcript"),
        (json.dumps({**delta("i1", "x"), "item_id": None}), "item_id"),
        (json.dumps({**speech_started("i1", 1.0), "audio_start_ms": "secret"}), "audio_start_ms"),
        (json.dumps(event("error", error="secret")), "error"),
    ],
)
def test_a_message_of_another_form_is_named_without_what_was_said(text: str, words: str) -> None:
    with pytest.raises(MalformedMessageError, match=words) as caught:
        parse_live(text)

    assert "secret" not in str(caught.value)
