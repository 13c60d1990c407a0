"""What a question is: how it is measured, and which figures answer it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.frameworks import Framework
from benchmarks.ground import Ground
from benchmarks.verdict import Verdict

__all__ = ["FULL", "QUICK", "Effort", "Measure", "Question", "Setting"]


@dataclass(frozen=True)
class Effort:
    """How long to look.

    :param settle_seconds: rest before memory is read: two beats of every framework, so that what a process touches
        only now and then is counted too.
    :param samples: jobs per worker, where one job gives one time.
    :param cpu_seconds: how long an idle worker is watched.
    """

    settle_seconds: float
    samples: int
    cpu_seconds: float


FULL: Final = Effort(settle_seconds=6.0, samples=10, cpu_seconds=25.0)
QUICK: Final = Effort(settle_seconds=1.0, samples=3, cpu_seconds=5.0)
"""To see whether everything works. Its memory is too low, its times are noise."""


@dataclass(frozen=True)
class Measure:
    """One figure; less is better in all of them.

    :param key: its name in the results.
    :param wanted: what lk-agents promises at most; None for a figure that only explains another one.
    :param once: measured in the first run only: it takes minutes, and is no time or size that varies.
    """

    key: str
    title: str
    unit: str
    wanted: float | None = None
    once: bool = False


@dataclass(frozen=True)
class Setting:
    """Who is measured, where, and how thoroughly.

    :param verdicts: takes what is found beside the figures.
    """

    framework: Framework
    ground: Ground
    effort: Effort
    verdicts: list[Verdict] = field(default_factory=list)


@dataclass(frozen=True)
class Question:
    """One question; ``measure`` answers it for one framework with a value for each of ``measures``."""

    name: str
    measures: Sequence[Measure]
    measure: Callable[[Setting], Awaitable[Mapping[str, float]]]

    def is_for(self, run: int) -> bool:
        """Return whether it is asked in that run, counted from 1."""
        return run == 1 or not all(measure.once for measure in self.measures)
