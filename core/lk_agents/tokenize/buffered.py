"""Streams made of a function that tokenizes a whole text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from lk_agents.foundation.errors import ConfigError
from lk_agents.tokenize.segments import SegmentedStream
from lk_agents.tokenize.tokenizer import SentenceStream, WordStream

__all__ = ["BufferedSentenceStream", "BufferedTokenStream", "BufferedWordStream", "TokenizeFunction"]

TokenizeFunction: TypeAlias = Callable[[str], Sequence[str] | Sequence[tuple[str, int, int]]]
"""From a text to its tokens in order, each as it stands in the text or with its start and end there."""


class BufferedTokenStream(SegmentedStream):
    """Tokenizes what has been pushed whenever more comes, and gives out every token but the last.

    Tokens are gathered, with a space between, until they have ``min_token_len`` characters together.

    :param tokenizer: called with all text that has not been given out. A token that does not stand in the text
        literally needs its start and end.
    :param min_token_len: characters that a token has at least, but for the last of a segment.
    :param min_ctx_len: characters that must be held before any is tokenized; a segment's rest that is shorter
        comes as one token.
    :raises ConfigError: a length is negative.
    """

    def __init__(self, *, tokenizer: TokenizeFunction, min_token_len: int, min_ctx_len: int) -> None:
        for name, value in (("min_token_len", min_token_len), ("min_ctx_len", min_ctx_len)):
            if value < 0:
                raise ConfigError(f"{name} is {value}: give a number of characters, 0 or more")
        super().__init__()
        self._tokenizer = tokenizer
        self._min_token_len = min_token_len
        self._min_ctx_len = min_ctx_len
        self._input = ""
        self._gathered: list[str] = []
        self._gathered_chars = 0

    def push_text(self, text: str) -> None:
        """Add text, and give out the tokens that have become certain.

        :raises RuntimeError: the stream's input has been ended or closed.
        :raises ChanFull: more than 64 Ki characters would wait in the stream.
        :raises ValueError: the tokenizer's tokens do not fit the text.
        """
        self._admit(text)
        self._input += text
        if not text or len(self._input) < self._min_ctx_len:
            return
        while len(spans := self._spans()) > 1:  # again for the rest, which may look different without what precedes it
            for token, _ in spans[:-1]:
                self._gather(token)
            self._input = self._input[spans[-2][1] :]

    def flush(self) -> None:
        """Give out what is held back as one token, and begin a new segment; without pushed text nothing happens.

        :raises RuntimeError: the stream's input has been ended or closed.
        :raises ValueError: the tokenizer's tokens do not fit the text.
        """
        self._check_not_closed()
        if not self._input and not self._gathered:
            return
        if token := " ".join([*self._gathered, *(token for token, _ in self._spans())]):
            self._send(token)
        self._input = ""
        self._gathered.clear()
        self._gathered_chars = 0
        self._begin_segment()

    def _held_chars(self) -> int:
        return len(self._input) + self._gathered_chars

    def _gather(self, token: str) -> None:
        self._gathered_chars += len(token) + bool(self._gathered)
        self._gathered.append(token)
        if self._gathered_chars >= self._min_token_len:
            self._send(" ".join(self._gathered))
            self._gathered.clear()
            self._gathered_chars = 0

    def _spans(self) -> list[tuple[str, int]]:
        """Return the tokens of the input, each with where the text after it begins."""
        spans: list[tuple[str, int]] = []
        end = 0
        for token in self._tokenizer(self._input) if self._input else ():
            text, end = self._located(token, end)
            if text:
                spans.append((text, end))
        return spans

    def _located(self, token: str | tuple[str, int, int], begin: int) -> tuple[str, int]:
        if isinstance(token, str):
            found = self._input.find(token, begin)
            if found < 0:
                raise ValueError(
                    "the tokenizer returned a token that does not stand in the text after the one before it; let it "
                    "return each with its place, as (token, start, end)"
                )
            return token, found + len(token)
        text, _, end = token
        if not begin < end <= len(self._input):
            raise ValueError(
                f"the tokenizer returned a token that ends at {end}, outside of {begin + 1} to {len(self._input)}: "
                f"ends are counted from the beginning of the text, and each lies behind the one before it"
            )
        return text, end


class BufferedSentenceStream(BufferedTokenStream, SentenceStream):
    """A stream of sentences; see :class:`BufferedTokenStream`."""


class BufferedWordStream(BufferedTokenStream, WordStream):
    """A stream of words; see :class:`BufferedTokenStream`."""
