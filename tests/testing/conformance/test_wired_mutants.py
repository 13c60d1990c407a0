"""The checks that go through every fault of a vendor's server see a provider that raises something else, or leaks."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.testing.conformance import test_wired
from tests.testing.conformance.wired import RATE, SocketListening

from lk_agents.foundation.errors import APIConnectionError, APIError
from lk_agents.stt import STT, SpeechEvent
from lk_agents.testing.conformance.case import Trouble, TroubleKind
from lk_agents.testing.conformance.frame import Conformance
from lk_agents.testing.conformance.stt import STTCase
from lk_agents.testing.vendor import Fault, FaultKind

pytestmark = pytest.mark.e2e  # sockets and seconds

KITS: list[tuple[type[Any], str]] = [
    (test_wired.TestSTTOverASocket, "test_a_stream_ends_well_whatever_the_vendor_does"),
    (test_wired.TestSTTOverASocket, "test_a_recording_ends_well_whatever_the_vendor_does"),
    (test_wired.TestTTSOverHTTP, "test_a_text_ends_well_whatever_the_vendor_does"),
    (test_wired.TestTTSInPiecesOverHTTP, "test_a_stream_of_text_ends_well_whatever_the_vendor_does"),
    (test_wired.TestLLMOverEvents, "test_a_request_ends_well_whatever_the_vendor_does"),
]
SECRET = "test_no_credential_is_shown_whatever_goes_wrong"
FAULTS = [
    Fault(kind=FaultKind.STATUS, status=500),
    Fault(kind=FaultKind.HANG_UP),
    Fault(kind=FaultKind.RESET),
    Fault(kind=FaultKind.STALL),
]
"""Of each family one, after which it is tried again."""
DEFECTS = ["raises something else", "leaves a task"]


def with_defect(kit: type[Any], defect: str) -> Conformance:
    """Return the kit with a provider that has a defect where it tries again."""

    class Defective(kit):  # type: ignore[misc]  # a class that is known only now
        @asynccontextmanager
        async def provider(self, case: Any) -> AsyncIterator[Any]:
            async with super().provider(case) as provider:
                wrapped = getattr(provider, "_wrapped_tts", provider)
                _spoil(wrapped, defect)
                yield provider

    return Defective()


left: list[asyncio.Task[None]] = []


def _spoil(provider: Any, defect: str) -> None:
    headers, attempts = provider.client.headers, itertools.count(1)

    def spoilt() -> dict[str, str]:
        if next(attempts) > 1:
            if defect == "raises something else":
                raise RuntimeError("what a surprise")
            left.append(asyncio.create_task(asyncio.sleep(1000), name="left"))
        return dict(headers())

    provider.client.headers = spoilt


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize(("kit", "check"), KITS, ids=[check for _, check in KITS])
def test_a_check_over_all_faults_sees_its_mutants(kit: type[Any], check: str, fault: Fault) -> None:
    getattr(kit(), check)(fault)

    for defect in DEFECTS:
        with pytest.raises(AssertionError):
            getattr(with_defect(kit, defect), check)(fault)


class Talkative(SocketListening):
    """Logs what it does not understand."""

    def decode(self, message: bytes | str) -> list[SpeechEvent]:
        if "error" in str(message).lower():
            logging.getLogger("acme").warning("what is this? %s", message)
        return super().decode(message)


class Keeping(SocketListening):
    """Makes an error of what the vendor says, by hand."""

    def decode(self, message: bytes | str) -> list[SpeechEvent]:
        if "error" in str(message).lower():
            self.kept = APIConnectionError(str(message))
        return super().decode(message)

    async def _run(self) -> None:
        try:
            await super()._run()
        except APIError as error:
            raise self.kept from error


@pytest.mark.parametrize("listening", [Talkative, Keeping])
def test_the_check_of_credentials_sees_one_that_the_vendor_quotes(listening: type[SocketListening]) -> None:
    class Mutant(test_wired.TestSTTOverASocket):
        @asynccontextmanager
        async def provider(self, case: STTCase) -> AsyncIterator[STT[Any]]:
            async with super().provider(case) as stt:
                stt.stream = lambda *, conn_options, **_: listening(  # type: ignore[method-assign]
                    stt=stt, conn_options=conn_options, sample_rate=RATE
                )
                yield stt

    quoted = Trouble(TroubleKind.QUOTED)
    getattr(test_wired.TestSTTOverASocket(), SECRET)(trouble=quoted, streamed=True)
    getattr(Mutant(), SECRET)(trouble=Trouble(TroubleKind.REFUSED), streamed=True)  # in which nothing is quoted

    with pytest.raises(AssertionError, match="the credential is shown"):
        getattr(Mutant(), SECRET)(trouble=quoted, streamed=True)
