"""The vendor's end of a socket, as the function of a script sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import LkAgentsError
from lk_agents.testing.vendor.outlets import SocketOutlet
from lk_agents.testing.vendor.script import Close, Conversation, Hear, HearUntil, Pause, Say, Stay

if TYPE_CHECKING:
    from aiohttp import web

    from lk_agents.testing.vendor.journal import Exchange
    from lk_agents.testing.vendor.script import Expected, Step

__all__ = ["PeerGoneError", "UnexpectedError", "VendorSocket", "follow"]

Message = str | bytes

PATIENCE_SECONDS: Final = 10.0


class PeerGoneError(LkAgentsError):
    """The client has closed the socket, or its connection is gone."""


class UnexpectedError(LkAgentsError, AssertionError):
    """The client did something else than the script expects."""


class VendorSocket:
    """One open socket. What is sent passes the fault of the exchange, what is received stands in the journal.

    Iterating gives the client's messages until it closes.
    """

    def __init__(self, ws: web.WebSocketResponse, exchange: Exchange, outlet: SocketOutlet) -> None:
        self.exchange = exchange
        """Its record in the journal: query, headers, what was said so far."""
        self._ws = ws
        self._outlet = outlet

    @property
    def closed(self) -> bool:
        """Whether one of the two sides has closed it."""
        return self._ws.closed

    async def send(self, message: Message | Mapping[str, Any]) -> None:
        """Send text, bytes, or a mapping as JSON text.

        :raises PeerGoneError: the client has gone.
        """
        try:
            await self._outlet.send(json.dumps(message) if isinstance(message, Mapping) else message)
        except (ConnectionError, RuntimeError) as error:
            raise PeerGoneError("the client has gone, nothing can be sent to it") from error

    async def receive(self, *, within_seconds: float = PATIENCE_SECONDS) -> Message:
        """Wait for the client's next message.

        :raises PeerGoneError: the client has closed the socket, or its connection is gone.
        :raises UnexpectedError: nothing came for so long.
        """
        from aiohttp import WSMsgType

        try:
            async with asyncio.timeout(within_seconds):
                received = await self._outlet.receive()
        except TimeoutError:
            raise UnexpectedError(f"the client has said nothing for {within_seconds:g} s") from None
        if received.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
            data: Message = received.data
            return data
        raise PeerGoneError(f"the client has gone ({received.type.name.lower()})")

    async def receive_json(self, *, within_seconds: float = PATIENCE_SECONDS) -> Any:
        """Wait for the client's next message and decode it; raises as :meth:`receive`, and ValueError for no JSON."""
        return json.loads(await self.receive(within_seconds=within_seconds))

    def __aiter__(self) -> VendorSocket:
        return self

    async def __anext__(self) -> Message:
        try:
            return await self.receive()
        except PeerGoneError:
            raise StopAsyncIteration from None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it; what was not said yet because of a fault is said before."""
        if not self._ws.closed:
            await self._outlet.finish()
            await self._outlet.end(code, reason)
            self.exchange.ended = f"closed with {code}"


async def follow(talk: Conversation, peer: VendorSocket) -> None:
    """Go through a conversation, step by step.

    :raises UnexpectedError: the client said something else, nothing, or has gone too early.
    """
    for number, step in enumerate(talk.steps):
        try:
            await _take(step, peer)
        except PeerGoneError as gone:
            if talk.may_leave:
                return
            raise UnexpectedError(f"{gone} before step {number} of the conversation: {step!r}") from None


async def _take(step: Step, peer: VendorSocket) -> None:
    match step:
        case Say():
            await peer.send(step.message)
        case Hear():
            message = await peer.receive(within_seconds=step.within_seconds)
            if not _is(message, step.expected):
                raise UnexpectedError(f"the client said {message!r} instead of {step.expected!r}")
        case HearUntil():
            await _skip_to(step, peer)
        case Pause():
            await asyncio.sleep(step.seconds)
        case Close():
            await peer.close(step.code, step.reason)
        case Stay():
            async for _ in peer:
                pass


async def _skip_to(step: HearUntil, peer: VendorSocket) -> None:
    try:
        async with asyncio.timeout(step.within_seconds):
            while not _is(await peer.receive(within_seconds=PATIENCE_SECONDS), step.expected):
                pass
    except TimeoutError:
        raise UnexpectedError(f"the client has not said {step.expected!r} within {step.within_seconds:g} s") from None


def _is(message: Message, expected: Expected) -> bool:
    if expected is None:
        return True
    if isinstance(expected, Mapping):
        try:
            return bool(json.loads(message) == expected)
        except ValueError:
            return False
    return expected(message) if callable(expected) else message == expected
