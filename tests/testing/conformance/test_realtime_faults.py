"""The check of sessions that goes through every fault of a server sees its mutants; the kit runs in real time, too."""

from __future__ import annotations

from typing import Any

import pytest
from tests.testing.conformance import test_scripted_realtime
from tests.testing.conformance.mutants_realtime import Kit, LeavesATask, Tunable, making

from lk_agents.foundation.errors import APIConnectionError, APIStatusError
from lk_agents.testing.conformance.realtime import RealtimeCase
from lk_agents.testing.providers import Break, BreakKind
from lk_agents.testing.providers import ScriptedRealtimeSession as Session
from lk_agents.testing.vendor import Fault, FaultKind

CHECK = "test_a_session_ends_well_whatever_the_vendor_does"
FAULTS = [
    Fault(kind=FaultKind.STATUS, status=500),
    Fault(kind=FaultKind.STALL, at=1),
    Fault(kind=FaultKind.RESET, at=1),
]


class Struck(Kit):
    """Plays the faults of a server."""

    def breaks(self, case: RealtimeCase) -> list[Break]:
        match case.fault:
            case Fault(kind=FaultKind.STATUS):
                return [Break(0, error=lambda: APIStatusError("busy", status_code=500), times=1_000)]
            case Fault(kind=FaultKind.STALL):
                return [Break(1, BreakKind.STALL, times=1_000)]
            case Fault(kind=FaultKind.RESET):
                return [Break(1, error=lambda: APIConnectionError("reset"), times=1_000)]
            case _:
                return []


class RaisesSomethingElse(Session):
    async def _connect_first(self) -> None:
        if self._model.breaks.unused():
            raise RuntimeError("what a surprise")
        await super()._connect_first()


class HangsQuietly(Session):
    """Has an error, and then says nothing more."""

    async def _connect_first(self) -> None:
        if self._model.breaks.unused():
            raise APIConnectionError("gone")
        await super()._connect_first()

    def emit(self, event: Any, *told: Any) -> None:
        if event != "closed" or not self._model.breaks.unused():
            super().emit(event, *told)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_good_session_passes_whatever_happens(fault: Fault) -> None:
    getattr(Struck(Tunable), CHECK)(fault)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("defect", [RaisesSomethingElse, HangsQuietly, LeavesATask])
def test_the_check_over_all_faults_sees_its_mutants(defect: type[Session], fault: Fault) -> None:
    with pytest.raises(AssertionError):
        getattr(Struck(making(defect)), CHECK)(fault)


@pytest.mark.e2e  # real seconds
class TestInRealTime(test_scripted_realtime.TestScriptedRealtime):
    virtual_time = False
    patience_seconds = 25.0
