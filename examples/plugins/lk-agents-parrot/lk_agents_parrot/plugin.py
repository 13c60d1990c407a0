"""Entry point of the plugin; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from lk_agents import Plugin, hookimpl
from lk_agents.hooks import STTProvider
from lk_agents_parrot import __version__


@hookimpl
def lk_agents_register_plugin() -> Plugin:
    """Introduce the plugin."""
    return Plugin("Parrot", __version__, "lk_agents_parrot")


@hookimpl
def lk_agents_register_stt() -> Iterable[STTProvider]:
    """Offer the recogniser as ``parrot``."""
    yield STTProvider(
        "parrot",
        build="lk_agents_parrot.stt:STT",
        help="Parrot, live and for recordings.",
        requires_env=("PARROT_API_KEY",),
    )
