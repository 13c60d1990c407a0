"""Whole texts, and what can be set, against a Deepgram that is strict with its clients."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from deepgram_bench import KEY, ONCE, RETRYING
from deepgram_fake import REQUEST_ID
from deepgram_speak_fake import SPEAK_PATH, pcm_of, speak_script, speaking

from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, APITimeoutError, ConfigError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.testing.vendor import Pause, VendorServer, chunks, reply
from lk_agents_deepgram import TTS, TTSOptions
from lk_agents_deepgram.plugin import TTS_EXTRAS
from lk_agents_deepgram.tts_options import TTSExtras

pytestmark = pytest.mark.usefixtures("lk_no_leaks")

TEXT = "Our robot sings."


@asynccontextmanager
async def speaker(*answers: Any, repeat: bool = False, **options: Any) -> AsyncIterator[tuple[TTS, VendorServer]]:
    script = speak_script(answers=answers, key=KEY, repeat=repeat)
    async with (
        VendorServer(script) as vendor,
        TTS(api_key=KEY, base_url=vendor.url + SPEAK_PATH, **options) as tts,
    ):
        yield tts, vendor


async def say(tts: TTS, text: str = TEXT, **options: Any) -> bytes:
    options.setdefault("conn_options", ONCE)
    async with tts.synthesize(text, **options) as stream:
        return b"".join([bytes(audio.frame.data.cast("B")) async for audio in stream])


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
async def test_a_text_is_spoken_at_the_rate_that_is_set_sample_by_sample(rate: int) -> None:
    async with speaker(speaking(), sample_rate=rate) as (tts, vendor):
        assert (tts.sample_rate, tts.num_channels) == (rate, 1)
        assert await say(tts) == pcm_of(TEXT, rate)

    assert dict(vendor.journal[0].query)["sample_rate"] == str(rate)


async def test_the_header_of_a_wav_file_is_not_played_as_sound() -> None:
    """Deepgram puts one before the samples unless it is told not to."""
    async with speaker(speaking()) as (tts, vendor):
        audio = await say(tts)

    assert not audio.startswith(b"RIFF")
    assert dict(vendor.journal[0].query)["container"] == "none"


async def test_the_request_has_what_is_set() -> None:
    async with speaker(speaking(), model="aura-2-thalia-en", speed=1.2, mip_opt_out=True) as (tts, vendor):
        await say(tts)

    (asked,) = vendor.journal
    assert asked.query == [
        ("encoding", "linear16"),
        ("model", "aura-2-thalia-en"),
        ("sample_rate", "24000"),
        ("speed", "1.2"),
        ("mip_opt_out", "true"),
        ("container", "none"),
    ]
    assert asked.json() == {"text": TEXT}
    assert asked.headers["authorization"].startswith("Token ")


async def test_every_piece_names_the_request() -> None:
    async with speaker(speaking()) as (tts, _), tts.synthesize(TEXT, conn_options=ONCE) as stream:
        assert {audio.request_id async for audio in stream} == {REQUEST_ID}


async def test_the_key_is_shown_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with speaker(speaking()) as (tts, vendor), tts.synthesize(TEXT, conn_options=ONCE) as stream:
        await stream.collect()
        shown = [repr(tts), repr(stream), repr(tts.opts), caplog.text, vendor.journal[0].raw_query]

    assert KEY not in "".join(shown)


async def test_a_text_of_more_than_2000_characters_is_spoken_in_parts() -> None:
    texts: list[str] = []
    long_text = " ".join([TEXT] * 200)
    async with speaker(speaking(texts), repeat=True) as (tts, _):
        audio = await say(tts, long_text)

    assert max(map(len, texts)) <= 2_000
    assert " ".join(texts).split() == long_text.split()
    assert audio == pcm_of(long_text)


@pytest.mark.parametrize(
    ("status", "body", "code", "retryable"),
    [
        (400, {"err_code": "INVALID_QUERY_PARAMETER", "err_msg": "m", "request_id": "r"}, "INVALID_QUERY_PARAMETER", 0),
        (401, {"category": "INVALID_AUTH", "message": "m", "details": "d", "request_id": "r"}, "INVALID_AUTH", 0),
        (402, {"err_code": "ASR_PAYMENT_REQUIRED"}, "ASR_PAYMENT_REQUIRED", 0),
        (413, "the text is too long", None, 0),
        (429, {"err_code": "TOO_MANY_REQUESTS"}, "TOO_MANY_REQUESTS", 1),
        (503, "<html>", None, 1),
    ],
)
async def test_an_error_status_is_told_with_deepgrams_code_and_not_as_a_broken_connection(
    status: int, body: Any, code: str | None, retryable: int
) -> None:
    answer = reply(body, status=status, headers={"dg-request-id": "request-9"})
    async with speaker(answer) as (tts, _):
        with pytest.raises(APIStatusError) as caught:
            await say(tts)

    error = caught.value
    assert (error.status_code, error.code, error.request_id) == (status, code, "request-9")
    assert (error.retryable, error.body) == (bool(retryable), body)


@pytest.mark.parametrize(("status", "attempts"), [(401, 1), (503, 3)])
async def test_what_cannot_help_is_not_tried_again(status: int, attempts: int) -> None:
    async with speaker(reply("no", status=status), repeat=True) as (tts, vendor):
        with pytest.raises(APIError) as caught:
            await say(tts, conn_options=RETRYING)

        assert (caught.value.attempts, len(vendor.journal)) == (attempts, attempts)


@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
async def test_an_answer_that_is_no_audio_is_an_error(content_type: str) -> None:
    async with speaker(chunks(b'{"err_code": "x"}', content_type=content_type)) as (tts, _):
        with pytest.raises(APIError, match=content_type) as caught:
            await say(tts)

    assert caught.value.phase == "decode"


async def test_no_audio_for_a_text_is_an_error() -> None:
    async with speaker(chunks(content_type="audio/l16")) as (tts, _):
        with pytest.raises(APIConnectionError, match="no audio"):
            await say(tts)


async def test_audio_that_stops_coming_is_a_timeout() -> None:
    slow = chunks(pcm_of("hello")[:1_000], Pause(5.0), content_type="audio/l16")
    async with speaker(slow) as (tts, vendor):
        with pytest.raises(APITimeoutError):
            await say(tts, conn_options=APIConnectOptions(max_retry=0, timeout=0.2))
        vendor.problems.clear()


# --- what can be set -------------------------------------------------------------------------------------------------


async def test_options_can_be_changed_and_none_leaves_them() -> None:
    async with speaker(speaking(), repeat=True) as (tts, vendor):
        tts.update_options(model="aura-luna-en")
        await say(tts)
        tts.update_options(sample_rate=16_000)
        assert await say(tts) == pcm_of(TEXT, 16_000)

    asked = [dict(each.query) for each in vendor.journal]
    assert [(each["model"], each["sample_rate"]) for each in asked] == [
        ("aura-luna-en", "24000"),
        ("aura-luna-en", "16000"),
    ]
    assert (tts.model, tts.sample_rate) == ("aura-luna-en", 16_000)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"encoding": "mulaw"}, "encoding is 'mulaw'; it must be 'linear16'"),
        ({"sample_rate": 44_100}, "sample_rate is 44100 Hz; Deepgram speaks at 8000, 16000, 24000, 32000, 48000"),
        ({"speed": 0.5}, "speed is 0.5; it must be from 0.7 to 1.5"),
        ({"model": ""}, "model is empty"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_with_the_remedy(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        TTS(api_key=KEY, **options)


def test_options_that_do_not_fit_change_nothing() -> None:
    tts = TTS(api_key=KEY)
    with pytest.raises(ConfigError):
        tts.update_options(model="aura-luna-en", sample_rate=1)

    assert (tts.opts, tts.model, tts.sample_rate) == (TTSOptions(model="aura-asteria-en"), "aura-asteria-en", 24_000)


def test_without_a_key_making_one_says_what_lacks() -> None:
    with pytest.raises(ConfigError, match="DEEPGRAM_API_KEY"):
        TTS()


def test_a_misspelt_option_is_refused() -> None:
    with pytest.raises(TypeError, match="sped"):
        TTS(api_key=KEY, sped=1.2)  # type: ignore[call-arg]  # that is the test


async def test_one_that_takes_whole_texts_only_says_so() -> None:
    async with TTS(api_key=KEY, use_streaming=False) as tts:
        assert not tts.capabilities.streaming
        tts.prewarm()
        with pytest.raises(NotImplementedError):
            tts.stream()


def test_each_synthesizer_has_a_tokenizer_of_its_own() -> None:
    first, second = TTS(api_key=KEY), TTS(api_key=KEY)

    assert first._word_tokenizer is not second._word_tokenizer


def test_the_options_named_for_looking_up_are_the_extra_ones() -> None:
    assert sorted(TTSExtras.__annotations__) == sorted(TTS_EXTRAS)


async def test_a_session_of_the_users_is_used_and_left_open() -> None:
    async with aiohttp.ClientSession(headers={"x-mine": "yes"}) as session:
        async with speaker(speaking(), http_session=session) as (tts, vendor):
            await say(tts)
            assert vendor.journal[0].headers["x-mine"] == "yes"
        assert not session.closed


async def test_after_it_was_closed_it_can_be_used_again() -> None:
    async with speaker(speaking(), repeat=True) as (tts, _):
        await tts.aclose()

        assert await say(tts) == pcm_of(TEXT)
