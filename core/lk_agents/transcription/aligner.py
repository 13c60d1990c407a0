"""Which part of a text was heard when so much of its audio was."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from lk_agents.streams.words import TimedWord

__all__ = ["SYLLABLES_PER_SECOND", "Aligner", "Alignment", "HeardText", "SpokenWord", "letter_count"]

SYLLABLES_PER_SECOND: Final = 3.83
"""How fast people, and the voices made after them, speak."""
LOOK_AHEAD_LETTERS: Final = 64
"""How far the next timed word is looked for in the text, where the synthesizer speaks other words than are written."""

_ROUNDING_SECONDS: Final = 0.001  # what adding up the lengths of frames may cost

Alignment: TypeAlias = Literal["words", "estimate"]
"""How it is known what was heard: by the times of the words, or by the speed of speech."""

_WIDE: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"  # one syllable each, and no spaces between words
_UNIT: Final = re.compile(f"[{_WIDE}]|[^\\s{_WIDE}]+")
_ENDS_SENTENCE: Final = frozenset(".!?\u2026\u3002\uff01\uff1f\u061f\u06d4\u0964")  # Latin, Chinese, Arabic, Hindi


@dataclass(frozen=True)
class HeardText:
    """The part of a text that was heard.

    :param text: from the beginning, as it was written, up to the last word whose middle was heard.
    :param alignment: how that is known.
    """

    text: str
    alignment: Alignment


@dataclass(frozen=True)
class SpokenWord:
    """When a place in the text is reached.

    :param letters: the place: so many letters and digits lie before it.
    :param middle_seconds: the middle of the word that ends there.
    :param end_seconds: its end.
    """

    letters: int
    middle_seconds: float
    end_seconds: float


class Aligner:
    """Finds for a position in the audio of one segment the text that was heard up to it.

    By the times of the words where the synthesizer tells them; else by syllables per second: those of the text over the
    length of the audio where both are known, and the common speed of speech until then. Text and times of words are
    brought together by their letters and digits, so punctuation, white space and capitals may differ; where other words
    are spoken than are written ("$5", "five dollars"), the next word that is both counts.

    Positions are seconds from the first sample of the segment's audio.

    :param hyphenate_word: gives the syllables of a word; by default those of English.
    :param speed: how much faster than usual the voice speaks, for as long as its real speed is unknown.
    """

    def __init__(self, *, hyphenate_word: Callable[[str], Sequence[str]] | None = None, speed: float = 1.0) -> None:
        if hyphenate_word is None:
            from lk_agents.tokenize import basic

            hyphenate_word = basic.hyphenate_word
        self._hyphenate = hyphenate_word
        self._speed = speed * SYLLABLES_PER_SECOND
        self._text = ""
        self._text_ended = False
        self._audio_seconds = 0.0
        self._audio_ended = False
        self._letters = ""  # those of the text, in small
        self._places: list[int] = []  # of each letter, where in the text it stands
        self._matched = 0  # letters that are behind the last timed word
        self._waiting: deque[TimedWord] = deque()
        self._words: list[SpokenWord] = []
        self._has_words = False
        self._syllables = _Syllables()

    @property
    def text(self) -> str:
        """All text so far."""
        return self._text

    @property
    def audio_seconds(self) -> float:
        """How long the audio is, so far."""
        return self._audio_seconds

    @property
    def audio_ended(self) -> bool:
        """Whether that is all of it."""
        return self._audio_ended

    @property
    def has_words(self) -> bool:
        """Whether the times of any words are known."""
        return self._has_words

    @property
    def syllables_per_second(self) -> float | None:
        """The real speed of the voice: of all text so far over the whole audio; None until that is complete."""
        if not self._audio_ended or self._audio_seconds <= 0:
            return None
        return self._count().total / self._audio_seconds or None

    def push_text(self, text: str) -> None:
        """Add text behind what there is."""
        self._places += [place for place, letter in enumerate(text, len(self._text)) if letter.isalnum()]
        self._letters += _letters_of(text)
        self._text += text
        self._match()

    def end_text(self) -> None:
        """Say that no more text comes."""
        self._text_ended = True
        self._match()

    def push_words(self, words: Iterable[TimedWord]) -> None:
        """Add the times of words, in the order in which they are spoken, before or after their text."""
        for word in words:
            self._has_words = True
            self._waiting.append(word)
        self._match()

    def push_audio(self, seconds: float) -> None:
        """Add to the length of the audio."""
        self._audio_seconds += seconds

    def end_audio(self) -> None:
        """Say that the audio is complete."""
        self._audio_ended = True

    def heard(self, position_seconds: float) -> HeardText:
        """Return the text that was heard at a position.

        A word counts from its middle on. White space at both ends is left out, and so is punctuation behind the last
        word, unless it ends a sentence or all was heard.
        """
        how: Alignment = "words" if self._has_words else "estimate"
        if self._has_words:
            letters = self._letters_by_words(position_seconds)
        else:
            letters = self._letters_by_speed(position_seconds)
        at_the_end = self._audio_ended and position_seconds >= self._audio_seconds - _ROUNDING_SECONDS
        if self._text_ended and (at_the_end or letters == len(self._letters) > 0):
            return HeardText(self._text.strip(), how)
        return HeardText(self._text_of(letters), how)

    def spoken(self, letters: int) -> SpokenWord | None:
        """Return when the place behind so many letters is reached; None if no word's time tells it yet."""
        index = bisect_left(self._words, letters, key=lambda word: word.letters)
        return self._words[index] if index < len(self._words) else None

    def _letters_by_words(self, position: float) -> int:
        index = bisect_right(self._words, position, key=lambda word: word.middle_seconds)
        return self._words[index - 1].letters if index else 0

    def _letters_by_speed(self, position: float) -> int:
        syllables = self._count()
        spoken = position * (self.syllables_per_second or self._speed)
        index = bisect_right(syllables.middles, spoken)
        return letter_count(self._text[: syllables.ends[index - 1]]) if index else 0

    def _count(self) -> _Syllables:
        if self._syllables.text != self._text:
            self._syllables = _Syllables.of(self._text, self._hyphenate)
        return self._syllables

    def _text_of(self, letters: int) -> str:
        if not letters:
            return ""
        end = self._places[letters - 1] + 1
        behind = end
        while behind < len(self._text) and not self._text[behind].isspace() and not self._text[behind].isalnum():
            behind += 1
        if _ENDS_SENTENCE.intersection(self._text[end:behind]) and self._text[behind : behind + 1].strip() == "":
            end = behind
        return self._text[:end].lstrip()

    def _match(self) -> None:
        """Find in the text the words whose times are known."""
        while self._waiting:
            word = self._waiting[0]
            letters = _letters_of(word.text)
            if letters:
                at = self._find(letters)
                if at is None:
                    if not self._text_ended and len(self._letters) - self._matched < LOOK_AHEAD_LETTERS + len(letters):
                        return  # its text may be on its way
                else:
                    self._matched = at + len(letters)
                    self._add(word)
            self._waiting.popleft()

    def _find(self, letters: str) -> int | None:
        """Return where these letters come next: at once, or as a whole word not far ahead."""
        if self._letters.startswith(letters, self._matched):
            return self._matched
        at, furthest = self._matched, self._matched + LOOK_AHEAD_LETTERS + len(letters)
        while (at := self._letters.find(letters, at + 1, furthest)) >= 0:
            if self._begins_word(at) and self._begins_word(at + len(letters)):
                return at
        return None

    def _begins_word(self, letter: int) -> bool:
        if letter >= len(self._places):
            return True
        return self._places[letter] != self._places[letter - 1] + 1

    def _add(self, word: TimedWord) -> None:
        last = self._words[-1].end_seconds if self._words else 0.0
        start = max(word.start_time, last)
        end = max(word.end_time, start)
        self._words.append(SpokenWord(self._matched, (start + end) / 2, end))


@dataclass(frozen=True)
class _Syllables:
    """The words of a text: where each ends, and how many syllables come before its middle."""

    text: str = ""
    total: int = 0
    ends: Sequence[int] = ()
    middles: Sequence[float] = ()

    @classmethod
    def of(cls, text: str, hyphenate: Callable[[str], Sequence[str]]) -> _Syllables:
        ends: list[int] = []
        middles: list[float] = []
        total = 0
        for unit in _UNIT.finditer(text):
            word = "".join(letter for letter in unit[0] if letter.isalnum())
            if word:
                count = len(hyphenate(word))
                ends.append(unit.end())
                middles.append(total + count / 2)
                total += count
        return cls(text, total, ends, middles)


def _letters_of(text: str) -> str:
    """Return the letters and digits of a text, in small; as many as there are."""
    return "".join(letter.lower()[0] for letter in text if letter.isalnum())


def letter_count(text: str) -> int:
    """Return how many letters and digits are in a text."""
    return sum(letter.isalnum() for letter in text)
