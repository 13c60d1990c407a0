"""Entry point of the plugin; imports nothing heavy."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from lk_agents.hooks.markers import hookimpl
from lk_agents_deepgram import __version__

if TYPE_CHECKING:
    from lk_agents.hooks.provider_records import STTProvider
    from lk_agents.plugin import Plugin

__all__ = ["EXTRA_OPTIONS", "lk_agents_preload_modules", "lk_agents_register_plugin", "lk_agents_register_stt"]

EXTRA_OPTIONS: Final = (
    "dictation",
    "enable_diarization",
    "redact",
    "replace",
    "search",
    "tags",
    "utterance_end_ms",
    "vad_events",
)
"""The options of the recogniser that its constructor takes as ``**extras``; named here too, because looking a provider
up must load no other module."""


@hookimpl
def lk_agents_register_plugin() -> Plugin:
    """Introduce the plugin; it needs no files."""
    from lk_agents.plugin import Plugin

    return Plugin("Deepgram", __version__, "lk_agents_deepgram", logging.getLogger("lk_agents_deepgram"))


@hookimpl
def lk_agents_register_stt() -> Iterable[STTProvider]:
    """Offer the recogniser as ``deepgram``."""
    from lk_agents.hooks.provider_records import STTProvider

    return [
        STTProvider(
            "deepgram",
            build="lk_agents_deepgram.stt:STT",
            help="Deepgram, live and for recordings.",
            requires_env=("DEEPGRAM_API_KEY",),
            options=EXTRA_OPTIONS,
        )
    ]


@hookimpl
def lk_agents_preload_modules() -> Iterable[str]:
    """Share what takes memory between the processes of all jobs."""
    return ("aiohttp", "lk_agents_deepgram.stt")
