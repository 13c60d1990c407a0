"""Spans of requests to providers, made of the records that measured them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from lk_agents.metrics.records import LLMMetrics, STTMetrics, TTSMetrics
from lk_agents.utils.tracing import Span, is_traced, write_span

if TYPE_CHECKING:
    from collections import deque

    from lk_agents.metrics.records import AgentMetrics

__all__ = ["keep_recognitions", "trace_request", "write_request"]

_kept: ContextVar[deque[STTMetrics] | None] = ContextVar("lk_agents_kept_recognitions", default=None)


@contextmanager
def keep_recognitions(kept: deque[STTMetrics]) -> Iterator[None]:
    """Keep the recognitions of this context, and of the tasks that it starts, instead of making spans of them.

    In a conversation it is known only later to which turn they belong.

    :param kept: bounded.
    """
    token = _kept.set(kept)
    try:
        yield
    finally:
        _kept.reset(token)


def trace_request(record: AgentMetrics) -> None:
    """Make a span of a record of a request that is over, within the span that is active here.

    Records of anything else, reports of a live recognition among them, are no requests.
    """
    if not is_traced():
        return
    if isinstance(record, STTMetrics):
        kept = _kept.get()
        if kept is not None and not record.streamed:
            kept.append(record)
        elif not record.streamed:
            write_request(record)
    elif isinstance(record, LLMMetrics | TTSMetrics):
        write_request(record)


def write_request(record: LLMMetrics | TTSMetrics | STTMetrics, *, within: Span | None = None) -> None:
    """Make a span of a request that is over; its times are those of the record.

    :param within: the span that it is a part of; by default the one that is active here.
    """
    from lk_agents.metrics.measures import outcome_of, provider_of

    name, figures = _told(record)
    error = record.error
    write_span(
        name,
        began_at=record.timestamp - record.duration,
        ended_at=record.timestamp,
        within=within,
        attributes={
            "provider": provider_of(record),
            "model": record.model or None,
            "outcome": outcome_of(record),
            "error.code": None if error is None else error.code,
            "error.phase": None if error is None else error.phase or None,
            **figures,
        },
        failure="" if error is None else str(error.code or error.phase or "failed"),
    )


def _told(record: LLMMetrics | TTSMetrics | STTMetrics) -> tuple[str, dict[str, Any]]:
    match record:
        case LLMMetrics():
            return "llm", {
                "ttft": record.ttft if record.ttft >= 0 else None,
                "prompt_tokens": record.prompt_tokens,
                "completion_tokens": record.completion_tokens,
            }
        case TTSMetrics():
            return "tts", {
                "ttfb": record.ttfb if record.ttfb >= 0 else None,
                "characters": record.characters_count,
                "audio_seconds": record.audio_duration,
            }
    return "stt", {"audio_seconds": record.audio_duration}
