"""HTTP for providers: one way to ask, one way to fail, and events read from a stream as they come."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, APITimeoutError
from lk_agents.streams.credentials import HiddenHeaders, credentials_in_query, hide_credentials, hide_in_error

if TYPE_CHECKING:
    import aiohttp

__all__ = [
    "HiddenHeaders",
    "ServerSentEvent",
    "hide_credentials",
    "read_chunks",
    "read_events",
    "request",
    "retry_after",
    "why",
]

REQUEST_ID_HEADERS: Final = ("x-request-id", "request-id", "dg-request-id")
BODY_BOUND_BYTES: Final = 64 * 1024
"""How much of an error's body is read."""
BODY_SHARE: Final = 0.5
"""Which part of the time for the head may go into an error's body."""
EVENT_BOUND_BYTES: Final = 16 * 1024 * 1024
"""How long one line of an event may be."""
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@asynccontextmanager
async def request(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    provider: str,
    timeout_seconds: float,
    total_seconds: float | None = None,
    **options: Any,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Ask a provider over HTTP; what goes wrong in the block as well is an :class:`APIError`.

    :param timeout_seconds: until the head of the answer is there.
    :param total_seconds: until the block ends; None for no limit (then read with the limits of :func:`read_events`
        or :func:`read_chunks`).
    :param options: as for ``aiohttp.ClientSession.request``. Headers appear in no error, and credentials among them
        or among ``params`` are masked where the provider quotes them.
    :raises APIStatusError: the status is 400 or more; with the decoded body, request id and ``Retry-After``.
    :raises APITimeoutError: no answer in time.
    :raises APIConnectionError: the connection could not be made, or broke.
    """
    import aiohttp

    options["headers"] = HiddenHeaders(options.get("headers") or {})
    shown = HiddenHeaders({**options["headers"], **credentials_in_query(options.get("params"))})
    limits = aiohttp.ClientTimeout(total=total_seconds, sock_connect=timeout_seconds)
    has_head = False
    try:
        async with asyncio.timeout(timeout_seconds) as head:
            async with session.request(method, url, timeout=limits, **options) as response:
                if response.status >= 400:
                    raise await _status_error(response, provider, timeout_seconds, shown)
                has_head = True
                head.reschedule(None)
                yield response
    except TimeoutError:
        text = f"answer within {timeout_seconds:g} s"
        if has_head:
            text = "come to an end in time" if total_seconds is None else f"come to an end within {total_seconds:g} s"
        phase = "receive" if has_head else "first_output"
        raise APITimeoutError(f"{provider} did not {text}").located(provider=provider, phase=phase) from None
    except APIError as error:
        hide_in_error(error, shown)
        raise error.located(provider=provider, phase="receive") from error.__cause__
    except (aiohttp.ClientError, OSError) as error:
        # Not chained: aiohttp's errors carry the request, and with it the key.
        phase = "receive" if has_head else _phase_of(error)
        what = " could not be reached" if phase == "connect" else ": the connection failed"
        raise APIConnectionError(f"{provider}{what}: {why(error)}").located(provider=provider, phase=phase) from None


def why(error: Exception) -> str:
    """Return what kept a connection from being made or broke it, and between whom: nothing else of the request."""
    host, port = getattr(error, "host", None), getattr(error, "port", None)
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    if isinstance(cause, ConnectionError) and cause.errno:
        reason = os.strerror(cause.errno)
    else:  # the text of any other error than the system's may carry the request
        reason = getattr(cause, "strerror", None) or (type(error).__name__ if cause is error else str(cause))
    return f"{host}:{port}: {reason}" if host else reason


def _phase_of(error: Exception) -> str:
    import aiohttp

    return "connect" if isinstance(error, aiohttp.ClientConnectorError | aiohttp.InvalidURL) else "first_output"


async def _status_error(
    response: aiohttp.ClientResponse, provider: str, timeout_seconds: float, sent: Mapping[str, str] | None
) -> APIStatusError:
    text = await _error_text(response, timeout_seconds * BODY_SHARE)
    body = _decoded(hide_credentials(text, sent))
    request_id = next((response.headers[name] for name in REQUEST_ID_HEADERS if name in response.headers), None)
    error = APIStatusError(
        f"{provider} answered {response.status} {response.reason or ''}".rstrip(),
        status_code=response.status,
        request_id=request_id,
        body=body,
    )
    return error.located(
        provider=provider,
        phase="first_output",
        code=_code_in(body),
        retry_after_seconds=retry_after(response.headers),
    )


async def _error_text(response: aiohttp.ClientResponse, seconds: float) -> str:
    """Return what there is of an error's body: the status alone says enough to go on."""
    import aiohttp

    found = bytearray()
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(seconds):
            async for chunk in response.content.iter_any():
                found += chunk
                if len(found) >= BODY_BOUND_BYTES:
                    break
    return found[:BODY_BOUND_BYTES].decode(errors="replace")


def _decoded(text: str) -> object:
    import json

    try:
        decoded: object = json.loads(text)
    except ValueError:
        return text
    return decoded


def _code_in(body: object) -> str | int | None:
    """Find the provider's own code where most of them have it."""
    if not isinstance(body, Mapping):
        return None
    inner = body.get("error")
    for place in (inner if isinstance(inner, Mapping) else {}, body):
        for key in ("code", "err_code", "category", "type"):
            if isinstance(found := place.get(key), str | int):
                return found
    return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of ``Retry-After``, also where it is the date from which on the provider may be asked.

    A date that names no time zone, as ``asctime()`` writes it, is in GMT (RFC 9110, 5.6.7).
    """
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    text = headers.get("Retry-After", "")
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp() - clock.wall_seconds()
    return None if math.isnan(seconds) else max(seconds, 0.0)


async def read_chunks(
    response: aiohttp.ClientResponse, *, provider: str, first_seconds: float, idle_seconds: float
) -> AsyncIterator[bytes]:
    """Give the body as it comes.

    :param first_seconds: until the first byte; ``idle_seconds``: between later ones.
    :raises APITimeoutError: nothing came for so long; its phase is ``first_output`` or ``idle``.
    """
    seconds, phase = first_seconds, "first_output"
    chunks = response.content.iter_any()
    while True:
        try:
            async with asyncio.timeout(seconds):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise APITimeoutError(f"{provider} has sent nothing for {seconds:g} s").located(
                provider=provider, phase=phase
            ) from None
        if chunk is None:
            return
        seconds, phase = idle_seconds, "idle"
        yield chunk


@dataclass(frozen=True)
class ServerSentEvent:
    """One event of a ``text/event-stream``.

    :param event: its name, ``message`` where none was given.
    :param data: its data, lines joined by line feeds.
    """

    event: str
    data: str


async def read_events(
    response: aiohttp.ClientResponse, *, provider: str, first_seconds: float, idle_seconds: float
) -> AsyncIterator[ServerSentEvent]:
    """Give the server-sent events of a response (HTML standard, 9.2), with the limits of :func:`read_chunks`.

    :raises APIError: a line of more than 16 MiB.
    """
    parser = _EventParser()
    chunks = read_chunks(response, provider=provider, first_seconds=first_seconds, idle_seconds=idle_seconds)
    async for chunk in chunks:
        for event in parser.feed(chunk):
            yield event
        if parser.held_bytes > EVENT_BOUND_BYTES:
            raise APIError(f"{provider} sent a line of more than {EVENT_BOUND_BYTES} bytes").located(
                provider=provider, phase="decode"
            )


class _EventParser:
    """Cuts bytes into server-sent events; one may be spread over any number of chunks."""

    def __init__(self) -> None:
        self._line: list[bytes] = []  # what there is of the line that has not ended
        self._after_return = False  # a line feed that comes now ends no other line
        self._is_first_line = True
        self._event = ""
        self._data: list[str] = []
        self.held_bytes = 0
        """How much of a line waits for its end."""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Take bytes, return the events that they complete."""
        if self._after_return and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_return = False
        self._after_return = self._after_return or chunk.endswith(b"\r")
        first, *others = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._line.append(first)
        self.held_bytes += len(first)
        found: list[ServerSentEvent] = []
        for start in others:
            if (event := self._take(self._whole_line())) is not None:
                found.append(event)
            self._line, self.held_bytes = [start], len(start)
        return found

    def _whole_line(self) -> str:
        line = b"".join(self._line)
        if self._is_first_line:
            line, self._is_first_line = line.removeprefix(BYTE_ORDER_MARK), False
        return line.decode(errors="replace")

    def _take(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._complete()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        return None  # comments (an empty name), ids and retry times are of no use here

    def _complete(self) -> ServerSentEvent | None:
        event = ServerSentEvent(self._event or "message", "\n".join(self._data)) if self._data else None
        self._event, self._data = "", []
        return event
