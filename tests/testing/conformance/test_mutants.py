"""Every check of the kits sees the defect that it is there for, and no other one."""

from __future__ import annotations

from types import ModuleType

import pytest
from tests.testing.conformance import (
    mutants_llm,
    mutants_realtime,
    mutants_stt,
    mutants_tts,
    mutants_vad,
    test_realtime_faults,
    test_wired_mutants,
)
from tests.testing.conformance.bench import Mutant, checks_of, failure_of, passes_somewhere, unexpected_failures

from lk_agents.testing.conformance.frame import Conformance
from lk_agents.testing.conformance.llm import LLMConformance
from lk_agents.testing.conformance.realtime import RealtimeConformance
from lk_agents.testing.conformance.stt import STTConformance
from lk_agents.testing.conformance.tts import TTSConformance
from lk_agents.testing.conformance.vad import VADConformance

KITS: dict[type[Conformance], ModuleType] = {
    STTConformance: mutants_stt,
    TTSConformance: mutants_tts,
    LLMConformance: mutants_llm,
    VADConformance: mutants_vad,
    RealtimeConformance: mutants_realtime,
}
OVER_FAULTS = "ends_well_whatever_the_vendor_does"
"""How checks end that need a vendor's server; their mutants have files of their own."""
MUTANTS: dict[str, tuple[Mutant, ModuleType]] = {
    check: (mutant, module) for module in KITS.values() for check, mutant in module.MUTANTS.items()
}


@pytest.mark.parametrize("kit", KITS, ids=lambda kit: kit.__name__)
def test_every_check_has_a_mutant(kit: type[Conformance]) -> None:
    assert {check for check in checks_of(kit) if not check.endswith(OVER_FAULTS)} == set(KITS[kit].MUTANTS)


def test_every_check_over_the_faults_of_a_server_has_mutants() -> None:
    checks = {check for kit in KITS for check in checks_of(kit) if check.endswith(OVER_FAULTS)}

    assert checks == {check for _, check in test_wired_mutants.KITS} | {test_realtime_faults.CHECK}


def test_no_two_checks_have_one_name() -> None:
    assert len(MUTANTS) == sum(len(module.MUTANTS) for module in KITS.values())


@pytest.mark.parametrize("check", sorted(MUTANTS))
def test_a_check_passes_a_good_provider_and_fails_its_mutant(check: str) -> None:
    mutant, module = MUTANTS[check]

    assert passes_somewhere(module.good(), check)
    assert failure_of(mutant.kit(), check)


@pytest.mark.e2e  # all checks over all mutants take a minute
@pytest.mark.parametrize("check", sorted(MUTANTS))
def test_a_mutant_passes_all_other_checks(check: str) -> None:
    assert not unexpected_failures(MUTANTS[check][0], check)
