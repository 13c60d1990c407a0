"""Which text has been pushed, taken and spoken: the book-keeping of a stream of segments."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from lk_agents.foundation import clock
from lk_agents.foundation.ids import short_id
from lk_agents.streams.inputs import FlushSentinel, Gate, TextInput

__all__ = ["Segment", "Segments", "SpeechInput"]


@dataclass
class Segment:
    """A text up to a flush. Moments are those of ``clock.monotonic()``, None until they have come.

    :param id: names it where the provider gives no name.
    :param provider_id: the provider's name for it.
    :param asked_at: an attempt began with it.
    :param taken_at: the provider took its first text.
    :param marked_at: the provider said that it hands the first text to its engine.
    """

    id: str = field(default_factory=short_id)
    characters: int = 0
    asked_at: float | None = None
    taken_at: float | None = None
    marked_at: float | None = None
    flushed_at: float | None = None
    first_audio_at: float | None = None
    is_taken_whole: bool = False
    seconds: float = 0.0
    request_id: str = ""
    provider_id: str = ""

    @property
    def started_at(self) -> float | None:
        """From where times are counted: the latest that is known of how the text reached the engine."""
        moments = (self.marked_at, self.taken_at, self.asked_at)
        return next((moment for moment in moments if moment is not None), None)


class Segments:
    """The segments of a stream that have not been spoken to their end, oldest first."""

    def __init__(self) -> None:
        self._pending: deque[Segment] = deque()
        self._is_open = False
        self._taken_whole = 0

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._pending)

    @property
    def first(self) -> Segment | None:
        """The one that is spoken, or will be next."""
        return self._pending[0] if self._pending else None

    @property
    def is_open(self) -> bool:
        """Whether text was pushed that has not been flushed."""
        return self._is_open

    def pushed(self, text: str) -> None:
        """Note text that was pushed."""
        if not self._is_open:
            self._pending.append(Segment())
            self._is_open = True
        self._pending[-1].characters += len(text)

    def flushed(self) -> None:
        """Note that the open segment is complete."""
        self._pending[-1].flushed_at = clock.monotonic()
        self._is_open = False

    def asked(self) -> None:
        """Note that an attempt begins."""
        if (first := self.first) is not None and first.asked_at is None:
            first.asked_at = clock.monotonic()

    def took(self, item: str | FlushSentinel) -> None:
        """Note what the provider has taken from the input."""
        segment = self._pending[self._taken_whole]
        if isinstance(item, FlushSentinel):
            segment.is_taken_whole = True
            self._taken_whole += 1
        elif segment.taken_at is None:
            segment.taken_at = clock.monotonic()

    def rewound(self) -> None:
        """Note that all that is pending will be taken once more."""
        self._taken_whole = 0
        for segment in self._pending:
            segment.is_taken_whole = False

    def marked(self) -> None:
        """Note that the engine gets the first text of what was taken last; counts once, and before there is audio."""
        segment = self._taken_last()
        if segment is not None and segment.marked_at is None and segment.first_audio_at is None:
            segment.marked_at = clock.monotonic()

    def _taken_last(self) -> Segment | None:
        at = self._taken_whole
        is_in_one = at < len(self._pending) and self._pending[at].taken_at is not None
        return self._pending[at] if is_in_one else self._pending[at - 1] if at else self.first

    def forget(self) -> None:
        """Take everything off the books."""
        self._pending.clear()
        self._is_open = False
        self._taken_whole = 0

    def finish_first(self) -> Segment:
        """Take the oldest, which has been taken whole and spoken to its end, off the books."""
        self._taken_whole -= 1
        return self._pending.popleft()


class SpeechInput(TextInput):
    """The way in, which tells the book-keeping what is taken."""

    def __init__(self, gate: Gate, segments: Segments) -> None:
        super().__init__(gate)
        self._segments = segments

    def rewind(self) -> None:
        """Hand out again what belongs to segments that are not finished."""
        super().rewind()
        self._segments.rewound()

    def forget(self) -> None:
        """Drop all that waits and all that may have to be handed out again."""
        while self._values:
            super()._take()
        self._taken.clear()
        self._segments.forget()

    def _take(self) -> str | FlushSentinel:
        item = super()._take()
        self._segments.took(item)
        return item
