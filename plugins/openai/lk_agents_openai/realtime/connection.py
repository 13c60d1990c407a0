"""One connection of a session: it is brought to where the conversation stands, and then gives what the server says."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast

from lk_agents.foundation.errors import APIConnectionError, APIError, APITimeoutError
from lk_agents.foundation.ids import short_id
from lk_agents.foundation.log import logger
from lk_agents.streams.credentials import hide_credentials, hide_in_error, shown_on
from lk_agents.utils.aio.tasks import cancel_and_wait
from lk_agents_openai.asking import FINAL_CODES
from lk_agents_openai.realtime.messages import (
    ConversationItemCreated,
    ErrorMessage,
    MalformedMessageError,
    RealtimeMessage,
    SessionCreated,
    SessionUpdated,
    UnknownMessage,
    parse_realtime,
)
from lk_agents_openai.realtime.outgoing import Outgoing
from lk_agents_openai.realtime.records import RealtimeError, error_of

if TYPE_CHECKING:
    import aiohttp

__all__ = ["DUPLICATE_ITEM", "Connection", "Heard", "Socket"]

DUPLICATE_ITEM: Final = "item_create_duplicate_item_id"
"""The item is there already: as good as created."""
POLITE_CLOSE_SECONDS: Final = 1.0
REASON_SECONDS: Final = 0.5
"""How long the server may take to say why nothing can be sent any more."""
MOST_EARLY: Final = 1_000
MOST_NOTED: Final = 100

Heard: TypeAlias = "RealtimeMessage | RealtimeError"
Refused: TypeAlias = dict[str, RealtimeError]
Wire = dict[str, Any]


class Socket(Protocol):
    """What is used of an ``aiohttp.ClientWebSocketResponse``."""

    @property
    def close_code(self) -> int | None:
        """Why it is closed; None as long as it is not."""

    async def send_str(self, data: str) -> None:
        """Send a text."""

    async def receive(self) -> aiohttp.WSMessage:
        """Wait for the next message, the close among them."""

    async def close(self) -> bool:
        """Close it."""


class _Beginning:
    """What is still to be confirmed before a connection is where the conversation stands.

    :param update_id: the id of the event by which the session was sent.
    :param items: the ids of the items that were sent, by the ids of their events.
    """

    def __init__(self, update_id: str, items: dict[str, str]) -> None:
        self._update_id = update_id
        self._items = items
        self._is_updated = False
        self._refused: Refused = {}
        self.done: asyncio.Future[Refused | RealtimeError] = asyncio.get_running_loop().create_future()
        """Done when all is confirmed, with what the server refuses of the conversation; or with the error."""

    def hear(self, heard: Heard) -> bool:
        """Take note of a message; tells whether it was about the beginning."""
        match heard:
            case SessionUpdated():
                self._is_updated = True
            case ConversationItemCreated():
                self._confirm(heard.item.id)
            case RealtimeError():
                self._hear_error(heard)
            case SessionCreated():
                return True
            case _:
                return False
        if self._is_updated and not self._items and not self.done.done():
            self.done.set_result(self._refused)
        return True

    def _confirm(self, item_id: str) -> None:
        self._items = {event: each for event, each in self._items.items() if each != item_id}

    def _hear_error(self, error: RealtimeError) -> None:
        item_id = self._items.pop(error.caused_by, None)
        if item_id is None:
            self.done.set_result(error)
        elif error.code != DUPLICATE_ITEM:
            self._refused[item_id] = error


class Connection:
    """One open socket, from the moment on at which it is made; :meth:`aclose` ends it. Needs a running event loop.

    :param socket: as it was opened.
    :param label: who speaks there, for errors.
    :param timeout_seconds: how long the server may take to take a message, and to confirm one in the beginning.
    """

    def __init__(self, socket: Socket, *, label: str, timeout_seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._socket = socket
        self._shown = shown_on.get(cast("aiohttp.ClientWebSocketResponse", socket))
        self._label = label
        self._timeout_seconds = timeout_seconds
        self.outgoing = Outgoing()
        """What waits to be sent."""
        self.session_id = ""
        """The server's id of the session, for its support."""
        self.expires_at: float | None = None
        """When the server ends it, in seconds since 1970, where it tells."""
        self._beginning: _Beginning | None = None
        self._patience: asyncio.Timeout | None = None
        self._early: deque[Heard] = deque(maxlen=MOST_EARLY)
        self._on_heard: Callable[[Heard], None] | None = None
        self._noted: set[str] = set()
        self._failed: asyncio.Future[APIError] = loop.create_future()
        self.over: asyncio.Task[APIError] = loop.create_task(self._run(), name="lk-openai-realtime-connection")
        """Ends when the connection does; with the error that tells why."""

    async def begin(self, session: Wire, items: Sequence[Wire]) -> Refused:
        """Tell the server what it is to be and what was said so far; returns once it has confirmed all of it.

        :returns: what it refuses of the conversation, by the ids of the items.
        :raises APIError: it refuses the session, has gone, or confirms nothing in time.
        """
        update_id, sent = short_id("event_"), {short_id("event_"): item for item in items}
        beginning = self._beginning = _Beginning(update_id, {event: item["id"] for event, item in sent.items()})
        self.outgoing.put({"type": "session.update", "event_id": update_id, "session": session})
        for event, item in sent.items():
            self.outgoing.put({"type": "conversation.item.create", "event_id": event, "item": item})
        either: list[asyncio.Future[Any]] = [beginning.done, self.over]
        try:
            async with asyncio.timeout(self._timeout_seconds) as self._patience:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise APITimeoutError(
                f"{self._label} has not begun the session within {self._timeout_seconds:g} s"
            ).located(provider=self._label, phase="connect") from None
        finally:
            self._patience = self._beginning = None
        told = beginning.done.result() if beginning.done.done() else self.over.result()
        if isinstance(told, APIError):
            raise told
        return told

    def adopt(self, on_heard: Callable[[Heard], None]) -> None:
        """Give all that the server says from now on, and what it has said since the beginning.

        :param on_heard: takes one message at a time; what it raises is logged.
        """
        self._on_heard = on_heard
        while self._early:
            self._hand_on(self._early.popleft())

    def fail(self, error: APIError) -> None:
        """Let the connection be over: the server does not do what it must."""
        if not self._failed.done():
            self._failed.set_result(error)

    async def aclose(self) -> None:
        """Close it; any number of times. Never raises."""
        await cancel_and_wait(self.over)

    # --- both directions ---------------------------------------------------------------------------------------------

    async def _run(self) -> APIError:
        loop = asyncio.get_running_loop()
        sending = loop.create_task(self._send_all(), name="lk-openai-realtime-send")
        receiving = loop.create_task(self._receive_all(), name="lk-openai-realtime-receive")
        either: list[asyncio.Future[APIError]] = [receiving, self._failed, sending]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            return next(each for each in either if each.done()).result()
        finally:
            await cancel_and_wait(*either)
            await _close(self._socket)

    async def _send_all(self) -> APIError:
        while True:
            text = await self.outgoing.next()
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    await self._socket.send_str(text)
            except TimeoutError:
                error: APIError = APITimeoutError(f"{self._label} has taken nothing for {self._timeout_seconds:g} s")
                return error.located(provider=self._label, phase="send")
            except (ConnectionError, RuntimeError):  # aiohttp's own errors of a closing socket are both
                await asyncio.sleep(REASON_SECONDS)  # the other direction is about to learn why
                error = APIConnectionError(f"{self._label} broke the connection")
                return error.located(provider=self._label, phase="send")

    async def _receive_all(self) -> APIError:
        from aiohttp import WSMsgType

        while True:
            received = await self._socket.receive()
            if received.type is WSMsgType.TEXT:
                if (heard := self._read(received.data)) is not None:
                    self._hand_on(heard)
            elif received.type is WSMsgType.BINARY:
                self._note("OpenAI has sent bytes where it sends text; passed over", "")
            else:
                return self._why_closed(received.extra)

    def _read(self, text: str) -> Heard | None:
        """Return what a text says, without the credential that it may quote."""
        try:
            message = parse_realtime(hide_credentials(text, self._shown))
        except MalformedMessageError as malformed:
            self._note("a message of OpenAI cannot be understood; passed over", str(malformed))
            return None
        if isinstance(message, UnknownMessage):
            self._note("OpenAI has sent a message of an unknown type; passed over", message.type)
            return None
        if not isinstance(message, ErrorMessage):
            return message
        error = error_of(message.error, event_id=message.event_id)
        hide_in_error(error, self._shown)
        return error.located(provider=self._label)

    def _hand_on(self, heard: Heard) -> None:
        if isinstance(heard, SessionCreated | SessionUpdated) and heard.session is not None:
            self.session_id = heard.session.id or self.session_id
            self.expires_at = heard.session.expires_at or self.expires_at
        beginning = self._beginning
        if beginning is not None and not beginning.done.done() and beginning.hear(heard):
            if self._patience is not None and not self._patience.expired():
                self._patience.reschedule(asyncio.get_running_loop().time() + self._timeout_seconds)
        elif self._on_heard is None:
            self._early.append(heard)
        else:
            self._tell(self._on_heard, heard)

    def _tell(self, on_heard: Callable[[Heard], None], heard: Heard) -> None:
        try:
            on_heard(heard)
        except Exception:  # noqa: BLE001  a fault of ours must not silence the agent for good
            logger.exception("a message of OpenAI could not be worked off", extra={"kind": type(heard).__name__})

    def _why_closed(self, reason: Any) -> APIError:
        text = hide_credentials(reason, self._shown) if isinstance(reason, str) else ""
        code, found = self._socket.close_code, text.rpartition(".")[2]
        error = APIConnectionError(
            f"OpenAI closed the connection: code {code}, reason {text or 'not given'}",
            retryable=found not in FINAL_CODES,
        )
        return error.located(provider=self._label, phase="receive", code=found if found in FINAL_CODES else code)

    def _note(self, what: str, detail: str) -> None:
        """Log what is passed over, each once."""
        if f"{what}{detail}" not in self._noted and len(self._noted) < MOST_NOTED:
            self._noted.add(f"{what}{detail}")
            logger.warning(what, extra={"detail": detail[:80]})


async def _close(socket: Socket) -> None:
    closing = asyncio.create_task(socket.close(), name="lk-openai-realtime-close")
    try:
        await asyncio.wait({closing}, timeout=POLITE_CLOSE_SECONDS)
    finally:
        await cancel_and_wait(closing)  # which drops the connection
