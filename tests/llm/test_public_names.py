"""What users and plugins find in the package, and what finding it costs."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest

from lk_agents import llm

NAMES = [
    *("LLM", "LLMStream", "ChatContext", "ChatRole", "ChatMessage", "ChatAudio", "ChatImage", "ChatContent"),
    *("ChoiceDelta", "Choice", "ChatChunk", "CompletionUsage", "FunctionContext", "ai_callable", "TypeInfo"),
    *("FunctionArgInfo", "FunctionInfo", "FunctionCallInfo", "CalledFunction", "USE_DOCSTRING", "LLMCapabilities"),
    *("FallbackAdapter", "AvailabilityChangedEvent", "ToolChoice", "_create_ai_function_info"),
]

FIELDS = {
    "AvailabilityChangedEvent": "llm available",
    "CalledFunction": "call_info task result exception",
    "ChatAudio": "frame",
    "ChatChunk": "request_id choices usage",
    "ChatContext": "messages _metadata",
    "ChatImage": "image inference_width inference_height inference_detail _cache",
    "ChatMessage": "role id name content tool_calls tool_call_id tool_exception _metadata",
    "Choice": "delta index",
    "ChoiceDelta": "role content tool_calls",
    "CompletionUsage": "completion_tokens prompt_tokens total_tokens cache_creation_input_tokens "
    "cache_read_input_tokens",
    "FunctionArgInfo": "name description type default choices",
    "FunctionCallInfo": "tool_call_id function_info raw_arguments arguments",
    "FunctionInfo": "name description auto_retry callable arguments",
    "LLMCapabilities": "supports_choices_on_int requires_persistent_functions",
    "ToolChoice": "type name",
    "TypeInfo": "description choices",
}

PARAMETERS = {
    llm.ChatContext.append: "self text images role",
    llm.ChatMessage.create: "text images role id",
    llm.ChatMessage.create_tool_calls: "called_functions text",
    llm.ChatMessage.create_tool_from_called_function: "called_function",
    llm.FallbackAdapter: "llm attempt_timeout max_retry_per_llm retry_interval hedge",
    llm.FallbackAdapter.chat: "self chat_ctx conn_options fnc_ctx temperature n parallel_tool_calls tool_choice",
    llm.FunctionContext.ai_callable: "self name description auto_retry",
    llm.LLM: "capabilities",
    llm.LLM.chat: "self chat_ctx conn_options fnc_ctx temperature n parallel_tool_calls tool_choice",
    llm.LLMStream: "llm chat_ctx fnc_ctx conn_options",
    llm._create_ai_function_info: "fnc_ctx tool_call_id fnc_name raw_arguments",
    llm.ai_callable: "name description auto_retry",
}

HEAVY = ("livekit", "aiohttp", "numpy", "PIL", "av")


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there(name: str) -> None:
    assert getattr(llm, name) is not None
    assert name in llm.__all__


def test_what_is_exported_can_be_found_and_nothing_else() -> None:
    assert dir(llm) == sorted(llm.__all__)
    assert all(hasattr(llm, name) for name in llm.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = llm.no_such_name


@pytest.mark.parametrize("name", FIELDS)
def test_records_have_their_fields_in_order(name: str) -> None:
    assert [field.name for field in fields(getattr(llm, name))] == FIELDS[name].split()


@pytest.mark.parametrize("function", PARAMETERS)
def test_parameters_have_their_names_in_order(function: Any) -> None:
    assert list(inspect.signature(function).parameters) == PARAMETERS[function].split()


def test_events_can_be_named_by_a_provider() -> None:
    from typing import Literal

    class Mine(llm.LLM[Literal["model_changed"]]):
        def chat(self, **_: Any) -> llm.LLMStream:
            raise NotImplementedError

    heard: list[str] = []
    mine = Mine()
    mine.on("model_changed", heard.append)
    mine.emit("model_changed", "better")

    assert heard == ["better"]


def test_using_the_package_loads_neither_media_nor_http_nor_arrays() -> None:
    program = (
        "import sys; from lk_agents import llm; [getattr(llm, name) for name in llm.__all__]; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=20)

    assert told.stdout.strip() == "[]"
