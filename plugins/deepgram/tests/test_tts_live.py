"""Text piece by piece, over connections that are used again, against a Deepgram that is strict with its clients."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby
from typing import Any

import pytest
from deepgram_bench import KEY, ONCE, RETRYING
from deepgram_fake import REQUEST_ID, Talk
from deepgram_speak_fake import (
    SPEAK_PATH,
    SpeakManner,
    cleared,
    flushed,
    mouth,
    pcm_of,
    speak_metadata,
    speak_script,
    warning,
)

from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, APITimeoutError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.testing.vendor import Answer, Fault, FaultKind, VendorServer, VendorSocket, reply
from lk_agents.tokenize import basic
from lk_agents.tts import SynthesizedAudio, SynthesizeStream
from lk_agents_deepgram import TTS

pytestmark = pytest.mark.usefixtures("lk_no_leaks")

TEXT = "Our robot sings, now and then."
IMPATIENT = APIConnectOptions(max_retry=0, timeout=0.3)


@asynccontextmanager
async def voice(
    *talks: Talk | Answer, manner: SpeakManner | None = None, fault: Fault | None = None, **options: Any
) -> AsyncIterator[tuple[TTS, VendorServer]]:
    script = speak_script(*(talks or (mouth(manner=manner),)), key=KEY)
    async with (
        VendorServer(script, fault=fault) as vendor,
        TTS(api_key=KEY, base_url=vendor.url + SPEAK_PATH, **options) as tts,
    ):
        yield tts, vendor


def push(stream: SynthesizeStream, *segments: str) -> None:
    """Push texts bit by bit, each as a segment."""
    for text in segments:
        for start in range(0, len(text), 3):
            stream.push_text(text[start : start + 3])
        stream.flush()


async def say(tts: TTS, *segments: str, conn_options: APIConnectOptions = ONCE) -> list[SynthesizedAudio]:
    async with tts.stream(conn_options=conn_options) as stream:
        push(stream, *(segments or (TEXT,)))
        stream.end_input()
        return [audio async for audio in stream]


def sound(pieces: list[SynthesizedAudio]) -> bytes:
    return b"".join(bytes(audio.frame.data.cast("B")) for audio in pieces)


def told(vendor: VendorServer, number: int = 0) -> list[Any]:
    return [json.loads(text) for text in vendor.journal[number].received_texts]


def spoken(vendor: VendorServer, number: int = 0) -> str:
    return "".join(each["text"] for each in told(vendor, number) if each["type"] == "Speak")


# --- what is said ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
async def test_a_text_is_spoken_at_the_rate_that_is_set_sample_by_sample(rate: int) -> None:
    async with voice(sample_rate=rate) as (tts, vendor):
        pieces = await say(tts)

    assert sound(pieces) == pcm_of(TEXT, rate)
    assert {(audio.frame.sample_rate, audio.frame.num_channels) for audio in pieces} == {(rate, 1)}
    assert [audio.is_final for audio in pieces] == [False] * (len(pieces) - 1) + [True]
    assert {audio.request_id for audio in pieces} == {REQUEST_ID}
    assert vendor.journal[0].query == [
        ("encoding", "linear16"),
        ("model", "aura-asteria-en"),
        ("sample_rate", str(rate)),
    ]


@pytest.mark.parametrize("chunk_bytes", [1, 7, 960, 100_000])
async def test_audio_may_be_cut_anywhere(chunk_bytes: int) -> None:
    async with voice(manner=SpeakManner(chunk_bytes=chunk_bytes)) as (tts, _):
        assert sound(await say(tts, "sing")) == pcm_of("sing")


async def test_words_go_out_one_by_one_with_white_space_behind_them_and_then_a_flush() -> None:
    async with voice() as (tts, vendor):
        await say(tts, "Hi  there,\nyou.")
        assert told(vendor) == [
            {"type": "Speak", "text": "Hi "},
            {"type": "Speak", "text": "there, "},
            {"type": "Speak", "text": "you. "},
            {"type": "Flush"},
        ]


async def test_a_word_goes_out_as_soon_as_the_next_one_begins() -> None:
    async with voice(manner=SpeakManner(early=True)) as (tts, _), tts.stream(conn_options=ONCE) as stream:
        stream.push_text("Hello the")
        async with asyncio.timeout(5):
            assert (await anext(stream)).frame.samples_per_channel  # before the text has ended
        stream.push_text("re.")
        stream.end_input()
        rest = [audio async for audio in stream]

    assert rest[-1].is_final


async def test_a_tokenizer_of_ones_own_finds_the_words() -> None:
    async with voice(word_tokenizer=basic.WordTokenizer(ignore_punctuation=True)) as (tts, vendor):
        await say(tts, "Hi, you!")
        assert spoken(vendor) == "Hi you "


async def test_the_key_is_shown_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with voice() as (tts, vendor), tts.stream(conn_options=ONCE) as stream:
        push(stream, TEXT)
        await anext(stream)
        shown = [repr(tts), repr(stream), caplog.text, vendor.journal[0].raw_query]
        assert vendor.journal[0].headers["authorization"].startswith("Token ")

    assert KEY not in "".join(shown)


async def test_each_segment_is_measured() -> None:
    metrics: list[Any] = []
    async with voice() as (tts, _):
        tts.on("metrics_collected", metrics.append)
        await say(tts, "Hello.", "And more.")

    assert [(each.characters_count, each.streamed, each.provider, each.model) for each in metrics] == [
        (6, True, "deepgram", "aura-asteria-en"),
        (9, True, "deepgram", "aura-asteria-en"),
    ]
    assert [each.audio_duration for each in metrics] == pytest.approx([0.06, 0.08])


# --- connections that are used again ---------------------------------------------------------------------------------


async def test_segments_and_streams_use_one_connection_after_the_other() -> None:
    async with voice() as (tts, vendor):
        pieces = [*await say(tts, "One.", "Two."), *await say(tts, "Three.")]
        assert len(vendor.journal) == 1
        assert spoken(vendor) == "One. Two. Three. "

    segments = [sound(list(group)) for _, group in groupby(pieces, key=lambda audio: audio.segment_id)]
    assert segments == [pcm_of("One."), pcm_of("Two."), pcm_of("Three.")]


async def test_two_streams_at_once_have_a_connection_each() -> None:
    async with voice() as (tts, vendor):
        first, second = await asyncio.gather(say(tts, "One."), say(tts, "Two."))
        assert len(vendor.journal) == 2

    assert (sound(first), sound(second)) == (pcm_of("One."), pcm_of("Two."))


async def test_a_connection_that_was_prewarmed_is_used() -> None:
    async with voice() as (tts, vendor):
        tts.prewarm()
        async with asyncio.timeout(5):
            while not (vendor.journal.exchanges and vendor.journal[0].sent):
                await asyncio.sleep(0.01)
        await say(tts)

        assert len(vendor.journal) == 1


async def test_a_connection_that_deepgram_has_closed_while_it_was_idle_is_not_used_again() -> None:
    async def once(peer: VendorSocket) -> None:
        await peer.send(speak_metadata())
        while "Flush" not in str(await peer.receive()):
            pass
        await peer.send(pcm_of("One."))
        await peer.send(flushed())
        await peer.close(1011, "NET-0003")

    async with voice(once, mouth()) as (tts, vendor):
        await say(tts, "One.")
        async with asyncio.timeout(5):
            while not vendor.journal[0].ended:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)

        assert sound(await say(tts, "Two.")) == pcm_of("Two.")  # without a retry: there is none
        assert len(vendor.journal) == 2


async def test_a_connection_is_let_go_before_deepgram_ignores_its_flushes() -> None:
    """It takes 20 within a minute."""
    async with voice() as (tts, vendor):
        for _ in range(21):
            await say(tts, "One.")

        assert len(vendor.journal) == 2
        assert len([each for each in told(vendor) if each["type"] == "Flush"]) == 20


async def test_a_connection_is_closed_with_the_word_for_it() -> None:
    async with voice() as (tts, vendor):
        await say(tts)
        await tts.aclose()
        assert told(vendor)[-1] == {"type": "Close"}


async def test_a_new_model_is_spoken_over_another_connection_from_the_next_segment_on() -> None:
    async with voice() as (tts, vendor), tts.stream(conn_options=ONCE) as stream:
        push(stream, "One.")
        while not (await anext(stream)).is_final:
            pass
        tts.update_options(model="aura-luna-en", sample_rate=16_000)
        push(stream, "Two.")
        stream.end_input()
        pieces = [audio async for audio in stream]
        after = await say(tts, "Three.")

    asked = [dict(each.query) for each in vendor.journal]
    assert [(each["model"], each["sample_rate"]) for each in asked] == [
        ("aura-asteria-en", "24000"),
        ("aura-luna-en", "24000"),
        ("aura-luna-en", "16000"),
    ]
    assert sound(pieces) == pcm_of("Two.", 24_000)  # a stream keeps the rate that it has declared
    assert sound(after) == pcm_of("Three.", 16_000)


def chatty(*, clears: bool) -> Talk:
    """Return a conversation in which the audio of the first text comes without end."""

    async def talk(peer: VendorSocket) -> None:
        await peer.send(speak_metadata())
        words = ""
        while True:
            match json.loads(await peer.receive()):
                case {"type": "Speak", "text": text}:
                    words += text
                case {"type": "Flush"} if "endless" in words:
                    await peer.send(pcm_of(words) * 4)
                case {"type": "Flush"}:
                    await peer.send(pcm_of(words))
                    await peer.send(flushed(1))
                case {"type": "Clear"} if clears:
                    words = ""
                    await peer.send(pcm_of("late"))  # it was on its way
                    await peer.send(cleared())
                case {"type": "Close"}:
                    return

    return talk


async def test_a_text_that_is_given_up_is_cleared_and_nothing_of_it_is_heard_in_the_next_one() -> None:
    async with voice(chatty(clears=True)) as (tts, vendor):
        async with tts.stream(conn_options=ONCE) as stream:
            push(stream, "This is endless.")
            await anext(stream)
        async with asyncio.timeout(5):
            while cleared() not in [json.loads(each) for each in vendor.journal[0].sent if isinstance(each, str)]:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)

        assert sound(await say(tts, "Two.")) == pcm_of("Two.")
        assert len(vendor.journal) == 1
        assert {"type": "Clear"} in told(vendor)


async def test_a_connection_on_which_a_text_was_given_up_is_not_used_before_it_is_cleared() -> None:
    async with voice(chatty(clears=False), mouth()) as (tts, vendor):
        async with tts.stream(conn_options=ONCE) as stream:
            push(stream, "This is endless.")
            await anext(stream)

        assert sound(await say(tts, "Two.")) == pcm_of("Two.")
        assert len(vendor.journal) == 2


async def test_closing_the_synthesizer_ends_what_is_spoken_and_it_can_be_used_again() -> None:
    async with voice(chatty(clears=True), mouth()) as (tts, vendor):
        stream = tts.stream(conn_options=ONCE)
        push(stream, "This is endless.")
        await anext(stream)
        await tts.aclose()
        await tts.aclose()
        assert [audio.is_final async for audio in stream].count(True) == 0

        assert sound(await say(tts, "Two.")) == pcm_of("Two.")
        assert len(vendor.journal) == 2


# --- trouble ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "attempts"), [(400, 1), (401, 1), (429, 3), (503, 3)])
async def test_a_refusal_keeps_its_status_and_is_tried_again_if_that_can_help(status: int, attempts: int) -> None:
    refusal = reply("no", status=status, headers={"dg-error": "It says why.", "dg-request-id": "request-9"})
    async with voice(refusal) as (tts, vendor):
        with pytest.raises(APIError) as caught:
            await say(tts, conn_options=RETRYING)
        assert len(vendor.journal) == attempts

    error = caught.value
    assert "It says why." in str(error)
    assert (error.request_id, error.attempts, error.phase) == ("request-9", attempts, "connect")
    refused = error if attempts == 1 else error.__cause__
    assert isinstance(refused, APIStatusError)
    assert refused.status_code == status


async def test_a_connection_that_does_not_open_in_time_is_a_timeout() -> None:
    async with voice(fault=Fault(kind=FaultKind.SLOW_HEAD, seconds=30.0)) as (tts, _):
        with pytest.raises(APITimeoutError):
            await say(tts, conn_options=IMPATIENT)


@pytest.mark.parametrize("at", [0, 1])
async def test_a_connection_that_breaks_before_any_audio_is_tried_again(at: int) -> None:
    async with voice(fault=Fault(kind=FaultKind.CLOSE, code=1011, at=at, times=1)) as (tts, vendor):
        assert sound(await say(tts, conn_options=RETRYING)) == pcm_of(TEXT)
        assert len(vendor.journal) == 2


async def test_what_was_heard_is_not_spoken_again() -> None:
    async with voice(fault=Fault(kind=FaultKind.CLOSE, code=1011, at=5)) as (tts, vendor):
        with pytest.raises(APIConnectionError) as caught:
            await say(tts, conn_options=RETRYING)
        assert len(vendor.journal) == 1

    assert (caught.value.retryable, caught.value.request_id) == (False, REQUEST_ID)


async def test_a_segment_that_was_spoken_is_not_spoken_again_with_the_next_one() -> None:
    async def once(peer: VendorSocket) -> None:
        await peer.send(speak_metadata())
        while "Flush" not in str(await peer.receive()):
            pass
        await peer.send(pcm_of("One."))
        await peer.send(flushed())
        await peer.receive()
        await peer.close(1011, "NET-0000")

    async with voice(once, mouth()) as (tts, vendor):
        pieces = await say(tts, "One.", "Two.", conn_options=RETRYING)
        assert spoken(vendor, 1) == "Two. "

    assert sound(pieces) == pcm_of("One.") + pcm_of("Two.")


@pytest.mark.parametrize(
    ("code", "reason", "told_code", "retryable"),
    [
        (1003, "MESSAGE-0000", "MESSAGE-0000", False),
        (1008, "DATA-0000 not text", "DATA-0000", False),
        (1008, "DATA-0001", "DATA-0001", False),
        (1009, "BIG-0001", "BIG-0001", False),
        (1011, "NET-0001", "NET-0001", True),
        (1000, "", 1000, True),
    ],
)
async def test_a_close_tells_deepgrams_code(code: int, reason: str, told_code: object, retryable: bool) -> None:
    async def talk(peer: VendorSocket) -> None:
        await peer.receive()
        await peer.close(code, reason)

    async with voice(talk) as (tts, _):
        with pytest.raises(APIError) as caught:
            await say(tts)

    error = caught.value
    assert (error.code, error.phase, error.retryable) == (told_code, "receive", retryable)
    assert error.provider == "lk_agents_deepgram.tts.TTS"


async def test_a_warning_in_place_of_the_end_is_a_timeout(caplog: pytest.LogCaptureFixture) -> None:
    async with voice(manner=SpeakManner(most_flushes=0)) as (tts, _):
        with pytest.raises(APITimeoutError):
            await say(tts, conn_options=IMPATIENT)

    assert [record.code for record in caplog.records if "warns" in record.message] == ["FLUSH_LIMIT"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "message",
    [warning("SLOW"), {"type": "Warning", "warn_code": "OLD", "warn_msg": "m"}, cleared(), b""],
    ids=str,
)
async def test_what_comes_besides_changes_nothing(message: Any) -> None:
    async def talk(peer: VendorSocket) -> None:
        await peer.send(message)  # before anything was flushed
        await mouth()(peer)

    async with voice(talk) as (tts, _):
        assert sound(await say(tts)) == pcm_of(TEXT)


async def test_an_end_that_comes_before_the_text_has_ended_is_none() -> None:
    async def talk(peer: VendorSocket) -> None:
        await peer.send(flushed(7))
        await mouth()(peer)

    async with voice(talk) as (tts, vendor), tts.stream(conn_options=ONCE) as stream:
        stream.push_text("One and ")
        async with asyncio.timeout(5):
            while not (vendor.journal.exchanges and vendor.journal[0].received):
                await asyncio.sleep(0.01)
        stream.push_text("two.")
        stream.end_input()
        assert sound([audio async for audio in stream]) == pcm_of("One and two.")


@pytest.mark.parametrize("message", ["{not json", "[]", {"type": 3}, {"type": "Error", "description": {}}], ids=str)
async def test_what_cannot_be_understood_is_logged_and_passed_over(
    message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with voice(manner=SpeakManner(extras=[message])) as (tts, _):
        assert sound(await say(tts)) == pcm_of(TEXT)

    assert caplog.text.count("passed over") == 1


async def test_a_message_of_an_unknown_type_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    unknown = {"type": "Mood"}
    async with voice(manner=SpeakManner(extras=[unknown, unknown, {"type": "Other"}])) as (tts, _):
        assert sound(await say(tts)) == pcm_of(TEXT)

    assert caplog.text.count("unknown type") == 2


async def test_an_error_message_is_an_error() -> None:
    message = {"type": "Error", "description": "it is over", "code": "INTERNAL"}
    async with voice(manner=SpeakManner(extras=[message])) as (tts, _):
        with pytest.raises(APIError) as caught:
            await say(tts)

    error = caught.value
    assert "it is over" in str(error)
    assert (error.code, error.phase, error.retryable, error.request_id) == ("INTERNAL", "receive", True, REQUEST_ID)
