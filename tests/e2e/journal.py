"""What agents write down, wherever they run: the test reads it as it comes."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOON = 20.0
"""Seconds that are waited for what should come at once, on a machine with much else to do."""

Entry = dict[str, Any]


def write(path: str, event: str, **fields: Any) -> None:
    """Write an entry; it is on its way when this returns, whatever becomes of the process."""
    entry = {"event": event, "pid": os.getpid(), **fields}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(path)
        sender.send(json.dumps(entry).encode())


class Journal:
    """Collects the entries of all agents of a test. Belongs to the running loop."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.entries: list[Entry] = []
        self._news = asyncio.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(self.path)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._read)

    def _read(self) -> None:
        while True:
            try:
                data = self._socket.recv(1 << 18)
            except BlockingIOError:
                break
            self.entries.append(json.loads(data))
        self._news.set()

    def of(self, event: str, **fields: Any) -> list[Entry]:
        """Return the entries of that event in which these fields have these values."""
        wanted = {"event": event, **fields}
        return [entry for entry in self.entries if all(entry.get(name) == value for name, value in wanted.items())]

    async def until(self, condition: Callable[[], bool], seconds: float = SOON) -> None:
        """Wait for a condition that entries make true."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            told = "\n".join(str(entry) for entry in self.entries)
            raise AssertionError(f"not in {seconds:g} s; the agents wrote:\n{told or 'nothing'}") from None

    async def some(self, count: int, event: str, *, seconds: float = SOON, **fields: Any) -> list[Entry]:
        """Wait for at least so many entries of that event."""
        await self.until(lambda: len(self.of(event, **fields)) >= count, seconds)
        return self.of(event, **fields)

    async def one(self, event: str, *, seconds: float = SOON, **fields: Any) -> Entry:
        """Wait for an entry of that event and return the first."""
        return (await self.some(1, event, seconds=seconds, **fields))[0]

    def close(self) -> None:
        """Take no more."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
