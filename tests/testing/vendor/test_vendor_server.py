"""What a scripted vendor answers, and what it finds wrong with its clients."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NoReturn

import aiohttp
import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.secret import Secret
from lk_agents.testing.vendor import (
    Answer,
    Close,
    Exchange,
    Hear,
    HearUntil,
    Pause,
    PeerGoneError,
    Say,
    Script,
    Stay,
    VendorError,
    VendorServer,
    VendorSocket,
    chunks,
    conversation,
    events,
    reply,
)

KEY, OTHER_KEY = "a-key-that-nobody-may-see", "another-key-of-the-same-kind"


@asynccontextmanager
async def connected(vendor: VendorServer, path: str = "/") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with aiohttp.ClientSession() as session, session.ws_connect(vendor.ws_url + path) as ws:
        yield ws


async def say(script: Script, *messages: str) -> None:
    """Say this to the vendor, then wait until it closes."""
    async with VendorServer(script) as vendor, connected(vendor) as ws:
        for message in messages:
            await ws.send_str(message)
        await ws.receive()


async def test_answers_come_in_their_order_and_the_journal_has_what_was_asked() -> None:
    script = Script().http(
        "POST", "/v1/ask", reply({"n": 1}), reply("two", status=201), query={"model": "m", "k": ["1", "2"]}
    )
    async with VendorServer(script) as vendor, aiohttp.ClientSession(vendor.url) as session:
        async with session.post("/v1/ask?model=m&k=1&k=2", json={"q": "?"}) as first:
            assert await first.json() == {"n": 1}
        async with session.post("/v1/ask?k=1&model=m&k=2", data=io.BytesIO(bytes(2_000_000))) as second:
            assert (second.status, await second.text()) == (201, "two")

    one, two = vendor.journal
    assert (one.method, one.path, one.raw_query) == ("POST", "/v1/ask", "model=m&k=1&k=2")
    assert one.json() == {"q": "?"}
    assert one.ended == "answered 200"
    assert len(two.body) == 2_000_000
    assert two.query == [("k", "1"), ("model", "m"), ("k", "2")]
    assert 0 <= one.at_seconds <= two.at_seconds


async def test_a_body_comes_in_the_pieces_of_the_script() -> None:
    script = Script().http("GET", "/audio", chunks(b"ab", Pause(0.01), b"cd", content_type="audio/pcm"))
    async with (
        VendorServer(script) as vendor,
        aiohttp.ClientSession(vendor.url) as session,
        session.get("/audio") as response,
    ):
        found = [chunk async for chunk, _ in response.content.iter_chunks()]

    assert found == [b"ab", b"cd"]
    assert response.content_type == "audio/pcm"
    assert vendor.journal[0].sent == [b"ab", b"cd"]


async def test_events_have_names_data_and_an_end() -> None:
    script = Script().http("GET", "/sse", events({"a": 1}, ("named", "two\nlines")))
    async with (
        VendorServer(script) as vendor,
        aiohttp.ClientSession(vendor.url) as session,
        session.get("/sse") as response,
    ):
        text = await response.text()

    assert text == 'data: {"a": 1}\n\nevent: named\ndata: two\ndata: lines\n\ndata: [DONE]\n\n'


async def test_a_function_can_make_the_answer() -> None:
    async def answer(exchange: Exchange) -> Answer:
        return reply({"length": len(exchange.body)})

    script = Script().http("POST", "/", answer, repeat=True)
    async with VendorServer(script) as vendor, aiohttp.ClientSession(vendor.url) as session:
        for length in (3, 4):
            async with session.post("/", data=b"x" * length) as response:
                assert await response.json() == {"length": length}


async def test_a_conversation_goes_step_by_step() -> None:
    script = Script().socket(
        "/talk",
        conversation(
            Say({"type": "hello"}),
            Hear(b"audio"),
            HearUntil({"type": "end"}),
            Pause(0.001),
            Say(b"\1\2"),
            Close(4000, "so"),
        ),
    )
    async with VendorServer(script) as vendor, aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{vendor.ws_url}/talk") as ws:
            assert await ws.receive_json() == {"type": "hello"}
            await ws.send_bytes(b"audio")
            await ws.send_str("whatever")
            await ws.send_str('{"type":"end"}')
            assert await ws.receive_bytes() == b"\1\2"
            closing = await ws.receive()
        assert (closing.data, closing.extra) == (4000, "so")

    exchange = vendor.journal[0]
    assert exchange.received == [b"audio", "whatever", '{"type":"end"}']
    assert exchange.received_texts == ["whatever", '{"type":"end"}']
    assert exchange.received_bytes == b"audio"
    assert exchange.sent == ['{"type": "hello"}', b"\1\2"]
    assert [frame.at_seconds for frame in exchange.frames] == sorted(frame.at_seconds for frame in exchange.frames)


async def test_a_function_can_hold_the_conversation() -> None:
    heard: list[object] = []

    async def echo(peer: VendorSocket) -> None:
        async for message in peer:
            heard.append(message)
            await peer.send(message)

    script = Script().socket("/echo", echo, query={"rate": "16000"})
    async with VendorServer(script) as vendor, connected(vendor, "/echo?rate=16000") as ws:
        await ws.send_str("a")
        assert await ws.receive_str() == "a"

    assert heard == ["a"]
    assert vendor.journal[0].ended


async def test_a_handshake_can_be_refused_as_this_vendor_does_it() -> None:
    refusal = reply({"err_code": "QUOTA"}, status=402, headers={"dg-error": "no money left"})
    async with VendorServer(Script().socket("/", refusal, conversation(Say("hello")))) as vendor:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with connected(vendor):
                pass
        async with connected(vendor) as ws:
            assert await ws.receive_str() == "hello"

    assert caught.value.status == 402
    assert caught.value.headers is not None
    assert caught.value.headers["dg-error"] == "no money left"


async def test_a_client_that_stays_until_it_wants_to_go_is_fine() -> None:
    script = Script().socket("/", conversation(Say("hello"), Stay()))
    async with VendorServer(script) as vendor, connected(vendor) as ws:
        assert await ws.receive_str() == "hello"


async def ask(vendor: VendorServer, path: str, **options: object) -> int:
    async with aiohttp.ClientSession(vendor.url) as session, session.get(path, **options) as response:  # type: ignore[arg-type]
        await response.read()
        return response.status


@pytest.mark.parametrize(
    ("path", "query", "complaint"),
    [
        ("/other", (), "the script has no GET /other"),
        ("/ask?extra=1", (), "the query key 'extra' is not expected"),
        ("/ask", {"model": "m"}, "the query key 'model' is missing"),
        ("/ask?model=n", {"model": "m"}, r"the query key 'model' is \['n'\] instead of \['m'\]"),
        ("/ask?a=1&a=2", {"a": "1"}, r"the query key 'a' is \['1', '2'\]"),
    ],
)
async def test_what_the_script_does_not_expect_is_an_error_with_the_journal(
    path: str, query: dict[str, str] | tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(VendorError, match=complaint) as caught:
        async with VendorServer(Script().http("GET", "/ask", reply("x"), query=query)) as vendor:
            await ask(vendor, path)

    assert "journal:\n  #0 at" in str(caught.value)


async def test_names_of_a_query_alone_leave_the_values_free() -> None:
    script = Script().http("GET", "/ask", reply(), reply(), query=("model",)).http("GET", "/any", reply(), query=None)
    async with VendorServer(script) as vendor:
        assert [await ask(vendor, path) for path in ("/ask?model=x", "/ask", "/any?a=b&c=d")] == [200, 200, 200]


async def test_answers_that_nobody_fetched_are_an_error() -> None:
    with pytest.raises(VendorError, match="GET /ask: 1 of 2 answers were not used"):
        async with VendorServer(Script().http("GET", "/ask", reply(), reply())) as vendor:
            await ask(vendor, "/ask")


async def test_one_request_too_many_is_an_error() -> None:
    with pytest.raises(VendorError, match="the script has no more answers for GET /ask"):
        async with VendorServer(Script().http("GET", "/ask", reply())) as vendor:
            assert [await ask(vendor, "/ask"), await ask(vendor, "/ask")] == [200, 500]


async def test_the_error_of_the_test_itself_goes_first_and_gets_the_journal_as_a_note() -> None:
    async def fail() -> None:
        async with VendorServer(Script().http("GET", "/ask", reply(), reply())) as vendor:
            await ask(vendor, "/ask")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        await fail()

    assert "GET /ask: 1 of 2 answers were not used" in caught.value.__notes__[0]


@pytest.mark.parametrize("outcome", [pytest.skip, pytest.xfail])
async def test_what_pytest_says_of_a_test_gets_no_note(outcome: Callable[[str], NoReturn]) -> None:
    async def leave() -> None:
        async with VendorServer(Script().http("GET", "/ask", reply(), reply())) as vendor:
            await ask(vendor, "/ask")
            outcome("not here")

    with pytest.raises((pytest.skip.Exception, pytest.xfail.Exception)) as caught:
        await leave()

    assert not hasattr(caught.value, "__notes__")


async def test_problems_can_be_looked_at_instead() -> None:
    async with VendorServer(Script().http("GET", "/ask", reply()), strict=False) as vendor:
        pass

    assert vendor.problems == ["GET /ask: 1 of 1 answers were not used"]


@pytest.mark.parametrize("sent", [None, "Token another-key"])
async def test_wrong_credentials_are_refused_and_no_credential_is_shown(sent: str | None) -> None:
    script = Script().http("GET", "/ask", reply(), query=None, headers={"Authorization": Secret(f"Token {KEY}")})
    headers = {} if sent is None else {"Authorization": sent}
    with pytest.raises(VendorError, match="the header 'Authorization' is") as caught:
        async with VendorServer(script) as vendor:
            assert await ask(vendor, f"/ask?api_key={KEY}", headers=headers) == 401

    assert KEY not in str(caught.value)
    assert "another-key" not in str(caught.value)


@pytest.mark.parametrize("known", [True, False])
async def test_credentials_are_masked_wherever_they_stand(known: bool) -> None:
    secret = Secret(f"Token {KEY}") if known else f"Token {KEY}"
    script = Script().http("POST", "/ask", reply(), query=None, headers={"Authorization": secret, "x-version": "3"})
    async with VendorServer(script) as vendor, aiohttp.ClientSession(vendor.url) as session:
        headers = {"Authorization": f"Token {KEY}", "xi-api-key": OTHER_KEY, "x-version": "3"}
        async with session.post(
            f"/ask?token={KEY}&keyterm=cat", headers=headers, data=f"keys: {KEY} {OTHER_KEY}"
        ) as response:
            assert response.status == 200

    assert vendor.journal[0].headers["authorization"] == "Token **********"
    assert vendor.journal[0].headers["xi-api-key"] == "**********"
    assert vendor.journal[0].headers["x-version"] == "3"
    assert vendor.journal[0].raw_query == "token=**********&keyterm=cat"
    assert KEY not in str(vendor.journal)
    assert "keys: ********** **********" in str(vendor.journal)


async def test_a_client_that_says_something_else_is_an_error() -> None:
    with pytest.raises(VendorError, match="the client said 'b' instead of 'a'"):
        await say(Script().socket("/", conversation(Hear("a"))), "b")


@pytest.mark.parametrize("step", [Hear("a", within_seconds=0.02), HearUntil("a", within_seconds=0.02)])
async def test_a_client_that_says_nothing_is_an_error(step: Hear | HearUntil) -> None:
    with pytest.raises(VendorError, match=r"within 0\.02 s|for 0\.02 s"):
        await say(Script().socket("/", conversation(step)))


async def leave_at_once(script: Script) -> None:
    async with VendorServer(script) as vendor, connected(vendor):
        pass


async def test_a_client_that_leaves_early_is_an_error_unless_it_may() -> None:
    with pytest.raises(VendorError, match="before step 0 of the conversation: Hear"):
        await leave_at_once(Script().socket("/", conversation(Hear("a"))))
    await leave_at_once(Script().socket("/", conversation(Hear("a"), may_leave=True)))


async def test_a_socket_that_is_left_open_is_an_error() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(VendorError, match="the client has left it open"):
            async with VendorServer(Script().socket("/", conversation(Stay()))) as vendor:
                socket = await session.ws_connect(vendor.ws_url)
        await socket.close()


async def test_what_the_function_of_a_test_raises_is_an_error_with_its_place() -> None:
    async def talk(peer: VendorSocket) -> None:
        assert await peer.receive_json() == {"type": "KeepAlive"}, "no keep-alive first"

    with pytest.raises(VendorError, match="no keep-alive first"):
        await say(Script().socket("/", talk), "{}")


async def test_what_a_function_checks_after_the_client_has_gone_counts() -> None:
    async def talk(peer: VendorSocket) -> None:
        async for _ in peer:
            pass
        await asyncio.sleep(0.05)
        raise AssertionError("looked closely")

    with pytest.raises(VendorError, match="looked closely"):
        await leave_at_once(Script().socket("/", talk))


async def test_sending_to_a_client_that_has_gone_says_so() -> None:
    raised: list[BaseException] = []

    async def talk(peer: VendorSocket) -> None:
        async for _ in peer:
            pass
        try:
            await peer.send("too late")
        except PeerGoneError as error:
            raised.append(error)

    await leave_at_once(Script().socket("/", talk))
    assert raised


async def test_a_plain_request_where_a_socket_should_be_is_an_error() -> None:
    with pytest.raises(VendorError, match="socket /: this is no request for a socket"):
        async with VendorServer(Script().socket("/", conversation(Stay()))) as vendor:
            assert await ask(vendor, "/") == 404


async def test_it_can_be_away_for_a_while_and_come_back_at_the_same_address() -> None:
    async with VendorServer(Script().http("GET", "/ask", reply(), reply())) as vendor:
        await ask(vendor, "/ask")
        await vendor.stop_listening()
        with pytest.raises(aiohttp.ClientConnectorError):
            await ask(vendor, "/ask")
        await vendor.listen_again()
        await ask(vendor, "/ask")


def test_a_script_is_refused_that_has_no_answer_or_one_path_twice() -> None:
    with pytest.raises(ConfigError, match="GET /ask: the script has no answer"):
        Script().http("get", "/ask")
    with pytest.raises(ConfigError, match="socket /ask: the script has this path already"):
        Script().http("GET", "/ask", reply()).socket("/ask", conversation())


async def test_long_data_is_shortened_in_the_text_of_the_journal_only() -> None:
    script = Script().socket("/", conversation(*[Say(json.dumps(["x" * 1000]))] * 50, Say(b"\x80" * 100)))
    async with VendorServer(script) as vendor, connected(vendor) as ws:
        async for _ in ws:
            pass

    assert len(vendor.journal[0].sent) == 51
    assert len(str(vendor.journal)) < 12_000
    assert "(1004 characters)" in str(vendor.journal)
