"""A connection on which one text after the other is spoken, and those that are kept for the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIConnectionError, APIError, APITimeoutError
from lk_agents.foundation.log import logger
from lk_agents.streams.credentials import hide_credentials, hide_in_error, shown_on
from lk_agents.utils.aio.tasks import cancel_and_wait
from lk_agents.utils.connection_pool import ConnectionPool
from lk_agents_deepgram.errors import close_error, message_error
from lk_agents_deepgram.message_parts import MalformedMessageError
from lk_agents_deepgram.messages import ErrorMessage, Metadata, UnknownMessage
from lk_agents_deepgram.speak_messages import CLEAR, CLOSE, FLUSH, Cleared, Flushed, SpeakWarning, parse_speak
from lk_agents_deepgram.unusable import Unusable

if TYPE_CHECKING:
    import aiohttp

    from lk_agents_deepgram.tts_options import TTSOptions

__all__ = ["Line", "Lines"]

SESSION_SECONDS: Final = 3_600.0
"""Deepgram ends a connection that is older."""
FLUSHES: Final = 20
"""So many texts may be flushed on one connection within ``FLUSHES_SECONDS``; Deepgram ignores the next one."""
FLUSHES_SECONDS: Final = 60.0
CLEAR_SECONDS: Final = 1.0
GOODBYE_SECONDS: Final = 1.0
REASON_SECONDS: Final = 0.5


class Line:
    """One connection. It speaks for one text at a time.

    :param socket: opened by :func:`lk_agents.streams.wire.open_websocket`.
    :param label: names the synthesizer in errors.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, label: str) -> None:
        self.request_id = ""
        """Deepgram's id of the connection."""
        self._socket = socket
        self._label = label
        self._shown = shown_on.get(socket)
        self._unusable = Unusable()
        self._flushed_at: deque[float] = deque(maxlen=FLUSHES)

    @property
    def is_usable(self) -> bool:
        """Whether another text can be spoken on it."""
        if self._socket.closed or self._socket.get_extra_info("socket") is None:
            return False
        oldest = self._flushed_at[0] if len(self._flushed_at) == FLUSHES else None
        return oldest is None or clock.monotonic() - oldest >= FLUSHES_SECONDS

    async def send(self, message: str, *, seconds: float) -> None:
        """Say something to Deepgram.

        :param seconds: how long it may take until it is on its way.
        :raises APIError: it cannot be.
        """
        if message == FLUSH:
            self._flushed_at.append(clock.monotonic())
        try:
            async with asyncio.timeout(seconds):
                await self._socket.send_str(message)
        except TimeoutError:
            raise self._located(APITimeoutError(f"{self._label} took nothing for {seconds:g} s"), "send") from None
        except (ConnectionError, RuntimeError) as error:  # aiohttp's own errors of a closing socket are both
            await asyncio.sleep(REASON_SECONDS)  # whoever receives is about to learn why
            raise self._located(APIConnectionError(f"{self._label} broke the connection"), "send") from error

    async def receive(self) -> bytes | Flushed | Cleared:
        """Wait for what comes next: audio, or the answer to a flush or a clear. There is no limit of time.

        :raises APIError: Deepgram reports an error, or the connection has ended.
        """
        while True:
            found = await self._next()
            if isinstance(found, APIError):
                raise self._located(found, "receive")
            if found is not None:
                return found

    async def clear(self) -> bool:
        """Have what is not spoken yet forgotten. Tells whether that is sure, so that another text may be spoken."""
        try:
            async with asyncio.timeout(CLEAR_SECONDS):
                await self._socket.send_str(CLEAR)
                while not isinstance(await self.receive(), Cleared):
                    pass  # audio that was on its way
        except (APIError, ConnectionError, RuntimeError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Take leave and close; a Deepgram that is not told counts the session as open for a while."""
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._socket.send_str(CLOSE)
                while not isinstance(await self._next(), APIError):
                    pass
        except (ConnectionError, RuntimeError, TimeoutError):
            pass
        closing = asyncio.create_task(self._socket.close(), name="lk-deepgram-close")
        try:
            await asyncio.wait({closing}, timeout=GOODBYE_SECONDS)
        finally:
            await cancel_and_wait(closing)  # which drops the connection

    async def _next(self) -> bytes | Flushed | Cleared | APIError | None:
        """Return what is in the next message, None if it is of no use here; an error is not raised.

        A traceback shows the variables on the way, and a message may quote the credential.
        """
        from aiohttp import WSMsgType

        received = await self._socket.receive()
        if received.type is WSMsgType.BINARY:
            audio: bytes = received.data
            return audio or None
        if received.type is WSMsgType.TEXT:
            return self._understood(received.data)
        reason = hide_credentials(received.extra, self._shown) if isinstance(received.extra, str) else ""
        return close_error(self._socket.close_code, reason)

    def _understood(self, text: str) -> Flushed | Cleared | APIError | None:
        try:
            message = parse_speak(text)
        except MalformedMessageError as error:
            self._unusable.malformed(error)
            return None
        match message:
            case Flushed() | Cleared():
                return message
            case Metadata():
                self.request_id = message.request_id or self.request_id
            case SpeakWarning():
                logger.warning("Deepgram warns while it speaks", extra={"code": message.code[:80]})
            case UnknownMessage():
                self._unusable.unknown(message.type)
            case ErrorMessage():
                failure = message_error(message, request_id=self.request_id)
                hide_in_error(failure, self._shown)
                return failure
        return None

    def _located(self, error: APIError, phase: str) -> APIError:
        return error.located(provider=self._label, phase=phase, request_id=self.request_id or None)


class Lines:
    """Keeps lines between texts, and lends each to one text at a time.

    A line that failed is closed; one whose text was given up goes on once Deepgram has forgotten that text.

    :param connect: opens a connection with such options, within so many seconds.
    """

    def __init__(self, connect: Callable[[TTSOptions, float], Awaitable[Line]]) -> None:
        self._connect = connect
        self._pools: dict[TTSOptions, ConnectionPool[Line]] = {}
        self._clearing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lent(self, opts: TTSOptions, *, seconds: float) -> AsyncIterator[Line]:
        """Lend a line for the block.

        :param seconds: how long connecting may take.
        :raises APIError: there is none to be had.
        """
        pool = self._pool(opts)
        line = await pool.get(timeout=seconds)
        try:
            yield line
        except asyncio.CancelledError:
            self._clear(pool, line)
            raise
        except BaseException:
            pool.remove(line)
            raise
        pool.put(line)

    def prewarm(self, opts: TTSOptions) -> None:
        """Open a line in the background, if there is none; needs a running event loop."""
        self._pool(opts).prewarm()

    def invalidate(self) -> None:
        """Use none of the lines for another text."""
        for pool in self._pools.values():
            pool.invalidate()

    async def aclose(self) -> None:
        """Close all lines. Others can be had after that."""
        pools, self._pools = self._pools, {}
        await cancel_and_wait(*self._clearing)
        for pool in pools.values():
            await pool.aclose()

    def _pool(self, opts: TTSOptions) -> ConnectionPool[Line]:
        if opts not in self._pools:

            async def connect(timeout: float) -> Line:
                return await self._connect(opts, timeout)

            self._pools[opts] = ConnectionPool(
                max_session_duration=SESSION_SECONDS,
                connect_cb=connect,
                close_cb=Line.close,
                is_alive=lambda line: line.is_usable,
            )
        return self._pools[opts]

    def _clear(self, pool: ConnectionPool[Line], line: Line) -> None:
        clearing = asyncio.get_running_loop().create_task(self._clear_and_keep(pool, line), name="lk-deepgram-clear")
        self._clearing.add(clearing)
        clearing.add_done_callback(self._clearing.discard)

    @staticmethod
    async def _clear_and_keep(pool: ConnectionPool[Line], line: Line) -> None:
        if await line.clear():
            pool.put(line)
        else:
            pool.remove(line)
