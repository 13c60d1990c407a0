"""Writes the metrics of a worker in the format of Prometheus, with the package ``prometheus-client``.

The package is loaded at the first page that somebody asks for. What the program itself has registered with it in the
worker's process, in the package's own registry, is on the page too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from lk_agents.foundation.errors import ConfigError
from lk_agents.metrics.catalog import CATALOG, Family
from lk_agents.metrics.totals import labels_of

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

__all__ = ["Gauge", "Page", "write_page"]

_Series: TypeAlias = "tuple[tuple[str, ...], float | Sequence[float]]"


class Gauge(NamedTuple):
    """A gauge at this moment.

    :param name: in the catalog, without ``lk_agents_``.
    :param labels: the values of its labels.
    """

    name: str
    value: float
    labels: tuple[str, ...] = ()


class Page(NamedTuple):
    """What is answered to a scrape."""

    body: bytes
    content_type: str


def write_page(
    counts: Mapping[str, float], spreads: Mapping[str, Sequence[float]], gauges: Iterable[Gauge], *, accept: str = ""
) -> Page:
    """Return the page; takes milliseconds, the first time some tens of them, so call it in a thread.

    :param counts: the counters, as ``Totals.copy`` gives them.
    :param spreads: the histograms.
    :param accept: which formats the asker takes; the HTTP header.
    :raises ConfigError: the package is not installed; the text says how to.
    """
    try:
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import choose_encoder
    except ImportError as error:
        raise ConfigError("there are no metrics without prometheus-client: pip install 'lk-agents[prometheus]'") from (
            error
        )
    registry = CollectorRegistry()
    registry.register(_Ours(counts, spreads, gauges))
    registry.register(_Programs())
    encode, content_type = choose_encoder(accept)
    return Page(encode(registry), content_type)


class _Programs:
    """What is registered in the package's own registry."""

    def describe(self) -> Iterable[Metric]:
        return ()  # else it would be collected once more only to learn the names

    def collect(self) -> Iterator[Metric]:
        from prometheus_client import REGISTRY

        for metric in REGISTRY.collect():
            if not metric.name.startswith("lk_agents_"):  # the names are ours
                yield metric


class _Ours:
    def __init__(
        self, counts: Mapping[str, float], spreads: Mapping[str, Sequence[float]], gauges: Iterable[Gauge]
    ) -> None:
        self._series: dict[str, list[_Series]] = {}
        told: Iterable[tuple[str, float | Sequence[float]]] = chain(counts.items(), spreads.items())
        for key, value in told:
            name, labels = labels_of(key)
            self._series.setdefault(name, []).append((labels, value))
        for gauge in gauges:
            self._series.setdefault(f"lk_agents_{gauge.name}", []).append((gauge.labels, gauge.value))

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        for name, family in CATALOG.items():
            series = self._series.get(name, [])
            if not series and not family.labels and family.kind != "gauge":
                series = [((), [0.0] * (len(family.bounds) + 2) if family.bounds else 0.0)]  # 0 is a figure, too
            yield _metric(family, series)


def _metric(family: Family, series: Sequence[_Series]) -> Metric:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
    from prometheus_client.utils import floatToGoString

    metric: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
    if family.kind == "histogram":
        metric = HistogramMetricFamily(family.name, family.text, labels=family.labels)
        edges = [*map(floatToGoString, family.bounds), "+Inf"]
        for labels, spread in series:
            assert not isinstance(spread, float)
            buckets = zip(edges, accumulate(spread[1:]), strict=True)
            metric.add_metric(labels, buckets=list(buckets), sum_value=spread[0])
        return metric
    metric = (
        CounterMetricFamily(family.name, family.text, labels=family.labels)
        if family.kind == "counter"
        else GaugeMetricFamily(family.name, family.text, labels=family.labels)
    )
    for labels, value in series:
        assert isinstance(value, int | float)
        metric.add_metric(labels, value)
    return metric
