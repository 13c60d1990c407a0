"""The session as OpenAI wants it spelt, in both dialects; and what has changed in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from lk_agents.llm.schema import function_schema
from lk_agents_openai.chat_format import wire_tool_choice
from lk_agents_openai.realtime.api_proto import SAMPLE_RATE
from lk_agents_openai.realtime.options import ServerVadOptions

if TYPE_CHECKING:
    from lk_agents.llm.chunks import ToolChoice
    from lk_agents.llm.function_context import FunctionContext
    from lk_agents_openai.realtime.api_proto import Dialect, Modality
    from lk_agents_openai.realtime.options import InputTranscriptionOptions, RealtimeSessionOptions, TurnDetection

__all__ = ["changes_of", "output_modalities", "session_record"]

OLDER_TEMPERATURE: Final = 0.8
PCM: Final = {"type": "audio/pcm", "rate": SAMPLE_RATE}
NESTED: Final = frozenset({"audio", "input", "output"})
"""The records within the session of which a part can be told alone."""

Wire = dict[str, Any]


def session_record(
    opts: RealtimeSessionOptions, functions: FunctionContext | None, *, dialect: Dialect, at_azure: bool = False
) -> Wire:
    """Return the whole session.

    :param at_azure: whether the model is a deployment, which is named in the address alone.
    :raises ConfigError: a function cannot be described.
    """
    shared: Wire = {
        "instructions": opts.instructions,  # also where they are empty: OpenAI would give its own
        "tools": _tools(functions),
        "tool_choice": _tool_choice(opts.tool_choice),
    }
    return (_older if dialect == "beta" else _today)(opts, shared, at_azure=at_azure)


def _today(opts: RealtimeSessionOptions, shared: Wire, *, at_azure: bool) -> Wire:
    heard: Wire = {
        "format": PCM,
        "transcription": _transcription(opts.input_audio_transcription),
        "turn_detection": _turn_detection(opts.turn_detection, with_interruption=True),
    }
    if opts.noise_reduction_type:
        heard["noise_reduction"] = {"type": opts.noise_reduction_type}
    spoken: Wire = {"format": PCM, "voice": opts.voice}
    if opts.speed is not None:
        spoken["speed"] = opts.speed
    more: Wire = {
        "model": None if at_azure else opts.model,
        "reasoning": {"effort": opts.reasoning_effort} if opts.reasoning_effort else None,
        "parallel_tool_calls": opts.parallel_tool_calls,
        "truncation": opts.truncation,
        "tracing": opts.tracing,
    }
    return {
        "type": "realtime",
        "output_modalities": output_modalities(opts.modalities),
        "audio": {"input": heard, "output": spoken},
        "max_output_tokens": opts.max_response_output_tokens,
        **shared,
        **{name: value for name, value in more.items() if value is not None},
    }


def _older(opts: RealtimeSessionOptions, shared: Wire, *, at_azure: bool) -> Wire:
    session: Wire = {
        "modalities": list(opts.modalities),
        "voice": opts.voice,
        "input_audio_format": opts.input_audio_format,
        "output_audio_format": opts.output_audio_format,
        "input_audio_transcription": _transcription(opts.input_audio_transcription),
        "turn_detection": _turn_detection(opts.turn_detection, with_interruption=False),
        "temperature": OLDER_TEMPERATURE if opts.temperature is None else opts.temperature,
        **shared,
    }
    if opts.max_response_output_tokens != "inf" or not at_azure:  # which does not know the word
        session["max_response_output_tokens"] = opts.max_response_output_tokens
    return session


def output_modalities(modalities: Sequence[Modality]) -> list[str]:
    """Return what answers consist of; what is spoken always has a transcript."""
    return ["audio"] if "audio" in modalities else ["text"]


def _transcription(opts: InputTranscriptionOptions | None) -> Wire | None:
    if opts is None:
        return None
    wire: Wire = {"model": opts.model}
    if opts.language:
        wire["language"] = opts.language
    if opts.prompt:
        wire["prompt"] = opts.prompt
    return wire


def _turn_detection(turns: TurnDetection, *, with_interruption: bool) -> Wire | None:
    if turns is None:
        return None
    if not isinstance(turns, ServerVadOptions):
        return {
            "type": "semantic_vad",
            "eagerness": str(turns.eagerness),
            "create_response": turns.create_response,
            "interrupt_response": turns.interrupt_response,
        }
    wire: Wire = {
        "type": "server_vad",
        "threshold": turns.threshold,
        "prefix_padding_ms": turns.prefix_padding_ms,
        "silence_duration_ms": turns.silence_duration_ms,
        "create_response": turns.create_response,
    }
    if with_interruption or not turns.interrupt_response:
        wire["interrupt_response"] = turns.interrupt_response
    if turns.idle_timeout_ms is not None:
        wire["idle_timeout_ms"] = turns.idle_timeout_ms
    return wire


def _tools(functions: FunctionContext | None) -> list[Wire]:
    return [
        {
            "type": "function",
            "name": info.name,
            "description": info.description,
            "parameters": function_schema(info),
        }
        for info in (functions.ai_functions.values() if functions is not None else ())
    ]


def _tool_choice(choice: ToolChoice | str) -> str | Wire:
    wire = wire_tool_choice(choice)
    return wire if isinstance(wire, str) else {"type": "function", "name": wire["function"]["name"]}


def changes_of(told: Mapping[str, Any], session: Mapping[str, Any]) -> Wire:
    """Return what of a session the server does not know yet: it refuses a voice once it has spoken, even the same.

    :param told: the session as the server knows it.
    """
    changes: Wire = {}
    for name, value in session.items():
        known = told.get(name)
        if name in NESTED and isinstance(value, Mapping) and isinstance(known, Mapping):
            if inner := changes_of(known, value):
                changes[name] = inner
        elif name not in told or known != value:
            changes[name] = value
    return changes
