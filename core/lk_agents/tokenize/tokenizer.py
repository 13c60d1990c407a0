"""What a tokenizer of sentences or words is, and the streams they make."""

from __future__ import annotations

import string
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lk_agents.utils.aio.channel import Chan

__all__ = [
    "PUNCTUATIONS",
    "SentenceStream",
    "SentenceTokenizer",
    "TokenData",
    "TokenStream",
    "WordStream",
    "WordTokenizer",
]

PUNCTUATIONS: Final[tuple[str, ...]] = (
    *string.punctuation,
    "\u00b1",  # plus-minus
    "\u2014",  # em dash
    "\u2018",
    "\u2019",
    "\u201c",
    "\u201d",
    "\u2026",  # ellipsis
)
"""What word tokenizers may leave out: the 32 marks of ASCII and seven typographic ones."""


@dataclass
class TokenData:
    """One token of a stream.

    :param segment_id: the same for all tokens up to a ``flush``; 12 hexadecimal digits.
    :param token: a sentence or a word.
    """

    segment_id: str = ""
    token: str = ""


class TokenStream(ABC):
    """Takes text as it arrives and gives tokens as soon as they are certain.

    Pushing never waits; iterating does. The last token of what has been pushed is held back until more text, ``flush``
    or ``end_input`` shows where it ends. Cancelling a pending ``__anext__`` loses nothing: the next one goes on.
    Use it from one event loop.

    To write one, derive from :class:`SentenceStream` or :class:`WordStream` and put :class:`TokenData` into
    ``self._event_ch``.
    """

    def __init__(self) -> None:
        self._event_ch: Chan[TokenData] = Chan()

    @abstractmethod
    def push_text(self, text: str) -> None:
        """Add text; an empty one changes nothing.

        :raises RuntimeError: the stream's input has been ended or closed.
        """

    @abstractmethod
    def flush(self) -> None:
        """Give out what is held back, and begin a new segment; without pushed text nothing happens.

        :raises RuntimeError: the stream's input has been ended or closed.
        """

    def end_input(self) -> None:
        """Flush, and take no more text; iteration ends after the last token.

        :raises RuntimeError: the stream's input has been ended or closed already.
        """
        self.flush()
        self._do_close()

    async def aclose(self) -> None:
        """Take no more text; what is held back is lost, tokens given out before can still be read. May be repeated."""
        self._do_close()

    def __aiter__(self) -> TokenStream:
        return self

    async def __anext__(self) -> TokenData:
        return await self._event_ch.__anext__()

    def _do_close(self) -> None:
        self._event_ch.close()

    def _check_not_closed(self) -> None:
        if self._event_ch.closed:
            raise RuntimeError(f"this {type(self).__name__} is closed: make a new one with stream()")


class SentenceStream(TokenStream):
    """A stream of sentences; see :class:`TokenStream`."""


class WordStream(TokenStream):
    """A stream of words; see :class:`TokenStream`."""


class SentenceTokenizer(ABC):
    """Finds sentences."""

    @abstractmethod
    def tokenize(self, text: str, *, language: str | None = None) -> list[str]:
        """Return the sentences of ``text``, none of them blank.

        :param language: of the text; by default the tokenizer's own.
        """

    @abstractmethod
    def stream(self, *, language: str | None = None) -> SentenceStream:
        """Return a new stream that takes text as it arrives.

        :param language: of the text; by default the tokenizer's own.
        """


class WordTokenizer(ABC):
    """Finds words."""

    @abstractmethod
    def tokenize(self, text: str, *, language: str | None = None) -> list[str]:
        """Return the words of ``text``.

        :param language: of the text; by default the tokenizer's own.
        """

    @abstractmethod
    def stream(self, *, language: str | None = None) -> WordStream:
        """Return a new stream that takes text as it arrives.

        :param language: of the text; by default the tokenizer's own.
        """

    def format_words(self, words: Sequence[str]) -> str:
        """Return ``words`` as one text, by default with a space between."""
        return " ".join(words)
