"""What OpenTelemetry sees of a whole call: the job, its turns, and in them what was asked of whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.pipeline.calls import Functions, MakeCall

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIStatusError
from lk_agents.job.context import JobContext
from lk_agents.llm import ai_callable
from lk_agents.testing.job import JobBench, job_spec
from lk_agents.testing.providers import Answer, Break, Heard, ScriptedLLM
from lk_agents.utils.tracing import use_tracer_provider

HELLO = Heard("How is the weather in Rome?", 1.0, 2.0)
FUNCTION = Answer("Let me see.", calls=[("weather", {"place": "Rome"})], first_seconds=0.3)
SUNNY = Answer("It is sunny.", first_seconds=0.2)


class Spans:
    """The spans of a test that have ended."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def all(self, name: str = "") -> list[ReadableSpan]:
        """Return all of that name, in the order in which they began."""
        found = [span for span in self._exporter.get_finished_spans() if name in ("", span.name)]
        return sorted(found, key=lambda span: (span.start_time or 0, span.name))

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.all(name)
        return span

    def tree(self) -> list[str]:
        """Return the names, each with as many dots before it as there are spans above it."""
        spans = self.all()
        return [line for span in spans if span.parent is None for line in self._below(span, spans, "")]

    def _below(self, span: ReadableSpan, spans: list[ReadableSpan], dots: str) -> Iterator[str]:
        yield dots + span.name
        for each in spans:
            if each.parent is not None and each.parent.span_id == span.context.span_id:
                yield from self._below(each, spans, f"{dots}.")


@pytest.fixture
def spans() -> Iterator[Spans]:
    found = Spans()
    with use_tracer_provider(found.provider):
        yield found


def told(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {}).get(f"lk_agents.{name}")


def events(span: ReadableSpan, *, since: int) -> dict[str, float]:
    return {event.name: round((event.timestamp - since) / 1e9, 3) for event in span.events}


async def test_a_call_is_a_tree_of_job_turn_and_requests(lk_session: MakeCall, lk_job: JobBench, spans: Spans) -> None:
    async def entrypoint(ctx: JobContext) -> None:
        await ctx.connect()
        await lk_session([HELLO], [FUNCTION, SUNNY], fnc_ctx=Functions(1.0), streaming=False).run()
        ctx.mark("call_over")
        ctx.shutdown()

    await lk_job.start(entrypoint).outcome(timeout=60.0)

    assert spans.tree() == ["job", ".turn", "..stt", "..llm", "..tts", "..tool", "..llm", "..tts"]


async def test_the_job_has_its_timeline_and_tells_neither_room_nor_people(
    lk_clock: object, lk_job: JobBench, spans: Spans
) -> None:
    now = clock.wall_seconds()
    spec = job_spec("AJ_1", agent_name="weather", offered_at=now - 3, accepted_at=now - 2, assigned_at=now - 1)

    async def entrypoint(ctx: JobContext) -> None:
        await ctx.connect()
        ctx.mark("first_audio")
        ctx.shutdown()

    await lk_job.start(entrypoint, spec=spec).outcome()
    job = spans.one("job")

    assert [event.name for event in job.events] == [
        "offered",
        "accepted",
        "assigned",
        "entrypoint",
        "connected",
        "first_audio",
        "ending",
    ]
    assert job.start_time == pytest.approx((now - 1) * 1e9, abs=1e4)
    assert job.attributes == {
        "lk_agents.job.id": "AJ_1",
        "lk_agents.agent_name": "weather",
        "lk_agents.worker.id": "AW_fake",
        "lk_agents.cause": "shutdown",
        "lk_agents.success": True,
    }


async def test_a_job_that_fails_has_a_span_with_the_cause_and_without_the_errors_text(
    lk_clock: object, lk_job: JobBench, spans: Spans
) -> None:
    async def entrypoint(ctx: JobContext) -> None:
        raise ValueError("Anna's number is 555")

    await lk_job.start(entrypoint).outcome()

    status = spans.one("job").status
    assert (status.status_code.name, status.description) == ("ERROR", "raised")
    assert "Anna" not in spans.one("job").to_json()


async def test_a_turn_begins_with_the_last_sample_of_speech_and_has_its_stages_as_events(
    lk_session: MakeCall, spans: Spans
) -> None:
    call = await lk_session([HELLO], [SUNNY]).run()
    (record,) = call.told("turn_finished")
    turn = spans.one("turn")

    assert turn.start_time == pytest.approx((record.timestamp - record.ended) * 1e9, abs=1e6)
    assert turn.end_time == pytest.approx(record.timestamp * 1e9, abs=1e3)
    stages = events(turn, since=turn.start_time or 0)
    assert stages["decision"] == pytest.approx(record.decision, abs=0.002)
    assert stages["first_played"] == pytest.approx(record.first_played, abs=0.002)
    assert list(stages) == [name for name in stages if getattr(record, name) is not None]
    assert (told(turn, "outcome"), told(turn, "turn")) == ("spoken", 1)


async def test_requests_have_the_times_of_what_was_measured(lk_session: MakeCall, spans: Spans) -> None:
    call = await lk_session([HELLO], [SUNNY]).run()
    (measured,) = [each for each in call.told("metrics_collected") if type(each).__name__ == "PipelineLLMMetrics"]
    llm = spans.one("llm")

    assert (llm.end_time or 0) - (llm.start_time or 0) == pytest.approx(measured.duration * 1e9, abs=1e4)
    assert told(llm, "ttft") == measured.ttft
    assert told(llm, "outcome") == "ok"


async def test_a_live_recogniser_shows_for_how_long_the_turn_waited_for_it(lk_session: MakeCall, spans: Spans) -> None:
    call = await lk_session([HELLO], [SUNNY]).run()
    (record,) = call.told("turn_finished")
    stt = spans.one("stt")

    assert stt.parent is not None
    assert stt.parent.span_id == spans.one("turn").context.span_id
    assert told(stt, "live") is True
    assert (stt.end_time or 0) - (stt.start_time or 0) == pytest.approx(record.final_text * 1e9, abs=1e4)


class Nesting(Functions):
    """A function that makes a span of its own."""

    @ai_callable()
    async def weather(self, place: str) -> str:
        """Look at the weather."""
        with trace.get_tracer("mine", tracer_provider=self.provider).start_as_current_span("mine"):
            return "sunny"

    provider: TracerProvider


async def test_what_a_function_does_is_within_its_span(lk_session: MakeCall, spans: Spans) -> None:
    functions = Nesting()
    functions.provider = spans.provider
    await lk_session([HELLO], [FUNCTION, SUNNY], fnc_ctx=functions).run()

    mine = spans.one("mine")
    assert mine.parent is not None
    assert mine.parent.span_id == spans.one("tool").context.span_id
    assert told(spans.one("tool"), "function") == "weather"


class Failing(Functions):
    """A function that raises."""

    @ai_callable()
    async def weather(self, place: str) -> str:
        """Look at the weather."""
        raise ValueError(f"no weather in {place}")


async def test_a_function_that_raises_is_told_by_the_class_of_its_error(lk_session: MakeCall, spans: Spans) -> None:
    await lk_session([HELLO], [FUNCTION, SUNNY], fnc_ctx=Failing()).run()

    tool = spans.one("tool")
    assert tool.status.description == "ValueError"
    assert "Rome" not in tool.to_json()


async def test_a_request_that_failed_is_an_error_with_its_code(lk_session: MakeCall, spans: Spans) -> None:
    refusal = APIStatusError("no", status_code=401)
    llm = ScriptedLLM([SUNNY], breaks=[Break(error=refusal)])
    await lk_session([HELLO], llm=llm).run()

    failed = spans.one("llm")
    assert failed.status.status_code.name == "ERROR"
    assert told(failed, "error.code") == 401
    assert told(spans.one("turn"), "outcome") == "failed"


async def test_nothing_that_anybody_said_is_in_a_span(lk_session: MakeCall, spans: Spans) -> None:
    await lk_session([HELLO], [FUNCTION, SUNNY], fnc_ctx=Functions()).run()

    text = "".join(span.to_json() for span in spans.all())
    assert [word for word in ("Rome", "sunny", "Let me see") if word in text] == []


async def test_without_a_tracer_there_are_no_spans(lk_session: MakeCall) -> None:
    call = await lk_session([HELLO], [SUNNY]).run()

    assert call.heard() == ["It is sunny."]
    assert not trace.get_current_span().get_span_context().is_valid
