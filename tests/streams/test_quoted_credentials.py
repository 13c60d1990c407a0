"""A vendor that quotes the key over its socket shows it to nobody: not in the error, its cause or its variables."""

from __future__ import annotations

import json
import traceback
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

import aiohttp
import pytest
from tests.streams.ears import KEY, Heard, ears, hear_all, retrying, script

from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError
from lk_agents.streams import open_websocket
from lk_agents.streams.credentials import hide_in_error, shown_on
from lk_agents.testing.vendor import Script, Stay, VendorServer, VendorSocket, conversation

pytestmark = pytest.mark.usefixtures("lk_no_leaks")

MASK = "**********"
SENT = {"Authorization": f"Bearer {KEY}"}
Talk = Callable[[VendorSocket], Awaitable[None]]


class Answer(NamedTuple):
    """A body with a shape of its own."""

    text: Any
    more: Any


class Telling:
    """An object that tells what it holds."""

    def __init__(self, held: str) -> None:
        self.held = held

    def __repr__(self) -> str:
        return self.held


class Mute:
    """An object that cannot be shown."""

    def __repr__(self) -> NoReturn:
        raise RuntimeError("no")


class Closed(Mapping[str, str]):
    """A mapping that does not open."""

    def __getitem__(self, key: str) -> str:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no")

    def __len__(self) -> int:
        return 1


class Shy(list[Any]):
    """A list that cannot be made from another one, nor be shown."""

    def __init__(self) -> None:
        super().__init__([KEY])

    def __repr__(self) -> NoReturn:
        raise RuntimeError("no")


class Proxy:
    """An object that cannot even be asked for its class, since there is nothing behind it."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise RuntimeError("no")


def deep() -> object:
    """Return a key further in than Python can follow."""
    found: object = KEY
    for _ in range(100_000):
        found = [found]
    return found


def circular() -> object:
    """Return a list that holds itself more than once, and the key."""
    found: list[object] = [KEY]
    found += [found, {"again": found}]
    return found


def huge() -> object:
    """Return a number that Python does not write."""
    return 10**5000


ODD: list[Callable[[], object]] = [Mute, Closed, Shy, Proxy, deep, circular, huge]


def everything_told(error: BaseException) -> str:
    """Return what anybody may see of an error: its text, its fields, and the variables of every frame."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join([*told.format(), repr(vars(error))])


async def complain(peer: VendorSocket) -> None:
    await peer.send({"type": "Error", "text": f"{KEY} is no key", "code": f"E-{KEY}"})
    async for _ in peer:
        pass


async def close(peer: VendorSocket) -> None:
    await peer.receive()
    await peer.close(4001, f"{KEY} is no key")


def decode(message: bytes | str) -> Iterable[Heard]:
    told = json.loads(message)
    cause = ValueError(message)
    raise APIError(f"it says: {told['text']}", body={"told": [told]}).located(code=told["code"]) from cause


@pytest.mark.parametrize(
    ("talk", "says"),
    [(complain, f"it says: {MASK} is no key"), (close, f"code 4001, reason {MASK} is no key")],
    ids=["in a message", "in the reason of a close"],
)
@pytest.mark.parametrize("retries", [0, 1])
async def test_a_key_that_the_vendor_quotes_is_masked_and_in_no_variable(talk: Talk, says: str, retries: int) -> None:
    async with VendorServer(script(talk)) as vendor, ears(vendor, retrying(retries), decode=decode) as stream:
        with pytest.raises(APIError) as caught:
            await hear_all(stream)

    assert says in str(caught.value)
    assert KEY not in everything_told(caught.value)


async def test_the_plugins_own_error_for_a_close_gets_a_reason_without_the_key() -> None:
    reasons: list[str] = []

    def close_error(code: int | None, reason: str) -> APIError:
        reasons.append(reason)
        return APIConnectionError("closed")

    async with VendorServer(script(close)) as vendor, ears(vendor, close_error=close_error) as stream:
        with pytest.raises(APIConnectionError):
            await hear_all(stream)

    assert reasons == [f"{MASK} is no key"]


async def test_an_error_that_quotes_nothing_keeps_its_cause_and_where_it_came_from() -> None:
    cause = ValueError("no JSON")

    def fail(message: bytes | str) -> Iterable[Heard]:
        raise APIError("not understood") from cause

    async with VendorServer(script()) as vendor, ears(vendor, decode=fail) as stream:
        with pytest.raises(APIError) as caught:
            await hear_all(stream)

    assert caught.value.__cause__ is cause
    assert "in fail" in "".join(traceback.format_exception(caught.value))


async def test_a_key_in_the_query_is_masked_as_well() -> None:
    talk = conversation(Stay())
    async with (
        VendorServer(Script().socket("/", talk, query=None)) as vendor,
        aiohttp.ClientSession() as session,
        await open_websocket(
            session,
            vendor.ws_url,
            headers={},
            timeout_seconds=5,
            provider="p",
            params=[("api_key", KEY), ("keyterm", "Kowalskiewicz")],
        ) as socket,
    ):
        error = APIError(f"{KEY} does not know Kowalskiewicz")
        hide_in_error(error, shown_on[socket])

    assert str(error) == f"{MASK} does not know Kowalskiewicz"


def test_a_key_is_masked_wherever_an_error_has_it() -> None:
    error = APIError(f"no {KEY}", body={"a": [f"<{KEY}>", 3, None], KEY: (KEY,)}).located(
        code=KEY, request_id=f"r-{KEY}"
    )

    hide_in_error(error, SENT)

    assert (str(error), error.message, error.code, error.request_id) == (f"no {MASK}", f"no {MASK}", MASK, f"r-{MASK}")
    assert error.body == {"a": [f"<{MASK}>", 3, None], MASK: (MASK,)}


@pytest.mark.parametrize("code", [401, None])
def test_what_shows_no_key_stays_what_it_is(code: int | None) -> None:
    body = [b"bytes \xff", bytearray(b"more"), {"a": ("text", {1, 2})}, Telling("nothing"), deque(["other"])]
    error = APIError("no", body=body).located(code=code)

    hide_in_error(error, SENT)

    assert error.code == code
    assert error.body is body


@pytest.mark.parametrize(
    ("quoted", "masked"),
    [
        (f"{KEY} is no key".encode(), f"{MASK} is no key".encode()),
        (b"\xff\x00" + KEY.encode() + b"\xfe", b"\xff\x00" + MASK.encode() + b"\xfe"),
        (bytearray(KEY, "ascii"), bytearray(MASK, "ascii")),
        ({KEY.encode(): [KEY.encode()]}, {MASK.encode(): [MASK.encode()]}),
        (Answer("no", KEY), Answer("no", MASK)),
        (Answer("no", [{"key": Answer(KEY, None)}]), Answer("no", [{"key": Answer(MASK, None)}])),
        ({KEY, "other"}, {MASK, "other"}),
        (frozenset([KEY]), frozenset([MASK])),
        (OrderedDict(a=KEY), {"a": MASK}),
        (deque([KEY]), f"deque(['{MASK}'])"),
        (ValueError(KEY), f"ValueError('{MASK}')"),
        (Telling(KEY), MASK),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_key_is_masked_in_every_kind_of_body(quoted: object, masked: object) -> None:
    error = APIStatusError("no", status_code=401, body=quoted)

    hide_in_error(error, SENT)

    assert error.body == masked
    assert type(error.body) is type(masked)
    assert KEY not in everything_told(error) + str(error)


@pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)
def test_no_body_keeps_a_key_from_being_masked(make: Callable[[], object]) -> None:
    error = APIError(f"no {KEY}", body=[make(), KEY])

    hide_in_error(error, SENT)

    assert str(error) == f"no {MASK}"
    assert isinstance(error.body, list)
    assert error.body[1] == MASK
    assert KEY not in everything_told(error)


def test_an_error_whose_text_is_none_is_masked() -> None:
    error = APIError(f"no {KEY}".encode())  # type: ignore[arg-type]  # a plugin may be wrong

    hide_in_error(error, SENT)

    assert str(error) == str(f"no {MASK}".encode())


async def test_a_key_in_a_message_that_was_passed_over_is_in_no_variable_when_the_connection_breaks() -> None:
    async def quote_and_break(peer: VendorSocket) -> None:
        await peer.send({"type": "notice", "text": f"{KEY} is no key"})
        await peer.close(1011)

    async with VendorServer(script(quote_and_break)) as vendor, ears(vendor) as stream:
        with pytest.raises(APIConnectionError) as caught:
            await hear_all(stream)

    assert KEY not in everything_told(caught.value)
