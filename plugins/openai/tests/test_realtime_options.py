"""What can be set for a session, and how OpenAI wants it spelt in both dialects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from openai_bench import Weather

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.types import NOT_GIVEN
from lk_agents.llm import ToolChoice
from lk_agents_openai.realtime import (
    InputTranscriptionOptions,
    RealtimeSessionOptions,
    SemanticVadEagerness,
    SemanticVadOptions,
    ServerVadOptions,
)
from lk_agents_openai.realtime.options import SessionRules
from lk_agents_openai.realtime.session_format import changes_of, session_record

BARE = RealtimeSessionOptions(model="gpt-realtime")


def record(**given: Any) -> dict[str, Any]:
    return session_record(replace(BARE, **given), None, dialect="ga")


def test_the_whole_session_as_it_is_told_today() -> None:
    opts = replace(BARE, instructions="Be kind.", turn_detection=ServerVadOptions())

    assert session_record(opts, Weather(), dialect="ga") == {
        "type": "realtime",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "Be kind.",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "transcription": {"model": "whisper-1"},
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "marin"},
        },
        "max_output_tokens": "inf",
        "tools": [
            {
                "type": "function",
                "name": "get_weather",
                "description": "Tells the weather.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "city": {"type": "string", "description": "where"},
                        "day": {"type": "integer"},
                    },
                    "required": ["city"],
                    "additionalProperties": False,
                },
            }
        ],
        "tool_choice": "auto",
    }


def test_the_whole_session_as_it_is_told_to_older_servers() -> None:
    opts = replace(BARE, voice="alloy", turn_detection=ServerVadOptions(create_response=False))

    assert session_record(opts, None, dialect="beta") == {
        "modalities": ["text", "audio"],
        "instructions": "",
        "voice": "alloy",
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_transcription": {"model": "whisper-1"},
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "create_response": False,
        },
        "tools": [],
        "tool_choice": "auto",
        "temperature": 0.8,
        "max_response_output_tokens": "inf",
    }


@pytest.mark.parametrize(("tokens", "told"), [("inf", False), (100, True)])
def test_azure_does_not_know_the_word_for_no_limit(tokens: Any, told: bool) -> None:
    opts = replace(BARE, max_response_output_tokens=tokens)

    assert ("max_response_output_tokens" in session_record(opts, None, dialect="beta", at_azure=True)) is told


def test_a_deployment_is_named_in_the_address_alone() -> None:
    assert "model" not in session_record(BARE, None, dialect="ga", at_azure=True)


@pytest.mark.parametrize(
    ("turns", "told"),
    [
        (None, None),
        (
            SemanticVadOptions(eagerness=SemanticVadEagerness.LOW),
            {"type": "semantic_vad", "eagerness": "low", "create_response": True, "interrupt_response": True},
        ),
        (
            ServerVadOptions(0.7, 100, 200, False, interrupt_response=False, idle_timeout_ms=6_000),
            {
                "type": "server_vad",
                "threshold": 0.7,
                "prefix_padding_ms": 100,
                "silence_duration_ms": 200,
                "create_response": False,
                "interrupt_response": False,
                "idle_timeout_ms": 6_000,
            },
        ),
    ],
)
def test_turns_are_found_as_was_said(turns: Any, told: Any) -> None:
    assert record(turn_detection=turns)["audio"]["input"]["turn_detection"] == told


def test_what_else_can_be_said_stands_where_openai_looks_for_it() -> None:
    told = record(
        modalities=("text",),
        speed=1.2,
        noise_reduction_type="far_field",
        reasoning_effort="low",
        parallel_tool_calls=True,
        truncation={"type": "retention_ratio", "retention_ratio": 0.8},
        tracing="auto",
        input_audio_transcription=InputTranscriptionOptions("gpt-transcribe", language="de", prompt="Ada"),
        tool_choice=ToolChoice(type="function", name="get_weather"),
        max_response_output_tokens=200,
    )

    assert told["output_modalities"] == ["text"]
    assert told["audio"]["output"]["speed"] == 1.2
    assert told["audio"]["input"]["noise_reduction"] == {"type": "far_field"}
    assert told["audio"]["input"]["transcription"] == {"model": "gpt-transcribe", "language": "de", "prompt": "Ada"}
    assert told["reasoning"] == {"effort": "low"}
    assert (told["parallel_tool_calls"], told["tracing"], told["max_output_tokens"]) == (True, "auto", 200)
    assert told["truncation"]["retention_ratio"] == 0.8
    assert told["tool_choice"] == {"type": "function", "name": "get_weather"}


def test_only_what_has_changed_is_told() -> None:
    assert changes_of(record(), record()) == {}
    assert changes_of(record(), record(instructions="Be brief.")) == {"instructions": "Be brief."}
    assert changes_of(record(), record(turn_detection=None)) == {"audio": {"input": {"turn_detection": None}}}
    assert changes_of(record(instructions="Be brief."), record()) == {"instructions": ""}
    assert changes_of(record(), record(speed=1.5)) == {"audio": {"output": {"speed": 1.5}}}


def test_none_keeps_an_option_and_turns_off_what_can_be_off() -> None:
    given = {"voice": None, "turn_detection": None, "input_audio_transcription": NOT_GIVEN, "instructions": ""}
    changed = replace(BARE, instructions="Be kind.").changed(given)

    assert changed == replace(BARE, turn_detection=None)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"model": ""}, "model is empty"),
        ({"modalities": ()}, "modalities"),
        ({"modalities": ("smell",)}, "smell"),
        ({"voice": ""}, "voice is empty"),
        ({"input_audio_format": "g711_ulaw"}, "input_audio_format is 'g711_ulaw'"),
        ({"output_audio_format": "g711_alaw"}, "output_audio_format"),
        ({"tool_choice": "maybe"}, "'maybe'"),
        ({"temperature": 3.0}, "temperature is 3.0"),
        ({"speed": 2.0}, "speed is 2.0"),
        ({"max_response_output_tokens": 0}, "max_response_output_tokens is 0"),
        ({"max_response_output_tokens": "many"}, "'many'"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        replace(BARE, **given)


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: ServerVadOptions(threshold=1.5), "threshold"),
        (lambda: ServerVadOptions(silence_duration_ms=-1), "silence_duration_ms is -1"),
        (lambda: SemanticVadOptions(eagerness="very"), "'very'"),
        (lambda: SessionRules(dialect="gamma"), "'gamma'"),  # type: ignore[arg-type]
        (lambda: SessionRules(renew_seconds=0.0), "renew_seconds"),
        (lambda: SessionRules(tool_timeout=-1.0), "tool_timeout"),
    ],
)
def test_so_is_one_of_the_records_inside(build: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        build()
