"""What is typed at the console, or comes through a pipe, line by line.

The terminal's own line editing is used: its modes are never changed, so nothing has to be put back, however the
program ends.
"""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from typing import Final

__all__ = ["TypedLines"]

WAITING_LINES: Final = 1000
"""How many lines wait to be read; then the writer of a pipe waits."""
_CHUNK_BYTES: Final = 4096


class TypedLines:
    """The lines of a file descriptor, without the empty ones. Iterate over it to get them; it has one reader.

    They are read by a thread, which ends with the input: a read cannot be called back. So there is one of these for
    the whole life of the program, and what is typed while nobody reads waits. Build it on the event loop.

    :param descriptor: of a terminal, a pipe or a file.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._space = threading.BoundedSemaphore(WAITING_LINES)
        self._thread = threading.Thread(target=self._read, name="lk-console-lines", daemon=True)
        self.over = asyncio.Event()
        """Set when there are no more lines to be given."""
        self.ended = asyncio.Event()
        """Set when the input has ended, also while lines wait to be read."""
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many lines wait to be read."""
        return self._lines.qsize() - (self.ended.is_set() and not self.over.is_set())

    def __aiter__(self) -> TypedLines:
        return self

    async def __anext__(self) -> str:
        """Wait for the next line; cancelled, none is lost.

        :raises StopAsyncIteration: the input has ended.
        """
        if self.over.is_set():
            raise StopAsyncIteration
        line = await self._lines.get()
        if line is None:
            self.over.set()
            raise StopAsyncIteration
        self._space.release()
        return line

    def _read(self) -> None:
        """Thread: read until the end of the input."""
        rest = b""
        with suppress(RuntimeError):  # the loop is closed: nobody reads any more
            while chunk := self._chunk():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._give(line)
            self._give(rest)
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._lines.put_nowait(None)
        self.ended.set()

    def _chunk(self) -> bytes:
        try:
            return os.read(self._descriptor, _CHUNK_BYTES)
        except OSError:  # it was closed, or the terminal is gone
            return b""

    def _give(self, line: bytes) -> None:
        if text := line.decode(errors="replace").strip():
            self._space.acquire()
            self._loop.call_soon_threadsafe(self._lines.put_nowait, text)
