"""Every fault is seen by a client as what it says it is."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.testing.vendor import (
    FAULTS,
    ExchangeKind,
    Fault,
    FaultKind,
    Hear,
    Say,
    Script,
    Stay,
    VendorError,
    VendorServer,
    VendorSocket,
    chunks,
    conversation,
    events,
    faults_for,
    reply,
)

KEY = "a-key-that-nobody-may-see"
SOON, LATER = 0.05, 5.0
K = FaultKind
SILENT = {K.SILENT, K.SLOW_HEAD, K.STALL, K.EMPTY_ONLY, K.SLOW_CLOSE}
"""What has to be waited for in vain; for everything else the wait is long, so that a slow machine does no harm."""

SCRIPTS: dict[ExchangeKind, Callable[[], Script]] = {
    ExchangeKind.BODY: lambda: Script().http("GET", "/", reply({"a": 1})),
    ExchangeKind.CHUNKS: lambda: Script().http("GET", "/", chunks(b"abcd", b"efgh")),
    ExchangeKind.EVENTS: lambda: Script().http("GET", "/", events({"a": 1}, {"b": 2})),
    ExchangeKind.SOCKET: lambda: Script().socket("/", conversation(Say('{"a":1}'), Say('{"b":2}'))),
}


def patience(fault: Fault | None) -> float:
    return SOON if fault is not None and fault.kind in SILENT else LATER


async def fetched(vendor: VendorServer, fault: Fault | None = None) -> list[object]:
    """Return what a patient client sees of one HTTP exchange, the end in words at last."""
    found: list[object] = []
    try:
        async with (
            asyncio.timeout(patience(fault)),
            aiohttp.ClientSession() as session,
            session.get(vendor.url) as response,
        ):
            if response.status != 200:
                return [response.status, response.headers.get("Retry-After")]
            async for chunk, _ in response.content.iter_chunks():
                found.append(chunk)
            found.append("end")
    except TimeoutError:
        found.append("silence")
    except aiohttp.ClientConnectorError:
        found.append("refused")
    except aiohttp.ServerDisconnectedError:
        found.append("hung up")
    except aiohttp.ClientPayloadError:
        found.append("cut")
    except aiohttp.ClientOSError as error:
        found.append(type(error.__cause__ or error).__name__ if error.errno is None else f"errno {error.errno}")
    return found


async def talked(vendor: VendorServer, fault: Fault | None = None) -> list[object]:
    """Return what a patient client sees on a socket."""
    found: list[object] = []
    try:
        async with aiohttp.ClientSession() as session:
            heartbeat = SOON if fault is not None and fault.kind is K.HALF_OPEN else None
            async with asyncio.timeout(patience(fault)):
                ws = await session.ws_connect(vendor.ws_url, max_msg_size=0, heartbeat=heartbeat)
            try:
                async with asyncio.timeout(patience(fault)):
                    while not ws.closed and len(found) < 6:
                        message = await ws.receive()
                        found.append(message.data if message.type.value in {1, 2} else message.type.name)
                found += [ws.close_code] if ws.closed else []
            finally:
                await ws.close()
    except TimeoutError:
        found.append("silence")
    except aiohttp.WSServerHandshakeError as error:
        found += [error.status, error.headers and error.headers.get("Retry-After")]
    except aiohttp.ClientConnectorError:
        found.append("refused")
    except aiohttp.ClientError as error:
        found.append(type(error).__name__)
    return found


async def seen(fault: Fault, kind: ExchangeKind) -> list[object]:
    async with VendorServer(SCRIPTS[kind](), fault=fault, strict=False) as vendor:
        found = await (talked(vendor, fault) if kind is ExchangeKind.SOCKET else fetched(vendor, fault))
    if fault.kind is not K.REFUSE:
        assert vendor.journal[0].fault is fault
        assert vendor.journal[0].ended
    assert not any("struck" in problem for problem in vendor.problems)
    return found


EARLY: list[tuple[Fault, list[object]]] = [
    (Fault(kind=K.REFUSE), ["refused"]),
    (Fault(kind=K.SILENT), ["silence"]),
    (Fault(kind=K.SLOW_HEAD, seconds=30), ["silence"]),
    (Fault(kind=K.STATUS, status=401), [401, None]),
    (Fault(kind=K.STATUS, status=429, seconds=0.05), [429, "0.05"]),
    (Fault(kind=K.STATUS, status=503), [503, None]),
]


@pytest.mark.parametrize("kind", ExchangeKind)
@pytest.mark.parametrize(("fault", "expected"), EARLY, ids=[fault.name for fault, _ in EARLY])
async def test_faults_before_the_first_message(fault: Fault, expected: list[object], kind: ExchangeKind) -> None:
    assert await seen(fault, kind) == expected


@pytest.mark.parametrize("kind", [kind for kind in ExchangeKind if kind is not ExchangeKind.SOCKET])
@pytest.mark.parametrize(
    "shown", [{"headers": {"X-Api-Key": KEY}}, {"params": {"api_key": KEY}}], ids=["header", "query"]
)
async def test_a_refusal_quotes_the_credential_in_its_body(kind: ExchangeKind, shown: dict[str, Any]) -> None:
    script = SCRIPTS[kind]()
    script.routes["GET", "/"].query = None
    async with (
        VendorServer(script, fault=Fault(kind=K.QUOTE)) as vendor,
        aiohttp.ClientSession() as session,
        session.get(vendor.url, **shown) as response,
    ):
        refusal = await response.json()

    assert response.status == 400
    assert refusal["error"]["message"] == f"the key {KEY} is not valid"
    assert KEY not in str(vendor.journal)


async def test_a_refusal_on_a_socket_quotes_the_credential_in_messages_and_in_the_reason_of_the_close() -> None:
    script = Script().socket("/talk", conversation(Stay()))
    async with (
        VendorServer(script, fault=Fault(kind=K.QUOTE)) as vendor,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{vendor.ws_url}/talk", headers={"Authorization": f"Token {KEY}"}) as ws,
    ):
        messages = [await ws.receive_json(), await ws.receive_json()]
        closing = await ws.receive()

    assert [each["type"] for each in messages] == ["error", "Error"]
    assert all(each["message"] == f"the key {KEY} is not valid" for each in messages)
    assert (closing.data, closing.extra) == (1008, f"the key {KEY} is not valid")
    assert KEY not in str(vendor.journal)


@pytest.mark.parametrize("kind", ExchangeKind)
async def test_a_connection_is_reset_instead_of_an_answer(kind: ExchangeKind) -> None:
    (found,) = await seen(Fault(kind=K.HANG_UP), kind)

    assert found in {"errno 104", "ConnectionResetError", "ClientOSError", "hung up"}


async def test_a_head_that_is_slow_comes_in_the_end() -> None:
    assert await seen(Fault(kind=K.SLOW_HEAD, seconds=0.01), ExchangeKind.BODY) == [b'{"a": 1}', "end"]


BODIES: list[tuple[Fault, list[object]]] = [
    (Fault(kind=K.STALL), ["silence"]),
    (Fault(kind=K.GARBAGE), [b'{"type": "cut in the mid', "end"]),
    (Fault(kind=K.RESET), ["cut"]),
    (Fault(kind=K.CUT), [b'{"a"', "cut"]),
]
CHUNKED: list[tuple[Fault, list[object]]] = [
    (Fault(kind=K.STALL, at=1), [b"abcd", "silence"]),
    (Fault(kind=K.STALL, at=2), [b"abcd", b"efgh", "silence"]),
    (Fault(kind=K.END), ["end"]),
    (Fault(kind=K.END, at=1), [b"abcd", "end"]),
    (Fault(kind=K.SLOW_CLOSE, seconds=30), [b"abcd", b"efgh", "silence"]),
    (Fault(kind=K.SLOW_CLOSE, seconds=0.01), [b"abcd", b"efgh", "end"]),
    (Fault(kind=K.RESET, at=1), [b"abcd", "cut"]),
    (Fault(kind=K.CUT, at=1), [b"abcd", b"ef", "cut"]),
    (Fault(kind=K.DRIP, count=2, seconds=0.005), [b"ab", b"cd", b"ef", b"gh", "end"]),
]
ONE, TWO, DONE = (f"data: {data}\n\n".encode() for data in ('{"a": 1}', '{"b": 2}', "[DONE]"))
EVENTS: list[tuple[Fault, list[object]]] = [
    (Fault(kind=K.STALL, at=1), [ONE, "silence"]),
    (Fault(kind=K.GARBAGE), [b'data: {"type": "cut in the mid\n\n', ONE, TWO, DONE, "end"]),
    (Fault(kind=K.DUPLICATE), [ONE, ONE, TWO, DONE, "end"]),
    (Fault(kind=K.OUT_OF_ORDER), [TWO, ONE, DONE, "end"]),
    (Fault(kind=K.OUT_OF_ORDER, at=1), [ONE, DONE, TWO, "end"]),
    (Fault(kind=K.CUT, at=1), [ONE, TWO[: len(TWO) // 2], "cut"]),
    (Fault(kind=K.END, at=1), [ONE, "end"]),
]
HTTP: list[tuple[ExchangeKind, Fault, list[object]]] = [
    *((ExchangeKind.BODY, fault, expected) for fault, expected in BODIES),
    *((ExchangeKind.CHUNKS, fault, expected) for fault, expected in CHUNKED),
    *((ExchangeKind.EVENTS, fault, expected) for fault, expected in EVENTS),
]


@pytest.mark.parametrize(
    ("kind", "fault", "expected"), HTTP, ids=[f"{kind}-{fault.name}-{fault.seconds:g}" for kind, fault, _ in HTTP]
)
async def test_faults_of_an_answer(kind: ExchangeKind, fault: Fault, expected: list[object]) -> None:
    found = await seen(fault, kind)

    joined = [b"".join(part for part in found if isinstance(part, bytes)), found[-1]]
    assert joined == [b"".join(part for part in expected if isinstance(part, bytes)), expected[-1]]
    if fault.kind is K.DRIP:
        assert [part for part in found if part] == expected


A, B = '{"a":1}', '{"b":2}'
SOCKETS: list[tuple[Fault, list[object]]] = [
    (Fault(kind=K.STALL), ["silence"]),
    (Fault(kind=K.STALL, at=1), [A, "silence"]),
    (Fault(kind=K.EMPTY, at=1, count=2), [A, "{}", b"", "{}", b"", B]),
    (Fault(kind=K.GARBAGE, at=1), [A, '{"type": "cut in the mid', B, "CLOSE", 1000]),
    (Fault(kind=K.CLOSE, code=1011), ["CLOSE", 1011]),
    (Fault(kind=K.CLOSE, code=4000, at=1), [A, "CLOSE", 4000]),
    (Fault(kind=K.CLOSE, code=1008, at=2), [A, B, "CLOSE", 1008]),
    (Fault(kind=K.RESET, at=1), [A, "ERROR", 1006]),
    (Fault(kind=K.CUT, at=1), [A, "CLOSED", 1006]),
    (Fault(kind=K.DUPLICATE), [A, A, B, "CLOSE", 1000]),
    (Fault(kind=K.OUT_OF_ORDER), [B, A, "CLOSE", 1000]),
    (Fault(kind=K.DRIP, count=3, seconds=0.005), [A, B, "CLOSE", 1000]),
    (Fault(kind=K.HALF_OPEN), ["ERROR", 1006]),
    (Fault(kind=K.HALF_OPEN, at=1), [A, "ERROR", 1006]),
]


@pytest.mark.parametrize(("fault", "expected"), SOCKETS, ids=[fault.name for fault, _ in SOCKETS])
async def test_faults_of_a_socket(fault: Fault, expected: list[object]) -> None:
    found = await seen(fault, ExchangeKind.SOCKET)

    if fault.kind in {K.RESET, K.CUT}:  # which of the two a client sees is a matter of its timing
        assert found[:-2] == expected[:-2]
        assert found[-2] in {"ERROR", "CLOSED", "CLOSE"}
        assert found[-1] == 1006
    else:
        assert found == expected


async def test_messages_without_content_go_on_and_on() -> None:
    assert len(set(map(str, await seen(Fault(kind=K.EMPTY_ONLY, seconds=0.005), ExchangeKind.SOCKET)))) == 2
    shown = await seen(Fault(kind=K.EMPTY_ONLY, seconds=0.005), ExchangeKind.EVENTS)
    assert len(shown) > 3
    assert shown[-1] == "silence"


@pytest.mark.parametrize("kind", [ExchangeKind.EVENTS, ExchangeKind.SOCKET])
async def test_messages_of_an_unknown_type_come_between_and_may_be_very_long(kind: ExchangeKind) -> None:
    for fault in (Fault(kind=K.UNKNOWN_TYPE), Fault(kind=K.LARGE, size=70_000), Fault(kind=K.WRONG_JSON)):
        found = await seen(fault, kind)
        text = "".join(
            part if isinstance(part, str) else part.decode() for part in found if isinstance(part, str | bytes)
        )
        extra = text.removeprefix("data: ").partition("\n")[0] if kind is ExchangeKind.EVENTS else str(found[0])
        decoded = json.loads(extra)
        assert isinstance(decoded, list) if fault.kind is K.WRONG_JSON else decoded["type"] == "SomethingNew"
        assert len(extra) == (70_000 if fault.kind is K.LARGE else len(extra))
        assert '"b"' in text


async def test_a_slow_close_says_everything_and_does_not_answer_the_other_sides_close() -> None:
    script = Script().socket("/", conversation(Say("a"), Hear("end")))
    fault = Fault(kind=K.SLOW_CLOSE, seconds=30)
    async with VendorServer(script, fault=fault) as vendor, aiohttp.ClientSession() as session:
        ws = await session.ws_connect(vendor.ws_url, timeout=aiohttp.ClientWSTimeout(ws_close=LATER))
        assert await ws.receive_str() == "a"
        await ws.send_str("end")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ws.close(), SOON)

    assert [frame.is_close for frame in vendor.journal[0].frames] == [False, False, True]


async def send_for_ever(ws: aiohttp.ClientWebSocketResponse) -> None:
    while True:
        await ws.send_bytes(bytes(1 << 18))


async def test_a_server_that_stops_reading_lets_the_client_fill_its_buffers() -> None:
    script = Script().socket("/", conversation(Stay()))
    async with VendorServer(script, fault=Fault(kind=K.HALF_OPEN)) as vendor, aiohttp.ClientSession() as session:
        ws = await session.ws_connect(vendor.ws_url)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(send_for_ever(ws), SOON * 4)
        ws._response.close()

    assert vendor.journal[0].received == []


async def test_a_server_that_stops_reading_does_not_notice_that_the_client_has_gone() -> None:
    script = Script().socket("/", conversation(Stay()))
    async with VendorServer(script, fault=Fault(kind=K.HALF_OPEN)) as vendor, aiohttp.ClientSession() as session:
        ws = await session.ws_connect(vendor.ws_url)
        await asyncio.sleep(SOON)
        ws._response.close()
        await asyncio.sleep(SOON)
        assert vendor.journal[0].ended == ""


async def get(vendor: VendorServer) -> int:
    async with aiohttp.ClientSession() as session, session.get(vendor.url) as response:
        return response.status


async def test_a_fault_strikes_as_often_as_it_says_and_uses_nothing_up() -> None:
    fault = Fault(kind=K.STATUS, status=503, times=2, skip=1)
    async with VendorServer(Script().http("GET", "/", reply("a"), reply("b")), fault=fault) as vendor:
        assert [await get(vendor) for _ in range(4)] == [200, 503, 503, 200]

    assert [exchange.fault for exchange in vendor.journal] == [None, fault, fault, None]


async def test_a_conversation_that_was_cut_short_is_held_again_from_its_beginning() -> None:
    async def talk(peer: VendorSocket) -> None:
        await peer.send("a")
        await peer.send("b")

    async with VendorServer(Script().socket("/", talk), fault=Fault(kind=K.CLOSE, at=1).once()) as vendor:
        assert await talked(vendor) == ["a", "CLOSE", 1011]
        assert await talked(vendor) == ["a", "b", "CLOSE", 1000]


async def test_a_fault_of_one_path_leaves_the_others_alone() -> None:
    script = Script().http("GET", "/", reply()).http("GET", "/b", reply())
    async with VendorServer(script, fault=Fault(kind=K.STATUS, path="/b", times=1), strict=False) as vendor:
        assert await get(vendor) == 200

    assert vendor.problems == ["the fault 500 struck 0 times, not 1", "GET /b: 1 of 1 answers were not used"]


async def test_a_fault_that_never_struck_is_an_error() -> None:
    with pytest.raises(VendorError, match="the fault stall struck 0 times, not 1"):
        async with VendorServer(Script().http("GET", "/", reply()), fault=Fault(kind=K.STALL)):
            pass


def test_the_table_has_every_kind_and_no_name_twice() -> None:
    assert {fault.kind for fault in FAULTS} == set(FaultKind)
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    for kind in ExchangeKind:
        assert all(fault.fits(kind) for fault in faults_for(kind))
    assert not any(fault.at for fault in faults_for(ExchangeKind.BODY))
    assert {fault.kind for kind in ExchangeKind for fault in faults_for(kind)} == set(FaultKind)


def test_a_fault_is_data() -> None:
    fault = Fault(kind=K.STALL, at=2)
    assert fault.once() == dataclasses.replace(fault, times=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        fault.at = 3  # type: ignore[misc]
    with pytest.raises(ConfigError, match="stop_listening"):
        Fault(kind=K.REFUSE, times=1)


Client = Callable[[VendorServer, Fault | None], Awaitable[list[object]]]
EVERY: list[tuple[ExchangeKind, Fault]] = [(kind, fault) for kind in ExchangeKind for fault in faults_for(kind)]


@pytest.mark.parametrize(("kind", "fault"), EVERY, ids=[f"{kind}-{fault.name}" for kind, fault in EVERY])
async def test_every_fault_of_the_table_strikes_once_and_lets_the_next_attempt_through(
    kind: ExchangeKind, fault: Fault
) -> None:
    client: Client = talked if kind is ExchangeKind.SOCKET else fetched
    once = fault if fault.kind is K.REFUSE else fault.once()
    async with VendorServer(SCRIPTS[kind](), fault=once, strict=False) as vendor:
        await client(vendor, fault)
        if fault.kind is K.REFUSE:
            await vendor.listen_again()
        if vendor.script.routes["GET", "/"].exhausted:  # it came through in spite of the fault
            return
        found = await client(vendor, None)

    whole = await seen_whole(kind)
    assert found == whole
    assert not vendor.problems


async def seen_whole(kind: ExchangeKind) -> list[object]:
    if kind is ExchangeKind.SOCKET:
        return [A, B, "CLOSE", 1000]
    async with VendorServer(SCRIPTS[kind]()) as vendor:
        return await fetched(vendor)
