"""From Flux's messages to events, message by message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from deepgram_fake import REQUEST_ID
from deepgram_flux_fake import configure_success, connected, numbered, turn_info

from lk_agents.streams.words import TimedWord
from lk_agents.stt.events import SpeechEvent, SpeechEventType
from lk_agents_deepgram.flux_listener import FluxListener
from lk_agents_deepgram.flux_messages import Configured, Connected, FluxWarning, TurnInfo, parse_flux
from lk_agents_deepgram.messages import ErrorMessage, MalformedMessageError, UnknownMessage

START = SpeechEventType.START_OF_SPEECH
INTERIM = SpeechEventType.INTERIM_TRANSCRIPT
PREFLIGHT = SpeechEventType.PREFLIGHT_TRANSCRIPT
FINAL = SpeechEventType.FINAL_TRANSCRIPT
RESUMED = SpeechEventType.TURN_RESUMED
END = SpeechEventType.END_OF_SPEECH
TURN_END = SpeechEventType.END_OF_TURN


def parsed(message: object) -> Any:
    return parse_flux(json.dumps(message))


def hear(ear: FluxListener, *messages: dict[str, Any]) -> list[SpeechEvent]:
    return [event for message in messages for event in ear.hear(parsed(numbered(message)))]


def told(*messages: dict[str, Any]) -> list[tuple[SpeechEventType, str]]:
    events = hear(FluxListener("en"), *messages)
    return [(event.type, event.alternatives[0].text if event.alternatives else "") for event in events]


def timed(text: str, start: float, end: float) -> dict[str, Any]:
    return {"word": text, "confidence": 0.9, "start": start, "end": end}


# --- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (numbered(connected()), Connected(REQUEST_ID)),
        (numbered(configure_success({})), Configured(is_done=True)),
        ({"type": "ConfigureFailure", "code": "NO", "description": "d"}, Configured(is_done=False, code="NO")),
        ({"type": "ConfigureFailure"}, Configured(is_done=False)),
        ({"type": "Warning", "code": "SLOW", "description": "d"}, FluxWarning("SLOW")),
        (
            {"type": "Error", "sequence_id": 3, "code": "INTERNAL_SERVER_ERROR", "description": "d"},
            ErrorMessage(code="INTERNAL_SERVER_ERROR", description="d"),
        ),
        ({"type": "Error", "code": 500}, ErrorMessage(code="500")),
        ({"type": "SomethingNew"}, UnknownMessage("SomethingNew")),
        ({}, UnknownMessage("")),
    ],
    ids=str,
)
def test_each_message_is_understood(message: dict[str, Any], expected: object) -> None:
    assert parsed(message) == expected


def test_how_far_a_turn_has_come_is_understood() -> None:
    words = [timed("Hello", 0.2, 0.5), {**timed("you.", 0.6, 0.9), "confidence": 0.5}]
    message = turn_info("Update", "Hello you.", turn=3, window=(0.1, 1.2), words=words, languages=["en", "fr"])

    assert parsed(numbered(message)) == TurnInfo(
        event="Update",
        turn=3,
        window_start=0.1,
        window_end=1.2,
        transcript="Hello you.",
        words=(TimedWord("Hello", 0.2, 0.5, 0.9), TimedWord("you.", 0.6, 0.9, 0.5)),
        confidence=0.7,
        languages=("en", "fr"),
        request_id=REQUEST_ID,
    )


def test_fields_that_are_not_known_are_passed_over() -> None:
    message = turn_info("EndOfTurn", "hello", trigger="model", languages_hinted=["en"], mood={"of": "no use"})

    assert parsed(message).transcript == "hello"


def test_words_of_which_not_all_have_times_have_none() -> None:
    words = [timed("hello", 0.2, 0.5), {"word": "you", "confidence": 0.9}]

    assert parsed(turn_info("Update", "hello you", words=words)).words == ()


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({"type": "TurnInfo", "turn_index": 0}, "'event' is missing"),
        ({"type": "TurnInfo", "event": "Update"}, "'turn_index' is missing"),
        ({"type": "TurnInfo", "event": "Update", "turn_index": "0"}, "'turn_index' is of the type str"),
        ({"type": "TurnInfo", "event": "Update", "turn_index": True}, "'turn_index' is of the type bool"),
        ({**turn_info("Update"), "transcript": 7}, "'transcript' is of the type int"),
        ({**turn_info("Update"), "words": ["hello"]}, "'words' does not hold objects"),
        ({**turn_info("Update"), "words": "hello"}, "'words' is of the type str"),
        ({**turn_info("Update"), "words": [{"word": "a", "confidence": "x"}]}, "'confidence' is no number but str"),
        ({**turn_info("Update"), "audio_window_end": "1"}, "'audio_window_end' is no number but str"),
        ({**turn_info("Update"), "languages": 1}, "'languages' is of the type int"),
        ({"type": 5}, "'type' is of the type int"),
        ({"type": "Error", "code": {}}, "'code' is of the type dict"),
        ([], "it is no object"),
    ],
    ids=str,
)
def test_what_is_malformed_is_named(message: object, named: str) -> None:
    with pytest.raises(MalformedMessageError, match=named):
        parsed(message)


def test_what_is_no_json_is_told_without_what_it_says() -> None:
    with pytest.raises(MalformedMessageError) as caught:
        parse_flux("secret words {")

    assert str(caught.value) == "it is no JSON"
    assert caught.value.__cause__ is None


# --- events ----------------------------------------------------------------------------------------------------------


def test_a_turn_is_start_interims_final_end_and_end_of_turn() -> None:
    assert told(
        turn_info("Update"),
        turn_info("StartOfTurn", "hel"),
        turn_info("Update", "hello"),
        turn_info("Update", "hello"),
        turn_info("EndOfTurn", "Hello."),
    ) == [(START, ""), (INTERIM, "hel"), (INTERIM, "hello"), (FINAL, "Hello."), (END, ""), (TURN_END, "")]


def test_an_end_that_is_told_beforehand_is_a_preflight_transcript() -> None:
    assert told(
        turn_info("StartOfTurn", "hello"), turn_info("EagerEndOfTurn", "hello"), turn_info("EndOfTurn", "hello")
    ) == [(START, ""), (INTERIM, "hello"), (PREFLIGHT, "hello"), (FINAL, "hello"), (END, ""), (TURN_END, "")]


def test_a_turn_that_goes_on_takes_the_preflight_transcript_back() -> None:
    assert told(
        turn_info("StartOfTurn", "hello"),
        turn_info("EagerEndOfTurn", "hello"),
        turn_info("TurnResumed", "hello you"),
        turn_info("EndOfTurn", "hello you"),
    )[2:5] == [(PREFLIGHT, "hello"), (RESUMED, ""), (INTERIM, "hello you")]


def test_a_turn_begins_with_the_first_words_if_nobody_told_that_it_begins() -> None:
    assert told(turn_info("Update", "hello"), turn_info("EndOfTurn", "hello"))[:2] == [(START, ""), (INTERIM, "hello")]


def test_a_turn_in_which_nothing_was_said_is_no_end_of_a_turn() -> None:
    assert told(turn_info("StartOfTurn"), turn_info("EndOfTurn")) == [(START, ""), (END, "")]


def test_what_turns_out_to_be_nothing_is_taken_back() -> None:
    assert told(turn_info("StartOfTurn", "uh"), turn_info("EndOfTurn")) == [
        (START, ""),
        (INTERIM, "uh"),
        (FINAL, ""),
        (END, ""),
    ]


def test_an_end_of_nothing_is_nothing() -> None:
    assert told(turn_info("EndOfTurn"), turn_info("Update")) == []


def test_the_next_turn_is_told_and_the_last_one_not_again() -> None:
    one, two = turn_info("EndOfTurn", "one", turn=0), turn_info("EndOfTurn", "two", turn=1)

    assert [text for kind, text in told(one, one, turn_info("Update", "one", turn=0), two) if kind is FINAL] == [
        "one",
        "two",
    ]


def test_an_event_that_is_not_known_changes_nothing() -> None:
    assert told(turn_info("StartOfTurn", "hello"), turn_info("Sighed", "other")) == [(START, ""), (INTERIM, "hello")]


@pytest.mark.parametrize("event", ["Update", "EagerEndOfTurn", "TurnResumed"])
def test_the_last_word_before_the_end_of_the_connection_is_final(event: str) -> None:
    ear = FluxListener("en")
    hear(ear, turn_info("StartOfTurn", "hello"), turn_info(event, "hello you"))

    assert [(event.type, event.alternatives[0].text if event.alternatives else "") for event in ear.end()] == [
        (FINAL, "hello you"),
        (END, ""),
    ]
    assert ear.end() == []


def test_between_turns_the_end_of_the_connection_says_nothing() -> None:
    ear = FluxListener("en")
    hear(ear, turn_info("StartOfTurn", "hello"), turn_info("EndOfTurn", "hello"), turn_info("Update", turn=1))

    assert ear.end() == []


def test_whether_a_turn_is_open_is_known() -> None:
    ear = FluxListener("en")
    states = []
    for message in (
        turn_info("Update"),
        turn_info("StartOfTurn", "hello"),
        turn_info("EagerEndOfTurn", "hello"),
        turn_info("TurnResumed", "hello"),
        turn_info("EndOfTurn", "hello"),
        turn_info("Update", turn=1),
    ):
        hear(ear, message)
        states.append(ear.turn_is_open)

    assert states == [False, True, True, True, False, False]


def test_times_are_those_of_the_words() -> None:
    words = [timed("hello", 0.2, 0.5), timed("you", 0.6, 0.9)]
    ear = FluxListener("en")

    final = hear(ear, turn_info("EndOfTurn", "hello you", window=(0.0, 1.4), words=words))[1]

    data = final.alternatives[0]
    assert (data.start_time, data.end_time, data.words) == (0.2, 0.9, list(ear_words(words)))
    assert ear.settles(final) == 1.4


def ear_words(words: list[dict[str, Any]]) -> list[TimedWord]:
    return [TimedWord(each["word"], each["start"], each["end"], each["confidence"]) for each in words]


def test_without_times_of_words_a_turn_lasts_from_the_silence_before_it_until_it_grows_no_more() -> None:
    ear = FluxListener("en")
    events = hear(
        ear,
        turn_info("Update", window=(0.0, 0.5)),
        turn_info("StartOfTurn", "hello", window=(0.0, 0.8)),
        turn_info("Update", "hello you", window=(0.0, 1.1)),
        turn_info("Update", "hello you", window=(0.0, 1.3)),
        turn_info("EndOfTurn", "hello you", window=(0.0, 1.6)),
    )

    (data,) = [event.alternatives[0] for event in events if event.type is FINAL]
    assert (data.start_time, data.end_time) == (0.5, 1.1)


def test_only_a_final_settles_audio() -> None:
    ear = FluxListener("en")
    events = hear(ear, turn_info("StartOfTurn", "a", window=(0.0, 0.5)), turn_info("EndOfTurn", "a", window=(0.0, 1.0)))

    assert [ear.settles(event) for event in events] == [None, None, 1.0, None, None]


def test_the_language_is_the_one_spoken_most_or_that_of_the_model() -> None:
    ear = FluxListener("multi")
    events = hear(
        ear, turn_info("EndOfTurn", "bonjour", languages=["fr", "en"]), turn_info("EndOfTurn", "hello", turn=1)
    )

    assert [event.alternatives[0].language for event in events if event.type is FINAL] == ["fr", "multi"]


def test_every_event_names_the_request() -> None:
    events = hear(FluxListener("en"), turn_info("StartOfTurn", "hello"), turn_info("EndOfTurn", "hello"))

    assert {event.request_id for event in events} == {REQUEST_ID}
