"""How much audio a stream's provider has recognised, whether or not the provider tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["USAGE_SECONDS", "AudioUsage"]

USAGE_SECONDS: Final = 5.0
"""How much audio one report tells of."""


class AudioUsage:
    """Adds up one stream's audio and reports it, every second of it once.

    Reports are the provider's. One that has told nothing of its first 10 s of audio is taken for one that never does:
    then the audio that was handed out to it is reported, after every 5 s and at the end. Should it tell after all, what
    was reported for it is taken off.

    :param report: told of the provider's request id, if it is known, and of seconds of audio.
    """

    def __init__(self, report: Callable[[str, float], None]) -> None:
        self._report = report
        self.given_seconds = 0.0
        """How much was handed out, in all attempts."""
        self._reported_seconds = 0.0  # by us, in the provider's place
        self._provider_tells = False

    def given(self, seconds: float) -> None:
        """Note that audio was handed out to the provider; audio that it is given again counts again."""
        self.given_seconds += seconds
        if self._provider_tells or self.given_seconds < 2 * USAGE_SECONDS:
            return
        if self.given_seconds - self._reported_seconds >= USAGE_SECONDS:
            self._report_the_rest()

    def told(self, request_id: str, seconds: float) -> None:
        """Note what the provider tells: how much it has recognised since it told it last."""
        self._provider_tells = True
        known = min(seconds, self._reported_seconds)
        self._reported_seconds -= known
        if seconds > known or not known:
            self._report(request_id, seconds - known)

    def end(self) -> None:
        """Report the rest, unless that is the provider's own to tell."""
        if not self._provider_tells and self.given_seconds > self._reported_seconds:
            self._report_the_rest()

    def _report_the_rest(self) -> None:
        seconds = self.given_seconds - self._reported_seconds
        self._reported_seconds = self.given_seconds
        self._report("", seconds)
