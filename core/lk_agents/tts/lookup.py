"""Synthesizers by the names under which plugins offer them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lk_agents.hooks.lookup import create_by_name
from lk_agents.hooks.provider_records import TTSProvider

if TYPE_CHECKING:
    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.tts.synthesizer import TTS

__all__ = ["create"]


def create(spec: str, *, registry: PluginRegistry | None = None, **options: Any) -> TTS[Any]:
    """Build the synthesizer that an installed plugin offers.

    :param spec: ``"provider"``, or ``"provider/model"``.
    :param registry: the plugins to look in; by default those of this process.
    :param options: the synthesizer's own options.
    :raises PluginError: nobody offers it, or two do; the text names what there is.
    :raises ConfigError: an option that it does not know, or a variable that is missing.
    """
    built: TTS[Any] = create_by_name(TTSProvider, spec, registry=registry, options=options)
    return built
