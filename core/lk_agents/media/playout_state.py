"""What a playout knows and decides, in whole samples and without time or I/O of its own.

A *position* is a place in the speech, counted from its first sample. The sink counts what it has played since it was
made. The two counts are tied together whenever a piece goes to a sink that has nothing of ours left.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["PlayoutState", "cut"]

PIECE_SECONDS: Final = 0.05
"""The longest piece that is handed to the sink at once."""
REWIND_SECONDS: Final = 2.0
"""How far behind the present position a speech can be taken up again."""


class _Held(NamedTuple):
    start: int
    frame: rtc.AudioFrame


class PlayoutState:
    """One speech: what was pushed, what the sink has of it, what was heard.

    :param sample_rate: of the sink and of every frame.
    :param lead_seconds: the most that waits in the sink.
    """

    def __init__(self, sample_rate: int, *, lead_seconds: float) -> None:
        self._rate = sample_rate
        self._piece = max(1, round(min(PIECE_SECONDS, lead_seconds / 2) * sample_rate))
        self._lead = max(self._piece, round(lead_seconds * sample_rate))
        self._rewind = round(REWIND_SECONDS * sample_rate)
        self._held: deque[_Held] = deque()
        self._word_starts: list[int] = []
        self.pushed = 0
        """Samples that were pushed."""
        self.sent = 0
        """Where the next piece for the sink begins."""
        self.position = 0
        """Where playout is; goes back where a speech is taken up again at a word."""
        self.heard = 0
        """The furthest position there was."""
        self.paused = False
        self.ended = False
        """Whether nothing more will be pushed."""
        self.underruns = 0
        self.underrun_seconds = 0.0
        self._tied_at = (0, 0)  # a position, and the sink's count at which it begins to play
        self._dry_at: float | None = None  # when the sink will have played all of ours that it has

    @property
    def complete(self) -> bool:
        """Whether all there is was played to its end."""
        return self.ended and self.position == self.pushed and not self.paused

    def push(self, frame: rtc.AudioFrame) -> None:
        """Add a frame behind the others."""
        for start in range(0, frame.samples_per_channel, self._piece):
            piece = cut(frame, start, min(start + self._piece, frame.samples_per_channel))
            self._held.append(_Held(self.pushed, piece))
            self.pushed += piece.samples_per_channel

    def push_word(self, start_seconds: float) -> None:
        """Note that a word begins there."""
        start = round(start_seconds * self._rate)
        self._word_starts.insert(bisect_right(self._word_starts, start), start)

    def pause(self) -> None:
        """Take back what the sink has not played; the caller clears it there."""
        self.paused = True
        self.sent = self.position
        self._dry_at = None

    def resume(self, at: float | None) -> None:
        """Go on at a position; see :meth:`resume_position`."""
        self.position = self.sent = self.resume_position(at)
        self.paused = False

    def look(self, sink_samples: int) -> None:
        """Take note of how far the sink is."""
        if self.paused:
            return
        position, count = self._tied_at
        self.position = max(self.position, min(position + sink_samples - count, self.sent))
        self.heard = max(self.heard, self.position)
        self._forget()

    def take(self, queued: int) -> rtc.AudioFrame | None:
        """Return the next piece for a sink in which ``queued`` samples wait, None if there is none or no room."""
        if self.paused or self.sent >= self.pushed:
            return None
        held = self._held[self._index_of(self.sent)]
        piece = cut(held.frame, self.sent - held.start, held.frame.samples_per_channel)
        return piece if queued + piece.samples_per_channel <= self._lead else None

    def note_sent(self, samples: int, *, sink_samples: int, queued: int, now: float) -> None:
        """Note that a piece goes to the sink now.

        :param sink_samples: what the sink has played.
        :param queued: samples that wait in the sink, without the piece.
        """
        if self.position == self.sent:
            self._tied_at = (self.position, sink_samples + queued)
        if self._dry_at is not None and not queued:
            gap = now - self._dry_at
            if gap * self._rate >= 1:  # less than a sample is rounding
                self.underruns += 1
                self.underrun_seconds += gap
        self.sent += samples
        self._dry_at = now + (queued + samples) / self._rate

    def seconds_until_due(self, queued: int) -> float | None:
        """Return how long the sink needs no attention; None: until something changes.

        :param queued: samples that wait in the sink.
        """
        if self.paused:
            return None
        if self.sent < self.pushed:
            return max(queued + self._piece - self._lead, 0) / self._rate
        if self.ended:
            return max(queued, self.sent - self.position) / self._rate
        return None

    def resume_position(self, at: float | None) -> int:
        """Return where a paused speech is taken up again.

        :param at: a position in seconds; None for the start of the last word that had begun, or, where no words are
            known there, the present position.
        """
        oldest = self._held[0].start if self._held else self.position
        if at is not None:
            return min(max(round(at * self._rate), oldest), self.position)
        index = bisect_right(self._word_starts, self.position)
        start = self._word_starts[index - 1] if index else -1
        return start if start >= oldest else self.position

    def _index_of(self, position: int) -> int:
        index = bisect_right(self._held, position, key=lambda held: held.start) - 1
        assert index >= 0, "what was played long ago is asked for"
        return index

    def _forget(self) -> None:
        oldest = self.position - self._rewind
        while self._held and self._held[0].start + self._held[0].frame.samples_per_channel <= oldest:
            self._held.popleft()
        if self._word_starts and (old := bisect_right(self._word_starts, oldest - 1)):
            del self._word_starts[:old]


def cut(frame: rtc.AudioFrame, start: int, end: int) -> rtc.AudioFrame:
    """Return the samples of ``frame`` from ``start`` up to ``end``; ``frame`` itself if that is all of it."""
    if start <= 0 and end >= frame.samples_per_channel:
        return frame
    from livekit import rtc

    channels = frame.num_channels
    samples = bytearray(memoryview(frame.data).cast("B")[2 * start * channels : 2 * end * channels])
    return rtc.AudioFrame(samples, frame.sample_rate, channels, end - start)
