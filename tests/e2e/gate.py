"""A network that fails: forwards to the server, and can fall silent without closing anything."""

from __future__ import annotations

import asyncio
from typing import Self


class Gate:
    """Listens on the loopback and forwards each connection to a port, until it is shut. Use with ``async with``."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._silenced: set[asyncio.StreamWriter] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._callers: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The server's address through the gate."""
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def silence(self) -> None:
        """Swallow from now on what comes through the connections that there are; new ones are forwarded."""
        self._silenced |= self._writers

    def cut(self) -> None:
        """Close the connections that fell silent: the server too finds out about them, in its own time."""
        for writer in self._silenced:
            writer.transport.abort()

    def inject(self, data: bytes, *, to_server: bool = False) -> None:
        """Send something of our own through the connection that was opened first, while nothing else is on its way."""
        caller, server = self._callers[0]
        (server if to_server else caller).write(data)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, to_writer}
        self._callers.append((writer, to_writer))
        for source, target in ((reader, to_writer), (to_reader, writer)):
            task = asyncio.create_task(self._forward(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(1 << 16):
                if target not in self._silenced:
                    target.write(data)
                    await target.drain()
        except ConnectionError:
            pass
        if target not in self._silenced:
            target.close()
            self._writers.discard(target)
