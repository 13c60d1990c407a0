"""Live recognition against an OpenAI that is strict with its clients."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from openai_bench import KEY, ONCE, RETRYING, UTTERANCES, WORDS, listening, speech, texts
from openai_fake import (
    Manner,
    committed,
    completed,
    delta,
    ear,
    error,
    event,
    session_of,
    speech_started,
    speech_stopped,
)

from lk_agents.foundation.errors import APIError
from lk_agents.stt import SpeechEvent, SpeechEventType
from lk_agents.testing.vendor import Fault, FaultKind, VendorSocket
from lk_agents_openai.listening import SpeechStream

START, INTERIM, FINAL, END, USAGE = (
    SpeechEventType.START_OF_SPEECH,
    SpeechEventType.INTERIM_TRANSCRIPT,
    SpeechEventType.FINAL_TRANSCRIPT,
    SpeechEventType.END_OF_SPEECH,
    SpeechEventType.RECOGNITION_USAGE,
)

pytestmark = pytest.mark.usefixtures("lk_no_leaks")


def bounds(events: list[SpeechEvent]) -> list[SpeechEventType]:
    return [each.type for each in events if each.type in {START, END}]


def messages(exchange: Any, kind: str) -> list[Any]:
    return [each for each in map(json.loads, exchange.received_texts) if each["type"] == kind]


async def test_what_is_said_is_told_as_start_interims_finals_and_end() -> None:
    async with listening() as desk:
        events = await desk.hear()

    assert texts(events) == ["hello over there", "how are you today"]
    assert bounds(events) == [START, END, START, END]
    assert texts(events, INTERIM)[0] == "hello"


async def test_times_are_those_of_the_speech_without_openais_padding() -> None:
    async with listening() as desk:
        events = await desk.hear()

    (_, second) = [each.alternatives[0] for each in events if each.type is FINAL]
    assert (second.start_time, second.end_time) == pytest.approx((2.2, 3.4), abs=0.1)


async def test_the_first_message_sets_the_session() -> None:
    async with listening(prompt="greetings", keywords=["Ada"], noise_reduction_type="far_field") as desk:
        await desk.hear(speech(0.5))

    (line,) = desk.vendor.journal
    assert line.query == [("intent", "transcription"), ("model", "gpt-4o-transcribe")]
    assert json.loads(line.received_texts[0]) == {
        "type": "session.update",
        "session": {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24_000},
                    "transcription": {
                        "model": "gpt-4o-transcribe",
                        "language": "en",
                        "prompt": "greetings",
                        "keywords": ["Ada"],
                    },
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.5,
                        "prefix_padding_ms": 600,
                        "silence_duration_ms": 350,
                    },
                    "noise_reduction": {"type": "far_field"},
                }
            },
        },
    }
    assert "openai-beta" not in line.headers


async def test_audio_goes_out_in_pieces_of_50_ms_at_24_khz() -> None:
    async with listening() as desk:
        await desk.hear(speech(1.0, rate=48_000))

    pieces = [base64.b64decode(each["audio"]) for each in messages(desk.vendor.journal[0], "input_audio_buffer.append")]
    assert {len(each) for each in pieces[:-1]} == {2_400}
    assert sum(map(len, pieces)) / 48_000 == pytest.approx(1.0, abs=0.005)


async def test_the_older_dialect_is_spoken_where_it_is_asked_for() -> None:
    async with listening(Manner(beta=True), dialect="beta", noise_reduction_type="near_field") as desk:
        events = await desk.hear()

    assert " ".join(texts(events)).split() == WORDS
    update = json.loads(desk.vendor.journal[0].received_texts[0])
    assert update["type"] == "transcription_session.update"
    assert update["session"]["input_audio_noise_reduction"] == {"type": "near_field"}


async def test_a_server_that_has_given_the_older_dialect_up_is_asked_once() -> None:
    async with listening(dialect="beta") as desk:
        with pytest.raises(APIError, match="that cannot be") as caught:
            await desk.hear(conn_options=RETRYING)

    assert (caught.value.code, len(desk.vendor.journal)) == ("beta_api_shape_disabled", 1)


@pytest.mark.parametrize("manner", [Manner(tells_speech=False), Manner(tells_commits=False), Manner(swaps=True)])
async def test_servers_that_tell_less_or_in_another_order_are_understood(manner: Manner) -> None:
    async with listening(manner) as desk:
        events = await desk.hear()

    assert " ".join(texts(events)).split() == WORDS
    assert bounds(events) == [START, END] * (len(bounds(events)) // 2)


async def test_a_stream_ends_by_itself_also_if_the_last_words_reach_to_its_end() -> None:
    async with listening() as desk:
        events = await desk.hear(speech(3.42))

    assert " ".join(texts(events)).split() == WORDS
    assert bounds(events) == [START, END, START, END]
    (line,) = desk.vendor.journal
    kinds = [json.loads(each)["type"] for each in line.received_texts[-2:]]
    assert kinds == ["input_audio_buffer.commit", "input_audio_buffer.clear"]


async def test_silence_is_not_given_to_be_recognised() -> None:
    quiet = [rtc.AudioFrame(np.full(320, 20, np.int16).tobytes(), 16_000, 1, 320)] * 50
    async with listening() as desk:
        events = await desk.hear(quiet)

    assert [each.type for each in events] == [USAGE]
    assert messages(desk.vendor.journal[0], "input_audio_buffer.commit") == []


async def test_less_than_openai_recognises_is_not_given() -> None:
    short = speech(0.47)[20:]  # of the speech, 70 ms
    async with listening() as desk:
        await desk.hear(short)

    assert messages(desk.vendor.journal[0], "input_audio_buffer.commit") == []


@pytest.mark.parametrize(
    "options", [{"turn_detection": False}, {"model": "gpt-live-transcribe"}, {"model": "gpt-realtime-whisper"}]
)
async def test_without_turn_detection_a_flush_has_recognised_what_was_said(options: dict[str, Any]) -> None:
    async with listening(**options) as desk, desk.stt.stream(conn_options=ONCE) as stream:
        audio = speech()
        for frame in audio[:80]:
            stream.push_frame(frame)
        stream.flush()
        first = [await anext(stream) for _ in range(3)]
        for frame in audio[80:]:
            stream.push_frame(frame)
        stream.end_input()
        rest = [each async for each in stream]

    session = json.loads(desk.vendor.journal[0].received_texts[0])["session"]
    assert session["audio"]["input"]["turn_detection"] is None
    assert [each.type for each in first] == [START, INTERIM, FINAL]
    assert texts([*first, *rest]) == ["hello over there", "how are you today"]


async def test_a_language_can_be_set_for_a_stream_and_left_to_be_found() -> None:
    async with listening(detect_language=True) as desk:
        await desk.hear(speech(0.5))
        await desk.hear(speech(0.5), language="fr")

    sent = [json.loads(line.received_texts[0])["session"]["audio"]["input"] for line in desk.vendor.journal]
    assert [each["transcription"].get("language") for each in sent] == [None, "fr"]


async def test_audio_is_measured_once_and_told_every_5_s() -> None:
    metrics: list[Any] = []
    async with listening() as desk:
        desk.stt.on("metrics_collected", metrics.append)
        async with desk.stt.stream(conn_options=ONCE) as stream:
            for frame in speech(12.0):
                await stream.feed(frame)
            stream.end_input()
            events = [each async for each in stream]

    told = [each.recognition_usage.audio_duration for each in events if each.recognition_usage]
    assert told == pytest.approx([5.0, 5.0, 2.0], abs=0.01)
    assert [each.audio_duration for each in metrics] == told
    assert {(each.provider, each.model, each.request_id) for each in metrics} == {
        ("openai", "gpt-4o-transcribe", "sess_1")
    }


# --- what changes --------------------------------------------------------------------------------------------------


async def test_changed_options_reach_openai_over_another_connection_and_nothing_is_lost() -> None:
    async with listening() as desk, desk.stt.stream(conn_options=ONCE) as stream:
        audio = speech()
        for frame in audio[:40]:
            stream.push_frame(frame)
        await asyncio.sleep(0.1)
        desk.stt.update_options(model="gpt-4o-mini-transcribe", turn_detection={"type": "semantic_vad"})
        for frame in audio[40:]:
            stream.push_frame(frame)
        stream.end_input()
        events = [each async for each in stream]

    assert " ".join(texts(events)).split() == WORDS
    old, new = (json.loads(line.received_texts[0])["session"]["audio"]["input"] for line in desk.vendor.journal)
    assert (old["transcription"]["model"], new["transcription"]["model"]) == (
        "gpt-4o-transcribe",
        "gpt-4o-mini-transcribe",
    )
    assert new["turn_detection"] == {"type": "semantic_vad"}
    assert desk.vendor.journal[1].query[-1] == ("model", "gpt-4o-mini-transcribe")


async def test_one_stream_can_be_changed_alone() -> None:
    async with listening() as desk, desk.stt.stream(conn_options=ONCE) as stream:
        assert isinstance(stream, SpeechStream)
        stream.update_options(language="fr", prompt=None)
        for frame in speech():
            stream.push_frame(frame)
        stream.end_input()
        events = [each async for each in stream]

    assert {each.alternatives[0].language for each in events if each.alternatives} == {"fr"}
    assert desk.stt.opts.language == "en"


@pytest.mark.parametrize(
    "fault", [Fault(kind=FaultKind.RESET, at=8, times=1), Fault(kind=FaultKind.CLOSE, at=10, times=1)]
)
async def test_a_broken_connection_loses_and_repeats_no_word(fault: Fault) -> None:
    async with listening(fault=fault) as desk:
        events = await desk.hear(conn_options=RETRYING)

    assert " ".join(texts(events)).split() == WORDS
    assert len(desk.vendor.journal) == 2


async def test_a_session_that_has_expired_is_followed_by_another_without_an_error() -> None:
    async def expire(peer: VendorSocket) -> None:
        await peer.receive()
        await peer.receive()
        await peer.send(error("session_expired"))
        async for _ in peer:
            pass

    talks = iter([expire])

    async def talk(peer: VendorSocket) -> None:
        await next(talks, ear(UTTERANCES))(peer)

    async with listening(talk=talk) as desk:
        events = await desk.hear(conn_options=ONCE)

    assert " ".join(texts(events)).split() == WORDS


async def test_audio_in_which_nothing_was_said_is_not_sent_again() -> None:
    async def noise(peer: VendorSocket) -> None:
        await peer.receive()
        for each in (
            speech_started("item_1", 0.0),
            speech_stopped("item_1", 1.5),
            committed("item_1"),
            completed("item_1", ""),
        ):
            await peer.send(each)
        async for message in peer:
            if "clear" in str(message):
                await peer.close(1011)

    talks = iter([noise])

    async def talk(peer: VendorSocket) -> None:
        await next(talks, ear(UTTERANCES))(peer)

    async with listening(talk=talk) as desk:
        events = await desk.hear(conn_options=RETRYING)

    assert texts(events) == ["how are you today"]
    pieces = [base64.b64decode(each["audio"]) for each in messages(desk.vendor.journal[1], "input_audio_buffer.append")]
    assert sum(map(len, pieces)) / 48_000 == pytest.approx(4.6 - 1.5, abs=0.05)


# --- what goes wrong -----------------------------------------------------------------------------------------------


async def test_unknown_malformed_and_binary_messages_are_passed_over_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def talk(peer: VendorSocket) -> None:
        for odd in (
            {"type": "something.new"},
            {"type": "something.new"},
            "<html>",
            b"\0",
            event("rate_limits.updated"),
        ):
            await peer.send(odd)
        broken = {**completed("item_0", "secret"), "transcript": 7}
        await peer.send(broken)
        await ear(UTTERANCES)(peer)

    async with listening(talk=talk) as desk:
        events = await desk.hear()

    assert " ".join(texts(events)).split() == WORDS
    told = [record.getMessage() for record in caplog.records]
    assert [each.partition(";")[0] for each in told] == [
        "OpenAI has sent a message of an unknown type",
        "a message of OpenAI cannot be understood",
        "OpenAI has sent bytes where it sends text",
        "a message of OpenAI cannot be understood",
    ]
    assert "transcript" in vars(caplog.records[-1])["reason"]
    assert "secret" not in str([vars(record) for record in caplog.records])


async def test_an_error_about_the_request_is_not_tried_again() -> None:
    async def talk(peer: VendorSocket) -> None:
        await peer.receive()
        await peer.send(error("invalid_value"))
        async for _ in peer:
            pass

    async with listening(talk=talk) as desk:
        with pytest.raises(APIError) as caught:
            await desk.hear(conn_options=RETRYING)

    assert (caught.value.code, caught.value.attempts, len(desk.vendor.journal)) == ("invalid_value", 1, 1)


async def test_a_close_tells_openais_code() -> None:
    async def talk(peer: VendorSocket) -> None:
        await peer.receive()
        await peer.close(4000, "invalid_request_error.invalid_api_key")

    async with listening(talk=talk) as desk:
        with pytest.raises(APIError, match="code 4000, reason invalid_request_error") as caught:
            await desk.hear(conn_options=RETRYING)

    assert (caught.value.code, caught.value.retryable) == ("invalid_api_key", False)


async def test_a_transcript_that_never_comes_is_a_time_out() -> None:
    async def talk(peer: VendorSocket) -> None:
        await peer.send(session_of("session.created", {}))
        await peer.send(speech_started("item_1", 0.0))
        await peer.send(speech_stopped("item_1", 1.0))
        await peer.send(committed("item_1"))
        await peer.send(delta("item_1", "hel"))
        async for message in peer:
            if "clear" in str(message):
                await peer.send(event("input_audio_buffer.cleared"))

    impatient = type(ONCE)(max_retry=0, timeout=0.5)
    async with listening(talk=talk) as desk:
        with pytest.raises(APIError) as caught:
            await desk.hear(speech(1.0), conn_options=impatient)

    assert caught.value.phase == "close"


async def test_a_bad_end_behind_the_last_word_is_no_error() -> None:
    async def talk(peer: VendorSocket) -> None:
        heard = ear(UTTERANCES)
        await heard(peer)

    async with listening(talk=talk, fault=Fault(kind=FaultKind.SLOW_CLOSE, seconds=5.0)) as desk:
        events = await desk.hear()

    assert " ".join(texts(events)).split() == WORDS


async def test_the_key_is_shown_in_the_header_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening() as desk, desk.stt.stream(conn_options=ONCE) as stream:
        for frame in speech(0.5):
            stream.push_frame(frame)
        stream.end_input()
        events = [each async for each in stream]
        line = desk.vendor.journal[0]
        shown = f"{desk.stt!r} {vars(stream)} {events} {caplog.text} {line.raw_query} {line.received}"

    assert KEY not in shown
