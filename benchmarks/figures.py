"""From values to figures: pure arithmetic, and how a figure is written."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

__all__ = ["Spread", "keeps", "percentile", "written"]


@dataclass(frozen=True)
class Spread:
    """What several runs gave."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return the spread of at least one value.

        :raises ValueError: there is none.
        """
        if not values:
            raise ValueError("no values: nothing was measured")
        return cls(min(values), statistics.median(values), max(values))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` (0..1) of all do not exceed (nearest rank).

    :raises ValueError: there are no values, or ``share`` is none.
    """
    if not values or not 0 <= share <= 1:
        raise ValueError(f"no percentile {share!r} of {len(values)} values")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def keeps(spread: Spread, wanted: float | None) -> bool | None:
    """Tell whether the median keeps the promise; None where nothing was promised."""
    return None if wanted is None else spread.median <= wanted


def written(value: float) -> str:
    """Return the value with three significant digits, whole from 100 on, and 0 as it is."""
    rounded = float(f"{value:.3g}")
    if rounded == 0 or abs(rounded) >= 100:
        return f"{value:.0f}"
    digits = 2 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:.{min(digits, 4)}f}"
