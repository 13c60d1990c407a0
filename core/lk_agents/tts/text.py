"""What of a text is sent to a provider, and in which parts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from lk_agents.foundation.errors import ConfigError

__all__ = ["is_speakable", "parts_of", "require_text"]


def is_speakable(text: str) -> bool:
    """Tell whether a text has anything to say: a letter or a digit, of any script.

    White space, emoji and the marks of Markdown have no sound; a provider that is asked for them answers with an
    error, or with nothing.
    """
    return any(map(str.isalnum, text))


def require_text(text: object) -> None:
    """Check what is to be spoken.

    :raises ConfigError: it is no text.
    """
    if not isinstance(text, str):
        raise ConfigError(f"what is to be spoken is of the type {type(text).__name__}; it must be a text")


def parts_of(text: str, most_characters: int | None) -> list[str]:
    """Return what is to be spoken of a text, in parts of at most ``most_characters``; nothing if it says nothing.

    A text is cut between sentences; a longer sentence between words, a longer word anywhere.

    :param most_characters: None for no limit.
    """
    if most_characters is None or len(text) <= most_characters:
        return [text] if is_speakable(text) else []
    parts = [""]
    for piece in _pieces(text, most_characters):
        longer = f"{parts[-1]} {piece}".lstrip()
        if len(longer) <= most_characters:
            parts[-1] = longer
        else:
            parts.append(piece)
    return [part for part in parts if is_speakable(part)]


def _pieces(text: str, most_characters: int) -> Iterator[str]:
    from lk_agents.tokenize.basic import SentenceTokenizer

    for sentence in SentenceTokenizer().tokenize(text):
        if len(sentence) <= most_characters:
            yield sentence
        else:
            yield from textwrap.wrap(sentence, most_characters, break_on_hyphens=False)
