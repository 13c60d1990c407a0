"""The vendor's way out: each message passes here, and the fault of the exchange strikes it at its place."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from lk_agents.testing.vendor.faults import ExchangeKind, Fault, FaultKind
from lk_agents.testing.vendor.forms import Message, as_bytes, extras, frame_head, pieces, refusal_of
from lk_agents.testing.vendor.journal import Exchange, Frame, credential_of
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from aiohttp import WSMessage, web

__all__ = ["BodyOutlet", "ExchangeOverError", "SocketOutlet", "strike_head"]

Now = Callable[[], float]

FIN: Final = 0x80
TEXT, BINARY, CONTINUATION = 1, 2, 0
REFUSED_CODE: Final = 1008
MOST_REASON_CHARACTERS: Final = 120


class ExchangeOverError(Exception):
    """A fault has ended the exchange; the server alone sees it."""


class Outlet(ABC):
    """Counts the vendor's messages of one exchange and lets its fault strike.

    :param now: seconds since the server began, for the journal.
    :param over: set when the client has gone or the server ends; ends whatever hangs.
    """

    kind: ExchangeKind

    def __init__(
        self, request: web.BaseRequest, exchange: Exchange, *, fault: Fault | None, now: Now, over: asyncio.Event
    ) -> None:
        self._request = request
        self._exchange = exchange
        self._fault = fault
        self._now = now
        self._over = over
        self._count = 0
        self._held: Message | None = None

    async def send(self, message: Message) -> None:
        """Send a message of the script, or what the fault makes of it.

        :raises ExchangeOverError: the exchange ends here.
        """
        fault, number = self._fault, self._count
        self._count += 1
        if self._held is not None:
            await self._write(message)
            await self._release()
        elif fault is not None and fault.kind is FaultKind.DRIP:
            await self._drip(message, fault)
        elif fault is not None and number == fault.at:
            await self._strike(message, fault)
        else:
            await self._write(message)

    async def finish(self) -> None:
        """Let the fault strike that comes when everything was said.

        :raises ExchangeOverError: the exchange ends here.
        """
        fault = self._fault
        await self._release()
        if fault is None:
            return
        if fault.kind is FaultKind.SLOW_CLOSE:
            await self._hang(fault.seconds)
        elif fault.at >= self._count:
            await self._strike(None, fault)

    async def _release(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            await self._write(held)

    async def wait(self, seconds: float | None = None) -> None:
        """Wait, at the longest until the client has gone or the server ends; None: until then.

        :raises ExchangeOverError: one of the two has happened.
        """
        await _wait(self._over, seconds)

    async def _hang(self, seconds: float | None = None) -> None:
        """Say nothing for so long, or for ever."""
        await self.wait(seconds)

    async def _strike(self, message: Message | None, fault: Fault) -> None:
        match fault.kind:
            case FaultKind.STALL:
                await self._hang()
            case FaultKind.HALF_OPEN:
                await self._stop_reading()
            case FaultKind.EMPTY_ONLY:
                while True:
                    await self._write_empty()
                    await self._hang(fault.seconds)
            case FaultKind.RESET:
                _reset_connection(self._request)
                raise ExchangeOverError
            case FaultKind.CLOSE | FaultKind.END:
                await self.end(fault.code)
                raise ExchangeOverError
            case FaultKind.CUT:
                await self._cut(message if message is not None else b"cut")
                raise ExchangeOverError
            case FaultKind.OUT_OF_ORDER:
                self._held = message
            case _:
                await self._add(message, fault)

    async def _add(self, message: Message | None, fault: Fault) -> None:
        """Send what comes beside a message, and the message."""
        for extra in extras(fault):
            await self._write(self._framed(extra))
        if fault.kind is FaultKind.EMPTY:
            for _ in range(fault.count):
                await self._write_empty()
        instead = self.kind is ExchangeKind.BODY and fault.kind in {FaultKind.GARBAGE, FaultKind.WRONG_JSON}
        if message is None or instead:
            return
        await self._write(message)
        if fault.kind is FaultKind.DUPLICATE:
            await self._write(message)

    async def _write(self, message: Message) -> None:
        self._note(message)
        await self._put(message)

    def _note(self, data: Message, *, sender: Literal["client", "vendor"] = "vendor", is_close: bool = False) -> None:
        self._exchange.frames.append(Frame(self._now(), sender, data, is_close))

    async def _stop_reading(self) -> None:
        if (transport := self._request.transport) is not None:
            transport.pause_reading()
        await self.wait()

    @abstractmethod
    async def _put(self, message: Message) -> None:
        """Send bytes or text as a message."""

    @abstractmethod
    def _framed(self, text: str) -> Message:
        """Return a JSON text as a message of this kind."""

    @abstractmethod
    async def _write_empty(self) -> None:
        """Send a message without content."""

    @abstractmethod
    async def _drip(self, message: Message, fault: Fault) -> None:
        """Send a message bit by bit."""

    @abstractmethod
    async def _cut(self, message: Message) -> None:
        """Send half of a message and close the connection."""

    @abstractmethod
    async def end(self, code: int) -> None:
        """End the exchange regularly."""


class BodyOutlet(Outlet):
    """The body of an answer over HTTP, in one or in many parts."""

    def __init__(
        self,
        request: web.BaseRequest,
        exchange: Exchange,
        response: web.StreamResponse,
        *,
        kind: ExchangeKind,
        fault: Fault | None,
        now: Now,
        over: asyncio.Event,
    ) -> None:
        super().__init__(request, exchange, fault=fault, now=now, over=over)
        self.kind = kind
        self._response = response

    async def _put(self, message: Message) -> None:
        await self._response.write(as_bytes(message))

    def _framed(self, text: str) -> Message:
        return f"data: {text}\n\n".encode() if self.kind is ExchangeKind.EVENTS else text.encode()

    async def _write_empty(self) -> None:
        await self._write(b'data: {"choices": []}\n\n: nothing\n\n')

    async def _drip(self, message: Message, fault: Fault) -> None:
        self._note(message)
        for piece in pieces(as_bytes(message), fault.count):
            await self._response.write(piece)
            await self.wait(fault.seconds)

    async def _cut(self, message: Message) -> None:
        data = as_bytes(message)
        self._note(data[: len(data) // 2])
        await self._response.write(data[: max(len(data) // 2, 1)])
        _close_connection(self._request)

    async def end(self, code: int) -> None:
        """Do nothing: the server ends the body."""


class SocketOutlet(Outlet):
    """The vendor's side of a WebSocket."""

    kind = ExchangeKind.SOCKET

    def __init__(
        self,
        request: web.BaseRequest,
        exchange: Exchange,
        ws: web.WebSocketResponse,
        *,
        fault: Fault | None,
        now: Now,
        over: asyncio.Event,
    ) -> None:
        super().__init__(request, exchange, fault=fault, now=now, over=over)
        self._ws = ws
        self._answers_close = fault is None or fault.kind is not FaultKind.SLOW_CLOSE
        self._receiving = False

    async def opened(self) -> None:
        """Let a fault strike that does not wait for the vendor's first message."""
        fault = self._fault
        if fault is not None and fault.kind is FaultKind.HALF_OPEN and fault.at == 0:
            await self._stop_reading()
        elif fault is not None and fault.kind is FaultKind.QUOTE:
            await self._quote()

    async def receive(self) -> WSMessage:
        """Wait for what the client sends next, and note it."""
        from aiohttp import WSMsgType

        self._receiving = True
        try:
            received = await self._ws.receive()
        finally:
            self._receiving = False
        if received.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
            self._note(received.data, sender="client")
        elif received.type is WSMsgType.CLOSE:
            self._note(f"{received.data} {received.extra or ''}".rstrip(), sender="client", is_close=True)
        return received

    async def _hang(self, seconds: float | None = None) -> None:
        """Say nothing, but read on: pings are answered, and a client that leaves is noticed."""
        if self._receiving:
            return await self.wait(seconds)
        reader = asyncio.create_task(self._read_on(), name="vendor-reads-on")
        try:
            await self.wait(seconds)
        finally:
            await cancel_and_wait(reader)

    async def _read_on(self) -> None:
        from aiohttp import WSMsgType

        while (await self.receive()).type in {WSMsgType.TEXT, WSMsgType.BINARY}:
            pass
        if self._answers_close:
            self._over.set()

    async def _quote(self) -> None:
        refusal = refusal_of(credential_of(self._request.headers, self._request.query.items()))
        for kind in ("error", "Error"):
            await self._write(json.dumps({"type": kind, **refusal}))
        await self.end(REFUSED_CODE, str(refusal["message"])[:MOST_REASON_CHARACTERS])
        raise ExchangeOverError

    async def _put(self, message: Message) -> None:
        if isinstance(message, str):
            await self._ws.send_str(message)
        else:
            await self._ws.send_bytes(message)

    def _framed(self, text: str) -> Message:
        return text

    async def _write_empty(self) -> None:
        await self._write("{}")
        await self._write(b"")

    async def _drip(self, message: Message, fault: Fault) -> None:
        """Send fragments: a pong that comes in between is then no fault of ours."""
        self._note(message)
        data, opcode = as_bytes(message), TEXT if isinstance(message, str) else BINARY
        cut = pieces(data, fault.count)
        for number, piece in enumerate(cut):
            last = FIN if number == len(cut) - 1 else 0
            self._write_raw(frame_head(last | (CONTINUATION if number else opcode), len(piece)) + piece)
            await self.wait(fault.seconds)

    async def _cut(self, message: Message) -> None:
        data, opcode = as_bytes(message), TEXT if isinstance(message, str) else BINARY
        half = data[: len(data) // 2]
        self._note(half)
        self._write_raw(frame_head(FIN | opcode, len(data)) + half)
        _close_connection(self._request)

    async def end(self, code: int, reason: str = "") -> None:
        """Close the socket; returns when the client has answered, or does not."""
        self._note(f"{code} {reason}".rstrip(), is_close=True)
        await self._ws.close(code=code, message=reason.encode())

    def _write_raw(self, data: bytes) -> None:
        if (transport := self._request.transport) is not None:
            transport.write(data)


async def strike_head(
    request: web.BaseRequest, exchange: Exchange, fault: Fault | None, over: asyncio.Event
) -> web.Response | None:
    """Let a fault strike that comes before the head of an answer, or the handshake; returns a refusal, None to go on.

    :raises ExchangeOverError: the exchange ends here.
    """
    from aiohttp import web

    if fault is None:
        return None
    match fault.kind:
        case FaultKind.SILENT:
            await _wait(over, None)
        case FaultKind.SLOW_HEAD:
            await _wait(over, fault.seconds)
        case FaultKind.HANG_UP:
            _reset_connection(request)
            raise ExchangeOverError
        case FaultKind.QUOTE if "websocket" not in request.headers.get("Upgrade", "").lower():
            refusal = refusal_of(credential_of(request.headers, request.query.items()))
            return web.json_response(refusal, status=400)
        case FaultKind.STATUS:
            body = {"error": {"message": "refused by the script", "code": f"scripted_{fault.status}"}}
            headers = {"x-request-id": f"request-{exchange.number}"}
            if fault.seconds:
                headers["Retry-After"] = f"{fault.seconds:g}"
            return web.json_response(body, status=fault.status, headers=headers)
    return None


async def _wait(over: asyncio.Event, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await over.wait()
    except TimeoutError:
        return
    raise ExchangeOverError


def _close_connection(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.close()


def _reset_connection(request: web.BaseRequest) -> None:
    """End the connection of a request with a reset."""
    transport = request.transport
    if transport is None:
        return
    if (connection := transport.get_extra_info("socket")) is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
