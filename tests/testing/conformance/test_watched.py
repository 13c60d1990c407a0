"""Everything of ours that passes a kit in virtual time tells it what reached the vendor: no such check is skipped."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest
from tests.testing.conformance import test_scripted_llm, test_scripted_realtime, test_scripted_stt, test_scripted_tts
from tests.testing.conformance.bench import checks_of, failure_of, passes_somewhere

from lk_agents.testing.conformance.frame import Conformance

MODULES = (test_scripted_stt, test_scripted_tts, test_scripted_llm, test_scripted_realtime)
COUNTING = ("case.requests()", "case.texts()")
OF_LIMITS = "test_a_text_beyond_the_vendors_limit_is_spoken_in_parts"
"""Scripted synthesizers take texts of any length."""


def kits_in(module: ModuleType) -> list[type[Conformance]]:
    return [each for name, each in vars(module).items() if name.startswith("Test") and issubclass(each, Conformance)]


def counting_checks_of(kit: type[Conformance]) -> list[str]:
    """Return the checks that ask how often the vendor was asked, or for what."""
    sources = {check: inspect.getsource(getattr(kit, check)) for check in checks_of(kit) if check != OF_LIMITS}
    return [check for check, source in sources.items() if any(each in source for each in COUNTING)]


KITS = [kit for module in MODULES for kit in kits_in(module)]
CHECKS = [(kit, check) for kit in KITS for check in counting_checks_of(kit)]


@pytest.mark.parametrize("kit", KITS)
def test_every_kit_has_checks_that_count(kit: type[Conformance]) -> None:
    assert counting_checks_of(kit)


@pytest.mark.parametrize(("kit", "check"), CHECKS)
def test_a_check_that_counts_is_not_skipped(kit: type[Conformance], check: str) -> None:
    assert passes_somewhere(kit(), check)
    assert not failure_of(kit(), check)
