"""Server-sent events, however their bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_agents.foundation.errors import APIError
from lk_agents.streams.http import ServerSentEvent, _EventParser, read_events, request
from lk_agents.testing.vendor import Pause, Script, VendorServer, chunks


def parsed(*parts: bytes) -> list[ServerSentEvent]:
    parser = _EventParser()
    return [event for part in parts for event in parser.feed(part)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ("data: a\n\n", [("message", "a")]),
        ("data: a\ndata: b\n\n", [("message", "a\nb")]),
        ("event: x\ndata: a\n\ndata: b\n\n", [("x", "a"), ("message", "b")]),
        ("data:a\n\ndata:  a\n\n", [("message", "a"), ("message", " a")]),
        ("data\n\ndata:\ndata\n\n", [("message", ""), ("message", "\n")]),
        (": comment\n\n:\n\ndata: a\n: in between\n\n", [("message", "a")]),
        ("event: x\n\ndata: a\n\n", [("message", "a")]),
        ("id: 7\nretry: 10\nnonsense\ndata: a: b\n\n", [("message", "a: b")]),
        ("data: a\r\n\r\ndata: b\r\rdata: c\n\r\n", [("message", "a"), ("message", "b"), ("message", "c")]),
        ("data: never ended\n", []),
        ("data: never ended", []),
        ("", []),
        ("\ufeffdata: a\n\n", [("message", "a")]),
        ("data: \ufeffä€😀\n\n", [("message", "\ufeffä€😀")]),
        ("\n\n\n", []),
    ],
)
def test_the_standard_is_kept(stream: str, expected: list[tuple[str, str]]) -> None:
    wanted = [ServerSentEvent(*each) for each in expected]
    data = stream.encode()

    assert parsed(data) == wanted
    assert parsed(*(data[at : at + 1] for at in range(len(data)))) == wanted


LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
END = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[ServerSentEvent], list[int]]:
    """Return a stream of events, the events, and places to cut it."""
    text, expected = "", []
    end = draw(END)  # a return and a line feed of two lines would be one end
    for _ in range(draw(st.integers(0, 4))):
        name, lines = draw(LINE), draw(st.lists(LINE, max_size=3))
        if draw(st.booleans()):
            text += f": {draw(LINE)}{end}"
        if name:
            text += f"event: {name}{end}"
        text += "".join(f"data: {line}{end}" for line in lines)
        text += end
        if lines:
            expected.append(ServerSentEvent(name or "message", "\n".join(lines)))
    data = text.encode()
    return data, expected, draw(st.lists(st.integers(0, len(data)), max_size=8))


@given(streams())
@settings(deadline=None)
def test_any_cutting_gives_the_same_events(stream: tuple[bytes, list[ServerSentEvent], list[int]]) -> None:
    data, _, cuts = stream
    places = [0, *sorted(cuts), len(data)]

    assert parsed(*(data[start:end] for start, end in pairwise(places))) == parsed(data)


@given(streams())
@settings(deadline=None)
def test_what_was_written_is_read(stream: tuple[bytes, list[ServerSentEvent], list[int]]) -> None:
    data, expected, _ = stream

    assert parsed(data) == expected


async def test_events_of_a_response_come_as_soon_as_they_are_whole() -> None:
    answer = chunks(b"da", b"ta: a\n\nda", Pause(0.01), b"ta: b\r\n", b"\r\n", content_type="text/event-stream")
    found: list[str] = []
    async with (
        VendorServer(Script().http("GET", "/", answer)) as vendor,
        aiohttp.ClientSession() as session,
        request(session, "GET", vendor.url, provider="p", timeout_seconds=5) as response,
    ):
        async for event in read_events(response, provider="p", first_seconds=5, idle_seconds=5):
            found.append(event.data)
            if len(found) == 1:
                assert len(vendor.journal[0].sent) <= 2

    assert found == ["a", "b"]


async def test_a_line_without_an_end_is_given_up() -> None:
    answer = chunks(*[b"x" * (1 << 20)] * 18, content_type="text/event-stream")

    async def read() -> list[ServerSentEvent]:
        async with (
            VendorServer(Script().http("GET", "/", answer), strict=False) as vendor,
            aiohttp.ClientSession() as session,
            request(session, "GET", vendor.url, provider="p", timeout_seconds=5) as response,
        ):
            return [event async for event in read_events(response, provider="p", first_seconds=5, idle_seconds=5)]

    with pytest.raises(APIError, match="a line of more than 16777216 bytes") as caught:
        await read()

    assert caught.value.phase == "decode"
