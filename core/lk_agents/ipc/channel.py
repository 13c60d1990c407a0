"""Channels: how messages travel between a worker and its children.

:class:`StreamChannel` is for a socket on an event loop, on either side. :class:`SideWriter` is the child's
synchronous, thread-safe way out for log lines and beats. The in-memory channel of the thread executor stands with it.
"""

from __future__ import annotations

import asyncio
import logging
import select
import socket
import threading
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar, cast

from lk_agents.foundation.errors import ProtocolError
from lk_agents.foundation.log import logger
from lk_agents.ipc.codec import FrameDecoder, frame
from lk_agents.ipc.messages import FromChild, ToChild, encode

__all__ = ["Channel", "SideWriter", "StreamChannel"]

In = TypeVar("In")
Out_contra = TypeVar("Out_contra", contravariant=True)

_READ_LIMIT_BYTES: Final = 64 * 1024
_CONGESTED_BYTES: Final = 256 * 1024
"""What may wait to be written to a peer that does not read before what can wait is kept back."""
_PATIENCE_SECONDS: Final = 5.0
"""How long a log line above DEBUG waits for a worker that does not read."""


class Channel(Protocol[Out_contra]):
    """The sending half that everybody knows; what comes in is handed to the callbacks it was built with."""

    def send(self, message: Out_contra) -> None:
        """Send; nothing happens on a closed channel, since its end is told separately."""

    def close(self) -> None:
        """Close both directions. Idempotent."""


class StreamChannel(asyncio.Protocol, Generic[In]):
    """Messages over one connected stream socket, on the running event loop.

    :param decode: makes a message of a payload.
    :param on_message: called on the loop with each message.
    :param on_end: called once, on the loop, when the other end is gone or broke the protocol.
    """

    def __init__(
        self,
        decode: Callable[[bytes], In],
        on_message: Callable[[In], None],
        on_end: Callable[[ProtocolError | None], None],
    ) -> None:
        self._decode = decode
        self._on_message = on_message
        self._on_end = on_end
        self._frames = FrameDecoder()
        self._transport: asyncio.Transport | None = None
        self._broken: ProtocolError | None = None

    async def open(self, sock: socket.socket) -> None:
        """Take over ``sock``; messages flow from now on."""
        await asyncio.get_running_loop().create_connection(lambda: self, sock=sock)

    def send(self, message: Any) -> None:
        """Queue a message; nothing happens once the channel has ended."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(encode(message)))

    def is_congested(self) -> bool:
        """Tell whether so much waits to be written that what can wait should."""
        return self._transport is not None and self._transport.get_write_buffer_size() > _CONGESTED_BYTES

    def close(self) -> None:
        """Close after what is queued has been written. Idempotent."""
        if self._transport is not None:
            self._transport.close()

    # --- asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio calls this)."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand on each complete message (asyncio calls this)."""
        try:
            for payload in self._frames.feed(data):
                self._on_message(self._decode(payload))
        except ProtocolError as error:
            self._broken = error
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner, once (asyncio calls this)."""
        if exc is not None:
            logger.debug("channel ended with an error", extra={"error": repr(exc)})
        self._on_end(self._broken)


class SideWriter:
    """Writes messages to the side channel from any thread, without an event loop.

    A worker that does not read must not stop a job: DEBUG lines are dropped as soon as the socket is full, other
    messages after 5 s. What was dropped is counted and told with the next beat. Of a message that is larger than the
    socket's buffer, the rest waits for the next one.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(sock, select.POLLOUT)
        sock.setblocking(self._poll is None)
        self._rest = memoryview(b"")
        self._dropped = 0
        self._ended = False

    def take_dropped(self) -> int:
        """Return how many messages were dropped since the last call."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
            return dropped

    def send(self, message: FromChild | ToChild, *, level: int = logging.CRITICAL) -> None:
        """Write the message now, or drop it as the class says."""
        data = frame(encode(message))
        patience = 0.0 if level <= logging.DEBUG else _PATIENCE_SECONDS
        with self._lock:
            if self._ended:
                return
            try:
                if not (self._write(patience) and self._writable(patience)):
                    self._dropped += 1
                    return
                self._rest = memoryview(data)
                self._write(patience)
            except OSError:  # the worker is gone: the main channel tells
                self._ended = True

    def _write(self, patience: float) -> bool:
        """Write what is left of a message; False if the worker does not take all of it in time."""
        while self._rest:
            try:
                self._rest = self._rest[self._sock.send(self._rest) :]
            except BlockingIOError:
                if not self._writable(patience):
                    return False
        return True

    def _writable(self, seconds: float) -> bool:
        return self._poll is None or bool(self._poll.poll(seconds * 1000))
