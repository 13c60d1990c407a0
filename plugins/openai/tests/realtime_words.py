"""The records that the scripted server of speech-to-speech sessions speaks in: OpenAI's own forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SHARED = {"instructions", "tools", "tool_choice"}
SESSION_FIELDS = {
    "ga": {
        *SHARED,
        "type",
        "model",
        "output_modalities",
        "audio",
        "max_output_tokens",
        "reasoning",
        "parallel_tool_calls",
        "truncation",
        "tracing",
    },
    "beta": {
        *SHARED,
        "modalities",
        "voice",
        "input_audio_format",
        "output_audio_format",
        "input_audio_transcription",
        "turn_detection",
        "temperature",
        "max_response_output_tokens",
    },
}
AUDIO_KINDS = {"response.output_audio.delta"}
OLDER_NAMES = {
    "conversation.item.added": "conversation.item.created",
    "conversation.item.done": "",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
}
"""What the older dialect calls the same message; empty for what it does not have."""
EXPIRES_AT = 1_900_000_000


def session_record(session: Mapping[str, Any], *, id: str, beta: bool = False) -> dict[str, Any]:
    bare = {"modalities": ["text", "audio"]} if beta else {"type": "realtime", "output_modalities": ["audio"]}
    return {**bare, "id": id, "object": "realtime.session", **session}


def message_item(id: str, **more: Any) -> dict[str, Any]:
    bare = {"id": id, "object": "realtime.item", "type": "message", "status": "in_progress", "role": "assistant"}
    return {**bare, "content": [], **more}


def call_item(id: str, call_id: str, name: str, arguments: str, *, status: str = "in_progress") -> dict[str, Any]:
    bare = {"id": id, "object": "realtime.item", "type": "function_call", "status": status}
    return {**bare, "call_id": call_id, "name": name, "arguments": arguments}


def usage_record(output_tokens: int) -> dict[str, Any]:
    heard = {"text_tokens": 20, "audio_tokens": 10, "image_tokens": 0, "cached_tokens": 6}
    cached = {"text_tokens": 4, "audio_tokens": 2, "image_tokens": 0}
    return {
        "total_tokens": 30 + output_tokens,
        "input_tokens": 30,
        "output_tokens": output_tokens,
        "input_token_details": {**heard, "cached_tokens_details": cached},
        "output_token_details": {"text_tokens": 0, "audio_tokens": output_tokens},
    }


def response_record(
    id: str,
    *,
    status: str = "in_progress",
    reason: str = "",
    output: Sequence[Mapping[str, Any]] = (),
    usage: Mapping[str, Any] | None = None,
    metadata: Any = None,
) -> dict[str, Any]:
    details: dict[str, Any] | None = None
    if status in {"cancelled", "incomplete", "failed"}:
        details = {"type": status}
        if reason or status == "incomplete":
            details["reason"] = reason or "max_output_tokens"
        if status == "failed":
            details["error"] = {"type": "server_error", "code": "overloaded"}
    return {
        "object": "realtime.response",
        "id": id,
        "status": status,
        "status_details": details,
        "output": list(output),
        "conversation_id": "conv_1",
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "usage": usage,
        "metadata": metadata,
    }
