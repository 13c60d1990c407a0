"""Deepgram's messages as records."""

from __future__ import annotations

import json
from typing import Any

import pytest
from deepgram_fake import REQUEST_ID, metadata, recording, results, speech_started, utterance_end
from deepgram_sound import word

from lk_agents.streams.words import TimedWord
from lk_agents_deepgram.messages import (
    ErrorMessage,
    MalformedMessageError,
    Metadata,
    Recording,
    Results,
    SpeechStarted,
    UnknownMessage,
    UtteranceEnd,
    parse_live,
    parse_recording,
)


def parsed(message: object) -> Any:
    return parse_live(json.dumps(message))


def test_results_have_transcript_words_and_marks() -> None:
    heard = [word("Hello", 0.1, 0.42, speaker=1)]

    found = parsed(
        results("Hello", start=0.5, duration=1.03, is_final=True, speech_final=True, words=heard, languages=["en"])
    )

    assert isinstance(found, Results)
    assert (found.start, found.duration, found.is_final, found.speech_final) == (0.5, 1.03, True, True)
    assert found.request_id == REQUEST_ID
    (alternative,) = found.alternatives
    assert (alternative.transcript, alternative.confidence, alternative.languages) == ("Hello", 0.93, ("en",))
    assert alternative.words == (TimedWord("Hello", 0.1, 0.42, 0.97, "1"),)


def test_a_word_without_punctuation_is_taken_as_it_is() -> None:
    bare = {"word": "hello", "start": 0.1, "end": 0.2, "confidence": 0.5}

    assert parsed(results("hello", words=[bare])).alternatives[0].words[0].text == "hello"


def test_what_results_may_leave_out_is_off() -> None:
    found = parsed({"type": "Results", "channel": {"alternatives": [{"transcript": "hello"}]}})

    assert (found.is_final, found.speech_final, found.start, found.duration, found.request_id) == (
        False,
        False,
        0,
        0,
        "",
    )


def test_the_other_messages_are_known() -> None:
    assert parsed(speech_started(1.2)) == SpeechStarted(1.2)
    assert parsed({"type": "SpeechStarted"}) == SpeechStarted(None)
    assert parsed(utterance_end(2.4)) == UtteranceEnd()
    assert parsed(metadata(3.2)) == Metadata(REQUEST_ID)
    assert parsed({"type": "Error", "variant": "SchemaError", "description": "d", "message": "m"}) == ErrorMessage(
        variant="SchemaError", description="d", message="m"
    )


@pytest.mark.parametrize("make", [speech_started, utterance_end, metadata])
def test_unknown_fields_are_passed_over(make: Any) -> None:
    assert parsed({**make(1.0), "from_the_future": {"a": [1]}}) == parsed(make(1.0))


@pytest.mark.parametrize("kind", ["Turn", ""])
def test_unknown_types_are_named(kind: str) -> None:
    assert parsed({"type": kind, "x": 1}) == UnknownMessage(kind)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ([1], "no object"),
        ({"type": 3}, "'type' is of the type int"),
        ({"type": "Results"}, "'channel' is missing"),
        ({"type": "Results", "channel": []}, "'channel' is of the type list"),
        ({"type": "Results", "channel": {"alternatives": "hello"}}, "'alternatives' is of the type str"),
        ({"type": "Results", "channel": {"alternatives": [1]}}, "'alternatives' does not hold objects"),
        ({"type": "Results", "channel": {"alternatives": [{"transcript": 1}]}}, "'transcript' is of the type int"),
        ({"type": "Results", "channel": {"alternatives": [{"words": [1]}]}}, "'words' does not hold objects"),
        (
            {"type": "Results", "channel": {"alternatives": [{"words": [{"start": "x"}]}]}},
            "'start' is no number but str",
        ),
        ({"type": "Results", "channel": {}, "is_final": "yes"}, "'is_final' is of the type str"),
        ({"type": "Results", "channel": {}, "start": True}, "'start' is no number but bool"),
        ({"type": "Results", "channel": {}, "metadata": 1}, "'metadata' is of the type int"),
        ({"type": "SpeechStarted", "timestamp": "now"}, "'timestamp' is no number but str"),
        ({"type": "Error", "description": {}}, "'description' is of the type dict"),
    ],
    ids=str,
)
def test_what_is_malformed_in_a_message_is_named(message: object, told: str) -> None:
    with pytest.raises(MalformedMessageError, match=told):
        parsed(message)


@pytest.mark.parametrize("text", ["", "{", "not json: secret words"])
def test_what_is_no_json_is_told_without_what_it_says(text: str) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        parse_live(text)

    assert str(caught.value) == "it is no JSON"
    assert caught.value.__cause__ is None


def test_a_recording_has_transcript_language_and_id() -> None:
    words = [TimedWord("Hello", 0.1, 0.4, 0.97)]

    found = parse_recording(json.dumps(recording("Hello", words, detected_language="en", language_confidence=0.98)))

    assert (found.language, found.request_id) == ("en", REQUEST_ID)
    assert [each.transcript for each in found.alternatives] == ["Hello"]
    assert found.alternatives[0].words == tuple(words)


def test_of_several_channels_the_first_counts() -> None:
    message = recording("one")
    message["results"]["channels"] += recording("two")["results"]["channels"]

    assert [each.transcript for each in parse_recording(json.dumps(message)).alternatives] == ["one"]


def test_a_recording_without_channels_is_empty() -> None:
    assert parse_recording('{"results": {"channels": []}}') == Recording()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<html>", "no JSON"),
        ("[]", "no object"),
        ("{}", "'results' is missing"),
        ('{"results": {"channels": [1]}}', "'channels' does not hold objects"),
    ],
)
def test_what_is_malformed_in_a_recording_is_named(text: str, told: str) -> None:
    with pytest.raises(MalformedMessageError, match=told):
        parse_recording(text)
