"""Text into sentences and words, whole or as it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.tokenize import basic, utils
    from lk_agents.tokenize.buffered import BufferedSentenceStream, BufferedWordStream
    from lk_agents.tokenize.lookup import create
    from lk_agents.tokenize.tokenizer import (
        PUNCTUATIONS,
        SentenceStream,
        SentenceTokenizer,
        TokenData,
        WordStream,
        WordTokenizer,
    )

__all__ = [
    "PUNCTUATIONS",
    "BufferedSentenceStream",
    "BufferedWordStream",
    "SentenceStream",
    "SentenceTokenizer",
    "TokenData",
    "WordStream",
    "WordTokenizer",
    "basic",
    "create",
    "utils",
]

_NAMES = {
    "lookup": ("create",),
    "buffered": ("BufferedSentenceStream", "BufferedWordStream"),
    "tokenizer": (
        "PUNCTUATIONS",
        "SentenceStream",
        "SentenceTokenizer",
        "TokenData",
        "WordStream",
        "WordTokenizer",
    ),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES, submodules=("basic", "utils"))


def __dir__() -> list[str]:
    return sorted(__all__)
