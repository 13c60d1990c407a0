"""Language models: conversations, the functions a model may call, answers as they come, and falling back on another.

Each name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.llm.annotations import FunctionArgInfo, TypeInfo
    from lk_agents.llm.arguments import FunctionCallError, _create_ai_function_info
    from lk_agents.llm.chat_context import (
        ChatAudio,
        ChatContent,
        ChatContext,
        ChatImage,
        ChatMessage,
        ChatRole,
        content_text,
    )
    from lk_agents.llm.chunks import ChatChunk, Choice, ChoiceDelta, CompletionUsage, LLMCapabilities, ToolChoice
    from lk_agents.llm.fallback import AvailabilityChangedEvent, FallbackAdapter
    from lk_agents.llm.function_call import CalledFunction, FunctionCallInfo, FunctionInfo
    from lk_agents.llm.function_context import USE_DOCSTRING, FunctionContext, ai_callable
    from lk_agents.llm.lookup import create
    from lk_agents.llm.model import LLM
    from lk_agents.llm.schema import function_schema
    from lk_agents.llm.stream import LLMStream

__all__ = [
    "LLM",
    "USE_DOCSTRING",
    "AvailabilityChangedEvent",
    "CalledFunction",
    "ChatAudio",
    "ChatChunk",
    "ChatContent",
    "ChatContext",
    "ChatImage",
    "ChatMessage",
    "ChatRole",
    "Choice",
    "ChoiceDelta",
    "CompletionUsage",
    "FallbackAdapter",
    "FunctionArgInfo",
    "FunctionCallError",
    "FunctionCallInfo",
    "FunctionContext",
    "FunctionInfo",
    "LLMCapabilities",
    "LLMStream",
    "ToolChoice",
    "TypeInfo",
    "_create_ai_function_info",
    "ai_callable",
    "content_text",
    "create",
    "function_schema",
]

_NAMES = {
    "lookup": ("create",),
    "annotations": ("FunctionArgInfo", "TypeInfo"),
    "arguments": ("FunctionCallError", "_create_ai_function_info"),
    "chat_context": (
        "ChatAudio",
        "ChatContent",
        "ChatContext",
        "ChatImage",
        "ChatMessage",
        "ChatRole",
        "content_text",
    ),
    "chunks": ("ChatChunk", "Choice", "ChoiceDelta", "CompletionUsage", "LLMCapabilities", "ToolChoice"),
    "fallback": ("AvailabilityChangedEvent", "FallbackAdapter"),
    "function_call": ("CalledFunction", "FunctionCallInfo", "FunctionInfo"),
    "function_context": ("USE_DOCSTRING", "FunctionContext", "ai_callable"),
    "model": ("LLM",),
    "schema": ("function_schema",),
    "stream": ("LLMStream",),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
