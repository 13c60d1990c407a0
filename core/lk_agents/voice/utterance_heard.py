"""Which part of what the agent says was heard when so much of its audio was."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from lk_agents.transcription.aligner import SYLLABLES_PER_SECOND, Aligner, Alignment, HeardText, letter_count

if TYPE_CHECKING:
    from lk_agents.streams.words import TimedWord

__all__ = ["SpokenText"]

_ROUNDING_SECONDS: Final = 0.001
_FASTEST_LETTERS_PER_SECOND: Final = 45.0
"""Three times as fast as people speak."""
_LAST_LETTERS: Final = 4
"""How many at the end of a text may be silent."""


class _Part(NamedTuple):
    """A piece of text, most often a sentence, of which it is known when it begins to be spoken.

    :param letters: how many letters and digits come before it.
    """

    letters: int
    seconds: float


class SpokenText:
    """A text, the audio that speaks it, and what is known of how they belong together.

    Best are the times of words. Without them, the moments at which pieces of the text begin (synthesizers that work
    sentence by sentence tell them) limit the error of the estimate to such a piece. Without those, the syllables of the
    whole text are spread over the whole audio, at the common speed of speech until that is complete.

    Positions are seconds from the first sample of the audio.

    :param hyphenate_word: gives the syllables of a word.
    :param speed: how much faster than usual the voice speaks, for as long as its real speed is unknown.
    """

    def __init__(self, *, hyphenate_word: Callable[[str], Sequence[str]], speed: float = 1.0) -> None:
        self._hyphenate = hyphenate_word
        self._speed = speed
        self._aligner = Aligner(hyphenate_word=hyphenate_word, speed=speed)
        self._letters = ""
        self._places: list[int] = []  # of each letter, where in the text it stands
        self._parts: list[_Part] = []
        self._last_word: TimedWord | None = None
        self.is_cut = False
        """Whether the audio has ended long before the text, although nobody said that anything failed."""
        self._parts_end: int | None = 0  # letters up to the end of the last part; None once one was not to be found

    @property
    def text(self) -> str:
        """All text so far."""
        return self._aligner.text

    @property
    def alignment(self) -> Alignment:
        """How it is known what was heard."""
        return "words" if self._aligner.has_words else "estimate"

    def push_text(self, text: str) -> None:
        """Add text behind what there is."""
        at = len(self._aligner.text)
        self._places += [place for place, letter in enumerate(text, at) if letter.isalnum()]
        self._letters += _letters_of(text)
        self._aligner.push_text(text)

    def end_text(self) -> None:
        """Say that no more text comes."""
        self._aligner.end_text()

    def push_words(self, words: Iterable[TimedWord]) -> None:
        """Add the times of words."""
        for word in words:
            self._last_word = word
            self._aligner.push_words([word])

    def push_part(self, text: str) -> None:
        """Say that a piece of the text begins to be spoken behind the audio so far; its text has been added before."""
        letters = _letters_of(text)
        if self._parts_end is None or not letters:
            return
        if not self._letters.startswith(letters, self._parts_end):  # other words are spoken than are written
            self._parts.clear()
            self._parts_end = None
            return
        self._parts.append(_Part(self._parts_end, self._aligner.audio_seconds))
        self._parts_end += len(letters)

    def push_audio(self, seconds: float) -> None:
        """Add to the length of the audio."""
        self._aligner.push_audio(seconds)

    def end_audio(self) -> None:
        """Say that the audio is complete, and nobody said that anything failed."""
        self.is_cut = self._ends_early()
        if not self.is_cut:
            self._aligner.end_audio()

    def heard(self, position_seconds: float) -> HeardText:
        """Return the text that was heard at a position; punctuation behind the last word only where a sentence ends."""
        index = bisect_right(self._parts, position_seconds + _ROUNDING_SECONDS, key=lambda part: part.seconds) - 1
        if self._aligner.has_words or index < 0:
            return self._aligner.heard(position_seconds)
        return HeardText(self._heard_in_part(index, position_seconds), "estimate")

    def _ends_early(self) -> bool:
        """Tell whether the last word that was told is not near the end of the text, and the audio ends behind it."""
        if self._last_word is None:
            return False
        found = letter_count(self._aligner.heard(math.inf).text)
        if not self._letters[:found].endswith(_letters_of(self._last_word.text)):
            return False  # other words are spoken than are written
        rest_seconds = max(self._aligner.audio_seconds - self._last_word.end_time, 0.0)
        return len(self._letters) - found > _LAST_LETTERS + _FASTEST_LETTERS_PER_SECOND * rest_seconds

    def _heard_in_part(self, index: int, position: float) -> str:
        part = self._parts[index]
        start, end = self._place_of(index), self._place_of(index + 1)
        if index + 1 < len(self._parts):
            length = self._parts[index + 1].seconds - part.seconds
        else:
            length = self._aligner.audio_seconds - part.seconds if self._aligner.audio_ended else 0.0
        one = Aligner(hyphenate_word=self._hyphenate, speed=self._speed_before(start, part.seconds))
        one.push_text(self.text[start:end])
        if length > 0:
            one.end_text()
            one.push_audio(length)
            one.end_audio()
        heard = one.heard(position - part.seconds).text
        between = self.text[start:end]
        between = between[: len(between) - len(between.lstrip())] if heard else ""
        return (self.text[:start] + between + heard).strip()

    def _speed_before(self, place: int, seconds: float) -> float:
        """Return how fast the voice has spoken up to there."""
        if seconds <= 0:
            return self._speed
        before = Aligner(hyphenate_word=self._hyphenate)
        before.push_text(self.text[:place])
        before.push_audio(seconds)
        before.end_audio()
        return (before.syllables_per_second or self._speed * SYLLABLES_PER_SECOND) / SYLLABLES_PER_SECOND

    def _place_of(self, index: int) -> int:
        """Return where in the text a part begins; the punctuation behind a word belongs to what comes before."""
        if index == 0:
            return 0
        if index >= len(self._parts):
            return len(self.text)
        place = self._places[self._parts[index].letters - 1] + 1
        while place < len(self.text) and not self.text[place].isspace() and not self.text[place].isalnum():
            place += 1
        return place


def _letters_of(text: str) -> str:
    return "".join(letter.lower()[0] for letter in text if letter.isalnum())
