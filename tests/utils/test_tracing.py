"""Spans: nothing where nobody wants them, and what there is where somebody does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

from lk_agents.foundation import clock
from lk_agents.utils.tracing import NO_SPAN, begin_span, use_tracer_provider, wall_of, write_span


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    found = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(found))
    with use_tracer_provider(provider):
        yield found


WITHOUT = """
import sys
sys.modules["opentelemetry"] = None  # as if it were not installed
from lk_agents.utils.tracing import NO_SPAN, begin_span, is_traced, write_span
span = begin_span("a", attributes={"b": 1})
with span.active():
    span.event("c"); span.tell(d=2); span.fail("e")
    write_span("f", began_at=1.0, ended_at=2.0, failure="g")
span.end()
assert span is NO_SPAN and not is_traced()
print("fine")
"""


def _run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout


def test_where_the_package_is_missing_nothing_happens() -> None:
    assert _run(WITHOUT) == "fine\n"


def test_where_nobody_uses_the_package_it_is_not_imported() -> None:
    code = WITHOUT.replace('sys.modules["opentelemetry"] = None', "").replace(
        'print("fine")', 'print([name for name in sys.modules if name.startswith("opentelemetry")])'
    )

    assert _run(code) == "[]\n"


def test_where_no_provider_is_set_there_is_only_the_shell() -> None:
    assert trace.__name__ in sys.modules
    assert begin_span("a") is NO_SPAN


def test_a_span_is_within_the_one_that_is_active(exporter: InMemorySpanExporter) -> None:
    outer = begin_span("outer", at=1.0)
    with outer.active():
        write_span("inner", began_at=1.5, ended_at=2.0)
    write_span("apart", began_at=2.5, ended_at=2.75)
    outer.end(at=3.0)

    inner, apart, found = exporter.get_finished_spans()
    assert inner.parent is not None
    assert inner.parent.span_id == found.context.span_id
    assert apart.parent is None
    assert (found.start_time, found.end_time) == (1_000_000_000, 3_000_000_000)


def test_a_span_can_be_told_within_which_one_it_is(exporter: InMemorySpanExporter) -> None:
    outer = begin_span("outer")
    with begin_span("active").active():
        write_span("inner", began_at=1.0, ended_at=2.0, within=outer)
        write_span("other", began_at=1.0, ended_at=2.0, within=NO_SPAN)
    outer.end()

    inner, other, found = exporter.get_finished_spans()
    assert inner.parent is not None
    assert inner.parent.span_id == found.context.span_id
    assert other.parent is not None
    assert other.parent.span_id != found.context.span_id


def test_the_first_end_counts(exporter: InMemorySpanExporter) -> None:
    span = begin_span("once", at=1.0)
    span.end(at=2.0)
    span.end(at=3.0)

    assert [each.end_time for each in exporter.get_finished_spans()] == [2_000_000_000]


def test_what_is_not_known_is_left_out(exporter: InMemorySpanExporter) -> None:
    span = begin_span("partly", attributes={"known": 0, "unknown": None})
    span.tell(later="yes", never=None)
    span.end()

    assert exporter.get_finished_spans()[0].attributes == {"lk_agents.known": 0, "lk_agents.later": "yes"}


def test_what_is_within_a_span_that_is_not_sampled_is_not_sampled_either() -> None:
    found, off = InMemorySpanExporter(), TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    on = TracerProvider(sampler=ParentBased(root=TracerProvider().sampler), shutdown_on_exit=False)
    on.add_span_processor(SimpleSpanProcessor(found))
    with use_tracer_provider(off):
        left_out = begin_span("left out")
    with use_tracer_provider(on), left_out.active():
        write_span("within", began_at=1.0, ended_at=2.0)
    with use_tracer_provider(on):
        write_span("apart", began_at=1.0, ended_at=2.0)

    assert [span.name for span in found.get_finished_spans()] == ["apart"]


async def test_a_moment_of_the_one_clock_is_a_moment_of_the_other(lk_clock: object) -> None:
    assert wall_of(clock.monotonic() - 5.0) == pytest.approx(clock.wall_seconds() - 5.0)
