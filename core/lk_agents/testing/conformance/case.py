"""What one check of the kit wants of the provider that it is given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from lk_agents.foundation.errors import APIConnectionError, APIStatusError
from lk_agents.foundation.secret import Secret

if TYPE_CHECKING:
    from lk_agents.testing.providers.script import Break
    from lk_agents.testing.vendor import Fault, Script, VendorServer

__all__ = ["ALWAYS", "CANARY", "RETRY_AFTER_SECONDS", "SILENT_FAULTS", "Case", "Trouble", "TroubleKind"]

CANARY: Final = "lk-canary-6b1f0c9d2e7a"
"""The credential of every provider under test; it must not be seen anywhere."""
RETRY_AFTER_SECONDS: Final = 0.18
"""What a vendor asks for that is asked too often."""
SILENT_FAULTS: Final = frozenset({"silent", "slow-head", "stall", "empty-only", "slow-close", "half-open"})
ALWAYS: Final = 1_000


class TroubleKind(StrEnum):
    """What a vendor does wrong."""

    LOST = "lost"
    """The connection is lost."""
    BUSY = "busy"
    """It answers 503: another attempt may help."""
    LIMITED = "limited"
    """It answers 429, and when it wants to be asked again."""
    REFUSED = "refused"
    """It answers 401: another attempt cannot help."""
    QUOTED = "quoted"
    """It refuses the credential, and quotes it."""
    SILENT = "silent"
    """It says nothing more, and the connection stays open."""
    ENDED = "ended"
    """It ends as if that had been all."""


@dataclass(frozen=True)
class Trouble:
    """Something that a vendor does wrong.

    :param kind: what.
    :param after: after how many of its messages: transcripts, chunks, pieces of audio.
    :param once: whether the next attempt finds it well; otherwise it stays so.
    """

    kind: TroubleKind
    after: int = 0
    once: bool = False

    @property
    def name(self) -> str:
        """What it is in a few words, for the id of a test."""
        return f"{self.kind}-after-{self.after}{'-once' if self.once else ''}"

    def as_error(self) -> Exception:
        """Return what a provider raises that has no vendor's server."""
        match self.kind:
            case TroubleKind.BUSY:
                return APIStatusError("the vendor is busy", status_code=503)
            case TroubleKind.LIMITED:
                error = APIStatusError("asked too often", status_code=429)
                return error.located(retry_after_seconds=RETRY_AFTER_SECONDS)
            case TroubleKind.REFUSED | TroubleKind.QUOTED:
                return APIStatusError("the key is not valid", status_code=401)
            case _:
                return APIConnectionError("the connection was lost").located(phase="receive")

    def as_break(self, at: float) -> Break:
        """Return it for a scripted provider.

        :param at: where it strikes, in the provider's own measure.
        """
        from lk_agents.testing.providers.script import Break, BreakKind

        kinds = {TroubleKind.SILENT: BreakKind.STALL, TroubleKind.ENDED: BreakKind.END}
        kind = kinds.get(self.kind, BreakKind.ERROR)
        return Break(at, kind, self.as_error, times=1 if self.once else ALWAYS)

    def as_fault(self, *, socket: bool) -> Fault:
        """Return it for a vendor's server.

        :param socket: whether the vendor speaks through a socket.
        """
        from lk_agents.testing.vendor import Fault, FaultKind

        times = 1 if self.once else None
        match self.kind:
            case TroubleKind.LOST:
                return Fault(kind=FaultKind.RESET, at=self.after, times=times)
            case TroubleKind.BUSY:
                return Fault(kind=FaultKind.STATUS, status=503, times=times)
            case TroubleKind.LIMITED:
                return Fault(kind=FaultKind.STATUS, status=429, seconds=RETRY_AFTER_SECONDS, times=times)
            case TroubleKind.REFUSED:
                return Fault(kind=FaultKind.STATUS, status=401, times=times)
            case TroubleKind.QUOTED:
                return Fault(kind=FaultKind.QUOTE, at=self.after, times=times)
            case TroubleKind.SILENT:
                return Fault(kind=FaultKind.STALL, at=self.after, times=times)
            case TroubleKind.ENDED if socket:
                return Fault(kind=FaultKind.CLOSE, code=1000, at=self.after, times=times)
            case _:
                return Fault(kind=FaultKind.END, at=self.after, times=times)


class Case:
    """What is wanted of the provider of one check: what goes wrong, and with which credential it asks.

    :param trouble: what its vendor does wrong; None for nothing.
    :param fault: the same for a vendor's server, where it is more than a trouble.
    :param socket: whether what is checked goes through a socket.
    """

    def __init__(self, *, trouble: Trouble | None = None, fault: Fault | None = None, socket: bool = False) -> None:
        self.trouble = trouble
        self.secret = Secret(CANARY)
        """The credential that the provider must be given, where it takes one."""
        self._socket = socket
        self._fault = fault
        self._requests: Callable[[], int] | None = None
        self._texts: Callable[[], Sequence[str]] | None = None

    def watch(
        self, *, requests: Callable[[], int] | None = None, texts: Callable[[], Sequence[str]] | None = None
    ) -> None:
        """Let checks see what reached the vendor; those that need what is not told are skipped.

        :param requests: returns how often the vendor was asked until now, retries included.
        :param texts: of a synthesizer: returns the texts that its vendor was given, in order.
        """
        self._requests = requests or self._requests
        self._texts = texts or self._texts

    @property
    def fault(self) -> Fault | None:
        """What is wrong with the vendor's server."""
        if self._fault is not None or self.trouble is None:
            return self._fault
        return self.trouble.as_fault(socket=self._socket)

    @property
    def is_silent(self) -> bool:
        """Whether a vendor that says nothing is what the check is about."""
        if self.trouble is not None:
            return self.trouble.kind is TroubleKind.SILENT
        return self._fault is not None and self._fault.kind in SILENT_FAULTS

    @asynccontextmanager
    async def serve(self, script: Script) -> AsyncIterator[VendorServer]:
        """Run the vendor's server of this check, with its fault, and count what is asked of it.

        :param script: what it answers when it is well; answers should ``repeat``, since checks ask as often as they
            like. What it finds wrong with what it is asked fails the check, unless something is wrong with itself.
        """
        from lk_agents.testing.vendor import VendorServer

        fault = self.fault
        server = VendorServer(script, fault=fault, strict=False)
        self.watch(requests=lambda: len(server.journal))
        async with server:
            yield server
            if fault is None:
                server.check()

    def requests(self) -> int:
        """Return how often the vendor was asked.

        Skips the check if nobody tells.
        """
        import pytest

        if self._requests is None:
            pytest.skip("the provider does not tell how often its vendor is asked: case.watch(requests=…)")
        return self._requests()

    def texts(self) -> Sequence[str]:
        """Return what a synthesizer's vendor was given.

        Skips the check if nobody tells.
        """
        import pytest

        if self._texts is None:
            pytest.skip("the provider does not tell which texts reach its vendor: case.watch(texts=…)")
        return self._texts()
