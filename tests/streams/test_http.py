"""HTTP for providers: whatever goes wrong is an error that says what it was, and nothing is left open."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from tests.streams.ears import Hurried

from lk_agents.foundation.clock import use_clock
from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, APITimeoutError
from lk_agents.foundation.secret import Secret
from lk_agents.streams import read_chunks, read_events, request
from lk_agents.streams.retry import with_retries
from lk_agents.testing.vendor import (
    Answer,
    ExchangeKind,
    Fault,
    FaultKind,
    Pause,
    Script,
    VendorServer,
    chunks,
    events,
    faults_for,
    reply,
)

pytestmark = pytest.mark.usefixtures("lk_no_leaks")

K = FaultKind
KEY = "the-key-that-nobody-may-see"
WIDE, TIGHT = 5.0, 0.1
HEADERS = {"Authorization": f"Bearer {KEY}"}

ANSWERS: dict[ExchangeKind, Answer] = {
    ExchangeKind.BODY: reply({"text": "hello"}),
    ExchangeKind.CHUNKS: chunks(b"\1\2\3\4", b"\5\6\7\10"),
    ExchangeKind.EVENTS: events({"n": 1}, {"n": 2}),
}
WHOLE: dict[ExchangeKind, list[object]] = {
    ExchangeKind.BODY: [b'{"text": "hello"}'],
    ExchangeKind.CHUNKS: [b"\1\2\3\4\5\6\7\10"],
    ExchangeKind.EVENTS: ['{"n": 1}', '{"n": 2}', "[DONE]"],
}


def script(kind: ExchangeKind, **options: Any) -> Script:
    return Script().http("POST", "/ask", ANSWERS[kind], headers={"Authorization": Secret(f"Bearer {KEY}")}, **options)


async def asked(
    url: str, kind: ExchangeKind, *, head: float = WIDE, first: float = WIDE, idle: float = WIDE
) -> list[object]:
    """Return what a provider of that kind would make of the answer."""
    async with (
        aiohttp.ClientSession() as session,
        request(
            session, "POST", f"{url}/ask", provider="p", timeout_seconds=head, headers=HEADERS, json={}
        ) as response,
    ):
        match kind:
            case ExchangeKind.BODY:
                return [await response.read()]
            case ExchangeKind.CHUNKS:
                parts = read_chunks(response, provider="p", first_seconds=first, idle_seconds=idle)
                return [b"".join([part async for part in parts])]
            case _:
                found = read_events(response, provider="p", first_seconds=first, idle_seconds=idle)
                return [event.data async for event in found]


def impatience(fault: Fault) -> dict[str, float]:
    """Return the limits that notice a fault soon; the others stay wide."""
    match fault.kind:
        case K.SILENT | K.SLOW_HEAD:
            return {"head": TIGHT}
        case K.STALL:
            return {"first": TIGHT} if fault.at == 0 else {"idle": TIGHT}
        case K.SLOW_CLOSE:
            return {"idle": TIGHT}
        case _:
            return {}


BEFORE: dict[str, tuple[type[APIError], str]] = {
    "refuse": (APIConnectionError, "connect"),
    "silent": (APITimeoutError, "first_output"),
    "hang-up": (APIConnectionError, "first_output"),
    "401": (APIStatusError, "first_output"),
    "403": (APIStatusError, "first_output"),
    "429-retry-after-0.05": (APIStatusError, "first_output"),
    "500": (APIStatusError, "first_output"),
    "503": (APIStatusError, "first_output"),
    "slow-head": (APITimeoutError, "first_output"),
}
LATER: dict[str, tuple[type[APIError], str]] = {
    "stall": (APITimeoutError, "first_output"),
    "stall-at-1": (APITimeoutError, "idle"),
    "slow-close": (APITimeoutError, "idle"),
    "reset": (APIConnectionError, "receive"),
    "reset-at-1": (APIConnectionError, "receive"),
    "cut": (APIConnectionError, "receive"),
    "cut-at-1": (APIConnectionError, "receive"),
}
CASES = [
    (kind, fault)
    for kind in ANSWERS
    for fault in faults_for(kind)
    if fault.name in LATER or (fault.name in BEFORE and kind is ExchangeKind.EVENTS)  # before the head all are alike
    if not (
        kind is ExchangeKind.BODY and fault.kind is K.STALL
    )  # a body of one piece has no limit but that of the whole
]


def reveals_nothing(error: BaseException | None, logged: str = "") -> None:
    while error is not None:
        for text in (str(error), repr(error), "".join(traceback.format_exception(error))):
            assert KEY not in text
        error = error.__cause__
    assert KEY not in logged


def test_the_tables_have_every_fault_but_those_that_are_right_http() -> None:
    unnoticed = {K.EMPTY, K.EMPTY_ONLY, K.GARBAGE, K.WRONG_JSON, K.UNKNOWN_TYPE, K.LARGE, K.DUPLICATE, K.OUT_OF_ORDER}
    unnoticed |= {K.DRIP, K.END}
    elsewhere = {K.QUOTE}  # test_a_vendor_that_refuses_a_key_and_quotes_it_does_not_show_it
    noticed = {fault.name for kind in ANSWERS for fault in faults_for(kind) if fault.kind not in unnoticed | elsewhere}
    assert noticed == {fault.name for _, fault in CASES} == BEFORE.keys() | LATER.keys()


@pytest.mark.parametrize(("kind", "fault"), CASES, ids=[f"{kind}-{fault.name}" for kind, fault in CASES])
async def test_a_fault_becomes_an_error_that_says_what_it_was_after_as_many_attempts_as_can_help(
    kind: ExchangeKind, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    expected, phase = {**BEFORE, **LATER}[fault.name]
    retryable = fault.status not in {401, 403}
    caplog.set_level("DEBUG")
    options = Hurried(max_retry=1, timeout=WIDE)
    async with VendorServer(script(kind), fault=fault) as vendor:
        with pytest.raises(APIError) as caught:
            await with_retries(lambda: asked(vendor.url, kind, **impatience(fault)), options, label="tests.p")

    final = caught.value
    last = final.__cause__ if retryable else final
    assert isinstance(last, APIError)
    assert type(last) is expected
    for error in (final, last):
        assert (error.phase, error.provider, error.retryable) == (phase, "p", retryable)
    assert final.attempts == (2 if retryable else 1)
    assert len(vendor.journal) == (0 if fault.kind is K.REFUSE else final.attempts)
    if isinstance(last, APIStatusError):
        assert (last.status_code, last.request_id) == (fault.status, f"request-{final.attempts - 1}")
        assert last.code == f"scripted_{fault.status}"
        assert last.body == {"error": {"message": "refused by the script", "code": f"scripted_{fault.status}"}}
        assert last.retry_after_seconds == (fault.seconds or None)
    reveals_nothing(final, caplog.text)


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("fault", [Fault(kind=K.STATUS, status=503), Fault(kind=K.CUT)], ids=lambda fault: fault.name)
async def test_the_next_attempt_gets_the_answer_whole(kind: ExchangeKind, fault: Fault) -> None:
    options = Hurried(max_retry=1, timeout=WIDE)
    async with VendorServer(script(kind), fault=fault.once()) as vendor:
        assert await with_retries(lambda: asked(vendor.url, kind), options, label="p") == WHOLE[kind]

    assert len(vendor.journal) == 2


async def test_an_answer_that_drips_is_whole() -> None:
    for kind in ANSWERS:
        async with VendorServer(script(kind), fault=Fault(kind=K.DRIP, count=5, seconds=0.002)) as vendor:
            assert await asked(vendor.url, kind) == WHOLE[kind]


async def test_an_answer_of_many_megabytes_is_read() -> None:
    async with VendorServer(script(ExchangeKind.EVENTS), fault=Fault(kind=K.LARGE)) as vendor:
        large, *others = await asked(vendor.url, ExchangeKind.EVENTS)

    assert isinstance(large, str)
    assert len(large) == 5 * 1024 * 1024
    assert others == WHOLE[ExchangeKind.EVENTS]


async def one_answer(answer: Answer, **limits: Any) -> bytes:
    async with (
        VendorServer(Script().http("GET", "/", answer)) as vendor,
        aiohttp.ClientSession() as session,
        request(session, "GET", vendor.url, provider="p", **{"timeout_seconds": WIDE, **limits}) as response,
    ):
        return await response.read()


@pytest.mark.parametrize(
    ("body", "expected", "code"),
    [
        ({"error": {"code": "quota", "type": "limit"}}, {"error": {"code": "quota", "type": "limit"}}, "quota"),
        ({"err_code": "INVALID_AUTH", "err_msg": "no"}, {"err_code": "INVALID_AUTH", "err_msg": "no"}, "INVALID_AUTH"),
        ({"category": "INVALID_JSON"}, {"category": "INVALID_JSON"}, "INVALID_JSON"),
        ({"error": {"type": "overloaded_error"}}, {"error": {"type": "overloaded_error"}}, "overloaded_error"),
        ({"error": "plain"}, {"error": "plain"}, None),
        ("<html>bad gateway</html>", "<html>bad gateway</html>", None),
        (b"", "", None),
        ([1], [1], None),
        (b"\xff", "\ufffd", None),
    ],
)
async def test_the_body_of_an_error_is_kept_and_its_code_found(body: object, expected: object, code: object) -> None:
    with pytest.raises(APIStatusError) as caught:
        await one_answer(reply(body, status=400))

    assert (caught.value.body, caught.value.code) == (expected, code)


async def test_the_body_of_an_error_is_read_to_its_end_though_it_comes_bit_by_bit() -> None:
    parts = (b'{"error": {"co', Pause(0.01), b'de": "quo', Pause(0.01), b'ta"}}')
    with pytest.raises(APIStatusError) as caught:
        await one_answer(chunks(*parts, status=429))

    assert caught.value.code == "quota"


async def test_an_error_whose_body_does_not_come_is_told_all_the_same() -> None:
    with pytest.raises(APIStatusError) as caught:
        await one_answer(chunks(b"{", Pause(30), status=401), timeout_seconds=0.3)

    assert (caught.value.status_code, caught.value.retryable, caught.value.body) == (401, False, "{")


async def test_an_endless_body_of_an_error_is_cut() -> None:
    with pytest.raises(APIStatusError) as caught:
        await one_answer(chunks(*[b"x" * 40_000] * 10, status=500))

    assert isinstance(caught.value.body, str)
    assert len(caught.value.body) == 65_536


@pytest.mark.parametrize("kind", ANSWERS)
async def test_a_vendor_that_refuses_a_key_and_quotes_it_does_not_show_it(kind: ExchangeKind) -> None:
    async with VendorServer(script(kind), fault=Fault(kind=K.QUOTE)) as vendor:
        with pytest.raises(APIStatusError, match=r"the key \*{10} is not valid") as caught:
            await asked(vendor.url, kind)

    assert (caught.value.status_code, caught.value.retryable, caught.value.code) == (400, False, "scripted_quote")
    reveals_nothing(caught.value)


async def test_a_key_that_the_provider_quotes_is_masked() -> None:
    quoting = reply({"error": {"message": f"Incorrect API key provided: {KEY}"}}, status=401)
    for headers in (HEADERS, {"xi-api-key": KEY}):
        with pytest.raises(APIStatusError) as caught:
            await one_answer(quoting, headers=headers)
        reveals_nothing(caught.value)
        assert caught.value.body == {"error": {"message": "Incorrect API key provided: **********"}}


class HalfPastSeven:
    """A clock that stands."""

    def monotonic(self) -> float:
        return 0.0

    def wall_seconds(self) -> float:
        return datetime(2026, 10, 21, 7, 30, tzinfo=UTC).timestamp()


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the machine's time zone to nine hours before GMT."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_from_greenwich")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1.5", 1.5),
        ("-3", 0.0),
        ("Wed, 21 Oct 2026 07:30:07 GMT", 7.0),
        ("Wed, 21 Oct 2026 09:30:07 +0200", 7.0),
        ("Wed Oct 21 07:30:07 2026", 7.0),  # as asctime() writes it
        ("Wednesday, 21-Oct-26 07:30:07 GMT", 7.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2099", None),
        ("soon", None),
        ("nan", None),
        ("", None),
    ],
)
async def test_retry_after_is_understood_as_a_number_and_as_a_date(value: str, expected: float | None) -> None:
    with use_clock(HalfPastSeven()), pytest.raises(APIStatusError) as caught:
        await one_answer(reply(status=503, headers={"Retry-After": value}))

    assert caught.value.retry_after_seconds == expected


async def test_an_address_where_nobody_listens_is_told_with_the_reason() -> None:
    async with VendorServer(Script(), fault=Fault(kind=K.REFUSE)) as vendor, aiohttp.ClientSession() as session:
        with pytest.raises(APIConnectionError) as caught:
            async with request(session, "GET", vendor.url, provider="p", timeout_seconds=WIDE, headers=HEADERS):
                pass

    assert str(caught.value) == f"p could not be reached: {vendor.url.removeprefix('http://')}: Connection refused"
    assert caught.value.phase == "connect"


async def test_a_name_that_nobody_knows_is_told_with_the_reason() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(APIConnectionError, match=r"p could not be reached: nowhere\.invalid:80: \w+"):
            async with request(session, "GET", "http://nowhere.invalid/", provider="p", timeout_seconds=WIDE):
                pass


async def test_a_connection_that_breaks_is_told_with_the_reason() -> None:
    async with (
        VendorServer(Script().http("POST", "/", reply("hello")), fault=Fault(kind=K.HANG_UP)) as vendor,
        aiohttp.ClientSession() as session,
    ):
        with pytest.raises(APIConnectionError) as caught:
            async with request(session, "POST", vendor.url, provider="p", timeout_seconds=WIDE):
                pass

    assert str(caught.value) in {
        f"p: the connection failed: {told}" for told in ("Connection reset by peer", "ServerDisconnectedError")
    }


@pytest.mark.parametrize("where", ["headers", "params"])
async def test_a_key_that_an_event_quotes_is_masked_in_the_error_that_a_plugin_makes_of_it(where: str) -> None:
    shown: dict[str, Any] = {"headers": HEADERS} if where == "headers" else {"params": {"api_key": KEY}}

    async def understand() -> None:
        async with (
            VendorServer(Script().http("GET", "/", events({"error": f"{KEY} is no key"}), query=None)) as vendor,
            aiohttp.ClientSession() as session,
            request(session, "GET", vendor.url, provider="p", timeout_seconds=WIDE, **shown) as response,
        ):
            async for event in read_events(response, provider="p", first_seconds=WIDE, idle_seconds=WIDE):
                raise APIError(f"it says {event.data}", body=[event.data], retryable=False) from ValueError(event.data)

    with pytest.raises(APIError) as caught:
        await understand()

    error = caught.value
    assert str(error) == 'it says {"error": "********** is no key"}'
    assert KEY not in f"{error!r} {error.body} {error.__cause__}"


async def test_the_limit_of_the_head_does_not_hold_for_the_body() -> None:
    assert await one_answer(chunks(b"a", Pause(0.3), b"b"), timeout_seconds=0.25) == b"ab"


async def test_the_limit_of_the_whole_holds_for_the_body() -> None:
    with pytest.raises(APITimeoutError, match=r"p did not come to an end within 0\.1 s") as caught:
        await one_answer(chunks(b"a", Pause(30)), total_seconds=0.1)

    assert caught.value.phase == "receive"


async def test_an_error_of_a_provider_that_is_raised_in_the_block_is_kept_and_located() -> None:
    cause = ValueError("no JSON")

    async def understand() -> None:
        async with (
            VendorServer(Script().http("GET", "/", reply("hello"))) as vendor,
            aiohttp.ClientSession() as session,
            request(session, "GET", vendor.url, provider="p", timeout_seconds=WIDE),
        ):
            raise APIError("not understood", retryable=False).located(phase="decode") from cause

    with pytest.raises(APIError, match="not understood") as caught:
        await understand()

    error = caught.value
    assert (error.provider, error.phase, error.retryable, error.__cause__) == ("p", "decode", False, cause)


async def test_a_defect_in_the_block_is_no_error_of_the_provider() -> None:
    async def understand() -> None:
        async with (
            VendorServer(Script().http("GET", "/", reply("hello"))) as vendor,
            aiohttp.ClientSession() as session,
            request(session, "GET", vendor.url, provider="p", timeout_seconds=WIDE),
        ):
            raise KeyError("choices")

    with pytest.raises(KeyError):
        await understand()


async def test_an_answer_of_another_content_type_reveals_nothing() -> None:
    async def understand() -> object:
        async with (
            VendorServer(Script().http("GET", "/", reply("<html>"))) as vendor,
            aiohttp.ClientSession() as session,
            request(session, "GET", vendor.url, provider="p", timeout_seconds=WIDE, headers=HEADERS) as response,
        ):
            return await response.json()

    with pytest.raises(APIConnectionError, match="ContentTypeError") as caught:
        await understand()
    assert caught.value.phase == "receive"
    reveals_nothing(caught.value)


async def test_an_address_that_is_none_is_an_error_of_the_connection() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(APIConnectionError) as caught:
            async with request(session, "GET", "http://", provider="p", timeout_seconds=WIDE):
                pass

    assert caught.value.phase == "connect"


@pytest.mark.parametrize("kind", [K.SILENT, K.STALL, K.DRIP])
async def test_a_request_that_is_cancelled_leaves_nothing_open(kind: FaultKind) -> None:
    fault = Fault(kind=kind, count=10, seconds=0.05)
    async with VendorServer(script(ExchangeKind.EVENTS), fault=fault) as vendor:
        asking = asyncio.create_task(asked(vendor.url, ExchangeKind.EVENTS), name="asking")
        while not vendor.journal.exchanges:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    assert vendor.journal[0].ended


async def test_a_reader_that_stops_in_the_middle_leaves_nothing_open() -> None:
    async def first(found: AsyncIterator[object]) -> object:
        async for each in found:
            return each
        return None

    async with (
        VendorServer(script(ExchangeKind.EVENTS), fault=Fault(kind=K.STALL, at=1)) as vendor,
        aiohttp.ClientSession() as session,
        request(session, "POST", f"{vendor.url}/ask", provider="p", timeout_seconds=1, headers=HEADERS) as response,
    ):
        event = await first(read_events(response, provider="p", first_seconds=WIDE, idle_seconds=WIDE))

    assert event is not None
