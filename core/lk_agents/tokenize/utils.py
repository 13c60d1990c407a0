"""Words of a text replaced by others, whole or as it arrives."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import TypeAlias, overload

from lk_agents.tokenize.tokenizer import PUNCTUATIONS

__all__ = ["replace_words"]

_WORD = re.compile(r"\S+")
_MARKS = "".join(PUNCTUATIONS)

_Table: TypeAlias = "dict[str, list[tuple[str, str]]]"
"""By a word without the punctuation at its end: that punctuation, longest first, and the replacement."""


@overload
def replace_words(*, text: str, replacements: Mapping[str, str]) -> str: ...


@overload
def replace_words(*, text: AsyncIterable[str], replacements: Mapping[str, str]) -> AsyncIterator[str]: ...


def replace_words(*, text: str | AsyncIterable[str], replacements: Mapping[str, str]) -> str | AsyncIterator[str]:
    """Replace whole words.

    A word is what stands between white space. It is looked up without regard to capital letters and without the
    punctuation at its end, which stays, as white space does; punctuation before it makes it another word. A key that
    ends in punctuation itself must find the same there; one with white space in it never fits. The replacement is
    taken as it is; an empty one removes the word.

    Text that arrives in pieces gives the same in total, however it is cut: a word is passed on when the next one
    begins. Closing the result early leaves ``text`` where it is; an exception of ``text`` is passed on, and what was
    held back is lost.

    :param text: a text, or its pieces as they arrive.
    :param replacements: by word, what to say instead.
    :returns: a text, or its pieces, none of them empty.
    """
    table = _table(replacements)
    return _replaced(text, table) if isinstance(text, str) else _replaced_stream(text, table)


def _table(replacements: Mapping[str, str]) -> _Table:
    table: _Table = {}
    for key, replacement in replacements.items():
        stem = key.rstrip(_MARKS)
        if key:
            table.setdefault(stem.casefold(), []).append((key[len(stem) :], replacement))
    for endings in table.values():
        endings.sort(key=lambda ending: len(ending[0]), reverse=True)
    return table


def _replaced(text: str, table: _Table) -> str:
    def replaced(match: re.Match[str]) -> str:
        word = match[0]
        stem = word.rstrip(_MARKS)
        marks = word[len(stem) :]
        for ending, replacement in table.get(stem.casefold(), ()):
            if marks == ending or (stem and marks.startswith(ending)):
                return replacement + marks[len(ending) :]
        return word

    return _WORD.sub(replaced, text)


async def _replaced_stream(pieces: AsyncIterable[str], table: _Table) -> AsyncIterator[str]:
    held: list[str] = []  # a word, and the white space after it
    between = False  # whether it ends in white space: the next character may begin a word
    async for piece in pieces:
        ready, rest = _before_last_word(piece, after_space=between)
        if ready is not None:
            if out := _replaced("".join([*held, ready]), table):
                yield out
            held.clear()
        if rest:
            held.append(rest)
            between = rest[-1].isspace()
    if out := _replaced("".join(held), table):
        yield out


def _before_last_word(piece: str, *, after_space: bool) -> tuple[str | None, str]:
    """Return the piece before the last word that begins in it, None if none does, and the piece from there on."""
    text = piece.rstrip()
    if not text:
        return None, piece
    begin = len(text) - len(text.rsplit(None, 1)[-1])
    if begin == 0 and not after_space:
        return None, piece
    return piece[:begin], piece[begin:]
