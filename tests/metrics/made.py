"""Records to work with."""

from __future__ import annotations

from lk_agents.metrics import (
    LLMMetrics,
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

OUTPUT = MultimodalLLMMetrics.OutputTokenDetails(3, 4)
INPUT = MultimodalLLMMetrics.InputTokenDetails(2, 5, 6, MultimodalLLMMetrics.CachedTokenDetails(1, 1))

STT = STTMetrics("r1", 100.0, 0.456, "acme.STT", 2.345, False, None)
TTS = TTSMetrics("r2", 100.0, 0.1234, 0.5, 1.234, False, 17, "acme.TTS", True, None)
VAD = VADMetrics(100.0, 3.0, 0.01, 32, "acme.VAD")
LLM = LLMMetrics("r3", 100.0, 0.2345, 1.0, "acme.LLM", False, 7, 11, 18, 7.125, None, cached_prompt_tokens=5)
PIPELINE_STT = PipelineSTTMetrics("r1", 100.0, 0.456, "acme.STT", 2.345, False, None)
PIPELINE_TTS = PipelineTTSMetrics("r2", 100.0, 0.1234, 0.5, 1.234, False, 17, "acme.TTS", True, None, "turn-1")
PIPELINE_VAD = PipelineVADMetrics(100.0, 3.0, 0.01, 32, "acme.VAD")
PIPELINE_LLM = PipelineLLMMetrics("r3", 100.0, 0.2345, 1.0, "acme.LLM", False, 7, 11, 18, 7.125, None, "turn-1")
EOU = PipelineEOUMetrics("turn-1", 100.0, 0.5061, 0.1)
MULTIMODAL = MultimodalLLMMetrics("r4", 100.0, 0.2345, 1.0, "acme.RT", False, 7, 11, 18, 7.125, None, INPUT, OUTPUT)
