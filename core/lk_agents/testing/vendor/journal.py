"""What was asked of a scripted vendor, and what it said: records to assert on, and a text to read when a test fails."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

from lk_agents.foundation.secret import MASK, Secret
from lk_agents.testing.vendor.faults import Fault

__all__ = ["Exchange", "Frame", "Journal", "credential_of", "is_credential", "masked_header", "masked_query"]

Message = str | bytes

SHOWN_CHARACTERS: Final = 160
SHOWN_FRAMES: Final = 40
SHORTEST_CREDENTIAL: Final = 8
_CREDENTIAL_HEADER: Final = re.compile(r"auth|key|token|secret|cookie|password|signature", re.IGNORECASE)
_CREDENTIAL_QUERY: Final = re.compile(r"(.*[-_])?(key|token|secret|password|signature|authorization)", re.IGNORECASE)
_HARMLESS_HEADERS: Final = re.compile(r"sec-websocket-.*", re.IGNORECASE)


@dataclass(frozen=True)
class Frame:
    """One message on a socket, or one part of an answer.

    :param at_seconds: since the server began.
    :param sender: who sent it.
    :param data: its content; of a close, code and reason.
    :param is_close: whether it closes the socket.
    """

    at_seconds: float
    sender: Literal["client", "vendor"]
    data: Message
    is_close: bool = False


@dataclass
class Exchange:
    """One request and its answer, or one socket."""

    number: int
    """Counted from 0, over all paths."""
    at_seconds: float
    """When the request was there, in seconds since the server began."""
    method: str
    path: str
    raw_query: str
    """As it was sent; the values of credentials are masked."""
    headers: Mapping[str, str]
    """By name in lower case; the values of credentials are masked."""
    body: bytes = b""
    """The body of the request, whole."""
    frames: list[Frame] = field(default_factory=list)
    """Both sides' messages in the order of their times; of an HTTP exchange, the parts of the answer."""
    fault: Fault | None = None
    """What struck it."""
    ended: str = ""
    """How it ended; empty while it lasts."""

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query's names and values, decoded, in their order."""
        return parse_qsl(self.raw_query, keep_blank_values=True)

    @property
    def received(self) -> list[Message]:
        """What the client has sent on the socket, without its close."""
        return [frame.data for frame in self.frames if frame.sender == "client" and not frame.is_close]

    @property
    def sent(self) -> list[Message]:
        """What the vendor has sent, without its close."""
        return [frame.data for frame in self.frames if frame.sender == "vendor" and not frame.is_close]

    @property
    def received_texts(self) -> list[str]:
        """The text frames that the client has sent."""
        return [message for message in self.received if isinstance(message, str)]

    @property
    def received_bytes(self) -> bytes:
        """The content of all binary frames that the client has sent, joined."""
        return b"".join(message for message in self.received if isinstance(message, bytes))

    def json(self) -> Any:
        """Return the decoded body of the request.

        :raises ValueError: it is no JSON.
        """
        return json.loads(self.body)


class Journal:
    """The exchanges of a server in the order in which they began; its text is for people."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self._secrets: list[Secret] = []

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self.exchanges)

    def __len__(self) -> int:
        return len(self.exchanges)

    def __getitem__(self, index: int) -> Exchange:
        return self.exchanges[index]

    def hide(self, secret: Secret) -> None:
        """Mask a credential wherever it stands in the text of the journal, its last word alone as well."""
        scheme, _, word = secret.reveal().rpartition(" ")
        for each in (secret, Secret(word)) if scheme else (secret,):
            if each not in self._secrets:
                self._secrets.append(each)

    def hide_header(self, name: str, value: str) -> None:
        """Mask what a header holds wherever it stands, if that is a credential."""
        if is_credential(name) and len(value) >= SHORTEST_CREDENTIAL:
            self.hide(Secret(value))

    def masked(self, text: str) -> str:
        """Return ``text`` without the credentials that are known."""
        for secret in self._secrets:
            text = secret.hide_in(text)
        return text

    def __str__(self) -> str:
        if not self.exchanges:
            return "journal: nobody has asked for anything"
        lines = ["journal:"]
        for exchange in self.exchanges:
            lines += _lines(exchange)
        return self.masked("\n".join(lines))


def _lines(exchange: Exchange) -> Iterator[str]:
    query = f"?{exchange.raw_query}" if exchange.raw_query else ""
    fault = f" [{exchange.fault.name}]" if exchange.fault is not None else ""
    yield (
        f"  #{exchange.number} at {exchange.at_seconds:.3f} s: {exchange.method} {exchange.path}{query}{fault}, "
        f"{exchange.ended or 'still open'}"
    )
    yield from (f"      {name}: {value}" for name, value in exchange.headers.items())
    if exchange.body:
        yield f"      body: {_shown(exchange.body)}"
    for frame in exchange.frames[:SHOWN_FRAMES]:
        arrow = "-->" if frame.sender == "client" else "<--"
        close = "close " if frame.is_close else ""
        yield f"      {frame.at_seconds:8.3f} s {arrow} {close}{_shown(frame.data)}"
    if len(exchange.frames) > SHOWN_FRAMES:
        yield f"      … and {len(exchange.frames) - SHOWN_FRAMES} more"


def _shown(data: Message) -> str:
    if isinstance(data, str):
        return data if len(data) <= SHOWN_CHARACTERS else f"{data[:SHOWN_CHARACTERS]}… ({len(data)} characters)"
    try:
        text = data[: SHOWN_CHARACTERS * 2].decode()
    except UnicodeDecodeError:
        text = ""
    if text.isprintable() and len(data) <= SHOWN_CHARACTERS:
        return f"{text!r} ({len(data)} bytes)"
    return f"{data[:16].hex(' ')}{'…' if len(data) > 16 else ''} ({len(data)} bytes)"


def is_credential(name: str) -> bool:
    """Tell by a header's name whether it holds a credential."""
    return bool(_CREDENTIAL_HEADER.search(name)) and not _HARMLESS_HEADERS.fullmatch(name)


def credential_of(headers: Mapping[str, str], query: Iterable[tuple[str, str]]) -> str:
    """Return the first credential that a client shows, without its scheme; an empty text for none."""
    found = [value.rpartition(" ")[2] for name, value in headers.items() if is_credential(name)]
    return next(iter([*found, *(value for name, value in query if _CREDENTIAL_QUERY.fullmatch(name))]), "")


def masked_header(name: str, value: str) -> str:
    """Return a header's value as the journal shows it: of a credential, its scheme and a mask."""
    if not is_credential(name):
        return value
    scheme, _, rest = value.partition(" ")
    return f"{scheme} {MASK}" if rest else MASK


def masked_query(raw_query: str) -> str:
    """Return a raw query with the values of credentials masked."""
    pairs = []
    for pair in raw_query.split("&"):
        name, equals, value = pair.partition("=")
        pairs.append(f"{name}={MASK}" if equals and value and _CREDENTIAL_QUERY.fullmatch(name) else pair)
    return "&".join(pairs)
