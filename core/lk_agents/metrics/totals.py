"""Sums and histograms under the names of the catalog, small enough for every process; sent on as plain numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final

from lk_agents.metrics.catalog import CATALOG

__all__ = ["OTHER", "Totals", "labels_of"]

SERIES_BOUND: Final = 200
"""How many different labels one metric may have; whatever comes beyond is added up under ``other``."""
LONGEST_LABEL: Final = 80
OTHER: Final = "other"

_SEPARATOR: Final = "\t"


class Totals:
    """What has been counted and measured since it was made.

    Each series is known by one text, the metric's name and its labels' values. All methods return at once. It has one
    owner; it is not for several threads at the same time.
    """

    def __init__(self) -> None:
        self._counts: dict[str, float] = {}
        self._spreads: dict[str, list[float]] = {}
        self._series: dict[str, set[str]] = {}

    def count(self, name: str, *labels: str, by: float = 1.0) -> None:
        """Add to a counter.

        :param name: of a counter in the catalog, without ``lk_agents_`` and ``_total``.
        :param labels: the values of its labels, in the catalog's order.
        :param by: 0 and less is left out: a counter never goes back.
        """
        if by > 0:
            key = self._key(f"lk_agents_{name}_total", labels)
            self._counts[key] = self._counts.get(key, 0.0) + by

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Put a duration into a histogram; one below 0, of something that was done ahead, counts as 0.

        :param name: of a histogram in the catalog, without ``lk_agents_`` and ``_seconds``.
        """
        full_name = f"lk_agents_{name}_seconds"
        bounds, seconds = CATALOG[full_name].bounds, max(seconds, 0.0)
        spread = self._spread(self._key(full_name, labels), len(bounds))
        spread[0] += seconds
        spread[1 + bisect_left(bounds, seconds)] += 1

    def add(self, counts: Mapping[str, float], spreads: Mapping[str, Sequence[float]]) -> None:
        """Add what another process has :meth:`taken <take>`; what is not of the catalog is left out."""
        for key, by in counts.items():
            name, labels = labels_of(key)
            if by > 0 and _is_known(name, "counter", labels):
                known = self._key(name, labels)
                self._counts[known] = self._counts.get(known, 0.0) + by
        for key, told in spreads.items():
            name, labels = labels_of(key)
            if not _is_known(name, "histogram", labels) or len(told) != len(CATALOG[name].bounds) + 2:
                continue
            if min(told) >= 0:
                spread = self._spread(self._key(name, labels), len(CATALOG[name].bounds))
                spread[:] = [mine + theirs for mine, theirs in zip(spread, told, strict=True)]

    def take(self) -> tuple[dict[str, float], dict[str, list[float]]]:
        """Return counters and histograms and begin again at nothing.

        A histogram is its sum, then how many there were in each bucket, the last of which has no bound.
        """
        counts, self._counts = self._counts, {}
        spreads, self._spreads = self._spreads, {}
        return counts, spreads

    def copy(self) -> tuple[dict[str, float], dict[str, list[float]]]:
        """Return the same, and keep it."""
        return dict(self._counts), {key: list(spread) for key, spread in self._spreads.items()}

    def _spread(self, key: str, bounds: int) -> list[float]:
        if (spread := self._spreads.get(key)) is None:
            spread = self._spreads[key] = [0.0] * (bounds + 2)
        return spread

    def _key(self, name: str, labels: Sequence[str]) -> str:
        """Return the text of a series; past the bound, that of all others."""
        key = _SEPARATOR.join((name, *map(_short, labels)))
        known = self._series.setdefault(name, set())
        if key not in known:
            if len(known) >= SERIES_BOUND:
                return _SEPARATOR.join((name, *(OTHER for _ in labels)))
            known.add(key)
        return key


def labels_of(key: str) -> tuple[str, tuple[str, ...]]:
    """Return name and labels' values of a series."""
    name, *labels = key.split(_SEPARATOR)
    return name, tuple(labels)


def _is_known(name: str, kind: str, labels: Sequence[str]) -> bool:
    family = CATALOG.get(name)
    return family is not None and family.kind == kind and len(family.labels) == len(labels)


def _short(label: str) -> str:
    return " ".join(label.split())[:LONGEST_LABEL]
