"""What a scripted Deepgram has for ears: it knows by the sound which part of which utterance it hears."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lk_agents.testing.providers.speech import LOUD, Heard, place_of

SLACK_SECONDS = 0.006
"""How exactly it is known which part of an utterance a piece holds."""


def word(text: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    times = {"start": round(start, 4), "end": round(end, 4)}
    return {"word": text, **times, "confidence": 0.97, "punctuated_word": text, **more}


class Sound:
    """What was heard on one connection."""

    def __init__(self, speech: Sequence[Heard], rate: int) -> None:
        self._speech = speech
        self._rate = rate
        self._heard: list[tuple[int, float, float, float]] = []  # utterance, from, until, where that is for us
        self.seconds = 0.0

    def listen(self, piece: bytes) -> bool:
        """Take audio, and tell whether somebody speaks in it."""
        samples = np.frombuffer(piece, np.int16)
        at = self.seconds
        self.seconds += len(samples) / self._rate
        sounding = np.flatnonzero(np.abs(samples) >= LOUD)
        place = place_of(samples[sounding[0] : sounding[-1] + 1], self._rate) if len(sounding) else None
        if place is None:
            return False
        utterance = self._speech[place[0]]
        middle = utterance.start + place[1] * (utterance.end - utterance.start)
        centre = (sounding[0] + sounding[-1]) / 2 / self._rate
        half = (sounding[-1] - sounding[0]) / 2 / self._rate
        self._heard.append((place[0], middle - half, middle + half, at + centre - middle))
        return True

    def forget(self) -> None:
        """Begin anew."""
        self._heard.clear()

    def words(self, **more: Any) -> list[dict[str, Any]]:
        """Return the words that were heard."""
        found = []
        for index, utterance in enumerate(self._speech):
            mine = [each for each in self._heard if each[0] == index]
            if not mine:
                continue
            shift = float(np.median([each[3] for each in mine]))
            for each in utterance.words:
                middle = (each.start_time + each.end_time) / 2
                if any(begin - SLACK_SECONDS <= middle < end + SLACK_SECONDS for _, begin, end, _ in mine):
                    found.append(word(each.text, each.start_time + shift, each.end_time + shift, **more))
        return found
