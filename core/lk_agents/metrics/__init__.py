"""What is measured, and what can be done with it: add it up, log it, hand it to plugins."""

from lk_agents.metrics.log_line import log_metrics
from lk_agents.metrics.publish import publish
from lk_agents.metrics.records import (
    AgentMetrics,
    Error,
    LLMMetrics,
    MultimodalLLMError,
    MultimodalLLMMetrics,
    PipelineEOUMetrics,
    PipelineLLMMetrics,
    PipelineSTTMetrics,
    PipelineTTSMetrics,
    PipelineVADMetrics,
    STTMetrics,
    TTSMetrics,
    VADMetrics,
)
from lk_agents.metrics.usage import UsageCollector, UsageSummary

__all__ = [
    "AgentMetrics",
    "Error",
    "LLMMetrics",
    "MultimodalLLMError",
    "MultimodalLLMMetrics",
    "PipelineEOUMetrics",
    "PipelineLLMMetrics",
    "PipelineSTTMetrics",
    "PipelineTTSMetrics",
    "PipelineVADMetrics",
    "STTMetrics",
    "TTSMetrics",
    "UsageCollector",
    "UsageSummary",
    "VADMetrics",
    "log_metrics",
    "publish",
]
