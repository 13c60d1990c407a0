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

from lk_agents.stt import STT, RecognizeStream
from lk_agents.testing.conformance.stt import STTCase, STTConformance
from lk_agents.testing.vendor import ExchangeKind

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
