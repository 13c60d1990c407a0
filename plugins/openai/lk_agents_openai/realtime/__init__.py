"""Speech-to-speech models by OpenAI, and by those who speak as it does.

Each name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents_openai.realtime import api_proto
    from lk_agents_openai.realtime.messages import ConversationItemCreated, ConversationItemDeleted
    from lk_agents_openai.realtime.model import RealtimeModel
    from lk_agents_openai.realtime.options import (
        DEFAULT_INPUT_AUDIO_TRANSCRIPTION,
        DEFAULT_SEMANTIC_VAD_OPTIONS,
        DEFAULT_SERVER_VAD_OPTIONS,
        InputTranscriptionOptions,
        RealtimeSessionOptions,
        SemanticVadEagerness,
        SemanticVadOptions,
        ServerVadOptions,
    )
    from lk_agents_openai.realtime.records import (
        InputTranscriptionCompleted,
        InputTranscriptionFailed,
        RealtimeContent,
        RealtimeError,
        RealtimeOutput,
        RealtimeResponse,
        RealtimeToolCall,
    )
    from lk_agents_openai.realtime.session import RealtimeSession

__all__ = [
    "DEFAULT_INPUT_AUDIO_TRANSCRIPTION",
    "DEFAULT_SEMANTIC_VAD_OPTIONS",
    "DEFAULT_SERVER_VAD_OPTIONS",
    "ConversationItemCreated",
    "ConversationItemDeleted",
    "InputTranscriptionCompleted",
    "InputTranscriptionFailed",
    "InputTranscriptionOptions",
    "RealtimeContent",
    "RealtimeError",
    "RealtimeModel",
    "RealtimeOutput",
    "RealtimeResponse",
    "RealtimeSession",
    "RealtimeSessionOptions",
    "RealtimeToolCall",
    "SemanticVadEagerness",
    "SemanticVadOptions",
    "ServerVadOptions",
    "api_proto",
]

_NAMES = {
    "messages": ("ConversationItemCreated", "ConversationItemDeleted"),
    "model": ("RealtimeModel",),
    "options": (
        "DEFAULT_INPUT_AUDIO_TRANSCRIPTION",
        "DEFAULT_SEMANTIC_VAD_OPTIONS",
        "DEFAULT_SERVER_VAD_OPTIONS",
        "InputTranscriptionOptions",
        "RealtimeSessionOptions",
        "SemanticVadEagerness",
        "SemanticVadOptions",
        "ServerVadOptions",
    ),
    "records": (
        "InputTranscriptionCompleted",
        "InputTranscriptionFailed",
        "RealtimeContent",
        "RealtimeError",
        "RealtimeOutput",
        "RealtimeResponse",
        "RealtimeToolCall",
    ),
    "session": ("RealtimeSession",),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES, submodules=("api_proto",))


def __dir__() -> list[str]:
    return sorted(__all__)
