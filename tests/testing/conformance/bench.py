"""Runs a kit in this process over a provider with a defect, and tells which checks fail."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from lk_agents.testing.conformance.frame import Conformance

EVERYTHING = frozenset({"*"})
"""A defect that most checks see."""


@dataclass(frozen=True)
class Mutant:
    """A defect.

    :param kit: makes the kit with the provider that has it.
    :param also: further checks that see it; the first to see it is its own.
    """

    kit: Callable[[], Conformance]
    also: frozenset[str] = frozenset()


def checks_of(kit: type[Conformance]) -> list[str]:
    """Return the names of a kit's checks."""
    return sorted(name for name in dir(kit) if name.startswith("test_"))


def runs_of(kit: Conformance, check: str) -> Iterator[dict[str, Any]]:
    """Yield the arguments of each run of a check, as pytest would give them."""
    function = getattr(type(kit), check)
    choices: list[list[dict[str, Any]]] = []
    for mark in getattr(function, "pytestmark", []):
        name, values = mark.args
        choices.append([{name: value} for value in values])
    wanted = function.__code__.co_varnames[: function.__code__.co_argcount]
    choices += [[{name: None}] for name in ("fault", "stream_fault") if name in wanted]
    for combination in itertools.product(*choices):
        yield {name: value for each in combination for name, value in each.items()}


def failure_of(kit: Conformance, check: str) -> str:
    """Return why a check fails, in the first of its runs that does; an empty text if all pass or are skipped."""
    for arguments in runs_of(kit, check):
        try:
            getattr(kit, check)(**arguments)
        except pytest.skip.Exception:
            continue
        except (Exception, pytest.fail.Exception, BaseExceptionGroup) as error:
            return f"{arguments}: {type(error).__name__}: {error}"
    return ""


def passes_somewhere(kit: Conformance, check: str) -> bool:
    """Tell whether a check passes in one of its runs without being skipped."""
    for arguments in runs_of(kit, check):
        try:
            getattr(kit, check)(**arguments)
        except pytest.skip.Exception:
            continue
        return True
    return False


def unexpected_failures(mutant: Mutant, own: str) -> Mapping[str, str]:
    """Return the checks that fail although the defect is none of theirs."""
    if mutant.also == EVERYTHING:
        return {}
    kit = mutant.kit()
    others = [check for check in checks_of(type(kit)) if check != own and check not in mutant.also]
    return {check: why for check in others if (why := failure_of(kit, check))}
