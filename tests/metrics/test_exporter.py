"""The page that Prometheus reads, read with the package's own parser."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lk_agents.metrics.catalog import CATALOG, Family
from lk_agents.metrics.exporter import Gauge, write_page
from lk_agents.metrics.totals import Totals

UNITS = re.compile(r"_(seconds|bytes|info|load|threshold|signal|registered|draining|full|jobs|processes|wanted)$")

FEW_VALUES = {
    "agent_name",
    "answer",
    "cause",
    "code",
    "kind",
    "model",
    "outcome",
    "phase",
    "provider",
    "signal",
    "stage",
    "state",
    "version",
    "worker_type",
}


def read(totals: Totals, *gauges: Gauge) -> dict[str, float]:
    """Return each sample of ours, as ``name{label=value}``."""
    page = write_page(*totals.copy(), gauges)
    assert page.content_type.startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(page.body.decode()):
        for sample in family.samples:
            if sample.name.startswith("lk_agents_"):
                labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_a_counter_has_its_labels() -> None:
    totals = Totals()
    totals.count("llm_tokens", "openai", "gpt", "prompt", by=11)

    assert read(totals)["lk_agents_llm_tokens_total{kind=prompt,model=gpt,provider=openai}"] == 11


def test_the_buckets_of_a_histogram_add_up() -> None:
    totals = Totals()
    for seconds in (0.05, 0.07, 100.0):
        totals.observe("turn_first_played", seconds)
    page = read(totals)

    assert page["lk_agents_turn_first_played_seconds_bucket{le=0.05}"] == 1
    assert page["lk_agents_turn_first_played_seconds_bucket{le=0.1}"] == 2
    assert page["lk_agents_turn_first_played_seconds_bucket{le=10.0}"] == 2
    assert page["lk_agents_turn_first_played_seconds_bucket{le=+Inf}"] == 3
    assert page["lk_agents_turn_first_played_seconds_count"] == 3
    assert page["lk_agents_turn_first_played_seconds_sum"] == pytest.approx(100.12)


def test_a_gauge_is_what_it_is_now() -> None:
    page = read(Totals(), Gauge("processes", 3.0, ("idle",)), Gauge("worker_load_threshold", float("inf")))

    assert page["lk_agents_processes{phase=idle}"] == 3
    assert page["lk_agents_worker_load_threshold"] == float("inf")


def test_nothing_that_has_happened_is_nought_where_there_are_no_labels() -> None:
    page = read(Totals())

    assert page["lk_agents_worker_registrations_total"] == 0
    assert page["lk_agents_job_entrypoint_seconds_count"] == 0
    assert not [name for name in page if "worker_load" in name]


def test_a_label_may_hold_quotes_and_line_breaks() -> None:
    totals = Totals()
    totals.count("dead_air_alarms", 'a "b" \\ c')

    assert read(totals)['lk_agents_dead_air_alarms_total{stage=a "b" \\ c}'] == 1


def test_who_asks_for_openmetrics_gets_it() -> None:
    page = write_page(*Totals().copy(), [], accept="application/openmetrics-text; version=1.0.0")

    assert page.content_type.startswith("application/openmetrics-text")
    assert page.body.endswith(b"# EOF\n")


@pytest.fixture
def own() -> Iterator[prometheus_client.Counter]:
    counter = prometheus_client.Counter("my_calls_total", "Calls of mine.")
    yield counter
    prometheus_client.REGISTRY.unregister(counter)


def test_the_programs_own_metrics_are_on_the_page(own: prometheus_client.Counter) -> None:
    own.inc(7)

    assert b"my_calls_total 7.0" in write_page(*Totals().copy(), []).body


def test_without_the_package_the_remedy_is_told() -> None:
    code = """
import sys
sys.modules["prometheus_client"] = None
from lk_agents.metrics.exporter import write_page
try:
    write_page({}, {}, [])
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert "pip install 'lk-agents[prometheus]'" in done.stdout


def test_loading_the_module_does_not_load_the_package() -> None:
    code = "import sys, lk_agents.metrics.exporter; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout == "False\n"


@pytest.mark.parametrize("family", CATALOG.values(), ids=lambda family: family.name)
def test_names_say_the_unit_and_labels_are_of_few_values(family: Family) -> None:
    assert family.name.startswith("lk_agents_")
    assert family.name.endswith("_total") == (family.kind == "counter")
    assert family.kind != "histogram" or family.name.endswith("_seconds")
    assert family.kind != "gauge" or UNITS.search(family.name)
    assert bool(family.bounds) == (family.kind == "histogram")
    assert list(family.bounds) == sorted(set(family.bounds))
    assert family.text
    assert set(family.labels) <= FEW_VALUES
