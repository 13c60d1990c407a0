"""What each record of a measurement counts for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.metrics.catalog import TURN_STAGES
from lk_agents.metrics.records import (
    DeadAirMetrics,
    LLMMetrics,
    PipelineEOUMetrics,
    PipelineTurnMetrics,
    STTMetrics,
    TTSMetrics,
    VADMetrics,
)

if TYPE_CHECKING:
    from lk_agents.metrics.records import AgentMetrics, Error
    from lk_agents.metrics.totals import Totals

__all__ = ["measure", "outcome_of", "provider_of"]


def measure(record: AgentMetrics, totals: Totals) -> None:
    """Count a record. Of what it tells nothing but figures and the names of providers and models are kept."""
    match record:
        case LLMMetrics():
            _llm(record, totals)
        case TTSMetrics():
            _tts(record, totals)
        case STTMetrics():
            _stt(record, totals)
        case VADMetrics():
            provider = provider_of(record)
            totals.count("vad_inferences", provider, by=record.inference_count)
            totals.count("vad_inference_seconds", provider, by=record.inference_duration_total)
        case PipelineTurnMetrics():
            _turn(record, totals)
        case PipelineEOUMetrics():
            totals.observe("end_of_utterance_delay", record.end_of_utterance_delay)
            totals.observe("transcription_delay", record.transcription_delay)
        case DeadAirMetrics():
            totals.count("dead_air_alarms", record.stage)


def provider_of(record: LLMMetrics | TTSMetrics | STTMetrics | VADMetrics) -> str:
    """Return a provider's short name; where it tells none, the package that its class is from."""
    told: str = getattr(record, "provider", "")
    return told or record.label.partition(".")[0].removeprefix("lk_agents_")


def outcome_of(record: LLMMetrics | TTSMetrics | STTMetrics) -> str:
    """Return how a request ended, in a word."""
    if record.hedged:
        return "hedged"
    if record.error is not None:
        return "error"
    return "cancelled" if getattr(record, "cancelled", False) else "ok"


def _llm(record: LLMMetrics, totals: Totals) -> None:
    names = (provider_of(record), record.model)
    totals.count("llm_requests", *names, outcome_of(record))
    if record.ttft >= 0:
        totals.observe("llm_ttft", record.ttft, *names)
    totals.observe("llm_duration", record.duration, *names)
    totals.count("llm_tokens", *names, "prompt", by=record.prompt_tokens)
    totals.count("llm_tokens", *names, "cached_prompt", by=record.cached_prompt_tokens)
    totals.count("llm_tokens", *names, "completion", by=record.completion_tokens)
    _error("llm", names, record.error, totals)


def _tts(record: TTSMetrics, totals: Totals) -> None:
    names = (provider_of(record), record.model)
    totals.count("tts_requests", *names, outcome_of(record))
    if record.ttfb >= 0:
        totals.observe("tts_ttfb", record.ttfb, *names)
    totals.count("tts_characters", *names, by=record.characters_count)
    totals.count("tts_audio_seconds", *names, by=record.audio_duration)
    _error("tts", names, record.error, totals)


def _stt(record: STTMetrics, totals: Totals) -> None:
    names = (provider_of(record), record.model)
    if not record.streamed:  # a stream reports every few seconds, which is no request
        totals.count("stt_requests", *names, outcome_of(record))
        totals.observe("stt_duration", record.duration, *names)
    totals.count("stt_audio_seconds", *names, by=record.audio_duration)
    _error("stt", names, record.error, totals)


def _turn(record: PipelineTurnMetrics, totals: Totals) -> None:
    totals.count("turns", record.outcome)
    for stage in TURN_STAGES:
        if (seconds := getattr(record, stage)) is not None:
            totals.observe(f"turn_{stage}", seconds)
    if record.tool_seconds > 0:
        totals.observe("turn_tool", record.tool_seconds)
    totals.count("turn_heard_seconds", by=record.heard_seconds)


def _error(kind: str, names: tuple[str, str], error: Error | None, totals: Totals) -> None:
    if error is not None:
        code = error.code if error.code is not None else error.phase or "unknown"
        totals.count("provider_errors", kind, *names, str(code))
