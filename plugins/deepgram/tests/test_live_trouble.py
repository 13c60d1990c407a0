"""Live recognition when Deepgram is in trouble, and over which HTTP session it goes."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import numpy as np
import pytest
from deepgram_bench import (
    KEY,
    ONCE,
    RETRYING,
    SPEECH,
    SPEECH_SECONDS,
    WORDS,
    bench,
    bounds,
    feed_slowly,
    speech,
    texts,
    words,
)
from deepgram_fake import PATH, ear, live_script, metadata, results
from deepgram_sound import word

from lk_agents.foundation.errors import APIError, APITimeoutError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.stt import SpeechEventType
from lk_agents.testing.vendor import Fault, FaultKind, VendorServer, VendorSocket
from lk_agents_deepgram import STT, AudioEnergyFilter
from lk_agents_deepgram.outgoing import CLOSE_STREAM, KEEP_ALIVE

START = SpeechEventType.START_OF_SPEECH
FINAL = SpeechEventType.FINAL_TRANSCRIPT
END = SpeechEventType.END_OF_SPEECH
USAGE = SpeechEventType.RECOGNITION_USAGE

pytestmark = pytest.mark.usefixtures("lk_no_leaks")


class Refusal:
    """A Deepgram that refuses as Deepgram does; the scripted vendor has no headers of its own for that."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self._status, self._headers = status, headers
        self.requests = 0

    async def __aenter__(self) -> str:
        from aiohttp import web

        async def refuse(request: web.BaseRequest) -> web.Response:
            self.requests += 1
            return web.Response(status=self._status, headers=self._headers, text=self._headers.get("dg-error", ""))

        self._runner = web.ServerRunner(web.Server(refuse))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}{PATH}"

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()


@pytest.mark.parametrize(("status", "attempts"), [(401, 1), (402, 1), (429, 3), (503, 3)])
async def test_a_refusal_tells_why_by_deepgrams_headers_and_is_tried_again_if_that_can_help(
    status: int, attempts: int
) -> None:
    refusal = Refusal(status, {"dg-error": "Invalid credentials.", "dg-request-id": "request-9"})
    async with refusal as url, STT(api_key=KEY, base_url=url) as stt, stt.stream(conn_options=RETRYING) as stream:
        stream.push_frame(speech()[0])
        with pytest.raises(APIError) as caught:
            await anext(stream)

    error = caught.value
    assert "Invalid credentials." in str(error)
    assert (error.request_id, error.attempts, refusal.requests) == ("request-9", attempts, attempts)
    assert KEY not in str(error)


async def test_a_connection_that_does_not_open_in_time_is_a_timeout() -> None:
    fault = Fault(kind=FaultKind.SLOW_HEAD, seconds=30.0)
    options = APIConnectOptions(max_retry=0, timeout=0.1)
    async with bench(fault=fault) as desk, desk.stt.stream(conn_options=options) as stream:
        stream.push_frame(speech()[0])
        with pytest.raises(APITimeoutError) as caught:
            await anext(stream)

    assert caught.value.phase == "connect"


@pytest.mark.parametrize(
    ("code", "reason", "told", "attempts"),
    [
        (1011, "NET-0001 no audio", "NET-0001", 3),
        (1011, "NET-0000", "NET-0000", 3),
        (1008, "DATA-0000 not audio", "DATA-0000", 1),
        (1002, "DATA-0000", "DATA-0000", 1),
        (1008, "", 1008, 3),
        (1000, "", 1000, 3),
    ],
)
async def test_a_close_before_the_end_tells_deepgrams_code(code: int, reason: str, told: object, attempts: int) -> None:
    async def talk(peer: VendorSocket) -> None:
        await peer.receive()
        await peer.close(code, reason)

    async with bench(talk=talk) as desk, desk.stt.stream(conn_options=RETRYING) as stream:
        stream.push_frame(speech()[0])
        with pytest.raises(APIError) as caught:
            await anext(stream)

    assert (caught.value.code, caught.value.attempts) == (told, attempts)
    assert caught.value.phase == "receive"


@pytest.mark.parametrize("position", range(14))
async def test_a_connection_that_breaks_at_any_message_loses_and_doubles_no_word(position: int) -> None:
    fault = Fault(kind=FaultKind.CLOSE, code=1011, at=position, times=1)
    async with bench(fault=fault) as desk:
        events = await desk.hear(conn_options=RETRYING)

    assert words(events) == WORDS
    assert bounds(events) == [START, END] * (len(bounds(events)) // 2)
    finals = [event.alternatives[0] for event in events if event.type is FINAL]
    times = [moment for each in finals for moment in (each.start_time, each.end_time)]
    assert times == sorted(times)
    assert times[-1] == pytest.approx(SPEECH[-1].end, abs=0.06)


@pytest.mark.parametrize("position", [1, 4, 7])
async def test_times_stay_those_of_the_stream_over_connections_with_silence_left_out(position: int) -> None:
    fault = Fault(kind=FaultKind.RESET, at=position, times=1)
    async with bench(fault=fault, energy_filter=AudioEnergyFilter(min_silence=0.3)) as desk:
        events = await desk.hear(conn_options=RETRYING)

    assert words(events) == WORDS
    finals = [event.alternatives[0] for event in events if event.type is FINAL]
    assert finals[-1].end_time == pytest.approx(SPEECH[-1].end, abs=0.06)


@pytest.mark.parametrize("transcript", ["", "hello"])
async def test_audio_that_a_final_is_about_is_not_sent_again(transcript: str) -> None:
    """Also where the final tells of nothing, or where its last word ends long before its audio does."""
    spoken = [word(transcript, 0.2, 0.4)] if transcript else []

    async def breaking(peer: VendorSocket) -> None:
        pieces = 0
        async for message in peer:
            pieces += isinstance(message, bytes)
            if pieces == 30:
                await peer.send(results(transcript, duration=1.0, is_final=True, words=spoken))
                await peer.close(1011, "NET-0000")
                return

    script = live_script(breaking, ear(SPEECH), key=KEY)
    async with (
        VendorServer(script) as vendor,
        STT(api_key=KEY, base_url=vendor.url + PATH) as stt,
        stt.stream(conn_options=RETRYING) as stream,
    ):
        for frame in speech():
            stream.push_frame(frame)
        stream.end_input()
        events = [event async for event in stream]

        again = vendor.journal[1].received_bytes
        assert len(again) / 2 / 16_000 == pytest.approx(SPEECH_SECONDS - 1.0, abs=0.001)
    assert words(events)[-4:] == WORDS[-4:]


async def test_a_close_without_the_summary_that_leaves_audio_untold_is_no_end() -> None:
    async def hurrying(peer: VendorSocket) -> None:
        async for message in peer:
            if message == CLOSE_STREAM:
                return

    async with bench(talk=hurrying) as desk:
        with pytest.raises(APIError, match="without a summary"):
            await desk.hear(speech(1.0))


async def test_new_options_behind_the_end_of_the_input_bring_a_whole_connection_again() -> None:
    async def waiting(peer: VendorSocket) -> None:
        async for _ in peer:
            pass

    script = live_script(waiting, ear(SPEECH), key=KEY)
    async with (
        VendorServer(script) as vendor,
        STT(api_key=KEY, base_url=vendor.url + PATH) as stt,
        stt.stream(conn_options=ONCE) as stream,
    ):
        await feed_slowly(stream, until=10)
        stream.end_input()
        await asyncio.sleep(0.05)
        stt.update_options(numerals=True)
        assert words([event async for event in stream]) == WORDS

        assert [exchange.received[-1] for exchange in vendor.journal] == [CLOSE_STREAM, CLOSE_STREAM]


async def test_a_stream_without_audio_ends_without_an_error_and_connects_to_nobody() -> None:
    async with (
        VendorServer(live_script(ear(SPEECH), key=KEY), strict=False) as vendor,
        STT(api_key=KEY, base_url=vendor.url + PATH) as stt,
        stt.stream(conn_options=ONCE) as stream,
    ):
        stream.end_input()
        assert [event async for event in stream] == []

        assert len(vendor.journal) == 0


async def test_after_the_summary_a_bad_end_is_an_end() -> None:
    async def talk(peer: VendorSocket) -> None:
        async for message in peer:
            if message == CLOSE_STREAM:
                await peer.send(results("well", duration=1.0, is_final=True, speech_final=True))
                await peer.send(metadata(1.0))
                await peer.close(1011, "NET-0000")

    async with bench(talk=talk) as desk:
        assert texts(await desk.hear(speech(1.0))) == ["well"]

    assert len(desk.vendor.journal) == 1


# --- the HTTP session ------------------------------------------------------------------------------------------------


async def test_a_session_of_the_users_is_used_and_left_open() -> None:
    async with aiohttp.ClientSession(headers={"x-mine": "yes"}) as session:
        async with bench(http_session=session) as desk:
            await desk.hear(speech(0.5))
            assert desk.vendor.journal[0].headers["x-mine"] == "yes"
        assert not session.closed


async def test_in_a_job_its_session_is_used() -> None:
    from lk_agents.utils.http_context import _close_http_ctx, _new_session_ctx

    job_session = _new_session_ctx()
    job_session().headers["x-job"] = "yes"
    try:
        async with bench() as desk:
            await desk.hear(speech(0.5))
            assert desk.vendor.journal[0].headers["x-job"] == "yes"
        assert not job_session().closed
    finally:
        await _close_http_ctx()


async def test_closing_the_recogniser_closes_its_own_session_and_the_streams_over_it() -> None:
    async with bench() as desk:
        stream = desk.stt.stream(conn_options=ONCE)
        await feed_slowly(stream, until=1.0)
        await desk.stt.aclose()
        await desk.stt.aclose()

        assert USAGE in [event.type async for event in stream]


async def test_after_it_was_closed_it_can_be_used_again() -> None:
    async with bench() as desk:
        await desk.hear(speech(0.5))
        await desk.stt.aclose()

        assert words(await desk.hear()) == WORDS


@pytest.mark.e2e
async def test_a_stream_that_gets_no_more_audio_is_kept_alive() -> None:
    """Deepgram closes after 10 s in which it hears nothing."""

    async def talk(peer: VendorSocket) -> None:
        for _ in range(3):
            while isinstance(message := await peer.receive(within_seconds=6), bytes):
                pass
            assert json.loads(message) == {"type": "KeepAlive"}
        while await peer.receive() != CLOSE_STREAM:
            pass

    async with bench(talk=talk) as desk, desk.stt.stream(conn_options=ONCE) as stream:
        for frame in speech(0.1):
            stream.push_frame(frame)
        await asyncio.sleep(10.5)
        stream.end_input()
        assert {event.type async for event in stream} == {USAGE}

    alive = [frame.at_seconds for frame in desk.vendor.journal[0].frames if frame.data == KEEP_ALIVE]
    assert np.diff(alive) == pytest.approx([5.0, 5.0], abs=0.5)
