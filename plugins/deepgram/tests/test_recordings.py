"""Recordings: one request, one answer."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from deepgram_bench import KEY, ONCE, SPEECH, WORDS, speech
from deepgram_fake import PATH, REQUEST_ID, recording, recording_answer

from lk_agents.foundation.errors import APIError, APIStatusError
from lk_agents.foundation.secret import Secret
from lk_agents.streams.words import TimedWord
from lk_agents.stt import SpeechEventType
from lk_agents.testing.vendor import Script, VendorServer, reply
from lk_agents_deepgram import STT

pytestmark = pytest.mark.usefixtures("lk_no_leaks")


@asynccontextmanager
async def asking(answer: Any, *, repeat: bool = False, **options: Any) -> AsyncIterator[tuple[STT, VendorServer]]:
    headers: dict[str, str | Secret] = {
        "Authorization": Secret(f"Token {KEY}"),
        "Accept": "application/json",
        "Content-Type": "audio/wav",
    }
    script = Script().http("POST", PATH, answer, query=None, headers=headers, repeat=repeat)
    async with VendorServer(script) as vendor, STT(api_key=KEY, base_url=vendor.ws_url + PATH, **options) as stt:
        yield stt, vendor


async def test_what_is_said_in_a_recording_is_told() -> None:
    async with asking(recording_answer(SPEECH)) as (stt, _):
        event = await stt.recognize(speech(), conn_options=ONCE)

    assert (event.type, event.request_id) == (SpeechEventType.FINAL_TRANSCRIPT, REQUEST_ID)
    (data,) = event.alternatives
    assert (data.text.split(), data.language, data.confidence) == (WORDS, "en-US", 0.99)
    assert (data.start_time, data.end_time) == pytest.approx((SPEECH[0].start, SPEECH[-1].end), abs=0.001)
    assert [each.text for each in data.words] == WORDS


async def test_the_request_has_the_options_as_query_and_the_audio_as_wav() -> None:
    async with asking(reply(recording("hello")), numerals=True, keywords=[("Ada", 1.5), ("Bob", 2.0)]) as (stt, vendor):
        await stt.recognize(speech(0.5, rate=8_000), language="en", conn_options=ONCE)

    (asked,) = vendor.journal
    assert asked.query == [
        ("model", "nova-2-general"),
        ("punctuate", "true"),
        ("detect_language", "false"),
        ("smart_format", "true"),
        ("filler_words", "true"),
        ("profanity_filter", "false"),
        ("numerals", "true"),
        ("language", "en"),
        ("keywords", "Ada:1.5"),
        ("keywords", "Bob:2.0"),
    ]
    with wave.open(io.BytesIO(asked.body)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (8_000, 1, 4_000)


async def test_a_detected_language_is_told() -> None:
    async with asking(reply(recording("bonjour", detected_language="fr")), detect_language=True) as (stt, vendor):
        event = await stt.recognize(speech(0.5), conn_options=ONCE)

    assert event.alternatives[0].language == "fr"
    assert "language" not in dict(vendor.journal[0].query)


async def test_of_several_languages_the_recording_names_the_one_that_is_spoken_most() -> None:
    answer = recording("bonjour")
    answer["results"]["channels"][0]["alternatives"][0]["languages"] = ["fr", "en"]
    async with asking(reply(answer), language="multi") as (stt, _):
        event = await stt.recognize(speech(0.5), conn_options=ONCE)

    assert event.alternatives[0].language == "fr"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"filler_words": False}, [("filler_words", "false")]),
        ({"enable_diarization": True, "dictation": True}, [("diarize", "true"), ("dictation", "true")]),
        ({"redact": ["pci"], "search": ["one two"]}, [("redact", "pci"), ("search", "one two")]),
        ({"replace": [("a", "b")], "tags": ["mine"]}, [("replace", "a:b"), ("tag", "mine")]),
        ({"model": "nova-3", "keyterms": ["Ada L"]}, [("model", "nova-3"), ("keyterm", "Ada L")]),
    ],
    ids=str,
)
async def test_a_recording_is_asked_for_with_every_option_that_there_is_for_one(
    options: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    async with asking(reply(recording("hello")), **options) as (stt, vendor):
        await stt.recognize(speech(0.5), conn_options=ONCE)

    assert set(expected) <= set(vendor.journal[0].query)


async def test_every_alternative_is_told_and_without_words_its_times_are_0() -> None:
    answer = recording("hello", [TimedWord("hello", 0.2, 0.5)])
    answer["results"]["channels"][0]["alternatives"].append({"transcript": "yellow", "confidence": 0.4})
    async with asking(reply(answer)) as (stt, _):
        event = await stt.recognize(speech(0.5), conn_options=ONCE)

    assert [(each.text, each.start_time, each.end_time) for each in event.alternatives] == [
        ("hello", 0.2, 0.5),
        ("yellow", 0.0, 0.0),
    ]


@pytest.mark.parametrize(
    ("status", "body", "code", "retryable"),
    [
        (400, {"category": "INVALID_JSON", "message": "m", "details": "d", "request_id": "r"}, "INVALID_JSON", False),
        (401, {"err_code": "INVALID_AUTH", "err_msg": "m", "request_id": "r"}, "INVALID_AUTH", False),
        (402, {"err_code": "ASR_PAYMENT_REQUIRED", "err_msg": "m"}, "ASR_PAYMENT_REQUIRED", False),
        (413, "too large", None, False),
        (408, "slow", None, True),
        (429, {"err_code": "TOO_MANY_REQUESTS"}, "TOO_MANY_REQUESTS", True),
        (503, "<html>", None, True),
        (504, "", None, True),
    ],
)
async def test_an_error_status_is_told_with_deepgrams_code(
    status: int, body: Any, code: str | None, retryable: bool
) -> None:
    answer = reply(body, status=status, headers={"dg-request-id": "request-9"})
    async with asking(answer) as (stt, _):
        with pytest.raises(APIStatusError) as caught:
            await stt.recognize(speech(0.5), conn_options=ONCE)

    error = caught.value
    assert (error.status_code, error.code, error.request_id, error.retryable) == (status, code, "request-9", retryable)
    assert error.body == body


@pytest.mark.parametrize("body", ["<html>", {"results": {}, "metadata": 3}, {}], ids=str)
async def test_an_answer_that_cannot_be_understood_is_an_error_that_says_what(body: Any) -> None:
    async with asking(reply(body)) as (stt, _):
        with pytest.raises(APIError, match="cannot be understood") as caught:
            await stt.recognize(speech(0.5), conn_options=ONCE)

    assert caught.value.phase == "decode"


async def test_two_recordings_at_once_are_kept_apart() -> None:
    async with asking(recording_answer(SPEECH), repeat=True) as (stt, _):
        first, both = await asyncio.gather(
            stt.recognize(speech(2.0), conn_options=ONCE), stt.recognize(speech(), conn_options=ONCE)
        )

    assert [first.alternatives[0].text, both.alternatives[0].text] == ["hello over there", " ".join(WORDS)]
