"""Tokenizers that need no model: rules for sentences, white space for words, patterns for syllables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.tokenize.basic.hyphenation import hyphenate_word
    from lk_agents.tokenize.basic.paragraphs import tokenize_paragraphs
    from lk_agents.tokenize.basic.sentences import SentenceTokenizer
    from lk_agents.tokenize.basic.words import WordTokenizer

__all__ = ["SentenceTokenizer", "WordTokenizer", "hyphenate_word", "tokenize_paragraphs"]

_NAMES = {
    "hyphenation": ("hyphenate_word",),
    "paragraphs": ("tokenize_paragraphs",),
    "sentences": ("SentenceTokenizer",),
    "words": ("WordTokenizer",),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
