"""Recognition of turns against a Flux that is strict with its clients."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import aiohttp
import numpy as np
import pytest
from deepgram_bench import KEY, ONCE, RETRYING, SPEECH, SPEECH_SECONDS, WORDS, bounds, read_until, speech, texts, words
from deepgram_fake import REQUEST_ID
from deepgram_flux_bench import feed, flux_bench
from deepgram_flux_fake import FLUX_PATH, FluxManner, connected, flux_ear, flux_script, numbered, turn_info

from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, APITimeoutError, ConfigError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.stt import SpeechEvent, SpeechEventType
from lk_agents.testing.vendor import Fault, FaultKind, VendorServer, VendorSocket, reply
from lk_agents_deepgram import STTv2

START = SpeechEventType.START_OF_SPEECH
INTERIM = SpeechEventType.INTERIM_TRANSCRIPT
PREFLIGHT = SpeechEventType.PREFLIGHT_TRANSCRIPT
FINAL = SpeechEventType.FINAL_TRANSCRIPT
RESUMED = SpeechEventType.TURN_RESUMED
END = SpeechEventType.END_OF_SPEECH
TURN_END = SpeechEventType.END_OF_TURN
USAGE = SpeechEventType.RECOGNITION_USAGE

CLOSE_STREAM = '{"type":"CloseStream"}'
FORCE_END_TURN = '{"type":"ForceEndTurn"}'

pytestmark = pytest.mark.usefixtures("lk_no_leaks")


def kinds(events: list[SpeechEvent]) -> list[SpeechEventType]:
    return [event.type for event in events if event.type not in {INTERIM, USAGE}]


async def test_each_turn_is_told_with_its_end() -> None:
    async with flux_bench() as desk:
        events = await desk.hear()

    assert kinds(events) == [START, FINAL, END, TURN_END] * 2
    assert texts(events) == ["hello over there", "how are you today"]
    assert texts(events, INTERIM)[:2] == ["hello over", "hello over there"]
    assert {event.request_id for event in events if event.type is FINAL} == {REQUEST_ID}


async def test_it_says_what_it_can() -> None:
    async with STTv2(api_key=KEY) as stt:
        told = stt.capabilities

    assert (told.streaming, told.interim_results, told.end_of_turn, told.aligned_words) == (True, True, True, True)


async def test_times_are_those_of_the_stream() -> None:
    async with flux_bench() as desk:
        events = await desk.hear()

    for event, said in zip([each for each in events if each.type is FINAL], SPEECH, strict=True):
        data = event.alternatives[0]
        assert (data.start_time, data.end_time) == pytest.approx((said.start, said.end), abs=0.06)
        assert [each.text for each in data.words] == said.text.split()
        assert data.language == "en"
        assert data.confidence == pytest.approx(0.97)


async def test_without_times_of_words_a_transcript_is_where_it_was_said_to_some_tenths_of_a_second() -> None:
    async with flux_bench(FluxManner(word_times=False)) as desk:
        events = await desk.hear()

    for event, said in zip([each for each in events if each.type is FINAL], SPEECH, strict=True):
        data = event.alternatives[0]
        assert (data.start_time, data.end_time) == pytest.approx((said.start, said.end), abs=0.3)
        assert data.words == []


async def test_a_connection_shows_the_key_in_its_header_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with flux_bench() as desk, desk.stt.stream(conn_options=ONCE) as stream:
        stream.push_frame(speech()[0])
        stream.end_input()
        async for _ in stream:
            pass
        asked = desk.vendor.journal[0]
        shown = [repr(desk.stt), repr(stream), repr(desk.stt.opts), caplog.text, asked.raw_query]

    assert KEY not in "".join(shown)
    assert asked.headers["authorization"].startswith("Token ")


async def test_the_connection_asks_for_what_is_set() -> None:
    async with flux_bench(keyterm=["Ada L", "Bob"], eot_threshold=0.8, tags=["mine"], mip_opt_out=True) as desk:
        await desk.hear(speech(0.5))

    assert desk.vendor.journal[0].query == [
        ("model", "flux-general-en"),
        ("encoding", "linear16"),
        ("sample_rate", "16000"),
        ("eot_threshold", "0.8"),
        ("eot_timeout_ms", "3000"),
        ("keyterm", "Ada L"),
        ("keyterm", "Bob"),
        ("tag", "mine"),
        ("mip_opt_out", "true"),
    ]


async def test_audio_goes_out_in_pieces_of_80_ms_and_no_keep_alive_does() -> None:
    async with flux_bench() as desk:
        await desk.hear(speech(1.6))

    said = desk.vendor.journal[0].received
    assert {len(message) for message in said if isinstance(message, bytes)} == {2_560}
    assert [message for message in said if isinstance(message, str)] == [FORCE_END_TURN, CLOSE_STREAM]


async def test_a_flush_ends_the_turn_at_once() -> None:
    async with flux_bench(FluxManner(ends_turns=False)) as desk, desk.stt.stream(conn_options=ONCE) as stream:
        for frame in speech(0.7):
            stream.push_frame(frame)
        stream.flush()
        async with asyncio.timeout(5):
            events = await read_until(stream, TURN_END)

    assert texts(events) == ["hello"]


async def test_what_is_said_last_is_final_when_flux_closes_without_ending_the_turn() -> None:
    async with flux_bench(FluxManner(ends_turns=False, forces_turns=False)) as desk:
        events = await desk.hear()

    assert words(events) == WORDS
    assert kinds(events) == [START, FINAL, END]


async def test_an_end_of_turn_may_be_told_beforehand_and_taken_back() -> None:
    async with flux_bench(FluxManner(end_seconds=1.5), eager_eot_threshold=0.4) as desk:
        events = await desk.hear()

    assert kinds(events) == [START, PREFLIGHT, RESUMED, PREFLIGHT, FINAL, END, TURN_END]
    assert texts(events, PREFLIGHT) == ["hello over there", " ".join(WORDS)]
    assert words(events) == WORDS


async def test_of_several_languages_each_transcript_names_its_own() -> None:
    async with flux_bench(FluxManner(languages=("fr", "en")), model="flux-general-multi") as desk:
        events = await desk.hear(language="fr")

    assert {event.alternatives[0].language for event in events if event.type is FINAL} == {"fr"}
    assert desk.queries[0]["language_hint"] == "fr"


async def test_a_language_that_the_model_does_not_know_is_refused() -> None:
    async with STTv2(api_key=KEY) as stt:
        with pytest.raises(ConfigError, match="knows English only"):
            stt.stream(language="de")


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
async def test_audio_of_any_rate_is_understood(rate: int) -> None:
    async with flux_bench() as desk:
        assert words(await desk.hear(speech(rate=rate))) == WORDS


async def test_all_audio_is_measured_every_5_seconds_and_at_the_end() -> None:
    metrics: list[Any] = []
    async with flux_bench() as desk:
        desk.stt.on("metrics_collected", metrics.append)
        await desk.hear(speech(6.0))

    assert [each.audio_duration for each in metrics] == pytest.approx([4.96, 1.04])
    assert {(each.streamed, each.provider, each.model) for each in metrics} == {(True, "deepgram", "flux-general-en")}


async def test_a_recording_is_listened_to_and_measured_as_one() -> None:
    metrics: list[Any] = []
    async with flux_bench() as desk:
        desk.stt.on("metrics_collected", metrics.append)
        event = await desk.stt.recognize(speech(), conn_options=ONCE)

    (data,) = event.alternatives
    assert (data.text.split(), data.language, event.request_id) == (WORDS, "en", REQUEST_ID)
    assert [each.text for each in data.words] == WORDS
    assert (data.start_time, data.end_time) == pytest.approx((SPEECH[0].start, SPEECH[-1].end), abs=0.06)
    assert [(each.streamed, each.audio_duration) for each in metrics] == [(False, pytest.approx(SPEECH_SECONDS))]


async def test_a_recording_in_which_nobody_speaks_is_empty() -> None:
    async with flux_bench() as desk:
        event = await desk.stt.recognize(speech(0.3), conn_options=ONCE)

    assert [(data.text, data.language) for data in event.alternatives] == [("", "en")]


# --- other options while it listens ----------------------------------------------------------------------------------


async def test_thresholds_and_keyterms_change_without_another_connection() -> None:
    async with flux_bench() as desk, desk.stt.stream(conn_options=ONCE) as stream:
        await feed(stream, until=0.7)
        desk.stt.update_options(eot_threshold=0.8, keyterm=["Ada"])
        await feed(stream, since=0.7, until=10)
        stream.end_input()
        events = [event async for event in stream]

    assert words(events) == WORDS
    assert len(desk.vendor.journal) == 1
    configured = [json.loads(text) for text in desk.vendor.journal[0].received_texts if "Configure" in text]
    assert configured == [{"type": "Configure", "thresholds": {"eot_threshold": 0.8}, "keyterms": ["Ada"]}]


async def test_options_that_flux_does_not_take_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with flux_bench(FluxManner(takes_options=False)) as desk, desk.stt.stream(conn_options=ONCE) as stream:
        await feed(stream, until=0.7)
        stream.update_options(eot_threshold=0.8)
        await feed(stream, since=0.7, until=10)
        stream.end_input()
        assert words([event async for event in stream]) == WORDS

    assert "did not take the new options" in caplog.text


@pytest.mark.parametrize("at", [0.02, 0.7, 1.5, 3.3])
async def test_other_options_open_another_connection_and_no_word_is_lost_or_doubled(at: float) -> None:
    async with flux_bench() as desk, desk.stt.stream(conn_options=ONCE) as stream:
        await feed(stream, until=at)
        await asyncio.sleep(0.05)
        desk.stt.update_options(tags=["mine"])
        await feed(stream, since=at, until=10)
        stream.end_input()
        events = [event async for event in stream]

    assert words(events) == WORDS
    assert [each.get("tag") for each in desk.queries] == [None, "mine"]
    assert bounds(events) == [START, END] * (len(bounds(events)) // 2)


async def test_options_before_the_first_audio_are_those_of_the_only_connection() -> None:
    async with flux_bench() as desk, desk.stt.stream(conn_options=ONCE) as stream:
        await asyncio.sleep(0)
        desk.stt.update_options(eot_threshold=0.8, tags=["mine"])
        await feed(stream, until=10)
        stream.end_input()
        assert words([event async for event in stream]) == WORDS

    assert [(each["eot_threshold"], each["tag"]) for each in desk.queries] == [("0.8", "mine")]
    assert desk.vendor.journal[0].received_texts == [FORCE_END_TURN, CLOSE_STREAM]


async def test_options_that_do_not_fit_change_nothing() -> None:
    async with STTv2(api_key=KEY) as stt, stt.stream() as stream:
        with pytest.raises(ConfigError):
            stt.update_options(keyterm=["Ada"], eot_threshold=2.0)

        assert (stt.opts.keyterm, stream.opts.keyterm) == ((), ())


# --- trouble ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", range(0, 20, 2))
async def test_a_connection_that_breaks_at_any_message_loses_and_doubles_no_word(position: int) -> None:
    fault = Fault(kind=FaultKind.CLOSE, code=1011, at=position, times=1)
    async with flux_bench(fault=fault) as desk:
        events = await desk.hear(conn_options=RETRYING)

    assert words(events) == WORDS
    assert bounds(events) == [START, END] * (len(bounds(events)) // 2)
    finals = [event.alternatives[0] for event in events if event.type is FINAL]
    times = [moment for each in finals for moment in (each.start_time, each.end_time)]
    assert times == sorted(times)
    assert times[-1] == pytest.approx(SPEECH[-1].end, abs=0.06)


async def test_a_flux_that_takes_audio_and_tells_nothing_is_replaced() -> None:
    """Its socket stays open and answers pings, so that nothing else shows it."""
    fault = Fault(kind=FaultKind.STALL, at=2, times=1)
    options = APIConnectOptions(max_retry=2, retry_interval=0.02, timeout=0.4)
    async with flux_bench(fault=fault) as desk, desk.stt.stream(conn_options=options) as stream:
        for frame in speech():
            stream.push_frame(frame)
            await asyncio.sleep(0.004)
        events = await read_until(stream, FINAL, 2)
        assert len(desk.vendor.journal) == 2

    assert words(events) == WORDS


async def test_audio_that_a_turn_is_about_is_not_sent_again() -> None:
    async def breaking(peer: VendorSocket) -> None:
        pieces = 0
        async for message in peer:
            pieces += isinstance(message, bytes)
            if pieces == 30:
                await peer.send(numbered(turn_info("EndOfTurn", "hello over there", window=(0.0, 1.6))))
                await peer.close(1011, "NET-0000")
                return

    script = flux_script(breaking, flux_ear(SPEECH), key=KEY)
    async with VendorServer(script) as vendor, STTv2(api_key=KEY, base_url=vendor.url + FLUX_PATH) as stt:
        async with stt.stream(conn_options=RETRYING) as stream:
            for frame in speech():
                stream.push_frame(frame)
            stream.end_input()
            events = [event async for event in stream]

        again = vendor.journal[1].received_bytes
        assert len(again) / 2 / 16_000 == pytest.approx(SPEECH_SECONDS - 1.6, abs=0.001)
    assert words(events) == WORDS


async def test_a_regular_close_that_leaves_audio_untold_is_no_end() -> None:
    async def hurrying(peer: VendorSocket) -> None:
        await peer.send(numbered(connected()))
        async for message in peer:
            if message == CLOSE_STREAM:
                return

    async with flux_bench(talk=hurrying) as desk:
        with pytest.raises(APIConnectionError, match=r"nothing of the last 2\.0 s"):
            await desk.hear(speech(2.0))


@pytest.mark.parametrize(("status", "attempts"), [(400, 1), (401, 1), (429, 3), (503, 3)])
async def test_a_refusal_tells_why_and_is_tried_again_if_that_can_help(status: int, attempts: int) -> None:
    refusal = reply("no", status=status, headers={"dg-error": "It says why.", "dg-request-id": "request-9"})
    script = flux_script(refusal, key=KEY)  # type: ignore[arg-type]  # an answer refuses the handshake
    async with VendorServer(script) as vendor, STTv2(api_key=KEY, base_url=vendor.url + FLUX_PATH) as stt:
        async with stt.stream(conn_options=RETRYING) as stream:
            stream.push_frame(speech()[0])
            with pytest.raises(APIError) as caught:
                await anext(stream)
        assert len(vendor.journal) == attempts

    error = caught.value
    assert "It says why." in str(error)
    assert (error.request_id, error.attempts, error.phase) == ("request-9", attempts, "connect")
    assert isinstance(error if attempts == 1 else error.__cause__, APIStatusError)


async def test_a_connection_that_does_not_open_in_time_is_a_timeout() -> None:
    fault = Fault(kind=FaultKind.SLOW_HEAD, seconds=30.0)
    options = APIConnectOptions(max_retry=0, timeout=0.1)
    async with flux_bench(fault=fault) as desk, desk.stt.stream(conn_options=options) as stream:
        stream.push_frame(speech()[0])
        with pytest.raises(APITimeoutError) as caught:
            await anext(stream)

    assert caught.value.phase == "connect"


@pytest.mark.parametrize(
    ("code", "reason", "told", "attempts"),
    [(1011, "NET-0001 no audio", "NET-0001", 3), (1008, "DATA-0000 not audio", "DATA-0000", 1), (1000, "", 1000, 3)],
)
async def test_a_close_before_the_end_tells_deepgrams_code(code: int, reason: str, told: object, attempts: int) -> None:
    async def talk(peer: VendorSocket) -> None:
        await peer.receive()
        await peer.close(code, reason)

    async with flux_bench(talk=talk) as desk, desk.stt.stream(conn_options=RETRYING) as stream:
        for frame in speech(0.2):
            stream.push_frame(frame)
        with pytest.raises(APIError) as caught:
            await read_until(stream, FINAL)

    assert (caught.value.code, caught.value.attempts, caught.value.phase) == (told, attempts, "receive")


def saying(*messages: Any) -> Any:
    """Say these as soon as audio comes, then behave."""

    async def talk(peer: VendorSocket) -> None:
        said = False
        await peer.send(numbered(connected()))
        async for message in peer:
            if isinstance(message, bytes) and not said:
                said = True
                for each in messages:
                    await peer.send(each)
            elif message == CLOSE_STREAM:
                await peer.send(numbered(turn_info("EndOfTurn", "well", window=(0.0, 9.0))))
                return

    return talk


async def heard_of(*messages: Any) -> list[SpeechEvent]:
    async with flux_bench(talk=saying(*messages)) as desk:
        return await desk.hear(speech(0.2))


@pytest.mark.parametrize("message", ["{not json", "[]", {"type": "TurnInfo"}, {"type": 3}, b"\0\1"], ids=str)
async def test_what_cannot_be_understood_is_logged_and_passed_over(
    message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert texts(await heard_of(message)) == ["well"]
    assert caplog.text.count("passed over") == 1


async def test_a_message_or_event_of_an_unknown_type_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    unknown, sighed = {"type": "Mood"}, turn_info("Sighed", "secret words")

    assert texts(await heard_of(unknown, sighed, unknown, sighed)) == ["well"]
    assert caplog.text.count("unknown type") == 2
    assert "secret" not in caplog.text


async def test_a_warning_is_logged_by_its_code(caplog: pytest.LogCaptureFixture) -> None:
    await heard_of({"type": "Warning", "code": "SLOW_AUDIO", "description": "d"})

    assert [record.code for record in caplog.records if "warns" in record.message] == ["SLOW_AUDIO"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("code", "retryable"), [("INTERNAL_SERVER_ERROR", True), ("UNPARSABLE_CLIENT_MESSAGE", False)])
async def test_an_error_message_is_an_error(code: str, retryable: bool) -> None:
    with pytest.raises(APIError) as caught:
        await heard_of({"type": "Error", "sequence_id": 4, "code": code, "description": "it is over"})

    error = caught.value
    assert "it is over" in str(error)
    assert (error.code, error.phase, error.retryable, error.request_id) == (code, "receive", retryable, REQUEST_ID)
    assert error.provider == "lk_agents_deepgram.flux_stt.STTv2"


# --- the HTTP session ------------------------------------------------------------------------------------------------


async def test_a_session_of_the_users_is_used_and_left_open() -> None:
    async with aiohttp.ClientSession(headers={"x-mine": "yes"}) as session:
        async with flux_bench(http_session=session) as desk:
            await desk.hear(speech(0.5))
            assert desk.vendor.journal[0].headers["x-mine"] == "yes"
        assert not session.closed


async def test_closing_the_recogniser_closes_its_own_session_and_the_streams_over_it() -> None:
    async with flux_bench() as desk:
        stream = desk.stt.stream(conn_options=ONCE)
        await feed(stream, until=1.0)
        assert desk.stt.turn_is_open
        await desk.stt.aclose()
        await desk.stt.aclose()

        assert USAGE in [event.type async for event in stream]
        assert not desk.stt.turn_is_open


async def test_audio_is_the_same_that_was_pushed() -> None:
    async with flux_bench() as desk:
        await desk.hear()

    sent = np.frombuffer(desk.vendor.journal[0].received_bytes, np.int16)
    pushed = np.concatenate([np.frombuffer(frame.data, np.int16) for frame in speech()])
    assert np.array_equal(sent, pushed)
