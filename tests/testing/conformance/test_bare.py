"""A recogniser on the old hooks and aiohttp alone, as docs/plugins.md shows it, passes the kit over a real socket."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.testing.conformance.wired import listening

from lk_agents.foundation.types import APIConnectOptions
from lk_agents.stt import STT, RecognizeStream
from lk_agents.testing.conformance.frame import ended_by, failed_with, told_by
from lk_agents.testing.conformance.stt import STTCase, STTConformance
from lk_agents.testing.conformance.stt_cases import UTTERANCES, push
from lk_agents.testing.providers import voice
from lk_agents.testing.vendor import ExchangeKind, Fault, FaultKind, Script, VendorServer

PAGE = Path(__file__).resolve().parents[3] / "docs" / "plugins.md"


def shown() -> dict[str, Any]:
    """Return the names of the example."""
    section = PAGE.read_text(encoding="utf-8").split("\n### A socket of your own\n", 1)[1]
    match = re.search(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert match is not None
    names: dict[str, Any] = {"__name__": "crow"}
    exec(compile(match[1], str(PAGE), "exec"), names)
    return names


def test_the_example_uses_neither_the_socket_loop_nor_the_one_for_http() -> None:
    assert not {"run_wire", "open_websocket", "request", "Codec"} & shown().keys()


@pytest.mark.parametrize(
    ("streamed", "says"),
    [(False, "the connection to Crow failed"), (True, "Crow could not be reached")],
    ids=["recording", "stream"],
)
async def test_the_errors_of_the_example_say_why_there_was_no_connection(
    streamed: bool, says: str, lk_no_leaks: None
) -> None:
    once = APIConnectOptions(max_retry=0)
    async with (
        VendorServer(Script(), fault=Fault(kind=FaultKind.REFUSE)) as vendor,
        aiohttp.ClientSession() as session,
        shown()["Crow"](url=vendor.url, api_key="the-key-of-a-crow", session=session) as crow,
    ):
        if streamed:
            async with crow.stream(conn_options=once) as stream:
                push(stream, voice(UTTERANCES, 1.0))
                error = await ended_by(stream)
        else:
            error = await failed_with(crow.recognize(voice(UTTERANCES, 1.0), conn_options=once))

    assert f"{says}: {vendor.url.removeprefix('http://')}: Connection refused" in told_by(error)


@pytest.mark.e2e  # sockets and seconds
class TestCrow(STTConformance):
    attempt_seconds = 0.3
    exchange = ExchangeKind.BODY
    stream_exchange = ExchangeKind.SOCKET

    @asynccontextmanager
    async def provider(self, case: STTCase) -> AsyncIterator[STT[Any]]:
        key = case.secret.reveal()
        async with (
            case.serve(listening(case.utterances, case.secret)) as vendor,
            aiohttp.ClientSession() as session,
            shown()["Crow"](url=vendor.url, api_key=key, session=session) as crow,
        ):
            yield crow

    async def change_options(self, stt: STT[Any], stream: RecognizeStream) -> None:
        stream.update_options()  # type: ignore[attr-defined]  # the example's own
