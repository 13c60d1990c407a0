"""Tells the agent's own voice, heard again by the microphone, from the user's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lk_agents.turns.words import comparable_words

__all__ = ["is_self_speech", "may_become_self_speech"]

MIN_WORDS: Final = 3.0
"""Fewer words stand in the agent's text by chance, or because the user takes one of its offers: "next Tuesday"."""
MIN_WORDS_OF_INTERIM: Final = 2.0
"""The same of a text that more is to follow: if it was the user's after all, that will show."""
MIN_CHARACTERS: Final = 10
"""The same for words as short as those of "to go in"."""
MIN_WORDS_WITH_ERRORS: Final = 5.0
ERROR_SHARE: Final = 0.2
"""So much of a longer text may be misheard, missing or too much."""
MIN_PREFIX: Final = 2
"""A text that is not final may end within a word."""


def is_self_speech(text: str, playing_text: str, *, final: bool = True) -> bool:
    """Return whether a text that was understood is what the agent is saying.

    It is if its words follow one another in the agent's text; the last one may be cut off. From five words on, a fifth
    of them may be wrong, but not the last: where the user has joined in, it is his. Less than three words are not taken
    for the agent's (less than two, of a text that is not final), since a user who is ignored is worse than an agent
    that falls silent for a moment. Characters of East Asian scripts count as half a word.

    :param text: what was understood.
    :param playing_text: what the agent says at the moment, with some text around it.
    :param final: whether the text will not change any more.
    """
    words, playing = comparable_words(text), comparable_words(playing_text)
    weight = sum(0.5 if _is_wide(word) else 1.0 for word in words)
    characters = sum(3 if _is_wide(word) else len(word) for word in words)
    if weight < (MIN_WORDS if final else MIN_WORDS_OF_INTERIM) or characters < MIN_CHARACTERS:
        return False
    allowed = int(len(words) * ERROR_SHARE) if weight >= MIN_WORDS_WITH_ERRORS else 0
    known = set(playing)
    if sum(word not in known for word in words[:-1]) > allowed:  # each of these is an error for sure
        return False
    return _errors_within(words, playing) <= allowed


def may_become_self_speech(text: str, playing_text: str) -> bool:
    """Return whether a text to which more may follow is what the agent is saying so far, however short it is.

    :param text: what is understood up to now.
    :param playing_text: as for :func:`is_self_speech`.
    """
    words = comparable_words(text)
    return bool(words) and _errors_within(words, comparable_words(playing_text)) == 0


def _is_wide(word: str) -> bool:
    return len(word) == 1 and word >= "\u3000"


def _errors_within(words: Sequence[str], playing: Sequence[str]) -> int:
    """Return how many words are wrong, missing or too much at the best place that ends with the last word."""
    before = [0] * (len(playing) + 1)  # a match may begin anywhere
    for count, word in enumerate(words[:-1], 1):
        row = [count]
        for place, other in enumerate(playing, 1):
            row.append(min(before[place - 1] + (word != other), before[place] + 1, row[-1] + 1))
        before = row
    last = words[-1]
    ends = (errors for errors, other in zip(before, playing, strict=False) if _is_or_begins(last, other))
    return min(ends, default=len(words))


def _is_or_begins(word: str, other: str) -> bool:
    return word == other or (len(word) >= MIN_PREFIX and other.startswith(word))
