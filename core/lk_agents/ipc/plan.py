"""How many executors a pool wants: pure arithmetic over what there is, and the policy for starts that fail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

__all__ = ["Census", "StartRecord", "starts_wanted", "surplus_idle"]

FAILURES_UNTIL_BROKEN: Final = 3
FIRST_DELAY_SECONDS: Final = 1.0
LONGEST_DELAY_SECONDS: Final = 30.0
DOUBLINGS: Final = 10
"""More than it takes from the first delay to the longest; without a bound the power overflows after a day."""


@dataclass(frozen=True, kw_only=True)
class Census:
    """What there is.

    :param idle_target: warm executors that are to be kept.
    :param waiting: jobs without an executor.
    :param at_once: how many may be starting at the same time.
    """

    idle_target: int
    waiting: int
    starting: int
    idle: int
    at_once: int


def starts_wanted(census: Census) -> int:
    """Return how many to start now, so that ``idle + starting`` is ``target + waiting`` and never more."""
    missing = census.idle_target + census.waiting - census.idle - census.starting
    return max(0, min(missing, census.at_once - census.starting))


def surplus_idle(census: Census) -> int:
    """Return how many idle executors are more than the target; a starting one is never called surplus."""
    return max(0, census.idle - census.idle_target - census.waiting)


@dataclass(frozen=True)
class StartRecord:
    """How starting executors has gone lately.

    Three failures in a row make the pool broken: from then on it waits before each further start, 1 s at first,
    doubling to 30 s. One success forgets it all.

    :param last_failure: why the last one failed.
    :param resume_at: monotonic time before which nothing is started.
    :param late: it failed after it had become warm (it used too much memory), so becoming warm is no success yet.
    """

    failed_in_a_row: int = 0
    last_failure: str = ""
    resume_at: float = 0.0
    late: bool = False

    @property
    def broken(self) -> bool:
        """Whether starting executors counts as broken."""
        return self.failed_in_a_row >= FAILURES_UNTIL_BROKEN

    def failed(self, why: str, now: float, *, late: bool = False) -> StartRecord:
        """Return the record after one more failure."""
        count = self.failed_in_a_row + 1
        over = min(count - FAILURES_UNTIL_BROKEN, DOUBLINGS)
        delay = min(FIRST_DELAY_SECONDS * 2.0**over, LONGEST_DELAY_SECONDS) if over >= 0 else 0.0
        return replace(self, failed_in_a_row=count, last_failure=why, resume_at=now + delay, late=late)

    def warm(self) -> StartRecord:
        """Return the record after one became warm."""
        return self if self.late else StartRecord()

    def weighed(self) -> StartRecord:
        """Return the record after a warm one was found to be within its memory limit."""
        return StartRecord()
