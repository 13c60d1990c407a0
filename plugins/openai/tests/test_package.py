"""What the plugin offers, and what loading it costs."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest
from importlib_metadata import entry_points

import lk_agents_openai
from lk_agents.foundation.errors import ConfigError
from lk_agents.hooks.lookup import create_by_name
from lk_agents.hooks.provider_records import LLMProvider, Provider, RealtimeProvider, STTProvider, TTSProvider
from lk_agents_openai import LLM, STT, TTS, create_embeddings, plugin, realtime
from lk_agents_openai.options import ChatExtras
from lk_agents_openai.realtime.options import AzureOptions, RealtimeExtras
from lk_agents_openai.stt import STTExtras

LLM_SURFACE = [
    "model",
    "api_key",
    "base_url",
    "user",
    "client",
    "temperature",
    "parallel_tool_calls",
    "tool_choice",
    "store",
    "metadata",
    "max_tokens",
    "timeout",
]
STT_SURFACE = [
    "language",
    "detect_language",
    "model",
    "prompt",
    "turn_detection",
    "noise_reduction_type",
    "base_url",
    "api_key",
    "client",
    "use_realtime",
]
TTS_SURFACE = ["model", "voice", "speed", "instructions", "base_url", "api_key", "client"]
REALTIME_SESSION_SURFACE = [
    "modalities",
    "instructions",
    "voice",
    "input_audio_format",
    "output_audio_format",
    "tool_choice",
    "input_audio_transcription",
    "turn_detection",
    "temperature",
    "max_response_output_tokens",
]
REALTIME_SURFACE = [
    "instructions",
    "modalities",
    "model",
    "voice",
    "input_audio_format",
    "output_audio_format",
    "input_audio_transcription",
    "turn_detection",
    "tool_choice",
    "temperature",
    "max_response_output_tokens",
    "base_url",
    "http_session",
    "loop",
    "azure_deployment",
    "entra_token",
    "api_key",
    "api_version",
]
CHAT_SURFACE = [
    "chat_ctx",
    "conn_options",
    "fnc_ctx",
    "temperature",
    "n",
    "parallel_tool_calls",
    "tool_choice",
]


def loaded_by(code: str) -> list[str]:
    script = f"import sys\n{code}\nprint(*sorted(sys.modules))"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()


def parameters(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name not in {"self", "extras"}]


def test_the_entry_point_names_the_plugin_module() -> None:
    (found,) = entry_points(group="lk_agents", name="openai")

    assert found.load() is plugin


def test_loading_the_plugin_loads_no_client_and_no_module_that_puts_it_in_use() -> None:
    loaded = loaded_by(
        "import lk_agents_openai.plugin as p\np.lk_agents_register_plugin()\n"
        "[list(getattr(p, f'lk_agents_register_{each}')()) for each in ('llm', 'realtime', 'stt', 'tts')]\n"
        "list(p.lk_agents_preload_modules())"
    )

    assert {"aiohttp", "msgspec", "livekit", "lk_agents.llm", "lk_agents.stt", "lk_agents.tts"} & set(loaded) == set()
    assert [name for name in loaded if name.startswith("lk_agents_openai.")] == ["lk_agents_openai.plugin"]


@pytest.mark.parametrize("module", ["llm", "stt", "tts", "embeddings", "realtime.model"])
def test_the_modules_are_imported_without_client_and_media_library(module: str) -> None:
    assert {"aiohttp", "livekit", "numpy", "openai"} & set(loaded_by(f"import lk_agents_openai.{module}")) == set()


def test_the_modules_named_for_preloading_can_be_imported_and_open_no_thread() -> None:
    code = (
        "import threading, importlib\nfrom lk_agents_openai import plugin\n"
        "[importlib.import_module(name) for name in plugin.lk_agents_preload_modules()]\n"
        "assert len(threading.enumerate()) == 1"
    )

    assert set(plugin.lk_agents_preload_modules()) <= set(loaded_by(code))


def test_every_exported_name_can_be_had() -> None:
    assert [name for name in lk_agents_openai.__all__ if not hasattr(lk_agents_openai, name)] == []
    assert set(lk_agents_openai.__all__) <= set(dir(lk_agents_openai))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Chat'"):
        lk_agents_openai.Chat  # noqa: B018


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (LLM.__init__, LLM_SURFACE),
        (STT.__init__, STT_SURFACE),
        (TTS.__init__, TTS_SURFACE),
        (LLM.chat, CHAT_SURFACE),
        (STT.update_options, ["model", "language", "prompt", "turn_detection", "noise_reduction_type"]),
        (TTS.update_options, ["model", "voice", "speed", "instructions"]),
        (realtime.RealtimeModel.__init__, REALTIME_SURFACE),
        (realtime.RealtimeModel.session, ["chat_ctx", "fnc_ctx", *REALTIME_SESSION_SURFACE]),
        (realtime.RealtimeSession.set_chat_ctx, ["new_ctx"]),
        (realtime.RealtimeSession.create_response, ["on_duplicate"]),
        (create_embeddings, ["input", "model", "dimensions", "api_key", "http_session"]),
    ],
)
def test_the_parameters_are_those_of_older_versions_and_more(function: Any, names: list[str]) -> None:
    assert parameters(function)[: len(names)] == names


def test_the_extra_options_are_named_where_nothing_may_be_loaded() -> None:
    assert sorted(plugin.LLM_EXTRAS) == sorted(ChatExtras.__annotations__)
    assert sorted(plugin.STT_EXTRAS) == sorted(STTExtras.__annotations__)
    assert sorted(plugin.REALTIME_EXTRAS) == sorted(RealtimeExtras.__annotations__)


def test_a_speech_to_speech_model_at_azure_takes_what_it_took() -> None:
    named = parameters(realtime.RealtimeModel.with_azure)
    taken = [*named, *AzureOptions.__annotations__]

    assert set(REALTIME_SURFACE) - {"model"} <= set(taken)
    assert set(REALTIME_SESSION_SURFACE) == set(parameters(realtime.RealtimeSession.session_update))


def test_every_name_of_the_realtime_module_can_be_had() -> None:
    assert [name for name in realtime.__all__ if not hasattr(realtime, name)] == []
    assert set(realtime.__all__) <= set(dir(realtime))
    assert [member.name for member in realtime.SemanticVadEagerness] == ["LOW", "MEDIUM", "HIGH", "AUTO"]


@pytest.mark.parametrize(
    ("kind", "spec", "built"),
    [
        (LLMProvider, "openai/gpt-4o-mini", LLM),
        (STTProvider, "openai/gpt-4o-transcribe", STT),
        (TTSProvider, "openai/tts-1", TTS),
        (RealtimeProvider, "openai/gpt-realtime", realtime.RealtimeModel),
    ],
)
def test_providers_are_built_by_name(
    kind: type[Provider], spec: str, built: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "some")
    made: Any = create_by_name(kind, spec, options={})

    assert isinstance(made, built)
    assert made.model == spec.partition("/")[2]


@pytest.mark.parametrize("kind", [LLMProvider, STTProvider, TTSProvider, RealtimeProvider])
def test_a_missing_key_and_an_unknown_option_are_told_at_the_look_up(kind: type[Provider]) -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        create_by_name(kind, "openai", options={})
    with pytest.raises(ConfigError, match="no option 'tempo'"):
        create_by_name(kind, "openai", options={"api_key": "some", "tempo": 1})


def test_extra_options_reach_the_model_by_name() -> None:
    made: Any = create_by_name(LLMProvider, "openai", options={"api_key": "some", "reasoning_effort": "low"})

    assert made._options.fields["reasoning_effort"] == "low"
