"""When audio was spoken: from its position to the clock. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from lk_agents.streams.axis import TOUCHING_SECONDS

__all__ = ["HearingClock"]

WINDOW_SECONDS: Final = 2.0
"""The promptest frame of so long a time is taken for one that came without delay."""
PAUSE_SECONDS: Final = 0.2
"""Without a frame for so long, what comes next may have been spoken at any time."""
STRETCHES: Final = 16
"""How many are remembered; what is asked about is seconds old, not minutes."""


@dataclass(slots=True)
class _Stretch:
    """Audio without a pause.

    :param since: the position of its first sample.
    :param offset: what to add to a position in it to get the clock's time.
    """

    since: float
    offset: float


class HearingClock:
    """Maps positions of the audio to the clock. All of it is seconds.

    A frame cannot arrive before it was spoken, and some frames arrive with hardly a delay: the least difference
    between arrival and position within the last 2 s is the way from one to the other. So a late frame shifts nothing,
    a sender whose clock runs faster or slower is followed, and a pause, in which positions stand still, begins anew.
    """

    def __init__(self) -> None:
        self.position = 0.0
        """Where the next frame begins."""
        self._arrived_at: float | None = None
        self._least: deque[tuple[float, float]] = deque()  # arrivals and differences; both grow from left to right
        self._stretches: deque[_Stretch] = deque(maxlen=STRETCHES)

    def heard(self, seconds: float, at: float) -> None:
        """Note a frame of that length which has arrived at ``at``."""
        if self._arrived_at is None or at - self._arrived_at > seconds + PAUSE_SECONDS:
            self._least.clear()
            self._stretches.append(_Stretch(self.position, 0.0))
        self._arrived_at = at
        self.position += seconds
        difference = at - self.position
        least = self._least
        while least and least[-1][1] >= difference:
            least.pop()
        least.append((at, difference))
        while least[0][0] < at - WINDOW_SECONDS:
            least.popleft()
        self._stretches[-1].offset = least[0][1]

    def begin_anew(self) -> None:
        """Note that what comes next is another input, whose delay is its own."""
        self._arrived_at = None

    def begun_at(self, position: float) -> float:
        """Return when what begins at ``position`` was begun; the position itself if nothing was heard yet."""
        for stretch in reversed(self._stretches):
            if stretch.since <= position + TOUCHING_SECONDS:
                return position + stretch.offset
        return self._before_all(position)

    def over_at(self, position: float) -> float:
        """Return when what ends at ``position`` was over: at the beginning of a pause, not at its end."""
        for stretch in reversed(self._stretches):
            if stretch.since < position - TOUCHING_SECONDS:
                return position + stretch.offset
        return self._before_all(position)

    def _before_all(self, position: float) -> float:
        return position + (self._stretches[0].offset if self._stretches else 0.0)
