"""Whatever a vendor does wrong on a socket: the error says what, the next attempt loses nothing, nothing leaks."""

from __future__ import annotations

import asyncio
import traceback

import aiohttp
import pytest
from tests.streams.ears import ALL, FRAME_MS, KEY, LABEL, ears, hear_all, impatience, retrying, script

from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, APITimeoutError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams import open_websocket
from lk_agents.testing.vendor import (
    ExchangeKind,
    Fault,
    FaultKind,
    Script,
    VendorServer,
    VendorSocket,
    faults_for,
    reply,
)

K = FaultKind

pytestmark = pytest.mark.usefixtures("lk_no_leaks")

TABLE = faults_for(ExchangeKind.SOCKET)
HARMLESS = {K.EMPTY, K.GARBAGE, K.WRONG_JSON, K.UNKNOWN_TYPE, K.LARGE, K.DUPLICATE, K.OUT_OF_ORDER, K.DRIP}
"""What a codec that understands what it can is not disturbed by."""

CONNECT: dict[str, tuple[type[APIError], object]] = {
    "refuse": (APIConnectionError, None),
    "silent": (APITimeoutError, None),
    "hang-up": (APIConnectionError, None),
    "401": (APIStatusError, None),
    "403": (APIStatusError, None),
    "429-retry-after-0.05": (APIStatusError, None),
    "500": (APIStatusError, None),
    "503": (APIStatusError, None),
    "slow-head": (APITimeoutError, None),
}
LATER: dict[str, tuple[type[APIError], str, object]] = {
    "quote": (APIStatusError, "receive", "scripted_quote"),
    "stall": (APITimeoutError, "idle", None),
    "stall-at-1": (APITimeoutError, "idle", None),
    "close-1000-at-1": (APIConnectionError, "receive", 1000),
    "close-1008-at-0": (APIConnectionError, "receive", 1008),
    "close-1011-at-1": (APIConnectionError, "receive", 1011),
    "slow-close": (APITimeoutError, "close", None),
    "reset": (APIConnectionError, "receive", 1006),
    "reset-at-1": (APIConnectionError, "receive", 1006),
    "cut": (APIConnectionError, "receive", 1006),
    "cut-at-1": (APIConnectionError, "receive", 1006),
    "half-open": (APIConnectionError, "receive", 1006),
    "half-open-at-1": (APIConnectionError, "receive", 1006),
}
EXPECTED = {name: (error, "connect", code) for name, (error, code) in CONNECT.items()} | LATER
NOT_RETRYABLE = {"401", "403", "quote"}
SEEN = {K.REFUSE: 0, K.HANG_UP: 2}
"""How often a vendor sees one attempt: where a connection breaks before the answer, aiohttp asks again by itself."""


def reveals_nothing(error: BaseException | None, logged: str) -> None:
    while error is not None:
        for text in (str(error), repr(error), "".join(traceback.format_exception(error))):
            assert KEY not in text
        error = error.__cause__
    assert KEY not in logged


def test_the_table_below_has_every_fault() -> None:
    assert set(EXPECTED) == {fault.name for fault in TABLE if fault.kind not in HARMLESS | {K.EMPTY_ONLY}}


@pytest.mark.parametrize("name", EXPECTED)
async def test_a_fault_becomes_an_error_that_says_what_it_was_after_as_many_attempts_as_can_help(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    fault = next(fault for fault in TABLE if fault.name == name)
    kind, phase, code = EXPECTED[name]
    retryable = name not in NOT_RETRYABLE
    caplog.set_level("DEBUG")
    async with VendorServer(script(), fault=fault) as vendor, ears(vendor, retrying(1), **impatience(fault)) as stream:
        with pytest.raises(APIError) as caught:
            await hear_all(stream)

    final = caught.value
    last = final.__cause__ if retryable else final
    assert isinstance(final, APIConnectionError) is retryable
    assert isinstance(last, APIError)
    assert type(last) is kind
    for error in (final, last):
        assert (error.phase, error.code, error.provider, error.retryable) == (phase, code, LABEL, retryable)
        assert error.attempts == (2 if retryable else 1)
    assert len(vendor.journal) == final.attempts * SEEN.get(fault.kind, 1)
    if isinstance(last, APIStatusError) and fault.kind is K.STATUS:
        assert (last.status_code, last.request_id) == (fault.status, f"request-{final.attempts - 1}")
        assert last.retry_after_seconds == (fault.seconds or None)
    reveals_nothing(final, caplog.text)


@pytest.mark.parametrize(
    "fault",
    [fault for fault in TABLE if fault.name not in NOT_RETRYABLE and fault.kind not in {K.REFUSE, K.EMPTY_ONLY}],
    ids=lambda fault: fault.name,
)
async def test_after_a_fault_the_next_attempt_loses_nothing(fault: Fault) -> None:
    options = impatience(fault)
    async with VendorServer(script(), fault=fault.once()) as vendor, ears(vendor, retrying(1), **options) as stream:
        found = await hear_all(stream)

    assert len(vendor.journal) == (1 if fault.kind in HARMLESS else 2)
    if fault.kind in {K.DUPLICATE, K.OUT_OF_ORDER}:  # to be put right by those who know what the messages mean
        assert set(found) == set(ALL)
    else:
        assert found == ALL


@pytest.mark.parametrize("code", [1003, 1008, 1011, 4000])
async def test_an_irregular_close_after_the_end_of_the_input_is_an_error_too(code: int) -> None:
    async def failing(peer: VendorSocket) -> None:
        async for message in peer:
            if message == '{"type": "End"}':
                await peer.close(code)

    async with VendorServer(script(failing)) as vendor, ears(vendor) as stream:
        stream.push(0)
        stream.end_input()
        with pytest.raises(APIConnectionError, match=f"code {code}"):
            await anext(stream)


async def test_after_an_outage_nothing_is_lost() -> None:
    options = APIConnectOptions(max_retry=1, timeout=5)
    async with VendorServer(script()) as vendor, ears(vendor, options) as stream:
        await vendor.stop_listening()
        hearing = asyncio.create_task(hear_all(stream), name="hearing")
        while not stream.attempts_began or stream._retries.attempts == 1:
            await asyncio.sleep(0.001)
        await vendor.listen_again()
        assert await hearing == ALL


async def test_messages_without_content_do_not_count_once_the_input_has_ended() -> None:
    fault = Fault(kind=K.EMPTY_ONLY, seconds=0.01)
    async with VendorServer(script(), fault=fault) as vendor, ears(vendor, **impatience(fault)) as stream:
        stream.push(0)
        stream.end_input()
        with pytest.raises(APITimeoutError) as caught:
            await anext(stream)

    assert caught.value.phase == "close"


@pytest.mark.parametrize("kind", [K.CLOSE, K.CUT, K.STALL])
@pytest.mark.parametrize("at", range(5))
async def test_a_fault_after_each_message_loses_and_repeats_nothing(kind: FaultKind, at: int) -> None:
    fault = Fault(kind=kind, at=at).once()
    frames = 5
    async with VendorServer(script(), fault=fault) as vendor, ears(vendor, retrying(1), **impatience(fault)) as stream:
        found = await hear_all(stream, frames)

    assert found == list(range(frames * FRAME_MS))
    assert len(vendor.journal) == 2


async def test_the_wait_that_the_vendor_asks_for_is_kept() -> None:
    fault = Fault(kind=K.STATUS, status=429, seconds=0.25, times=1)
    async with VendorServer(script(), fault=fault) as vendor, ears(vendor, retrying(1)) as stream:
        assert await hear_all(stream) == ALL

    first, second = stream.attempts_began
    assert second - first >= 0.25


async def test_a_plugin_can_say_which_closes_are_final() -> None:
    def final(code: int | None, reason: str) -> APIError:
        return APIStatusError(f"no audio: {code} {reason}", status_code=400)

    fault = Fault(kind=K.CLOSE, code=1008)
    async with VendorServer(script(), fault=fault) as vendor, ears(vendor, retrying(3), close_error=final) as stream:
        with pytest.raises(APIStatusError, match="no audio: 1008") as caught:
            await hear_all(stream)

    assert (caught.value.code, caught.value.attempts) == (1008, 1)
    assert len(vendor.journal) == 1


async def test_the_reason_of_a_close_stands_in_the_error() -> None:
    async def refuse(peer: VendorSocket) -> None:
        await peer.receive()
        await peer.close(4003, "the tariff is used up")

    async with VendorServer(script(refuse)) as vendor, ears(vendor) as stream:
        with pytest.raises(APIConnectionError, match="code 4003, reason the tariff is used up"):
            await hear_all(stream)


async def test_a_refusal_is_told_with_the_vendors_own_headers_and_without_a_key_that_they_quote() -> None:
    headers = {"dg-error": f"no such key: {KEY}", "dg-request-id": "r-7", "Retry-After": "3"}
    refusing = Script().socket("/listen", reply(status=403, headers=headers))
    async with VendorServer(refusing) as vendor, aiohttp.ClientSession() as session:
        with pytest.raises(APIStatusError) as caught:
            await open_websocket(
                session,
                f"{vendor.ws_url}/listen",
                headers={"Authorization": f"Token {KEY}"},
                timeout_seconds=5,
                provider="p",
                request_id_header="dg-request-id",
                reason_header="dg-error",
            )

    error = caught.value
    assert error.message == "p refused the connection: no such key: **********"
    assert (error.status_code, error.request_id, error.retry_after_seconds) == (403, "r-7", 3.0)
    reveals_nothing(error, "")


async def test_what_is_no_socket_at_all_is_an_error_of_the_connection() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(APIConnectionError) as caught:
            await open_websocket(session, "ws://", headers={}, timeout_seconds=1, provider="p")

    assert (caught.value.phase, caught.value.provider) == ("connect", "p")
