"""Text into sentences, by rules."""

from __future__ import annotations

from typing import NamedTuple

from lk_agents.foundation.errors import ConfigError
from lk_agents.tokenize import tokenizer
from lk_agents.tokenize.basic.boundaries import BoundaryScanner
from lk_agents.tokenize.basic.marks import LINE_BREAK
from lk_agents.tokenize.segments import SegmentedStream

__all__ = ["SentenceTokenizer"]


class _Options(NamedTuple):
    min_chars: int
    context_chars: int
    retain_format: bool


class SentenceTokenizer(tokenizer.SentenceTokenizer):
    """Finds sentences by their marks, and keeps short ones together.

    A full stop ends no sentence after a title or an initial, in a number, a version, an address or an ellipsis, nor in
    an acronym unless a word follows that clearly begins a sentence. Marks that stand together stay together, and so do
    quotation marks and brackets with the sentence that they close. Besides ``.?!`` the full stops of Chinese, Japanese,
    Arabic, Urdu, Hindi, Armenian, Ethiopic, Burmese and Khmer count; in Thai, Lao, Burmese and Khmer a space does.

    The text of a sentence is that of the input but for white space: it is trimmed, line breaks become spaces, and a
    single space stands between short sentences that come as one.

    :param language: makes no difference; it is taken because other tokenizers need it.
    :param min_sentence_len: characters that a sentence has at least: shorter ones are joined to the next. Only the
        last may be shorter.
    :param stream_context_len: characters that a stream must hold before it gives out a sentence; what is shorter at
        the end comes as one.
    :param retain_format: keep all white space, so that the sentences joined are the text again; a line break may then
        end a sentence as well.
    :raises ConfigError: a length is negative.
    """

    def __init__(
        self,
        *,
        language: str = "english",  # noqa: ARG002  part of the public surface
        min_sentence_len: int = 20,
        stream_context_len: int = 10,
        retain_format: bool = False,
    ) -> None:
        for name, value in (("min_sentence_len", min_sentence_len), ("stream_context_len", stream_context_len)):
            if value < 0:
                raise ConfigError(f"{name} is {value}: give a number of characters, 0 or more")
        self._options = _Options(min_sentence_len, stream_context_len, retain_format)

    def tokenize(self, text: str, *, language: str | None = None) -> list[str]:  # noqa: ARG002  the rules are for all
        """Return the sentences of ``text``, none of them blank. Takes time in proportion to the text.

        :param language: makes no difference.
        """
        sentences = _Sentences(self._options)
        sentences.feed(text)
        return [sentence.text for sentence in sentences.finish()]

    def stream(self, *, language: str | None = None) -> tokenizer.SentenceStream:  # noqa: ARG002  the same
        """Return a new stream, which gives out a sentence when the next one begins.

        However the text is cut, the sentences are those of the whole text, provided that ``stream_context_len`` is not
        larger than ``min_sentence_len``. The time it takes is in proportion to the text.

        :param language: makes no difference.
        """
        return _BasicSentenceStream(self._options)


class _Sentence(NamedTuple):
    text: str
    chars: int
    """Of the input, white space before it included."""
    apart: bool
    """Whether white space stands before it."""


class _Sentences:
    """Sentences of at least the asked length, made of the scanner's pieces; ``ready`` are those that are complete."""

    def __init__(self, options: _Options) -> None:
        self._options = options
        self._scanner = BoundaryScanner(lines=options.retain_format)
        self.ready: list[_Sentence] = []
        self._parts: list[str] = []
        self._part_chars = 0  # of the joined parts, without white space at either end
        self._blank_chars = 0  # at their end
        self._input_chars = 0
        self._apart = False

    def feed(self, text: str) -> None:
        for piece in self._scanner.feed(text):
            self._add(piece)

    def finish(self) -> list[_Sentence]:
        """Return all that is left; the next text begins anew."""
        for piece in self._scanner.finish():
            self._add(piece)
        if self._part_chars:
            self._complete()
        elif self._parts and self.ready:  # white space at the end
            last = self.ready[-1]
            self.ready[-1] = last._replace(text=last.text + "".join(self._parts), chars=last.chars + self._input_chars)
        self._clear()
        sentences, self.ready = self.ready, []
        return sentences

    def take(self) -> list[_Sentence]:
        """Return the sentences after which something follows."""
        keep = 0 if self._part_chars or self._scanner.has_open_text() else 1
        taken = self.ready[: len(self.ready) - keep]
        del self.ready[: len(taken)]
        return taken

    def _add(self, piece: str) -> None:
        text = piece.strip()
        if not self._parts:
            self._apart = piece[0].isspace()
        if self._options.retain_format:
            before = len(piece) - len(piece.lstrip())
            self._parts.append(piece)
            if text:
                self._part_chars += len(text) + (self._blank_chars + before if self._part_chars else 0)
                self._blank_chars = len(piece) - before - len(text)
            else:
                self._blank_chars += len(piece)
        elif text:
            space = " " if self._parts and piece[0].isspace() else ""
            self._parts.append(space + LINE_BREAK.sub(" ", text))
            self._part_chars += len(self._parts[-1])
        self._input_chars += len(piece)
        if self._part_chars >= max(self._options.min_chars, 1):
            self._complete()

    def _complete(self) -> None:
        self.ready.append(_Sentence("".join(self._parts), self._input_chars, self._apart))
        self._clear()

    def _clear(self) -> None:
        self._parts.clear()
        self._part_chars = self._blank_chars = self._input_chars = 0
        self._apart = False


class _BasicSentenceStream(SegmentedStream, tokenizer.SentenceStream):
    def __init__(self, options: _Options) -> None:
        super().__init__()
        self._options = options
        self._sentences = _Sentences(options)
        self._held = 0

    def push_text(self, text: str) -> None:
        self._admit(text)
        self._held += len(text)
        self._sentences.feed(text)
        if self._sentences.ready and self._held >= self._options.context_chars:
            for sentence in self._sentences.take():
                self._held -= sentence.chars
                self._send(sentence.text)

    def flush(self) -> None:
        self._check_not_closed()
        if not self._held:
            return
        sentences = self._sentences.finish()
        if self._held < self._options.context_chars:
            space = "" if self._options.retain_format else " "
            rest = "".join((space if sentence.apart else "") + sentence.text for sentence in sentences)
            if rest:
                self._send(rest if self._options.retain_format else rest.strip())
        else:
            for sentence in sentences:
                self._send(sentence.text)
        self._held = 0
        self._begin_segment()

    def _held_chars(self) -> int:
        return self._held
