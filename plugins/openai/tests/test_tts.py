"""Speech against an OpenAI that is strict with its clients."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from openai_bench import KEY, ONCE, RETRYING
from openai_fake import REQUEST_ID, SPEECH, bearer, pcm_of, speaking, speech_chunks

from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, ConfigError
from lk_agents.foundation.secret import Secret
from lk_agents.testing.vendor import Pause, Script, VendorServer, chunks, reply
from lk_agents_openai import TTS

pytestmark = pytest.mark.usefixtures("lk_no_leaks")

TEXT = "Our robot sings."


@asynccontextmanager
async def speaker(*answers: Any, repeat: bool = False, **options: Any) -> AsyncIterator[tuple[TTS, VendorServer]]:
    script = Script().http("POST", SPEECH, *answers, headers=bearer(KEY), repeat=repeat)
    async with (
        VendorServer(script) as vendor,
        TTS(api_key=KEY, base_url=f"{vendor.url}/v1", **options) as tts,
    ):
        yield tts, vendor


async def say(tts: TTS, text: str = TEXT, **options: Any) -> bytes:
    options.setdefault("conn_options", ONCE)
    async with tts.synthesize(text, **options) as stream:
        return b"".join([bytes(audio.frame.data.cast("B")) async for audio in stream])


async def test_a_text_is_spoken_at_24_khz_sample_by_sample() -> None:
    async with speaker(speaking()) as (tts, _):
        assert (tts.sample_rate, tts.num_channels) == (24_000, 1)
        assert await say(tts) == pcm_of(TEXT)


async def test_the_request_has_what_is_set() -> None:
    async with speaker(speaking(), model="tts-1", voice="alloy", speed=1.5, instructions="calmly") as (tts, vendor):
        await say(tts)

    assert vendor.journal[0].json() == {
        "input": TEXT,
        "model": "tts-1",
        "voice": "alloy",
        "response_format": "pcm",
        "speed": 1.5,
        "instructions": "calmly",
    }


async def test_a_voice_of_ones_own_is_named_by_its_id() -> None:
    async with speaker(speaking(), voice="voice_1234") as (tts, vendor):
        await say(tts)

    assert vendor.journal[0].json()["voice"] == {"id": "voice_1234"}


async def test_options_can_be_changed_and_none_leaves_them() -> None:
    async with speaker(speaking(), repeat=True, instructions="calmly") as (tts, vendor):
        tts.update_options(voice="coral", speed=2.0)
        await say(tts)
        tts.update_options(model="tts-1-hd", instructions="")
        await say(tts)

    first, second = (asked.json() for asked in vendor.journal)
    assert (first["voice"], first["speed"], first["model"], first["instructions"]) == (
        "coral",
        2.0,
        "gpt-4o-mini-tts",
        "calmly",
    )
    assert (second["voice"], second["model"]) == ("coral", "tts-1-hd")
    assert "instructions" not in second


async def test_options_that_cannot_be_are_refused_and_change_nothing() -> None:
    tts = TTS(api_key=KEY)
    with pytest.raises(ConfigError, match=r"speed is 9\.0; it must be from 0\.25 to 4"):
        tts.update_options(voice="coral", speed=9.0)
    with pytest.raises(ConfigError, match="voice is empty"):
        TTS(api_key=KEY, voice="")

    assert tts.opts.voice == "ash"


@pytest.mark.parametrize("size", [1, 3, 959, 100_000])
async def test_it_does_not_matter_where_the_network_cuts_the_sound(size: int) -> None:
    text = "Hi."
    async with speaker(speech_chunks(pcm_of(text), size=size)) as (tts, _):
        assert await say(tts, text) == pcm_of(text)


async def test_the_first_sound_is_there_before_the_last_was_made() -> None:
    sound = pcm_of(TEXT)
    answer = chunks(sound[:4800], Pause(5.0), sound[4800:], content_type="audio/pcm")
    async with speaker(answer) as (tts, _), tts.synthesize(TEXT, conn_options=ONCE) as stream:
        audio = await anext(stream)

    assert audio.frame.samples_per_channel == 480


async def test_pieces_carry_the_request_id_and_the_text_is_measured() -> None:
    metrics: list[Any] = []
    async with speaker(speaking()) as (tts, _):
        tts.on("metrics_collected", metrics.append)
        async with tts.synthesize(TEXT, conn_options=ONCE) as stream:
            ids = {audio.request_id async for audio in stream}

    assert ids == {REQUEST_ID}
    (told,) = metrics
    assert (told.provider, told.model, told.characters_count) == ("openai", "gpt-4o-mini-tts", len(TEXT))


@pytest.mark.parametrize(("status", "attempts"), [(401, 1), (500, 3)])
async def test_an_error_status_is_told_and_not_swallowed(status: int, attempts: int) -> None:
    answer = reply({"error": {"message": "no", "code": "c"}}, status=status, headers={"x-request-id": REQUEST_ID})
    async with speaker(*[answer] * attempts) as (tts, vendor):
        with pytest.raises(APIError) as caught:
            await say(tts, conn_options=RETRYING)

    cause = caught.value.__cause__ or caught.value
    assert isinstance(cause, APIStatusError)
    assert (cause.status_code, cause.code, cause.request_id) == (status, "c", REQUEST_ID)
    assert len(vendor.journal) == attempts


async def test_no_sound_for_a_text_is_an_error() -> None:
    async with speaker(reply(b"")) as (tts, _):
        with pytest.raises(APIConnectionError, match="gave no audio"):
            await say(tts)


@pytest.mark.parametrize("kind", ["audio/mpeg", "audio/wav", "application/json", "text/event-stream", "text/html"])
async def test_what_is_no_pcm_is_not_played(kind: str) -> None:
    async with speaker(reply(b"x" * 4800, headers={"Content-Type": kind})) as (tts, _):
        with pytest.raises(APIError, match=f"answered with {kind} where PCM was asked for"):
            await say(tts)


async def test_the_key_is_shown_in_its_header_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with speaker(speaking()) as (tts, vendor), tts.synthesize(TEXT, conn_options=ONCE) as stream:
        await stream.collect()
        shown = [repr(tts), repr(vars(tts)), repr(stream), repr(vars(stream)), caplog.text]

    assert KEY not in "".join([*shown, vendor.journal[0].raw_query])


async def test_the_users_session_is_used_and_stays_open() -> None:
    async with aiohttp.ClientSession() as session:
        async with speaker(speaking(), http_session=session) as (tts, _):
            await say(tts)
        assert not session.closed


@pytest.mark.parametrize("name", ["with_azure", "create_azure_client"])
async def test_azure_is_asked_at_its_deployment(name: str) -> None:
    path, query = "/openai/deployments/speech/audio/speech", {"api-version": "2025-03-01"}
    script = Script().http("POST", path, speaking(), query=query, headers={"api-key": Secret(KEY)})
    async with VendorServer(script) as vendor:
        tts = getattr(TTS, name)(
            azure_endpoint=vendor.url, azure_deployment="speech", api_version="2025-03-01", api_key=KEY
        )
        async with tts:
            assert (await say(tts), tts.provider) == (pcm_of(TEXT), "azure")
