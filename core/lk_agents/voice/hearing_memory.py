"""What was heard of late, for those who have to hear it once more."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["HearingMemory"]

KEPT_SECONDS: Final = 10.0
LONGEST_SECONDS: Final = 70.0
"""No wish goes beyond that."""


class HearingMemory:
    """Keeps references to the newest frames, 10 s of them, and as many more as somebody needs.

    Positions are seconds of the audio, which begins at zero.
    """

    def __init__(self) -> None:
        self.position = 0.0
        """Where the newest frame ends."""
        self._frames: deque[rtc.AudioFrame] = deque()
        self._begins: deque[float] = deque()
        self._needed_since: float | None = None

    def add(self, frame: rtc.AudioFrame) -> None:
        """Keep a frame, and let go of what is too old."""
        self._frames.append(frame)
        self._begins.append(self.position)
        self.position += frame.samples_per_channel / frame.sample_rate
        keep_since = self.position - KEPT_SECONDS
        if self._needed_since is not None:
            keep_since = max(min(keep_since, self._needed_since), self.position - LONGEST_SECONDS)
        while len(self._begins) > 1 and self._begins[1] <= keep_since:
            self._frames.popleft()
            self._begins.popleft()

    def need(self, since: float | None) -> None:
        """Keep what there is from that position on, 70 s of it at most; None for nothing special."""
        self._needed_since = since

    def since(self, position: float) -> tuple[float, list[rtc.AudioFrame]]:
        """Return the frames from the one on that holds that position, and where they begin."""
        if position >= self.position or not self._frames:
            return self.position, []
        first = max(bisect_right(self._begins, position) - 1, 0)
        return self._begins[first], list(islice(self._frames, first, None))
