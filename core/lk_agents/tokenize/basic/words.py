"""Text into words, at white space."""

from __future__ import annotations

import re

from lk_agents.tokenize import tokenizer
from lk_agents.tokenize.segments import SegmentedStream

__all__ = ["WordTokenizer"]

_WITHOUT_PUNCTUATION = str.maketrans("", "", "".join(tokenizer.PUNCTUATIONS))
_WORD_OR_BLANKS = re.compile(r"\S+|\s+")
_BLANKS_AND_WORD = re.compile(r"\s*\S+(?:\s+\Z)?")


class WordTokenizer(tokenizer.WordTokenizer):
    """Words are what stands between white space. Scripts that write none between words are not split.

    :param ignore_punctuation: leave out the characters of ``PUNCTUATIONS``, also inside a word (``don't`` becomes
        ``dont``), and words that consist of nothing else.
    :param retain_format: keep all white space, that before a word with the word, so that the words joined are the text
        again (without the punctuation, if that is left out).
    """

    def __init__(self, *, ignore_punctuation: bool = True, retain_format: bool = False) -> None:
        self._ignore_punctuation = ignore_punctuation
        self._retain_format = retain_format

    def tokenize(self, text: str, *, language: str | None = None) -> list[str]:  # noqa: ARG002  white space is the same
        """Return the words of ``text``, none of them blank.

        :param language: makes no difference.
        """
        if self._ignore_punctuation:
            text = text.translate(_WITHOUT_PUNCTUATION)
        if not self._retain_format or text.isspace():
            return text.split()
        return _BLANKS_AND_WORD.findall(text)

    def stream(self, *, language: str | None = None) -> tokenizer.WordStream:  # noqa: ARG002  the same
        """Return a new stream, which gives out a word when the next one begins.

        :param language: makes no difference.
        """
        return _BasicWordStream(ignore_punctuation=self._ignore_punctuation, retain_format=self._retain_format)


class _BasicWordStream(SegmentedStream, tokenizer.WordStream):
    """Holds the last word, which may go on, and the white space around it if that is to be kept."""

    def __init__(self, *, ignore_punctuation: bool, retain_format: bool) -> None:
        super().__init__()
        self._ignore_punctuation = ignore_punctuation
        self._retain_format = retain_format
        self._word: list[str] = []
        self._blanks: list[str] = []  # after the word, or before the first
        self._ended = False  # whether white space has come after the word
        self._held = 0

    def push_text(self, text: str) -> None:
        self._admit(text)
        if self._ignore_punctuation:
            text = text.translate(_WITHOUT_PUNCTUATION)
        for part in _WORD_OR_BLANKS.findall(text):
            if not part[0].isspace():
                if self._ended:
                    self._give_out(self._word)
                if not self._word:
                    self._word, self._blanks = self._blanks, self._word
                self._word.append(part)
                self._held += len(part)
            else:
                self._ended = bool(self._word)
                if self._retain_format:
                    self._blanks.append(part)
                    self._held += len(part)

    def flush(self) -> None:
        self._check_not_closed()
        if self._word:
            self._give_out(self._word + self._blanks)
            self._begin_segment()
        self._blanks.clear()
        self._held = 0

    def _held_chars(self) -> int:
        return self._held

    def _give_out(self, parts: list[str]) -> None:
        word = "".join(parts)
        self._send(word)
        self._held -= len(word)
        self._word.clear()
        self._ended = False
