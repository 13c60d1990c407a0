"""The socket loop of every provider that speaks WebSocket: a plugin gives connect, encode and decode, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, APITimeoutError
from lk_agents.streams.base import InputStream
from lk_agents.streams.credentials import (
    HiddenHeaders,
    credentials_in_query,
    hide_credentials,
    hide_in_error,
    shown_on,
)
from lk_agents.streams.http import retry_after, why
from lk_agents.streams.inputs import FlushSentinel
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Codec", "open_websocket", "run_wire"]

ItemT = TypeVar("ItemT")
EventT = TypeVar("EventT")

Message = bytes | str

CLOSE_SECONDS: Final = 5.0
HEARTBEAT_SECONDS: Final = 30.0
POLITE_CLOSE_SECONDS: Final = 1.0
REASON_SECONDS: Final = 0.5
REGULAR_CLOSE_CODES: Final = frozenset({None, 1000, 1001, 1005})


@dataclass(frozen=True, kw_only=True)
class Codec(Generic[ItemT, EventT]):
    """How one provider's socket is spoken. Its functions never wait, but for ``connect``.

    :param connect: opens a socket; called once per attempt, so a good place to begin the codec's own state anew. Use
        :func:`open_websocket`, or raise an :class:`APIError`.
    :param encode: the messages for one item of the input, a flush included; an empty iterable for none.
    :param decode: the events in one message. Raise an :class:`APIError` for the provider's error messages, in which
        the credentials are masked that :func:`open_websocket` has shown; log and return nothing for what cannot be
        understood.
    :param finish: the messages that end the input. The provider then has ``close_seconds`` after its last event;
        messages without any do not count.
    :param keep_alive: a message to send first of all, and whenever ``keep_alive_seconds`` have passed without it, until
        the input has ended.
    :param acknowledged_until: the provider's seconds up to which an event settles the audio; None if it settles
        nothing. By default a final transcript settles what lies before its end.
    :param is_last: whether nothing more is to be expected after this event, once the input has ended. A regular close
        that comes before such an event is then a broken connection; without, it is the end.
    :param idle_seconds: how long the provider may be silent before the attempt is given up; None for ever.
    :param close_error: the error for a close that nobody asked for; by code and reason.
    """

    connect: Callable[[], Awaitable[aiohttp.ClientWebSocketResponse]]
    encode: Callable[[ItemT | FlushSentinel], Iterable[Message]]
    decode: Callable[[Message], Iterable[EventT]]
    finish: Callable[[], Iterable[Message]] = tuple
    keep_alive: Message | None = None
    keep_alive_seconds: float = 5.0
    acknowledged_until: Callable[[EventT], float | None] | None = None
    is_last: Callable[[EventT], bool] | None = None
    idle_seconds: float | None = None
    close_seconds: float = CLOSE_SECONDS
    close_error: Callable[[int | None, str], APIError] | None = None


async def open_websocket(
    session: aiohttp.ClientSession,
    url: str,
    *,
    headers: dict[str, str],
    timeout_seconds: float,
    provider: str,
    params: Iterable[tuple[str, str]] = (),
    request_id_header: str = "",
    reason_header: str = "",
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> aiohttp.ClientWebSocketResponse:
    """Open a WebSocket; a half-open one is noticed by ``heartbeat_seconds``.

    :param headers: credentials and the like; they appear in no error, also if the provider quotes them.
    :param request_id_header: the header of a refusal that carries the provider's id of the request.
    :param reason_header: the header of a refusal that says why.
    :raises APIStatusError: the provider refused.
    :raises APITimeoutError: it did not answer within ``timeout_seconds``.
    :raises APIConnectionError: it could not be reached.
    """
    import aiohttp

    headers, query = HiddenHeaders(headers), list(params)
    shown = HiddenHeaders({**headers, **credentials_in_query(query)})
    try:
        async with asyncio.timeout(timeout_seconds):
            socket = await session.ws_connect(
                url, headers=headers, params=query, heartbeat=heartbeat_seconds, max_msg_size=0
            )
    except TimeoutError:
        raise APITimeoutError(f"{provider} did not open the connection within {timeout_seconds:g} s").located(
            provider=provider, phase="connect"
        ) from None
    except aiohttp.WSServerHandshakeError as refusal:
        # Not chained: its representation carries the headers of the request, the key among them.
        found: Mapping[str, str] = refusal.headers or {}
        reason = hide_credentials(found.get(reason_header, "") or refusal.message, shown)
        raise APIStatusError(
            f"{provider} refused the connection: {reason}",
            status_code=refusal.status,
            request_id=found.get(request_id_header),
        ).located(provider=provider, phase="connect", retry_after_seconds=retry_after(found)) from None
    except (aiohttp.ClientError, OSError) as error:
        raise APIConnectionError(f"{provider} could not be reached: {why(error)}").located(
            provider=provider, phase="connect"
        ) from None
    shown_on[socket] = shown
    return socket


async def run_wire(stream: InputStream[Any, EventT], codec: Codec[Any, EventT]) -> None:
    """Be the ``_run`` of a stream: one connection, from its opening to its regular end.

    Sends what is pushed and hands on what comes, until the input has ended and the provider has closed. What breaks
    becomes an :class:`APIError` with provider, phase and code, so that the stream retries: audio or text that was not
    settled is sent again. ``stream._reconnect()`` makes it open another connection and go on there.
    """
    stream._settles = codec.acknowledged_until  # noqa: SLF001  stream and loop are one thing in two files
    while True:
        stream._reconnecting.clear()  # noqa: SLF001
        socket = await codec.connect()
        try:
            if await _Connection(stream, codec, socket).run():
                stream._reconnecting.clear()  # noqa: SLF001  too late: nothing is left to be said
                return
        finally:
            await _close(socket)
        stream._attempt_begins()  # noqa: SLF001


async def _close(socket: aiohttp.ClientWebSocketResponse) -> None:
    closing = asyncio.create_task(socket.close(), name="lk-wire-close")
    try:
        await asyncio.wait({closing}, timeout=POLITE_CLOSE_SECONDS)
    finally:
        await cancel_and_wait(closing)  # which drops the connection


class _Connection(Generic[EventT]):
    """One socket and the two directions on it."""

    def __init__(
        self, stream: InputStream[Any, EventT], codec: Codec[Any, EventT], socket: aiohttp.ClientWebSocketResponse
    ) -> None:
        self._stream = stream
        self._codec = codec
        self._socket = socket
        self._shown = shown_on.get(socket)
        self._label = stream._label  # noqa: SLF001
        self._send_seconds = stream._conn_options.timeout  # noqa: SLF001
        self._input_ended = False
        self._was_last = codec.is_last is None
        self._quiet_since = 0.0
        self._patience: asyncio.Timeout | None = None

    async def run(self) -> bool:
        """Return True at the regular end, False if another connection is wanted."""
        reconnect = asyncio.create_task(self._stream._reconnecting.wait(), name="lk-wire-reconnect")  # noqa: SLF001
        receiver = asyncio.create_task(self._receive_all(), name="lk-wire-receive")
        waited = {reconnect, receiver}
        if self._codec.keep_alive is not None:  # its first message goes before everything else
            keeping_alive = self._keep_alive(self._codec.keep_alive, self._codec.keep_alive_seconds)
            waited.add(asyncio.create_task(keeping_alive, name="lk-wire-keep-alive"))
        waited.add(asyncio.create_task(self._send_all(), name="lk-wire-send"))
        everything = tuple(waited)
        try:
            while True:
                done, waited = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()  # what failed is raised here
                if receiver in done:
                    return True
                if reconnect in done:
                    return False
        finally:
            await cancel_and_wait(*everything)

    async def _send_all(self) -> None:
        async for item in self._stream._input_ch:  # noqa: SLF001
            for message in self._codec.encode(item):
                await self._send(message)
        for message in self._codec.finish():
            await self._send(message)
        self._input_ended = True
        self._quiet_since = asyncio.get_running_loop().time()
        if self._patience is not None and not self._patience.expired():
            # The receiver waits already, for longer than it now should.
            self._patience.reschedule(self._patient_until())

    async def _keep_alive(self, message: Message, seconds: float) -> None:
        await self._send(message)
        while not self._socket.closed:
            await asyncio.sleep(seconds)
            if self._input_ended:
                return  # the end was the last word
            await self._send(message)

    async def _send(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self._send_seconds):
                if isinstance(message, str):
                    await self._socket.send_str(message)
                else:
                    await self._socket.send_bytes(message)
        except TimeoutError:
            raise self._located(
                APITimeoutError(f"{self._label} took nothing for {self._send_seconds:g} s"), "send"
            ) from None
        except (ConnectionError, RuntimeError) as error:  # aiohttp's own errors of a closing socket are both
            await asyncio.sleep(REASON_SECONDS)  # the receiver is about to learn why, and ends this task then
            raise self._located(APIConnectionError(f"{self._label} broke the connection"), "send") from error

    async def _receive_all(self) -> None:
        while await self._receive_one():
            pass

    async def _receive_one(self) -> bool:
        """Hand on what is in the next message; returns False at the regular end."""
        message = await self._receive()
        if message is None:
            return False
        events = self._decode(message)
        del message  # it may quote the credential, and a traceback shows the variables
        if isinstance(events, APIError):
            raise events
        for event in events:
            await self._stream._event_ch.send(event)  # noqa: SLF001
            if self._codec.is_last is not None and self._codec.is_last(event):
                self._was_last = True  # also if it comes before we know that the input has gone out
                if self._input_ended:
                    return False
            self._quiet_since = asyncio.get_running_loop().time()
        return True

    def _decode(self, message: Message) -> Iterable[EventT] | APIError:
        """Return the events in a message, or the error that it amounts to."""
        try:
            return tuple(self._codec.decode(message))
        except APIError as error:
            hide_in_error(error, self._shown)
            return self._located(error, "receive")

    async def _receive(self) -> Message | None:
        """Return the next message, None at the regular end."""
        from aiohttp import WSMsgType

        try:
            async with asyncio.timeout_at(self._patient_until()) as self._patience:
                received = await self._socket.receive()
        except TimeoutError:
            phase = "close" if self._input_ended else "idle"
            raise self._located(APITimeoutError(f"{self._label} has been silent for too long"), phase) from None
        finally:
            self._patience = None
        if received.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
            data: Message = received.data
            return data
        reason = hide_credentials(received.extra, self._shown) if isinstance(received.extra, str) else ""
        del received  # it may quote the credential, and a traceback shows the variables
        code = self._socket.close_code
        if self._input_ended and self._was_last and code in REGULAR_CLOSE_CODES:
            return None
        raise self._located(self._close_error(code, reason), "receive", code)

    def _patient_until(self) -> float | None:
        if self._input_ended:
            return self._quiet_since + self._codec.close_seconds
        seconds = self._codec.idle_seconds
        return None if seconds is None else asyncio.get_running_loop().time() + seconds

    def _close_error(self, code: int | None, reason: str) -> APIError:
        if self._codec.close_error is not None:
            return self._codec.close_error(code, reason)
        return APIConnectionError(f"{self._label} closed the connection: code {code}, reason {reason or 'not given'}")

    def _located(self, error: APIError, phase: str, code: int | None = None) -> APIError:
        return error.located(provider=self._label, phase=phase, code=code)
