"""The names that programs written for the older framework use, with their parameters and defaults."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from inspect import Parameter
from typing import Any, get_args

import pytest

from lk_agents import pipeline
from lk_agents.pipeline import AgentCallContext, AgentTranscriptionOptions, SpeechHandle, VoicePipelineAgent

REQUIRED = Parameter.empty
AGENT = {
    "vad": REQUIRED,
    "stt": REQUIRED,
    "llm": REQUIRED,
    "tts": REQUIRED,
    "noise_cancellation": None,
    "turn_detector": None,
    "chat_ctx": None,
    "fnc_ctx": None,
    "allow_interruptions": True,
    "interrupt_speech_duration": 0.5,
    "interrupt_min_words": 0,
    "min_endpointing_delay": 0.5,
    "max_endpointing_delay": 6.0,
    "max_nested_fnc_calls": 1,
    "preemptive_synthesis": False,
    "transcription": None,
    "before_llm_cb": None,
    "before_tts_cb": None,
    "plotting": False,
    "loop": None,
    "will_synthesize_assistant_reply": None,
}
EVENTS = {
    "user_started_speaking",
    "user_stopped_speaking",
    "agent_started_speaking",
    "agent_stopped_speaking",
    "user_speech_committed",
    "agent_speech_committed",
    "agent_speech_interrupted",
    "function_calls_collected",
    "function_calls_finished",
    "metrics_collected",
}
METHODS: dict[str, dict[str, Any]] = {
    "start": {"room": REQUIRED, "participant": None},
    "say": {"source": REQUIRED, "allow_interruptions": True, "add_to_chat_ctx": True},
    "interrupt": {"interrupt_all": True},
    "aclose": {},
    "on": {"event": REQUIRED, "callback": None},
    "once": {"event": REQUIRED, "callback": None},
    "off": {"event": REQUIRED, "callback": REQUIRED},
    "emit": {"event": REQUIRED, "args": REQUIRED},
}
CALL_CONTEXT: dict[str, dict[str, Any]] = {
    "get_current": {},
    "store_metadata": {"key": REQUIRED, "value": REQUIRED},
    "get_metadata": {"key": REQUIRED, "default": None},
    "add_extra_chat_message": {"message": REQUIRED},
    "llm_stream": {},
}
HANDLE_PROPERTIES = {
    "id",
    "allow_interruptions",
    "add_to_chat_ctx",
    "is_reply",
    "user_question",
    "initialized",
    "source",
    "synthesis_handle",
    "interrupted",
    "fnc_nested_depth",
    "extra_tools_messages",
    "fnc_text_message_id",
    "nested_speech_handles",
    "nested_speech_done",
}
HANDLE_METHODS: dict[str, dict[str, Any]] = {
    "initialize": {"source": REQUIRED, "synthesis_handle": REQUIRED},
    "interrupt": {},
    "cancel": {"cancel_nested": False},
    "join": {},
    "add_nested_speech": {"speech": REQUIRED},
    "mark_nested_speech_done": {},
}
OLDER_NAMES = {
    "VoiceAssistant": "VoicePipelineAgent",
    "AssistantCallContext": "AgentCallContext",
    "AssistantTranscriptionOptions": "AgentTranscriptionOptions",
}


def parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the parameters and their defaults, without ``self``."""
    found = inspect.signature(function).parameters
    return {name: one.default for name, one in found.items() if name != "self"}


@pytest.mark.parametrize("name", ["AgentCallContext", "AgentTranscriptionOptions", "VoicePipelineAgent"])
def test_pipeline_has_the_names(name: str) -> None:
    assert name in pipeline.__all__
    assert getattr(pipeline, name).__name__ == name


def test_the_agent_takes_the_parameters_with_their_defaults_in_their_order_and_by_name_only() -> None:
    found = inspect.signature(VoicePipelineAgent).parameters
    named = [one for one in found.values() if one.kind is not Parameter.VAR_KEYWORD]

    assert {one.name: one.default for one in named if one.name in AGENT} == AGENT
    assert [one.name for one in named][: len(AGENT)] == list(AGENT)
    assert {one.kind for one in named} == {Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("method", METHODS)
def test_the_agent_has_the_methods(method: str) -> None:
    found = parameters(getattr(VoicePipelineAgent, method))

    assert METHODS[method].items() <= found.items()
    assert all(default is not REQUIRED for name, default in found.items() if name not in METHODS[method])


@pytest.mark.parametrize("method", ["say", "aclose"])
def test_these_methods_of_the_agent_are_awaited(method: str) -> None:
    assert inspect.iscoroutinefunction(getattr(VoicePipelineAgent, method))


@pytest.mark.parametrize("method", ["start", "interrupt"])
def test_these_methods_of_the_agent_are_not_awaited(method: str) -> None:
    assert not inspect.iscoroutinefunction(getattr(VoicePipelineAgent, method))


@pytest.mark.parametrize("name", ["vad", "stt", "llm", "tts", "chat_ctx", "fnc_ctx"])
def test_the_agent_has_the_properties_of_which_one_can_be_set(name: str) -> None:
    found = inspect.getattr_static(VoicePipelineAgent, name)

    assert isinstance(found, property)
    assert (found.fset is not None) == (name == "fnc_ctx")


def test_a_speech_that_is_younger_than_that_does_not_make_a_turn_part_of_the_conversation() -> None:
    assert VoicePipelineAgent.MIN_TIME_PLAYED_FOR_COMMIT == 1.5


def test_the_agent_has_the_events() -> None:
    from lk_agents.pipeline import EventTypes

    assert set(get_args(EventTypes)) >= EVENTS


def test_the_options_of_transcription_have_the_fields_and_defaults() -> None:
    options = AgentTranscriptionOptions()

    assert [field.name for field in fields(options)] == [
        "user_transcription",
        "agent_transcription",
        "agent_transcription_speed",
        "sentence_tokenizer",
        "word_tokenizer",
        "hyphenate_word",
    ]
    assert (options.user_transcription, options.agent_transcription) == (True, True)
    assert options.agent_transcription_speed == 1.0
    assert options.hyphenate_word("hyphenation") == ["hy", "phen", "ation"]
    assert options.word_tokenizer.tokenize("Well, yes.") == ["Well,", "yes."]
    with pytest.raises(AttributeError):
        options.user_transcription = False  # type: ignore[misc]


def test_the_context_of_a_call_is_made_of_agent_and_answer() -> None:
    found = parameters(AgentCallContext)

    assert list(found)[:2] == ["assistant", "llm_stream"]
    assert all(default is not REQUIRED for default in list(found.values())[2:])


@pytest.mark.parametrize("method", CALL_CONTEXT)
def test_the_context_of_a_call_has_the_methods(method: str) -> None:
    assert parameters(getattr(AgentCallContext, method)) == CALL_CONTEXT[method]


@pytest.mark.parametrize("name", ["agent", "chat_ctx", "extra_chat_messages"])
def test_the_context_of_a_call_has_the_properties(name: str) -> None:
    assert isinstance(inspect.getattr_static(AgentCallContext, name), property)


def test_outside_of_a_call_there_is_no_context() -> None:
    with pytest.raises(LookupError):
        AgentCallContext.get_current()


@pytest.mark.parametrize("name", sorted(HANDLE_PROPERTIES))
def test_the_handle_of_a_speech_has_the_properties(name: str) -> None:
    assert isinstance(inspect.getattr_static(SpeechHandle, name), property)


@pytest.mark.parametrize("method", HANDLE_METHODS)
def test_the_handle_of_a_speech_has_the_methods(method: str) -> None:
    assert parameters(getattr(SpeechHandle, method)) == HANDLE_METHODS[method]


IN_A_PROCESS_OF_ITS_OWN = """
import warnings
from lk_agents import pipeline, voice_assistant

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    found = [getattr(voice_assistant, older) is getattr(pipeline, newer) for older, newer in {names}.items()]
assert found == [True] * 3, found
assert [each.category for each in caught] == [DeprecationWarning], caught
assert sorted({names}) == voice_assistant.__all__ == dir(voice_assistant)
"""


def test_the_older_names_are_the_very_same_classes_and_warn_once_in_a_process() -> None:
    code = IN_A_PROCESS_OF_ITS_OWN.format(names=OLDER_NAMES)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
