"""Bytes on their way from the event loop to a thread that reads them like a file."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

__all__ = ["MAX_BYTES", "StreamBuffer"]

MAX_BYTES: Final = 256 * 1024 * 1024
"""How much may wait to be read: hours of compressed audio."""


class StreamBuffer:
    """A file without an end, until it is given one; what has been read is gone. Safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._waiting = 0  # bytes in the chunks
        self._ended = False
        self._closed = False

    def write(self, data: bytes) -> None:
        """Add ``data``; once the buffer has been closed, nobody reads it and it is dropped.

        :raises RuntimeError: the input has ended.
        :raises BufferError: more than 256 MiB would wait to be read.
        """
        with self._changed:
            if self._closed:
                return
            if self._ended:
                raise RuntimeError("the input has ended: nothing can be added")
            if self._waiting + len(data) > MAX_BYTES:
                raise BufferError(f"{self._waiting} bytes wait to be read; at most {MAX_BYTES} may: write less ahead")
            if data:
                self._chunks.append(bytes(data))
                self._waiting += len(data)
                self._changed.notify()

    def read(self, size: int = -1) -> bytes:
        """Wait until there is something and return up to ``size`` bytes of it; all of it if that is negative.

        :returns: nothing at the end of the input, and when the buffer has been closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._ended or self._closed)
            taken = bytearray()
            while self._chunks and (size < 0 or len(taken) < size):
                chunk = self._chunks.popleft()
                room = len(chunk) if size < 0 else size - len(taken)
                taken += chunk[:room]
                if room < len(chunk):
                    self._chunks.appendleft(chunk[room:])
            self._waiting -= len(taken)
            return bytes(taken)

    def end_input(self) -> None:
        """Nothing more comes; what is there can still be read. Idempotent."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """Drop what is there and let every read return at once. Idempotent."""
        with self._changed:
            self._closed = True
            self._chunks.clear()
            self._waiting = 0
            self._changed.notify_all()
