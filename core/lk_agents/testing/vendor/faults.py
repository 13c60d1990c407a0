"""What a vendor can do wrong, as data, so that a table of tests can run over it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from lk_agents.foundation.errors import ConfigError

__all__ = ["FAULTS", "ExchangeKind", "Fault", "FaultKind", "faults_for"]


class ExchangeKind(StrEnum):
    """How a vendor answers."""

    BODY = "body"
    """One body of known length: a single message."""
    CHUNKS = "chunks"
    """A body that comes bit by bit; each chunk is a message."""
    EVENTS = "events"
    """Server-sent events; each event is a message."""
    SOCKET = "socket"
    """A WebSocket; each frame that the vendor sends is a message."""


class FaultKind(StrEnum):
    """What goes wrong. "At ``at``" means: after so many messages of the vendor in this exchange."""

    REFUSE = "refuse"
    """Nobody listens: the connection is refused."""
    SILENT = "silent"
    """The connection is accepted, the request read, and nothing ever said."""
    HANG_UP = "hang-up"
    """The connection is reset where the head of the answer should come."""
    STATUS = "status"
    """An error status, with ``Retry-After`` if ``seconds`` is not 0."""
    QUOTE = "quote"
    """It refuses the credential and quotes it: in the body of a 400; on a socket, in messages and the close reason."""
    SLOW_HEAD = "slow-head"
    """The head of the answer, or the handshake, comes after ``seconds``."""
    STALL = "stall"
    """Nothing more comes at ``at``, and the connection stays open."""
    EMPTY = "empty"
    """``count`` messages without content come at ``at``, then what should."""
    EMPTY_ONLY = "empty-only"
    """From ``at`` on, only messages without content come, one every ``seconds``."""
    GARBAGE = "garbage"
    """Something that is no JSON comes at ``at``: instead of a body, before the other messages."""
    WRONG_JSON = "wrong-json"
    """JSON of another form comes at ``at``: instead of a body, before the other messages."""
    UNKNOWN_TYPE = "unknown-type"
    """A message of a type that nobody knows yet comes at ``at``, before the others."""
    LARGE = "large"
    """A message of a type that nobody knows yet, of ``size`` bytes, comes at ``at``, before the others."""
    CLOSE = "close"
    """The socket is closed with ``code`` at ``at``."""
    END = "end"
    """The body ends regularly at ``at``, though it should go on."""
    SLOW_CLOSE = "slow-close"
    """Everything was said, but the end comes ``seconds`` late; the other side's wish to close is not answered."""
    RESET = "reset"
    """The connection is reset at ``at``."""
    CUT = "cut"
    """The message at ``at`` is cut in its middle, and the connection closed."""
    HALF_OPEN = "half-open"
    """At ``at``, nothing is read any more, answered or sent, and the connection stays open."""
    DUPLICATE = "duplicate"
    """The message at ``at`` comes twice."""
    OUT_OF_ORDER = "out-of-order"
    """The message at ``at`` comes after the next one."""
    DRIP = "drip"
    """Every message comes in ``count`` pieces, ``seconds`` apart."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault, and the exchanges that it strikes.

    :param kind: what goes wrong.
    :param at: how many messages of the vendor go out before.
    :param status: the HTTP status of ``STATUS``.
    :param code: the close code of ``CLOSE``.
    :param seconds: see the kinds.
    :param count: see the kinds.
    :param size: how long the message of ``LARGE`` is, in bytes.
    :param times: how many exchanges it strikes; None for all. The others, and so the next attempt, go by the script.
    :param skip: how many exchanges it lets pass before.
    :param path: strike only there; by default anywhere.
    :raises ConfigError: nobody can count the connections that were refused, so ``times`` and ``skip`` cannot be kept.
    """

    kind: FaultKind
    at: int = 0
    status: int = 500
    code: int = 1011
    seconds: float = 0.0
    count: int = 1
    size: int = 5 * 1024 * 1024
    times: int | None = None
    skip: int = 0
    path: str = ""

    def __post_init__(self) -> None:
        if self.kind is FaultKind.REFUSE and (self.times is not None or self.skip or self.path):
            raise ConfigError(
                "a refused connection never reaches the vendor, so 'times', 'skip' and 'path' cannot be kept: "
                "use VendorServer.stop_listening() and listen_again()"
            )

    @property
    def name(self) -> str:
        """What it is in a few words, for the id of a test."""
        match self.kind:
            case FaultKind.STATUS:
                return f"{self.status}-retry-after-{self.seconds:g}" if self.seconds else f"{self.status}"
            case FaultKind.CLOSE:
                return f"close-{self.code}-at-{self.at}"
            case _:
                return f"{self.kind}-at-{self.at}" if self.at else str(self.kind)

    def once(self) -> Fault:
        """Return the same fault striking one exchange only: the next attempt finds the vendor well."""
        return replace(self, times=1)

    def fits(self, kind: ExchangeKind) -> bool:
        """Tell whether an exchange of that kind can have it."""
        return kind in _WHERE[self.kind]

    def strikes(self, number: int) -> bool:
        """Tell whether it strikes the exchange of that number, counted from 0 among those of its path."""
        return number >= self.skip and (self.times is None or number < self.skip + self.times)


_ALL: Final = frozenset(ExchangeKind)
_MESSAGES: Final = frozenset({ExchangeKind.EVENTS, ExchangeKind.SOCKET})
_STREAMS: Final = frozenset({ExchangeKind.CHUNKS, ExchangeKind.EVENTS})
_SOCKET: Final = frozenset({ExchangeKind.SOCKET})
_WHERE: Final = {
    FaultKind.REFUSE: _ALL,
    FaultKind.SILENT: _ALL,
    FaultKind.HANG_UP: _ALL,
    FaultKind.STATUS: _ALL,
    FaultKind.QUOTE: _ALL,
    FaultKind.SLOW_HEAD: _ALL,
    FaultKind.STALL: _ALL,
    FaultKind.EMPTY: _MESSAGES,
    FaultKind.EMPTY_ONLY: _MESSAGES,
    FaultKind.GARBAGE: _MESSAGES | {ExchangeKind.BODY},
    FaultKind.WRONG_JSON: _MESSAGES | {ExchangeKind.BODY},
    FaultKind.UNKNOWN_TYPE: _MESSAGES,
    FaultKind.LARGE: _MESSAGES,
    FaultKind.CLOSE: _SOCKET,
    FaultKind.END: _STREAMS,
    FaultKind.SLOW_CLOSE: _STREAMS | _SOCKET,
    FaultKind.RESET: _ALL,
    FaultKind.CUT: _ALL,
    FaultKind.HALF_OPEN: _SOCKET,
    FaultKind.DUPLICATE: _MESSAGES,
    FaultKind.OUT_OF_ORDER: _MESSAGES,
    FaultKind.DRIP: _ALL,
}

LATE_SECONDS: Final = 30.0
"""Later than the time-out of any test; whoever leaves earlier ends the wait."""

FAULTS: Final = (
    Fault(kind=FaultKind.REFUSE),
    Fault(kind=FaultKind.SILENT),
    Fault(kind=FaultKind.HANG_UP),
    Fault(kind=FaultKind.STATUS, status=401),
    Fault(kind=FaultKind.STATUS, status=403),
    Fault(kind=FaultKind.STATUS, status=429, seconds=0.05),
    Fault(kind=FaultKind.STATUS, status=500),
    Fault(kind=FaultKind.STATUS, status=503),
    Fault(kind=FaultKind.QUOTE),
    Fault(kind=FaultKind.SLOW_HEAD, seconds=LATE_SECONDS),
    Fault(kind=FaultKind.STALL),
    Fault(kind=FaultKind.STALL, at=1),
    Fault(kind=FaultKind.EMPTY, count=3),
    Fault(kind=FaultKind.EMPTY_ONLY, seconds=0.02),
    Fault(kind=FaultKind.GARBAGE),
    Fault(kind=FaultKind.WRONG_JSON),
    Fault(kind=FaultKind.UNKNOWN_TYPE),
    Fault(kind=FaultKind.LARGE),
    Fault(kind=FaultKind.CLOSE, code=1000, at=1),
    Fault(kind=FaultKind.CLOSE, code=1008),
    Fault(kind=FaultKind.CLOSE, code=1011, at=1),
    Fault(kind=FaultKind.END, at=1),
    Fault(kind=FaultKind.SLOW_CLOSE, seconds=LATE_SECONDS),
    Fault(kind=FaultKind.RESET),
    Fault(kind=FaultKind.RESET, at=1),
    Fault(kind=FaultKind.CUT),
    Fault(kind=FaultKind.CUT, at=1),
    Fault(kind=FaultKind.HALF_OPEN),
    Fault(kind=FaultKind.HALF_OPEN, at=1),
    Fault(kind=FaultKind.DUPLICATE),
    Fault(kind=FaultKind.OUT_OF_ORDER),
    Fault(kind=FaultKind.DRIP, count=4, seconds=0.005),
)
"""One of each kind at least. Those ``at`` 1 need an exchange of more than one message."""


def faults_for(kind: ExchangeKind) -> list[Fault]:
    """Return the faults of :data:`FAULTS` that an exchange of that kind can have.

    A body has one message, so those after its first are left out.
    """
    return [fault for fault in FAULTS if fault.fits(kind) and not (kind is ExchangeKind.BODY and fault.at)]
