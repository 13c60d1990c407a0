"""Tokenizers by the names under which plugins offer them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lk_agents.hooks.lookup import create_by_name
from lk_agents.hooks.provider_records import TokenizerProvider

if TYPE_CHECKING:
    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.tokenize.tokenizer import SentenceTokenizer, WordTokenizer

__all__ = ["create"]


def create(spec: str, *, registry: PluginRegistry | None = None, **options: Any) -> SentenceTokenizer | WordTokenizer:
    """Build the tokenizer that an installed plugin offers.

    :param spec: the tokenizer's name.
    :param registry: the plugins to look in; by default those of this process.
    :param options: the tokenizer's own options.
    :raises PluginError: nobody offers it, or two do; the text names what there is.
    :raises ConfigError: an option that it does not know, or a variable that is missing.
    """
    built: SentenceTokenizer | WordTokenizer = create_by_name(
        TokenizerProvider, spec, registry=registry, options=options
    )
    return built
