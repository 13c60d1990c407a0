"""What OpenAI's messages in a speech-to-speech session consist of. Pure; unknown fields are passed over."""

from __future__ import annotations

from typing import Any

import msgspec

from lk_agents_openai.live_messages import Problem

__all__ = [
    "CachedTokens",
    "InputTokens",
    "Item",
    "ItemPart",
    "OutputTokens",
    "ResponseTold",
    "SessionFields",
    "StatusDetails",
    "Usage",
]


class ItemPart(msgspec.Struct):
    """A part of a message in the conversation."""

    type: str | None = None
    text: str | None = None
    transcript: str | None = None


class Item(msgspec.Struct):
    """Something in the conversation: a message, a call or its output."""

    id: str
    type: str
    role: str | None = None
    status: str | None = None
    content: list[ItemPart] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | None = None


class CachedTokens(msgspec.Struct):
    """What the tokens from OpenAI's cache consist of."""

    text_tokens: int | None = None
    audio_tokens: int | None = None


class InputTokens(msgspec.Struct):
    """What the tokens of the conversation consist of."""

    cached_tokens: int | None = None
    text_tokens: int | None = None
    audio_tokens: int | None = None
    cached_tokens_details: CachedTokens | None = None


class OutputTokens(msgspec.Struct):
    """What the tokens of the answer consist of."""

    text_tokens: int | None = None
    audio_tokens: int | None = None


class Usage(msgspec.Struct):
    """What a response has cost."""

    total_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: InputTokens | None = None
    output_token_details: OutputTokens | None = None


class StatusDetails(msgspec.Struct):
    """Why a response has ended so."""

    type: str | None = None
    reason: str | None = None
    error: Problem | None = None


class ResponseTold(msgspec.Struct):
    """A response, as the server tells of it."""

    id: str
    status: str | None = None
    status_details: StatusDetails | None = None
    usage: Usage | None = None
    metadata: dict[str, Any] | None = None


class SessionFields(msgspec.Struct):
    """The session.

    :param expires_at: when the server ends it, in seconds since 1970, where it tells.
    """

    id: str | None = None
    expires_at: float | None = None
