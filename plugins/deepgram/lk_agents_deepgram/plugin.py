"""Entry point of the plugin; imports nothing heavy."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from lk_agents.hooks.markers import hookimpl
from lk_agents_deepgram import __version__

if TYPE_CHECKING:
    from lk_agents.hooks.provider_records import STTProvider, TTSProvider, TurnDetectorProvider
    from lk_agents.plugin import Plugin

__all__ = [
    "EXTRA_OPTIONS",
    "FLUX_EXTRAS",
    "TTS_EXTRAS",
    "lk_agents_preload_modules",
    "lk_agents_register_plugin",
    "lk_agents_register_stt",
    "lk_agents_register_tts",
    "lk_agents_register_turn_detector",
]

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

FLUX_EXTRAS: Final = (
    "base_url",
    "http_session",
    "language_hint",
    "mip_opt_out",
    "numerals",
    "profanity_filter",
)
"""The same of Flux."""
TTS_EXTRAS: Final = ("mip_opt_out", "speed")
"""The same of the synthesizer."""
KEY: Final = ("DEEPGRAM_API_KEY",)


@hookimpl
def lk_agents_register_plugin() -> Plugin:
    """Introduce the plugin; it needs no files."""
    from lk_agents.plugin import Plugin

    return Plugin("Deepgram", __version__, "lk_agents_deepgram", logging.getLogger("lk_agents_deepgram"))


@hookimpl
def lk_agents_register_stt() -> Iterable[STTProvider]:
    """Offer the recogniser as ``deepgram``, and the one of turns as ``deepgram-flux``."""
    from lk_agents.hooks.provider_records import STTProvider

    return [
        STTProvider(
            "deepgram",
            build="lk_agents_deepgram.stt:STT",
            help="Deepgram, live and for recordings.",
            requires_env=KEY,
            options=EXTRA_OPTIONS,
        ),
        STTProvider(
            "deepgram-flux",
            build="lk_agents_deepgram.flux_stt:STTv2",
            help="Deepgram's Flux, which knows when the user expects an answer.",
            requires_env=KEY,
            options=FLUX_EXTRAS,
        ),
    ]


@hookimpl
def lk_agents_register_tts() -> Iterable[TTSProvider]:
    """Offer the synthesizer as ``deepgram``."""
    from lk_agents.hooks.provider_records import TTSProvider

    return [
        TTSProvider(
            "deepgram",
            build="lk_agents_deepgram.tts:TTS",
            help="Deepgram's voices, piece by piece and text by text.",
            requires_env=KEY,
            options=TTS_EXTRAS,
        )
    ]


@hookimpl
def lk_agents_register_turn_detector() -> Iterable[TurnDetectorProvider]:
    """Offer what Flux says of turns as ``deepgram-flux``; its option is the recogniser, ``stt``."""
    from lk_agents.hooks.provider_records import TurnDetectorProvider

    return [
        TurnDetectorProvider(
            "deepgram-flux",
            build="lk_agents_deepgram.turn_detector:FluxTurnDetector",
            help="Waits until Deepgram's Flux, as the recogniser stt=, says that the turn has ended.",
        )
    ]


@hookimpl
def lk_agents_preload_modules() -> Iterable[str]:
    """Share what takes memory between the processes of all jobs."""
    return ("aiohttp", "lk_agents_deepgram.flux_stt", "lk_agents_deepgram.stt", "lk_agents_deepgram.tts")
