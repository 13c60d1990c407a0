"""Arguments that cannot work are refused when the agent is built, by their name, with what to give instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from livekit import rtc

from lk_agents.foundation.errors import ConfigError
from lk_agents.llm import FunctionContext
from lk_agents.media import EndPolicy
from lk_agents.pipeline import AgentTranscriptionOptions, VoicePipelineAgent
from lk_agents.testing.providers import ScriptedLLM, ScriptedSTT, ScriptedTTS, ScriptedVAD

POLICIES = "give one of 'linked_leaves', 'all_leave', 'grace', 'manual'"
FRAMES = "give a list of rtc.AudioFrame, such as the frames of a recording, or None"
WRONG = [
    ("vad", None, "vad is None; give a VAD, such as lk_agents.vad.create('silero')"),
    ("stt", None, "stt is None; give an STT, such as lk_agents.stt.create('deepgram')"),
    ("stt", ScriptedSTT, "; give an STT, such as"),
    ("llm", "gpt", "llm is 'gpt'; give an LLM, such as lk_agents.llm.create('openai')"),
    ("llm", ScriptedSTT(), "; give an LLM, such as"),
    ("tts", None, "tts is None; give a TTS, such as lk_agents.tts.create('openai')"),
    ("tool_timeout", 0, "tool_timeout is 0; give seconds above 0 or None"),
    ("tool_timeout", -1, "tool_timeout is -1; give seconds above 0 or None"),
    ("tool_timeout", "60", "tool_timeout is '60'; give seconds above 0 or None"),
    ("dead_air_timeout", 0, "dead_air_timeout is 0; give seconds above 0 or None"),
    ("dead_air_timeout", -3, "dead_air_timeout is -3; give seconds above 0 or None"),
    ("dead_air_timeout", float("nan"), "dead_air_timeout is nan; give seconds above 0 or None"),
    ("dead_air_policy", "end", "dead_air_policy is 'end'; give a DeadAirPolicy, a function or None"),
    ("interruption", "never", "interruption is 'never'; give an InterruptionStrategy or None"),
    ("grace_seconds", -1, "grace_seconds is -1; give seconds, 0 or more"),
    ("grace_seconds", None, "grace_seconds is None; give seconds, 0 or more"),
    ("end_policy", "leave", f"end_policy is 'leave'; {POLICIES}"),
    ("end_policy", None, f"end_policy is None; {POLICIES}"),
    ("filler", "one_moment.wav", f"filler is 'one_moment.wav'; {FRAMES}"),
    ("filler", [b""], rf"filler is [b'']; {FRAMES}"),
    ("goodbye", [None], f"goodbye is [None]; {FRAMES}"),
    ("goodbye", b"RIFF", f"goodbye is b'RIFF'; {FRAMES}"),
    ("min_endpointing_delay", "a", "min_endpointing_delay is 'a'; it must be a number, 0 or more"),
    ("min_endpointing_delay", None, "min_endpointing_delay is None; it must be a number, 0 or more"),
    ("allow_interruptions", "yes", "allow_interruptions is 'yes'; it must be True or False"),
    ("empty_turn_timeout", "a", "empty_turn_timeout is 'a'; it must be a number, 0 or more, or None for never"),
    ("interrupt_speech_duration", None, "interrupt_speech_duration is None; it must be a number, 0 or more"),
    ("max_nested_fnc_calls", "a", "max_nested_fnc_calls is 'a'; give a number, 0 or more"),
    ("chat_ctx", [], "chat_ctx is []; give a ChatContext or None"),
    ("fnc_ctx", [], "fnc_ctx is []; give an object of a class that inherits from lk_agents.llm.FunctionContext"),
    ("before_llm_cb", 5, "before_llm_cb is 5; give a function or None"),
    ("before_tts_cb", 5, "before_tts_cb is 5; give a function or None"),
    ("plotting", 5, "plotting is 5; give True, False or the path of a file"),
    ("plotting", None, "plotting is None; give True, False or the path of a file"),
    ("serial_tools", "no", "serial_tools is 'no'; give True or False"),
    ("serial_tools", None, "serial_tools is None; give True or False"),
    ("speculative_recognition", 1, "speculative_recognition is 1; give True or False"),
    ("turn_detector", 5, "turn_detector is 5; give a TurnDetector or None"),
    ("transcription", True, "transcription is True; give an AgentTranscriptionOptions"),
    ("transcription", False, "transcription is False; give an AgentTranscriptionOptions"),
]


def build(**arguments: Any) -> VoicePipelineAgent:
    providers = {"vad": ScriptedVAD(), "stt": ScriptedSTT(), "llm": ScriptedLLM(["hello"]), "tts": ScriptedTTS()}
    return VoicePipelineAgent(**{**providers, **arguments})


@pytest.mark.parametrize(("name", "value", "told"), WRONG)
def test_what_cannot_work_is_refused_in_words(name: str, value: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(**{name: value})

    assert str(caught.value).startswith(f"{name} is ")
    assert told in str(caught.value)


def test_a_long_value_is_not_repeated_in_full() -> None:
    with pytest.raises(ConfigError) as caught:
        build(filler=b"RIFF" * 10_000)

    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tool_timeout", None),
        ("dead_air_timeout", None),
        ("dead_air_timeout", 0.5),
        ("dead_air_policy", lambda alarm: ()),
        ("grace_seconds", 0),
        ("end_policy", "grace"),
        ("end_policy", EndPolicy.ALL_LEAVE),
        ("filler", ()),
        ("goodbye", [rtc.AudioFrame.create(16_000, 1, 160)]),
        ("empty_turn_timeout", None),
        ("fnc_ctx", FunctionContext()),
        ("transcription", AgentTranscriptionOptions(user_transcription=False)),
        ("before_llm_cb", lambda agent, chat_ctx: None),
        ("plotting", "turns.jsonl"),
        ("plotting", Path("turns.jsonl")),
        ("serial_tools", True),
        ("speculative_recognition", False),
    ],
)
def test_what_can_work_is_taken(name: str, value: Any) -> None:
    build(**{name: value})


class Double:
    """Can do what is asked of a provider, and inherits from nothing."""

    label = "double"

    class capabilities:  # noqa: N801  as the attribute is named
        streaming = True

    def on(self, event: str, callback: Callable[..., Any]) -> None: ...

    def stream(self) -> None: ...

    def chat(self) -> None: ...


@pytest.mark.parametrize("name", ["vad", "stt", "llm", "tts"])
def test_a_provider_need_not_inherit_from_the_base_class(name: str) -> None:
    double = Double()

    assert getattr(build(**{name: double}), name) is double


def test_a_rule_that_is_changed_to_nonsense_is_refused_in_words() -> None:
    agent = build()

    with pytest.raises(ConfigError, match="min_endpointing_delay is 'a'; it must be a number"):
        agent.update_options(min_endpointing_delay="a")  # type: ignore[arg-type]
