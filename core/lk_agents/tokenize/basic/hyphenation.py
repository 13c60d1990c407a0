"""Where English words may be broken, which is near enough to where their syllables end.

The method is Liang's, as in TeX: every pattern found in a word votes on the places between its letters, the highest
vote of a place counts, and an odd one allows a break.
"""

from __future__ import annotations

import string
from functools import cache, lru_cache
from typing import Final, NamedTuple

__all__ = ["hyphenate_word"]

CACHED_WORDS: Final = 4096
CACHED_WORD_CHARS: Final = 64
"""Longer words are worked out each time, so that what is kept stays small."""

SHORTEST_WORD: Final = 5
FIRST_CHARS: Final = 2
LAST_CHARS: Final = 2
"""How much of a word stays together at either end."""

_NO_DIGITS = str.maketrans("", "", string.digits)


def hyphenate_word(word: str) -> list[str]:
    """Return the pieces of an English word; joined they are the word again.

    Words of up to four characters are one piece, and so is what no pattern of English fits. Capital letters do not
    matter. Meant for counting syllables; results for recent words are kept.
    """
    if len(word) < SHORTEST_WORD:
        return [word]
    lower = word.lower()
    if len(lower) != len(word):  # a letter such as U+0130, which is two when small: places would not fit
        return [word]
    places = _known_places(lower) if len(lower) <= CACHED_WORD_CHARS else _places(lower)
    return [word[begin:end] for begin, end in zip((0, *places), (*places, len(word)), strict=True)]


def _places(word: str) -> tuple[int, ...]:
    """Return before which characters of a word in small letters it may be broken."""
    tables = _tables()
    known = tables.exceptions.get(word)
    if known is not None:
        return known
    framed = f".{word}."
    votes = [0] * (len(framed) + 1)
    for begin in range(len(framed) - 1):
        for end in range(begin + 1, min(begin + tables.longest, len(framed)) + 1):
            for offset, vote in tables.patterns.get(framed[begin:end], ()):
                if vote > votes[begin + offset]:
                    votes[begin + offset] = vote
    return tuple(place for place in range(FIRST_CHARS, len(word) - LAST_CHARS + 1) if votes[place + 1] % 2)


_known_places = lru_cache(CACHED_WORDS)(_places)


class _Tables(NamedTuple):
    patterns: dict[str, tuple[tuple[int, int], ...]]
    """By some letters, the votes: between which of them, and how high."""
    longest: int
    exceptions: dict[str, tuple[int, ...]]
    """The places of words that the patterns have wrong."""


@cache
def _tables() -> _Tables:
    from lk_agents.tokenize.basic.hyphenation_en import EXCEPTIONS, PATTERNS

    patterns = {pattern.translate(_NO_DIGITS): _votes(pattern) for pattern in PATTERNS.split()}
    exceptions = {word.replace("-", ""): _marked_places(word) for word in EXCEPTIONS.split()}
    return _Tables(patterns, max(map(len, patterns)), exceptions)


def _votes(pattern: str) -> tuple[tuple[int, int], ...]:
    digits = [place for place, sign in enumerate(pattern) if sign in string.digits]
    return tuple((place - before, int(pattern[place])) for before, place in enumerate(digits))


def _marked_places(word: str) -> tuple[int, ...]:
    hyphens = [place for place, sign in enumerate(word) if sign == "-"]
    return tuple(place - before for before, place in enumerate(hyphens))
