"""What is measured, and what can be done with it: add it up, log it, hand it to plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.metrics.log_line import log_metrics
    from lk_agents.metrics.records import (
        AgentMetrics,
        DeadAirMetrics,
        Error,
        LLMMetrics,
        MultimodalLLMError,
        MultimodalLLMMetrics,
        PipelineEOUMetrics,
        PipelineLLMMetrics,
        PipelineSTTMetrics,
        PipelineTTSMetrics,
        PipelineTurnMetrics,
        PipelineVADMetrics,
        STTMetrics,
        TTSMetrics,
        VADMetrics,
    )
    from lk_agents.metrics.usage import UsageCollector, UsageSummary

__all__ = [
    "AgentMetrics",
    "DeadAirMetrics",
    "Error",
    "LLMMetrics",
    "MultimodalLLMError",
    "MultimodalLLMMetrics",
    "PipelineEOUMetrics",
    "PipelineLLMMetrics",
    "PipelineSTTMetrics",
    "PipelineTTSMetrics",
    "PipelineTurnMetrics",
    "PipelineVADMetrics",
    "STTMetrics",
    "TTSMetrics",
    "UsageCollector",
    "UsageSummary",
    "VADMetrics",
    "log_metrics",
]

_NAMES = {
    "log_line": ("log_metrics",),
    "records": (
        "AgentMetrics",
        "DeadAirMetrics",
        "Error",
        "LLMMetrics",
        "MultimodalLLMError",
        "MultimodalLLMMetrics",
        "PipelineEOUMetrics",
        "PipelineLLMMetrics",
        "PipelineSTTMetrics",
        "PipelineTTSMetrics",
        "PipelineTurnMetrics",
        "PipelineVADMetrics",
        "STTMetrics",
        "TTSMetrics",
        "VADMetrics",
    ),
    "usage": (
        "UsageCollector",
        "UsageSummary",
    ),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
