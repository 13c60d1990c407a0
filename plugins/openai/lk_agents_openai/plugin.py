"""Entry point of the plugin; imports nothing heavy."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from lk_agents.hooks.markers import hookimpl
from lk_agents_openai import __version__

if TYPE_CHECKING:
    from lk_agents.hooks.provider_records import LLMProvider, RealtimeProvider, STTProvider, TTSProvider
    from lk_agents.plugin import Plugin

__all__ = [
    "LLM_EXTRAS",
    "REALTIME_EXTRAS",
    "STT_EXTRAS",
    "lk_agents_preload_modules",
    "lk_agents_register_llm",
    "lk_agents_register_plugin",
    "lk_agents_register_realtime",
    "lk_agents_register_stt",
    "lk_agents_register_tts",
]

LLM_EXTRAS: Final = (
    "extra_body",
    "extra_headers",
    "extra_query",
    "frequency_penalty",
    "http_session",
    "max_completion_tokens",
    "presence_penalty",
    "prompt_cache_key",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "top_p",
    "verbosity",
)
"""The options of the model that its constructor takes as ``**extras``; named here too, because looking a provider up
must load no other module."""
STT_EXTRAS: Final = ("dialect", "http_session", "keywords", "temperature")
"""The same of the recogniser."""
REALTIME_EXTRAS: Final = (
    "conn_options",
    "dialect",
    "noise_reduction_type",
    "parallel_tool_calls",
    "reasoning_effort",
    "renew_seconds",
    "speed",
    "tool_timeout",
    "tracing",
    "truncation",
)
"""The same of the speech-to-speech model."""
KEY: Final = {"OPENAI_API_KEY": ("api_key", "client")}


@hookimpl
def lk_agents_register_plugin() -> Plugin:
    """Introduce the plugin; it needs no files."""
    from lk_agents.plugin import Plugin

    return Plugin("OpenAI", __version__, "lk_agents_openai", logging.getLogger("lk_agents_openai"))


@hookimpl
def lk_agents_register_llm() -> Iterable[LLMProvider]:
    """Offer the model as ``openai``."""
    from lk_agents.hooks.provider_records import LLMProvider

    return [
        LLMProvider(
            "openai",
            build="lk_agents_openai.llm:LLM",
            help="OpenAI's chat completions, and those of others at base_url.",
            requires_env=KEY,
            options=LLM_EXTRAS,
        )
    ]


@hookimpl
def lk_agents_register_stt() -> Iterable[STTProvider]:
    """Offer the recogniser as ``openai``."""
    from lk_agents.hooks.provider_records import STTProvider

    return [
        STTProvider(
            "openai",
            build="lk_agents_openai.stt:STT",
            help="OpenAI, for recordings, and live with use_realtime=True.",
            requires_env=KEY,
            options=STT_EXTRAS,
        )
    ]


@hookimpl
def lk_agents_register_tts() -> Iterable[TTSProvider]:
    """Offer the synthesizer as ``openai``."""
    from lk_agents.hooks.provider_records import TTSProvider

    return [TTSProvider("openai", build="lk_agents_openai.tts:TTS", help="OpenAI's voices.", requires_env=KEY)]


@hookimpl
def lk_agents_register_realtime() -> Iterable[RealtimeProvider]:
    """Offer the speech-to-speech model as ``openai``."""
    from lk_agents.hooks.provider_records import RealtimeProvider

    return [
        RealtimeProvider(
            "openai",
            build="lk_agents_openai.realtime.model:RealtimeModel",
            help="OpenAI's models that hear and speak themselves.",
            requires_env={"OPENAI_API_KEY": ("api_key", "entra_token")},
            options=REALTIME_EXTRAS,
        )
    ]


@hookimpl
def lk_agents_preload_modules() -> Iterable[str]:
    """Share what takes memory between the processes of all jobs."""
    modules = ("llm", "realtime.model", "stt", "tts")
    return ("aiohttp", *(f"lk_agents_openai.{module}" for module in modules))
