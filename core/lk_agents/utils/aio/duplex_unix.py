"""Messages of bytes over a stream socket: four bytes of length, most significant first, then the message.

Kept for programs that use it from the older framework; the worker and its processes have channels of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Final

from lk_agents.foundation.errors import LkAgentsError

__all__ = ["MAX_MESSAGE_BYTES", "DuplexClosed", "_AsyncDuplex", "_Duplex"]

MAX_MESSAGE_BYTES: Final = 256 * 1024 * 1024
"""More is not believed: such a length is what reading out of step looks like."""
_LENGTH: Final = struct.Struct("!I")
_CLOSE_SECONDS: Final = 5.0


class DuplexClosed(LkAgentsError):  # noqa: N818  its name is part of the public surface
    """One of the two ends is closed, or the other end broke off within a message."""


def _header(data: bytes) -> bytes:
    if len(data) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {len(data)} bytes is too long; at most {MAX_MESSAGE_BYTES} can be sent")
    return _LENGTH.pack(len(data))


def _length(header: bytes) -> int:
    (length,) = _LENGTH.unpack(header)
    if length > MAX_MESSAGE_BYTES:
        raise DuplexClosed(f"the other end announces a message of {length} bytes; at most {MAX_MESSAGE_BYTES} may come")
    return int(length)


class _AsyncDuplex:
    """The end of a program with an event loop. One task reads, one writes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @staticmethod
    async def open(sock: socket.socket) -> _AsyncDuplex:
        """Take over a connected socket."""
        return _AsyncDuplex(*await asyncio.open_connection(sock=sock))

    async def recv_bytes(self) -> bytes:
        """Wait for the next message. Cancelled within one, the stream is out of step: close it then.

        :raises DuplexClosed: there is no more.
        """
        try:
            return await self._reader.readexactly(_length(await self._reader.readexactly(_LENGTH.size)))
        except (OSError, EOFError) as error:
            raise DuplexClosed("the other end has closed the connection") from error

    async def send_bytes(self, data: bytes) -> None:
        """Send a message; waits while the other end does not read.

        :raises DuplexClosed: it cannot be sent any more.
        :raises ValueError: it is longer than :data:`MAX_MESSAGE_BYTES`.
        """
        header = _header(data)
        if self._writer.is_closing():
            raise DuplexClosed("this end has been closed, or the other one is gone")
        try:
            self._writer.writelines((header, data))
            await self._writer.drain()
        except OSError as error:
            raise DuplexClosed("the other end has closed the connection") from error

    async def aclose(self) -> None:
        """Close the connection; what has been sent gets 5 s to leave."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._writer.wait_closed()


class _Duplex:
    """The end of a program without an event loop; every call blocks."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock: socket.socket | None = sock

    @staticmethod
    def open(sock: socket.socket) -> _Duplex:
        """Take over a connected socket."""
        sock.setblocking(True)
        return _Duplex(sock)

    def recv_bytes(self) -> bytes:
        """Wait for the next message.

        :raises DuplexClosed: there is no more, or this end has been closed or detached.
        """
        sock = self._open_socket()
        return _read_exactly(sock, _length(_read_exactly(sock, _LENGTH.size)))

    def send_bytes(self, data: bytes) -> None:
        """Send a message; waits while the other end does not read.

        :raises DuplexClosed: it cannot be sent any more.
        :raises ValueError: it is longer than :data:`MAX_MESSAGE_BYTES`.
        """
        header, sock = _header(data), self._open_socket()
        try:
            sock.sendall(header)
            sock.sendall(data)
        except OSError as error:
            raise DuplexClosed("the other end has closed the connection") from error

    def detach(self) -> socket.socket:
        """Give the socket back, open.

        :raises DuplexClosed: it has been closed or detached before.
        """
        sock = self._open_socket()
        self._sock = None
        return sock

    def close(self) -> None:
        """Close the connection and end a read that waits in another thread. Idempotent."""
        sock, self._sock = self._sock, None
        if sock is None:
            return
        with contextlib.suppress(OSError):  # the other end may be gone already
            sock.shutdown(socket.SHUT_RDWR)  # closing alone does not wake a thread that reads
        sock.close()

    def _open_socket(self) -> socket.socket:
        if self._sock is None:
            raise DuplexClosed("this end has been closed or detached")
        return self._sock


def _read_exactly(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        try:
            part = sock.recv(min(size - len(data), 1 << 16))
        except OSError as error:
            raise DuplexClosed("the connection broke") from error
        if not part:
            raise DuplexClosed("the other end has closed the connection")
        data += part
    return bytes(data)
