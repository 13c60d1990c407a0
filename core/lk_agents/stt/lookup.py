"""Recognisers by the names under which plugins offer them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lk_agents.hooks.lookup import create_by_name
from lk_agents.hooks.provider_records import STTProvider

if TYPE_CHECKING:
    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.stt.recognizer import STT

__all__ = ["create"]


def create(spec: str, *, registry: PluginRegistry | None = None, **options: Any) -> STT[Any]:
    """Build the recogniser that an installed plugin offers.

    :param spec: ``"provider"``, or ``"provider/model"``.
    :param registry: the plugins to look in; by default those of this process.
    :param options: the recogniser's own options.
    :raises PluginError: nobody offers it, or two do; the text names what there is.
    :raises ConfigError: an option that it does not know, or a variable that is missing.
    """
    built: STT[Any] = create_by_name(STTProvider, spec, registry=registry, options=options)
    return built
