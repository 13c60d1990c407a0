"""What was measured so far: values by measure and framework, verdicts, and what could not be measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.figures import Spread
from benchmarks.verdict import Verdict

__all__ = ["Results"]


@dataclass
class Results:
    """Collects the values of all runs; a question that failed leaves its reason instead."""

    values: dict[tuple[str, str], dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    failures: list[str] = field(default_factory=list)
    verdicts: dict[tuple[str, str], list[Verdict]] = field(default_factory=lambda: defaultdict(list))

    def add(self, framework: str, answer: Mapping[str, float], run: int) -> None:
        """Add one run's answer to a question."""
        for key, value in answer.items():
            self.values[key, framework][run] = value

    def judge(self, framework: str, verdicts: Iterable[Verdict]) -> None:
        """Add one run's verdicts."""
        for verdict in verdicts:
            self.verdicts[verdict.fault, framework].append(verdict)

    def of(self, fault: str, framework: str) -> Sequence[Verdict]:
        """Return the verdicts of all runs in which the framework met that fault."""
        return self.verdicts.get((fault, framework), ())

    def spread(self, key: str, framework: str) -> Spread | None:
        """Return what the runs gave, or None if none gave anything."""
        values = self.values.get((key, framework))
        return Spread.of([*values.values()]) if values else None

    def times(self, key: str, dividend: str, divisor: str) -> Spread | None:
        """Return how many times more one framework needs than another, within each run in which both gave a value.

        None where there is no such run, or one in which the divisor is nothing.
        """
        above, below = self.values.get((key, dividend), {}), self.values.get((key, divisor), {})
        if not (both := above.keys() & below.keys()) or not all(below[run] for run in both):
            return None
        return Spread.of([above[run] / below[run] for run in both])

    def runs(self, key: str, framework: str) -> int:
        """Return how many runs gave a value."""
        return len(self.values.get((key, framework), ()))
