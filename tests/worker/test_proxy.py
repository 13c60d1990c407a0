"""The way to the server leads through the proxy that the environment names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

SOON = 5.0


class Proxy:
    """Takes the first request of each connection to ``target``, whatever host it names, and then only carries bytes."""

    def __init__(self, target: str) -> None:
        self.asked: list[str] = []
        self.url = ""
        self._target = urlsplit(target)
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.split(b"\r\n")[0].decode())
        server = await asyncio.open_connection(self._target.hostname, self._target.port)
        if head.startswith(b"CONNECT"):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            server[1].write(head)
        for source, sink in ((reader, server[1]), (server[0], writer)):
            self._tasks.add(asyncio.create_task(self._carry(source, sink), name="proxy"))

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(4096):
                sink.write(data)
        finally:
            sink.close()


async def test_a_worker_registers_and_works_through_the_proxy_of_the_environment(
    rig: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Proxy(rig.server.url).open() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        await rig.start(ws_url="ws://livekit.example")
        assert (await rig.server.dispatch("room")).outcome == "assigned"

        assert proxy.asked == ["GET http://livekit.example/agent HTTP/1.1"]


async def test_a_secure_address_is_asked_of_the_proxy_for_secure_ones(
    rig: Any, fast: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Proxy(rig.server.url).open() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        worker = rig.make(ws_url="wss://livekit.example", limits=fast)
        running = asyncio.create_task(worker.run(), name="run")
        async with asyncio.timeout(SOON):
            while not proxy.asked:
                await asyncio.sleep(0.01)
        await worker.aclose()
        await running

        assert proxy.asked[0] == "CONNECT livekit.example:443 HTTP/1.1"
