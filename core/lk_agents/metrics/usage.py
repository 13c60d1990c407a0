"""Adds up what a conversation has used."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lk_agents.metrics.records import AgentMetrics, LLMMetrics, STTMetrics, TTSMetrics

__all__ = ["UsageCollector", "UsageSummary"]


@dataclass
class UsageSummary:
    """What was used so far.

    :param llm_prompt_tokens: tokens that were sent to language models, those from a cache included.
    :param llm_completion_tokens: tokens of their answers.
    :param tts_characters_count: characters that were spoken.
    :param stt_audio_duration: seconds of audio that were recognised.
    :param llm_cached_prompt_tokens: how many of the prompt tokens came from a provider's cache.
    """

    llm_prompt_tokens: int
    llm_completion_tokens: int
    tts_characters_count: int
    stt_audio_duration: float
    llm_cached_prompt_tokens: int = 0


class UsageCollector:
    """Adds up the records that it is given; it can itself be the callback of ``metrics_collected``.

    Give it the records of one level only: an agent's, or those of its engines. An agent hands on what its engines
    measure, so both together count twice.
    """

    def __init__(self) -> None:
        self._summary = UsageSummary(0, 0, 0, 0.0)

    def __call__(self, metrics: AgentMetrics) -> None:
        """Count one record; the same as :meth:`collect`."""
        self.collect(metrics)

    def collect(self, metrics: AgentMetrics) -> None:
        """Count one record; records that tell of no usage are ignored."""
        summary = self._summary
        if isinstance(metrics, LLMMetrics):
            summary.llm_prompt_tokens += metrics.prompt_tokens
            summary.llm_completion_tokens += metrics.completion_tokens
            summary.llm_cached_prompt_tokens += metrics.cached_prompt_tokens
        elif isinstance(metrics, TTSMetrics):
            summary.tts_characters_count += metrics.characters_count
        elif isinstance(metrics, STTMetrics):
            summary.stt_audio_duration += metrics.audio_duration

    def get_summary(self) -> UsageSummary:
        """Return the sums so far, as a record that later counts do not change."""
        return replace(self._summary)
