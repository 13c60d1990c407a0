"""From messages to events, message by message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from deepgram_fake import REQUEST_ID, metadata, results, speech_started, utterance_end
from deepgram_sound import word

from lk_agents.stt.events import SpeechEvent, SpeechEventType
from lk_agents_deepgram.listener import Listener
from lk_agents_deepgram.messages import parse_live

START = SpeechEventType.START_OF_SPEECH
INTERIM = SpeechEventType.INTERIM_TRANSCRIPT
FINAL = SpeechEventType.FINAL_TRANSCRIPT
END = SpeechEventType.END_OF_SPEECH


def listener(language: str = "en-US", later: float = 0.0) -> Listener:
    return Listener(language, to_heard=lambda seconds: seconds + later)


def hear(ear: Listener, *messages: dict[str, Any]) -> list[SpeechEvent]:
    return [event for message in messages for event in ear.hear(parse_live(json.dumps(message)))]


def kinds(*messages: dict[str, Any]) -> list[SpeechEventType]:
    return [event.type for event in hear(listener(), *messages)]


def final(text: str, *, start: float = 0.0, duration: float = 1.0, **more: Any) -> dict[str, Any]:
    return results(text, start=start, duration=duration, is_final=True, **more)


def test_a_start_that_deepgram_tells_comes_first() -> None:
    assert kinds(speech_started(0.2), results("hel"), final("hello"), final("", start=1.0, speech_final=True)) == [
        START,
        INTERIM,
        FINAL,
        END,
    ]


def test_without_a_start_of_deepgrams_the_first_transcript_brings_it() -> None:
    assert kinds(results("hel"), final("hello", speech_final=True)) == [START, INTERIM, FINAL, END]


def test_a_second_start_is_none() -> None:
    assert kinds(speech_started(0.2), speech_started(0.2), results("hel"), speech_started(0.3)) == [START, INTERIM]


def test_a_start_that_comes_behind_the_end_of_its_speech_is_none() -> None:
    spoken = final("hello", words=[word("hello", 0.2, 0.9)], speech_final=True)

    assert kinds(spoken, speech_started(0.2)) == [START, FINAL, END]


def test_a_start_of_new_speech_is_told_after_an_end() -> None:
    spoken = final("hello", words=[word("hello", 0.2, 0.9)], speech_final=True)

    assert kinds(spoken, speech_started(1.4)) == [START, FINAL, END, START]


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_transcript_is_no_event(text: str) -> None:
    assert kinds(results(text), final(text)) == []


def test_an_empty_final_ends_speech() -> None:
    assert kinds(speech_started(0.1), final("", speech_final=True)) == [START, END]


def test_an_end_where_nobody_speaks_is_none() -> None:
    assert kinds(final("", speech_final=True), utterance_end(0.5)) == []


def test_the_end_of_an_utterance_ends_speech_that_no_final_has_ended() -> None:
    assert kinds(final("hello"), utterance_end(0.9), utterance_end(0.9)) == [START, FINAL, END]


def test_results_without_alternatives_say_nothing() -> None:
    assert kinds({"type": "Results", "channel": {}}) == []


def test_a_final_that_comes_twice_is_told_once() -> None:
    assert kinds(final("hello"), final("hello")) == [START, FINAL]


def test_an_interim_of_what_is_final_by_now_is_not_told() -> None:
    assert kinds(final("hello", duration=1.0), results("hel", start=0.0, duration=0.6)) == [START, FINAL]


def test_an_interim_of_what_follows_is_told() -> None:
    assert kinds(final("hello", duration=1.0), results("you", start=1.0, duration=0.6)) == [START, FINAL, INTERIM]


def test_a_repeated_word_in_another_piece_of_audio_is_told() -> None:
    assert kinds(final("yes"), final("yes", start=1.0)) == [START, FINAL, FINAL]


def test_the_request_is_named_from_the_first_transcript_on() -> None:
    found = hear(listener(), speech_started(0.2), results("hel"), final("hello", speech_final=True))

    assert [event.request_id for event in found] == ["", REQUEST_ID, REQUEST_ID, REQUEST_ID]


def test_times_are_those_of_the_words() -> None:
    spoken = final("hello you", words=[word("hello", 0.2, 0.5), word("you", 0.6, 0.9)])

    data = hear(listener(later=10.0), spoken)[-1].alternatives[0]

    assert (data.start_time, data.end_time) == pytest.approx((10.2, 10.9))
    assert [(each.text, round(each.start_time, 3), round(each.end_time, 3)) for each in data.words] == [
        ("hello", 10.2, 10.5),
        ("you", 10.6, 10.9),
    ]


def test_without_words_the_times_are_those_of_the_piece() -> None:
    data = hear(listener(later=10.0), final("hello", start=1.0, duration=0.5))[-1].alternatives[0]

    assert (data.start_time, data.end_time) == pytest.approx((11.0, 11.5))


def test_the_end_of_a_piece_lies_before_what_was_not_sent_behind_it() -> None:
    ear = Listener("en", to_heard=lambda seconds: seconds if seconds < 1.0 else seconds + 60.0)

    data = hear(ear, final("hello", words=[word("hello", 0.2, 1.0)]))[-1].alternatives[0]

    assert data.end_time == pytest.approx(1.0)
    assert ear.settled == pytest.approx(1.0)


def test_a_final_settles_the_audio_that_it_is_about() -> None:
    ear = listener()
    found = hear(ear, final("hello", start=1.0, duration=1.5, words=[word("hello", 1.1, 1.4)], speech_final=True))

    assert [ear.settles(event) for event in found] == [None, pytest.approx(2.5), None]


def test_an_empty_final_settles_its_audio_too() -> None:
    ear = listener()
    hear(ear, final("", start=1.0, duration=1.5))

    assert ear.settled == pytest.approx(2.5)


@pytest.mark.parametrize("message", [results("hel"), speech_started(1.0), utterance_end(1.0)])
def test_what_is_not_final_settles_nothing(message: dict[str, Any]) -> None:
    ear = listener()
    hear(ear, final("hello"), message)

    assert ear.settled is None


def test_the_language_is_that_of_the_stream() -> None:
    assert hear(listener("de"), final("hallo", languages=["en"]))[-1].alternatives[0].language == "de"


def test_with_several_languages_the_transcript_tells_its_own() -> None:
    assert hear(listener("multi"), final("hallo", languages=["de", "en"]))[-1].alternatives[0].language == "de"
    assert hear(listener("multi"), final("hallo"))[-1].alternatives[0].language == "multi"


def test_a_speaker_is_named_if_deepgram_tells_him() -> None:
    data = hear(listener(), final("hello", words=[word("hello", 0.1, 0.4, speaker=2)]))[-1].alternatives[0]

    assert (data.speaker_id, data.words[0].speaker) == ("2", "2")


def test_every_alternative_is_told() -> None:
    message = final("hello")
    message["channel"]["alternatives"].append({"transcript": "yellow", "confidence": 0.4, "words": []})

    found = hear(listener(), message)[-1].alternatives

    assert [(each.text, each.confidence) for each in found] == [("hello", 0.93), ("yellow", 0.4)]


def test_the_summary_is_no_event_and_is_noted() -> None:
    ear = listener()

    assert hear(ear, metadata(1.0)) == []
    assert ear.summed_up
    assert ear.request_id == REQUEST_ID
