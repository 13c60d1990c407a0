"""Words with their times, as recognisers and synthesizers give them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["TimedWord", "plain_words"]

_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


@dataclass(frozen=True)
class TimedWord:
    """One word and when it was, or will be, spoken.

    :param text: the word, with the punctuation that belongs to it.
    :param start_time: seconds from the start of the stream (recognition) or of the segment (synthesis).
    :param end_time: when it ends, on the same axis.
    :param confidence: 0 to 1; 0 where nobody says.
    :param speaker: the provider's name of who spoke it; None without diarisation.
    """

    text: str
    start_time: float
    end_time: float
    confidence: float = 0.0
    speaker: str | None = None

    def shifted(self, seconds: float) -> TimedWord:
        """Return the word that much later."""
        return TimedWord(self.text, self.start_time + seconds, self.end_time + seconds, self.confidence, self.speaker)


def plain_words(text: str) -> tuple[str, ...]:
    """Return the words of a text without what only writing knows: capitals and punctuation."""
    return tuple(match[0].replace("\u2019", "'") for match in _WORD.finditer(text.casefold()))
