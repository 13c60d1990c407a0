"""One segment of what the agent says: its text, its audio, and how far both have come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lk_agents.foundation import clock
from lk_agents.transcription.aligner import Aligner, Alignment, letter_count

if TYPE_CHECKING:
    from lk_agents.tokenize import SentenceStream

__all__ = ["Pace", "Segment", "SegmentClock"]


class SegmentClock:
    """Seconds of a segment's audio that were heard.

    Told by whoever plays it; without that, by the time that passes while it is neither paused nor over.
    """

    def __init__(self) -> None:
        self._position: Callable[[], float] | None = None
        self._seconds = 0.0
        self._since: float | None = None

    @property
    def runs(self) -> bool:
        """Whether it will tell more if one waits."""
        return self._since is not None

    @property
    def is_told(self) -> bool:
        """Whether somebody tells it, so that it may stand still unexpectedly."""
        return self._position is not None

    def now(self) -> float:
        """Return the seconds."""
        if self._position is not None:
            return self._position()
        return self._seconds if self._since is None else self._seconds + clock.monotonic() - self._since

    def start(self, position: Callable[[], float] | None) -> None:
        """Begin; ``position`` tells the seconds that were heard."""
        self._position = position
        self._since = clock.monotonic()

    def pause(self) -> None:
        """Stand still."""
        if self._position is None:
            self._seconds = self.now()
        self._since = None

    def resume(self) -> None:
        """Go on."""
        if self._since is None:
            self._since = clock.monotonic()

    def run_free(self) -> None:
        """Go on with the time, whoever told it before: there is nothing more to be heard."""
        self._seconds = self.now()
        self._position = None
        self._since = clock.monotonic()

    def stop(self) -> None:
        """Stand still for good."""
        self._seconds = self.now()
        self._position = None
        self._since = None


@dataclass
class Pace:
    """The speed at which words are shown whose times are not known.

    :param syllables_per_second: of a voice whose real speed is not known.
    :param pause_seconds: behind each sentence.
    """

    syllables_per_second: float
    pause_seconds: float
    syllables: int = 0
    """Those of the words that were shown."""
    sentences: int = 0
    """Those that were shown to their end."""

    def word(self, syllables: int, *, elapsed: float, real_speed: float | None) -> tuple[float, float]:
        """Return how many seconds to wait before the next word is shown, and how many it takes in all.

        :param syllables: of the word.
        :param elapsed: seconds of the segment so far.
        :param real_speed: syllables per second of the voice; None while unknown.
        """
        if real_speed is None:
            speed = self.syllables_per_second
            seconds = syllables / speed
        else:
            speed = real_speed
            behind = round(speed * elapsed) - self.syllables - self.sentences * self.pause_seconds * speed
            seconds = max(0.0, syllables - behind) / speed
        return min(seconds / 2, 2 / speed), seconds


class Segment:
    """A piece of text and the audio that speaks it; either may come first.

    :param sentences: cuts its text.
    :param aligner: new; it gets text, audio and words of this segment.
    :param pace: new.
    """

    def __init__(self, sentences: SentenceStream, aligner: Aligner, pace: Pace) -> None:
        self.sentences = sentences
        self.aligner = aligner
        self.pace = pace
        self.clock = SegmentClock()
        self.has_text = False
        self.has_audio = False
        self.text_ended = False
        self.finished = False
        """Whether all of it was played."""
        self.letters = 0
        """Those of the sentences that were shown to their end."""
        self._sentences: list[str] = []
        self._partial = ""

    @property
    def alignment(self) -> Alignment:
        """How it is known what was heard."""
        return "words" if self.aligner.has_words else "estimate"

    @property
    def heard_text(self) -> str:
        """The text that was heard."""
        if not self.aligner.has_words:
            return " ".join([*self._sentences, *([self._partial] if self._partial else [])])
        return self.aligner.text.strip() if self.finished else self.aligner.heard(self.clock.now()).text

    def push_text(self, text: str) -> None:
        """Add text."""
        self.sentences.push_text(text)  # which may refuse it
        self.aligner.push_text(text)

    def end_text(self) -> None:
        """Say that no more text comes. Any number of times."""
        if not self.text_ended:
            self.text_ended = True
            self.sentences.end_input()
            self.aligner.end_text()

    def pause(self) -> None:
        """Say that it has fallen silent; nothing happens once it is finished."""
        if not self.finished:
            self.clock.pause()

    def resume(self) -> None:
        """Say that it is heard again."""
        self.clock.resume()

    def finish(self) -> None:
        """Say that all of it was played."""
        self.finished = True
        self.clock.run_free()

    def show_words(self, text: str) -> None:
        """Note what is shown of the present sentence."""
        self._partial = text

    def show_sentence(self, sentence: str) -> None:
        """Note that a sentence is shown to its end."""
        self._sentences.append(sentence)
        self._partial = ""
        self.pace.sentences += 1
        self.letters += letter_count(sentence)
