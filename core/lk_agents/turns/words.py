"""The words of what somebody has said, made comparable across recognisers and scripts."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from lk_agents.streams.words import plain_words

__all__ = ["comparable_words", "count_words"]

_WITHOUT_SPACES: Final = re.compile(r"[\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
"""Scripts that put no space between words: Chinese characters and both kana."""
_BY_SYLLABLE: Final = re.compile(rf"{_WITHOUT_SPACES.pattern[:-1]}\uac00-\ud7a3]")
"""The same and Korean, whose spaces recognisers set as they like."""


def comparable_words(text: str) -> tuple[str, ...]:
    """Return the words without capitals, punctuation and accents; of East Asian scripts each character is one."""
    found: list[str] = []
    for word in plain_words(_without_accents(text)):
        if _BY_SYLLABLE.search(word):
            found += word
        else:
            found.append(word)
    return tuple(found)


def count_words(text: str) -> int:
    """Return how many words a text has; where a script does not part them, two characters count as one."""
    return sum(_weight(word) for word in text.split() if any(map(str.isalnum, word)))


def _weight(word: str) -> int:
    characters = len(_WITHOUT_SPACES.findall(word))
    return (characters + 1) // 2 if characters else 1


_UMLAUT: Final = "\u0308"


def _without_accents(text: str) -> str:
    """Drop the marks of Latin letters, which recognisers leave out; umlauts, and those of kana, make other letters."""
    kept: list[str] = []
    base = ""
    for character in unicodedata.normalize("NFD", text):
        if not unicodedata.combining(character):
            base = character
        elif base.isascii() and character != _UMLAUT:
            continue
        kept.append(character)
    return unicodedata.normalize("NFC", "".join(kept))
