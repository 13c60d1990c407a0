"""One line of log for one record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lk_agents.foundation.log import logger as framework_logger
from lk_agents.metrics.records import (
    AgentMetrics,
    LLMMetrics,
    PipelineEOUMetrics,
    PipelineLLMMetrics,
    PipelineSTTMetrics,
    PipelineTTSMetrics,
    STTMetrics,
    TTSMetrics,
)

if TYPE_CHECKING:
    import logging

__all__ = ["log_metrics"]

_TOKENS: Final = "ttft=%.2f, input_tokens=%s, output_tokens=%s, tokens_per_second=%.2f"
_TOKEN_FIELDS: Final = ("ttft", "prompt_tokens", "completion_tokens", "tokens_per_second")

_LINES: Final[tuple[tuple[type, str, tuple[str, ...]], ...]] = (
    (PipelineLLMMetrics, f"Pipeline LLM metrics: sequence_id=%s, {_TOKENS}", ("sequence_id", *_TOKEN_FIELDS)),
    (LLMMetrics, f"LLM metrics: {_TOKENS}", _TOKEN_FIELDS),
    (
        PipelineTTSMetrics,
        "Pipeline TTS metrics: sequence_id=%s, ttfb=%s, audio_duration=%.2f",
        ("sequence_id", "ttfb", "audio_duration"),
    ),
    (TTSMetrics, "TTS metrics: ttfb=%s, audio_duration=%.2f", ("ttfb", "audio_duration")),
    (
        PipelineEOUMetrics,
        "Pipeline EOU metrics: sequence_id=%s, end_of_utterance_delay=%.2f, transcription_delay=%.2f",
        ("sequence_id", "end_of_utterance_delay", "transcription_delay"),
    ),
    (
        PipelineSTTMetrics,
        "Pipeline STT metrics: duration=%.2f, audio_duration=%.2f",
        ("duration", "audio_duration"),
    ),
    (STTMetrics, "STT metrics: audio_duration=%.2f", ("audio_duration",)),
)
"""For each class its line and the fields in it; the first class that fits counts."""


def log_metrics(metrics: AgentMetrics, *, logger: logging.Logger | None = None) -> None:
    """Write the main figures of a record as one line of level INFO; nothing for voice activity detection.

    :param logger: where to; by default the framework's logger.
    """
    for record_class, line, fields in _LINES:
        if isinstance(metrics, record_class):
            # The figures stand in the text, because users' own formats do not show a record's extra fields.
            (logger or framework_logger).info(line, *(getattr(metrics, name) for name in fields))
            return
