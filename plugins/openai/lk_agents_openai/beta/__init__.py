"""The Assistants API, for servers that still have it: OpenAI itself has ended it."""

from __future__ import annotations

from lk_agents_openai.beta.assistants import AssistantLLM
from lk_agents_openai.beta.records import (
    AssistantCreateOptions,
    AssistantLoadOptions,
    AssistantOptions,
    OnFileUploaded,
    OnFileUploadedInfo,
)

__all__ = [
    "AssistantCreateOptions",
    "AssistantLLM",
    "AssistantLoadOptions",
    "AssistantOptions",
    "OnFileUploaded",
    "OnFileUploadedInfo",
]
