"""The older names of ``lk_agents.pipeline``: the very same classes."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lk_agents.pipeline import AgentCallContext as AssistantCallContext
    from lk_agents.pipeline import AgentTranscriptionOptions as AssistantTranscriptionOptions
    from lk_agents.pipeline import VoicePipelineAgent as VoiceAssistant

__all__ = ["AssistantCallContext", "AssistantTranscriptionOptions", "VoiceAssistant"]

_NEWER: Final = {
    "AssistantCallContext": "AgentCallContext",
    "AssistantTranscriptionOptions": "AgentTranscriptionOptions",
    "VoiceAssistant": "VoicePipelineAgent",
}
_warned = False


def __getattr__(name: str) -> Any:
    global _warned
    if name not in _NEWER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not _warned:
        _warned = True
        warnings.warn(
            f"lk_agents.voice_assistant has the older names; {name} is lk_agents.pipeline.{_NEWER[name]}",
            DeprecationWarning,
            stacklevel=2,
        )
    return getattr(import_module("lk_agents.pipeline"), _NEWER[name])


def __dir__() -> list[str]:
    return sorted(__all__)
