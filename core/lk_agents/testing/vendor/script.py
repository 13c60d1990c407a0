"""What a scripted vendor answers: answers of HTTP, conversations on a socket, and where each of them is to be had."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import parse_qsl

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.secret import Secret
from lk_agents.testing.vendor.faults import ExchangeKind

if TYPE_CHECKING:
    from lk_agents.testing.vendor.journal import Exchange
    from lk_agents.testing.vendor.peer import VendorSocket

__all__ = [
    "Answer",
    "Close",
    "Conversation",
    "Hear",
    "HearUntil",
    "Pause",
    "Route",
    "Say",
    "Script",
    "Stay",
    "chunks",
    "conversation",
    "events",
    "reply",
]

Message: TypeAlias = str | bytes
Expected: TypeAlias = "str | bytes | Mapping[str, Any] | Callable[[Message], bool] | None"
Query: TypeAlias = Mapping[str, str | Sequence[str]] | Collection[str] | None

HEAR_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Pause:
    """Wait, in an answer or a conversation."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer over HTTP; :func:`reply`, :func:`chunks` and :func:`events` make them.

    :param parts: bytes as they are sent, and pauses. Of ``BODY``, one part.
    :param tail: bytes that end the body and count as no message.
    """

    kind: ExchangeKind
    parts: tuple[bytes | Pause, ...]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    tail: bytes = b""


def reply(body: Any = b"", *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with one body: bytes and text as they are, anything else as JSON."""
    if isinstance(body, bytes):
        data, content_type = body, "application/octet-stream"
    elif isinstance(body, str):
        data, content_type = body.encode(), "text/plain; charset=utf-8"
    else:
        data, content_type = json.dumps(body).encode(), "application/json"
    return Answer(
        kind=ExchangeKind.BODY,
        parts=(data,),
        status=status,
        headers={"Content-Type": content_type, **(headers or {})},
    )


def chunks(
    *parts: bytes | Pause,
    content_type: str = "application/octet-stream",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Answer with a body that comes bit by bit, each part in a write of its own.

    With the content type ``text/event-stream`` the parts may cut server-sent events wherever they like.
    """
    return Answer(
        kind=ExchangeKind.CHUNKS,
        parts=parts,
        status=status,
        headers={"Content-Type": content_type, **(headers or {})},
    )


def events(
    *messages: Mapping[str, Any] | str | tuple[str, Mapping[str, Any] | str] | Pause,
    done: str | None = "[DONE]",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Answer with server-sent events.

    :param messages: the data of each, mappings as JSON; a pair is the event's name and its data.
    :param done: the data of the last event, which counts as no message; None for none.
    """
    return Answer(
        kind=ExchangeKind.EVENTS,
        parts=tuple(message if isinstance(message, Pause) else _event(message) for message in messages),
        headers={"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache", **(headers or {})},
        tail=b"" if done is None else _event(done),
    )


def _event(message: Mapping[str, Any] | str | tuple[str, Mapping[str, Any] | str]) -> bytes:
    name, data = message if isinstance(message, tuple) else ("", message)
    text = data if isinstance(data, str) else json.dumps(data)
    head = f"event: {name}\n" if name else ""
    return (head + "".join(f"data: {line}\n" for line in text.split("\n")) + "\n").encode()


@dataclass(frozen=True)
class Say:
    """Send a message: text, bytes, or a mapping as JSON text."""

    message: Message | Mapping[str, Any]


@dataclass(frozen=True)
class Hear:
    """Expect that the client's next message is this one.

    :param expected: the message itself; a mapping for JSON that is equal to it; a function that tells; None for any.
    """

    expected: Expected = None
    within_seconds: float = HEAR_SECONDS


@dataclass(frozen=True)
class HearUntil:
    """Read what the client sends until a message is this one; see :class:`Hear`."""

    expected: Expected
    within_seconds: float = HEAR_SECONDS


@dataclass(frozen=True)
class Close:
    """Close the socket; the last step of a conversation."""

    code: int = 1000
    reason: str = ""


@dataclass(frozen=True)
class Stay:
    """Read what the client sends until it closes; the last step of a conversation."""


Step: TypeAlias = Say | Hear | HearUntil | Pause | Close | Stay
Talk: TypeAlias = "Callable[[VendorSocket], Awaitable[None]]"
Answering: TypeAlias = "Answer | Callable[[Exchange], Awaitable[Answer]]"


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """What happens on one socket, step by step; after the last step the vendor closes it with 1000.

    :param may_leave: whether the client may go before the last step.
    """

    steps: tuple[Step, ...]
    may_leave: bool = False


def conversation(*steps: Step, may_leave: bool = False) -> Conversation:
    """Return a conversation of these steps; see :class:`Conversation`."""
    return Conversation(steps=steps, may_leave=may_leave)


@dataclass(kw_only=True)
class Route:
    """One path and what is to be had there; :class:`Script` makes them."""

    method: str
    path: str
    turns: tuple[Any, ...]
    query: Query
    headers: Mapping[str, str | Secret]
    repeat: bool
    is_socket: bool
    used: int = 0

    @property
    def name(self) -> str:
        """Method and path."""
        return f"{'socket' if self.is_socket else self.method} {self.path}"

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left for another request."""
        return self.used >= len(self.turns) and not self.repeat

    def current(self) -> Any:
        """Return what is to be had now."""
        return self.turns[min(self.used, len(self.turns) - 1)]

    def left(self) -> int:
        """Return how many answers nobody has asked for."""
        return max(len(self.turns) - self.used, 0)

    def query_problems(self, raw_query: str) -> Iterator[str]:
        """Yield what is wrong with a query."""
        if self.query is None:
            return
        found: dict[str, list[str]] = {}
        for name, value in parse_qsl(raw_query, keep_blank_values=True):
            found.setdefault(name, []).append(value)
        for name in found.keys() - set(self.query):
            yield f"the query key {name!r} is not expected"
        if not isinstance(self.query, Mapping):
            return
        for name, expected in self.query.items():
            values = [expected] if isinstance(expected, str) else list(expected)
            if name not in found:
                yield f"the query key {name!r} is missing"
            elif found[name] != values:
                yield f"the query key {name!r} is {found[name]!r} instead of {values!r}"

    def header_problems(self, headers: Mapping[str, str]) -> Iterator[str]:
        """Yield what is wrong with the headers; no value is told."""
        for name, expected in self.headers.items():
            value = headers.get(name)
            if value is None:
                yield f"the header {name!r} is missing"
            elif isinstance(expected, Secret):
                if Secret(value) != expected:
                    yield f"the header {name!r} is not the expected one"
            elif value != expected:
                yield f"the header {name!r} is not {expected!r}"


class Script:
    """What a vendor answers, by path. Each answer is used once, in order; what is left at the end is an error.

    Common parameters of :meth:`http` and :meth:`socket`:

    ``query``
        The names that the query may have; a mapping for exact values, all of which must be there (a list for a name
        that comes several times); None for anything. By default there may be no query.
    ``headers``
        Headers that must be there with exactly this value. A :class:`~lk_agents.foundation.secret.Secret` is compared
        and never shown; a wrong one is answered with 401.
    ``repeat``
        Whether the last answer serves all further requests.
    """

    def __init__(self) -> None:
        self.routes: dict[tuple[str, str], Route] = {}

    def http(
        self,
        method: str,
        path: str,
        *answers: Answering,
        query: Query = (),
        headers: Mapping[str, str | Secret] | None = None,
        repeat: bool = False,
    ) -> Script:
        """Answer requests.

        :param answers: an answer, or a function that is given the :class:`Exchange` and returns one; what it raises is
            an error at the end.
        :raises ConfigError: the path is taken, or there is no answer.
        """
        return self._add(
            Route(
                method=method.upper(),
                path=path,
                turns=answers,
                query=query,
                headers=headers or {},
                repeat=repeat,
                is_socket=False,
            )
        )

    def socket(
        self,
        path: str,
        *conversations: Conversation | Talk | Answer,
        query: Query = (),
        headers: Mapping[str, str | Secret] | None = None,
        repeat: bool = False,
    ) -> Script:
        """Accept sockets.

        :param conversations: a :class:`Conversation`, or a function that is given the :class:`VendorSocket` and talks;
            when it returns, the socket is closed with 1000. What it raises is an error at the end, but for
            :class:`PeerGoneError`: a function decides itself whether the client may go. An :class:`Answer` refuses the
            handshake, with the status and the headers that this vendor refuses with.
        :raises ConfigError: the path is taken, or there is no conversation.
        """
        return self._add(
            Route(
                method="GET",
                path=path,
                turns=conversations,
                query=query,
                headers=headers or {},
                repeat=repeat,
                is_socket=True,
            )
        )

    def _add(self, route: Route) -> Script:
        if not route.turns:
            raise ConfigError(f"{route.name}: the script has no answer; give at least one")
        if (route.method, route.path) in self.routes:
            raise ConfigError(f"{route.name}: the script has this path already; give all its answers at once")
        self.routes[route.method, route.path] = route
        return self
