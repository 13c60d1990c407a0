"""What a response has cost, as a record of the framework. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.foundation import clock
from lk_agents.metrics.records import MultimodalLLMError, MultimodalLLMMetrics
from lk_agents_openai.realtime.message_parts import CachedTokens, InputTokens, OutputTokens, StatusDetails, Usage

if TYPE_CHECKING:
    from lk_agents_openai.realtime.records import RealtimeResponse

__all__ = ["measured"]


def measured(
    response: RealtimeResponse, *, first_seconds: float | None, seconds: float, label: str, provider: str, model: str
) -> MultimodalLLMMetrics:
    """Return the measurement of a response that is over.

    :param first_seconds: until its first part; None if there was none.
    :param seconds: until its end.
    """
    usage = response.usage or Usage()
    heard, said = usage.input_token_details or InputTokens(), usage.output_token_details or OutputTokens()
    cached = heard.cached_tokens_details or CachedTokens()
    output_tokens = usage.output_tokens or 0
    return MultimodalLLMMetrics(
        request_id=response.id,
        timestamp=clock.wall_seconds(),
        ttft=-1.0 if first_seconds is None else first_seconds,
        duration=seconds,
        label=label,
        cancelled=response.status == "cancelled",
        completion_tokens=output_tokens,
        prompt_tokens=usage.input_tokens or 0,
        total_tokens=usage.total_tokens or 0,
        tokens_per_second=output_tokens / seconds if seconds > 0 else 0.0,
        error=_error_of(response),
        input_token_details=MultimodalLLMMetrics.InputTokenDetails(
            heard.cached_tokens or 0,
            heard.text_tokens or 0,
            heard.audio_tokens or 0,
            MultimodalLLMMetrics.CachedTokenDetails(cached.text_tokens or 0, cached.audio_tokens or 0),
        ),
        output_token_details=MultimodalLLMMetrics.OutputTokenDetails(said.text_tokens or 0, said.audio_tokens or 0),
        cached_prompt_tokens=heard.cached_tokens or 0,
        provider=provider,
        model=model,
    )


def _error_of(response: RealtimeResponse) -> MultimodalLLMError | None:
    if response.status not in {"failed", "incomplete"}:
        return None
    details = response.status_details or StatusDetails()
    error = details.error
    return MultimodalLLMError(
        type=response.status,
        reason=details.reason,
        code=None if error is None else error.code,
        message="" if error is None else error.message or "",
    )
