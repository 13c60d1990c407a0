"""For models that hear the user themselves: that something was said, and not what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lk_agents.foundation import clock
from lk_agents.voice import signals as s
from lk_agents.voice.hearing_understanding import Understanding

if TYPE_CHECKING:
    from lk_agents.voice.hearing_understanding import Reports

__all__ = ["SOMETHING", "SoundUnderstanding"]

SOMETHING: Final = "\u2026"
"""Stands for what was said: it has no words, so nothing is concluded from them."""


class SoundUnderstanding(Understanding):
    """Tells, whenever the user pauses, that something was said, if the detector holds that it was speech."""

    def __init__(self, reports: Reports) -> None:
        super().__init__()
        self._reports = reports

    def run_ended(self, *, last_speech: float, last_speech_at: float, is_speech: bool) -> None:  # noqa: ARG002  the signature is everybody's
        """Tell it."""
        if is_speech:
            self._reports.post(s.Final(clock.monotonic(), next(self._keys), SOMETHING))
