"""Entry point of the plugin; imports nothing heavy."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lk_agents.hooks.markers import hookimpl
from lk_agents_silero import __version__

if TYPE_CHECKING:
    from lk_agents.hooks.provider_records import VADProvider
    from lk_agents.plugin import Plugin

__all__ = [
    "lk_agents_preload_modules",
    "lk_agents_preload_weights",
    "lk_agents_register_plugin",
    "lk_agents_register_vad",
]


@hookimpl
def lk_agents_register_plugin() -> Plugin:
    """Introduce the plugin; its model is part of the package."""
    from lk_agents.plugin import Plugin

    return Plugin("Silero VAD", __version__, "lk_agents_silero", logging.getLogger("lk_agents_silero"))


@hookimpl
def lk_agents_register_vad() -> Iterable[VADProvider]:
    """Offer the detector as ``silero``."""
    from lk_agents.hooks.provider_records import VADProvider

    return [VADProvider("silero", build="lk_agents_silero.vad:VAD.load", help="Silero VAD, computed on this machine.")]


@hookimpl
def lk_agents_preload_modules() -> Iterable[str]:
    """Share what takes memory between the processes of all jobs."""
    return ("numpy", "lk_agents_silero.vad")


@hookimpl
def lk_agents_preload_weights() -> None:
    """Read the model once for all processes; computing with it after a fork is safe, as a test proves."""
    from lk_agents_silero.options import SAMPLE_RATES
    from lk_agents_silero.weights import load_weights

    for sample_rate in SAMPLE_RATES:
        load_weights(sample_rate)
