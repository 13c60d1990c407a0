"""What a question is: how it is measured, and which figures answer it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.frameworks import OURS, Framework
from benchmarks.ground import Ground
from benchmarks.verdict import Verdict

__all__ = ["FULL", "QUICK", "Effort", "Measure", "Question", "Setting", "Share"]


@dataclass(frozen=True)
class Effort:
    """How long to look.

    :param settle_seconds: rest before memory is read: two beats of every framework, so that what a process touches
        only now and then is counted too.
    :param samples: jobs per worker, where one job gives one time.
    :param cpu_seconds: how long an idle worker is watched.
    :param work: share of the work that the programs of the speech layer do.
    """

    settle_seconds: float
    samples: int
    cpu_seconds: float
    work: float

    def of(self, count: int) -> int:
        """Return the share of ``count`` that is to be done, at least 1."""
        return max(1, round(count * self.work))


FULL: Final = Effort(settle_seconds=6.0, samples=10, cpu_seconds=25.0, work=1.0)
QUICK: Final = Effort(settle_seconds=1.0, samples=3, cpu_seconds=5.0, work=0.1)
"""To see whether everything works. Its memory is too low, its times are noise."""


@dataclass(frozen=True)
class Share:
    """A promise in proportion: lk-agents takes at most ``times`` what another framework takes.

    :param of: the other framework's name.
    """

    times: float
    of: str


@dataclass(frozen=True)
class Measure:
    """One figure; less is better in all of them.

    :param key: its name in the results.
    :param wanted: what lk-agents promises at most; None for a figure that only explains another one.
    :param share: what it promises in proportion to another framework; held against the proportions of the single runs.
    :param own: of lk-agents alone: the others have nothing to be compared with.
    :param once: measured in the first run only: it takes minutes, and is no time or size that varies.
    """

    key: str
    title: str
    unit: str
    wanted: float | None = None
    once: bool = False
    share: Share | None = None
    own: bool = False


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

    def is_asked_of(self, framework: Framework) -> bool:
        """Return whether it is asked of that framework."""
        return framework is OURS or not all(measure.own for measure in self.measures)
