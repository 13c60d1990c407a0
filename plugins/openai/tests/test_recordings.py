"""Recordings: one form, one answer."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai_bench import KEY, ONCE, RETRYING, UTTERANCES, WORDS, speech
from openai_fake import REQUEST_ID, TRANSCRIPTIONS, bearer, transcribing, transcription, upload_of

from lk_agents.foundation.errors import APIError, APIStatusError, ConfigError
from lk_agents.foundation.secret import Secret
from lk_agents.stt import SpeechEventType, TimedWord
from lk_agents.testing.vendor import Script, VendorServer, reply
from lk_agents_openai import STT

pytestmark = pytest.mark.usefixtures("lk_no_leaks")

LANGUAGES = [{"code": "fr"}, {"code": "en"}]


@asynccontextmanager
async def recogniser(*answers: Any, repeat: bool = False, **options: Any) -> AsyncIterator[tuple[STT, VendorServer]]:
    headers = {**bearer(KEY), "Accept": "application/json"}
    script = Script().http("POST", TRANSCRIPTIONS, *answers, headers=headers, repeat=repeat)
    async with VendorServer(script) as vendor, STT(api_key=KEY, base_url=f"{vendor.url}/v1", **options) as stt:
        yield stt, vendor


async def test_what_is_said_in_a_recording_is_told() -> None:
    async with recogniser(transcribing(UTTERANCES)) as (stt, _):
        event = await stt.recognize(speech(), conn_options=ONCE)

    assert (event.type, event.request_id) == (SpeechEventType.FINAL_TRANSCRIPT, REQUEST_ID)
    (data,) = event.alternatives
    assert (data.text.split(), data.language, data.words) == (WORDS, "en", [])


async def test_the_form_has_the_audio_as_wav_and_the_options() -> None:
    async with recogniser(
        reply(transcription("hi")),
        model="gpt-4o-mini-transcribe",
        prompt="greetings",
        temperature=0.2,
        keywords=["Ada"],
    ) as (stt, vendor):
        await stt.recognize(speech(0.5, rate=8_000), language="de", conn_options=ONCE)

    upload = upload_of(vendor.journal[0])
    assert upload.fields == [
        ("model", "gpt-4o-mini-transcribe"),
        ("response_format", "json"),
        ("language", "de"),
        ("prompt", "greetings"),
        ("temperature", "0.2"),
        ("keywords[]", "Ada"),
    ]
    assert (upload.frame.sample_rate, upload.frame.num_channels, upload.frame.samples_per_channel) == (8_000, 1, 4_000)


async def test_whisper_tells_times_and_the_language_that_it_has_found() -> None:
    async with recogniser(transcribing(UTTERANCES), model="whisper-1", detect_language=True) as (stt, vendor):
        event = await stt.recognize(speech(), conn_options=ONCE)

    (data,) = event.alternatives
    assert (data.language, data.start_time, data.end_time) == ("english", 0.4, 3.4)
    fields = dict(upload_of(vendor.journal[0]).fields)
    assert fields["response_format"] == "verbose_json"
    assert "language" not in fields


@pytest.mark.parametrize(
    ("options", "more", "language"),
    [
        ({"detect_language": True}, {"languages": LANGUAGES}, "fr"),
        ({"detect_language": True}, {"languages": []}, ""),
        ({"language": "en"}, {"languages": LANGUAGES}, "en"),
    ],
)
async def test_a_language_is_told_where_it_was_found(
    options: dict[str, Any], more: dict[str, Any], language: str
) -> None:
    async with recogniser(reply(transcription("bonjour", **more)), **options) as (stt, _):
        event = await stt.recognize(speech(0.5), conn_options=ONCE)

    assert event.alternatives[0].language == language


async def test_words_are_told_where_a_server_gives_them() -> None:
    words = [{"word": " hi", "start": 0.1, "end": 0.3}]
    async with recogniser(reply(transcription(" hi ", words=words))) as (stt, _):
        event = await stt.recognize(speech(0.5), conn_options=ONCE)

    (data,) = event.alternatives
    assert (data.text, data.words, data.end_time) == ("hi", [TimedWord("hi", 0.1, 0.3)], 0.3)


async def test_changed_options_count_for_the_next_recording_and_empty_ones_change_nothing() -> None:
    async with recogniser(reply(transcription("hi")), prompt="greetings") as (stt, vendor):
        stt.update_options(model="gpt-transcribe", language="fr", prompt="")
        await stt.recognize(speech(0.5), conn_options=ONCE)

    fields = dict(upload_of(vendor.journal[0]).fields)
    assert (fields["model"], fields["language"], fields["prompt"]) == ("gpt-transcribe", "fr", "greetings")
    assert stt.model == "gpt-transcribe"


@pytest.mark.parametrize(("status", "retryable"), [(400, False), (401, False), (413, False), (429, True), (500, True)])
async def test_an_error_status_is_told_with_its_code(status: int, retryable: bool) -> None:
    body = {"error": {"message": "no", "type": "t", "param": None, "code": "c"}}
    async with recogniser(reply(body, status=status, headers={"x-request-id": REQUEST_ID})) as (stt, _):
        with pytest.raises(APIStatusError) as caught:
            await stt.recognize(speech(0.5), conn_options=ONCE)

    error = caught.value
    assert (error.status_code, error.code, error.request_id, error.retryable) == (status, "c", REQUEST_ID, retryable)


async def test_a_form_is_sent_anew_with_every_attempt() -> None:
    async with recogniser(reply({}, status=503), transcribing(UTTERANCES)) as (stt, vendor):
        event = await stt.recognize(speech(), conn_options=RETRYING)

    assert event.alternatives[0].text.split() == WORDS
    assert [upload_of(asked).frame.duration for asked in vendor.journal] == [4.6, 4.6]


@pytest.mark.parametrize(
    ("body", "words"), [("<html>", "JSON is malformed"), ({"txt": "secret"}, "text"), ({"text": ["secret"]}, "text")]
)
async def test_an_answer_of_another_form_is_an_error_that_names_the_field_and_not_what_was_said(
    body: Any, words: str
) -> None:
    async with recogniser(reply(body)) as (stt, _):
        with pytest.raises(APIError, match=f"cannot be understood: .*{words}") as caught:
            await stt.recognize(speech(0.5), conn_options=ONCE)

    assert caught.value.phase == "decode"
    assert "secret" not in str(caught.value)


async def test_a_recogniser_for_recordings_does_not_listen() -> None:
    stt = STT(api_key=KEY)

    assert (stt.capabilities.streaming, stt.capabilities.interim_results) == (False, False)
    with pytest.raises(NotImplementedError, match=r"StreamAdapter"):
        stt.stream()


async def test_the_key_is_in_no_representation_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with recogniser(reply(transcription("hi"))) as (stt, vendor):
        event = await stt.recognize(speech(0.5), conn_options=ONCE)
        shown = f"{stt!r} {vars(stt)} {event!r} {caplog.text} {vendor.journal[0].raw_query}"

    assert KEY not in shown


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": ""}, "model is empty"),
        ({"temperature": 2.0}, r"temperature is 2\.0"),
        ({"turn_detection": {"threshold": 0.5}}, "must have a type"),
        ({"dialect": "old"}, "dialect is 'old'"),
    ],
)
def test_options_that_cannot_be_are_refused_with_words(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        STT(api_key=KEY, **options)


def test_an_option_that_is_unknown_is_refused_by_name() -> None:
    options: Any = {"keyword": ["a"]}
    with pytest.raises(TypeError, match="'keyword'"):
        STT(api_key=KEY, **options)


@pytest.mark.parametrize(("name", "variable"), [("groq", "GROQ_API_KEY"), ("ovhcloud", "OVHCLOUD_API_KEY")])
async def test_others_recognise_with_their_own_key(name: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    construct = getattr(STT, f"with_{name}")
    with pytest.raises(ConfigError, match=variable):
        construct()
    monkeypatch.setenv(variable, KEY)
    script = Script().http("POST", TRANSCRIPTIONS, transcribing(UTTERANCES), headers=bearer(KEY))
    async with VendorServer(script) as vendor, construct(base_url=f"{vendor.url}/v1", prompt="hm") as stt:
        event = await stt.recognize(speech(), conn_options=ONCE)

    assert (event.alternatives[0].text.split(), stt.provider, stt.capabilities.streaming) == (WORDS, name, False)
    assert dict(upload_of(vendor.journal[0]).fields)["model"] == "whisper-large-v3-turbo"


async def test_azure_is_asked_at_its_deployment() -> None:
    path, query = "/openai/deployments/ears/audio/transcriptions", {"api-version": "2025-03-01"}
    script = Script().http("POST", path, transcribing(UTTERANCES), query=query, headers={"api-key": Secret(KEY)})
    async with (
        VendorServer(script) as vendor,
        STT.with_azure(
            azure_endpoint=vendor.url, azure_deployment="ears", api_version="2025-03-01", api_key=KEY
        ) as stt,
    ):
        event = await stt.recognize(speech(), conn_options=ONCE)

    assert (event.alternatives[0].text.split(), stt.provider) == (WORDS, "azure")
