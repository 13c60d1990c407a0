"""The way into a stream: bounded queues that remember what was taken, so that a new attempt gets it again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeAlias, TypeVar

from lk_agents.foundation.errors import StreamInputError
from lk_agents.streams.axis import TOUCHING_SECONDS, TimeAxis
from lk_agents.utils.aio.channel import Chan
from lk_agents.utils.audio import part_of_frame

if TYPE_CHECKING:
    from livekit import rtc

__all__ = [
    "AUDIO_BOUND_SECONDS",
    "TEXT_BOUND_CHARACTERS",
    "AudioDropped",
    "AudioInput",
    "FlushSentinel",
    "InputChannel",
    "TextInput",
]

ItemT = TypeVar("ItemT")

AUDIO_BOUND_SECONDS: Final = 10.0
"""How much audio waits for a provider, and how much is kept for one that has to begin anew."""
TEXT_BOUND_CHARACTERS: Final = 65_536


class Gate(Protocol):
    """Holds a producer back whose events nobody reads; an :class:`~lk_agents.streams.events.EventChannel` is one."""

    def full(self) -> bool:
        """Tell whether the producer has to wait."""

    async def wait_for_room(self) -> None:
        """Wait until it need not."""


@dataclass(frozen=True)
class AudioDropped:
    """Audio was pushed faster than it was taken, and the oldest of what waited was dropped.

    :param seconds: how much this time.
    :param total_seconds: how much of this stream so far.
    """

    seconds: float
    total_seconds: float


class FlushSentinel:
    """Marks the end of a segment in a stream's input."""

    __slots__ = ()


class InputChannel(Chan[ItemT], Generic[ItemT]):
    """What a provider takes its input from.

    :param gate: asked before each item is handed out.
    """

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate
        self._taken: deque[ItemT] = deque()

    async def recv(self) -> ItemT:
        """Take the oldest item; waits for one, and for the reader of the events if that is far behind.

        :raises ChanClosed: the input has ended and everything was taken.
        """
        if self._gate.full():
            await self._gate.wait_for_room()
        return await super().recv()

    async def __anext__(self) -> ItemT:
        if self._gate.full():
            await self._gate.wait_for_room()
        if self._values:  # most often, and sooner than by way of another coroutine
            return self._take()
        return await super().__anext__()

    async def wait_for_item(self) -> bool:
        """Wait until there is something to take, without taking it; False if the input has ended and all was taken."""
        while not self._values:
            if self._closed:
                return False
            await self._wait(self._receivers)
        return True

    def rewind(self) -> None:
        """Hand out again, in their order, the items that were taken and not acknowledged."""
        self._values.extendleft(reversed(self._taken))
        self._taken.clear()

    def _take(self) -> ItemT:
        item = super()._take()
        self._taken.append(item)
        return item


class TextInput(InputChannel[str | FlushSentinel]):
    """Text for a synthesizer: at most 64 Ki characters wait. What belongs to a finished segment is forgotten."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate)
        self._characters = 0

    def push(self, text: str) -> None:
        """Add text.

        :raises StreamInputError: more would wait than the stream holds.
        """
        if self._characters + len(text) > TEXT_BOUND_CHARACTERS:
            raise StreamInputError(
                f"{self._characters} characters wait in this stream and {len(text)} more were pushed, more than "
                f"it holds ({TEXT_BOUND_CHARACTERS}): push text as it is spoken, or in several streams"
            )
        self._characters += len(text)
        self._put(text)

    def flush(self) -> None:
        """End the segment."""
        self._put(FlushSentinel())

    def acknowledge_segment(self) -> None:
        """Forget the oldest segment that was taken: it has been spoken to its end."""
        while self._taken:
            if isinstance(self._taken.popleft(), FlushSentinel):
                return

    def rewind(self) -> None:
        """Hand out again what belongs to segments that are not finished."""
        self._characters += sum(len(item) for item in self._taken if isinstance(item, str))
        super().rewind()

    def _take(self) -> str | FlushSentinel:
        item = super()._take()
        if isinstance(item, str):
            self._characters -= len(item)
        return item


_Span: TypeAlias = tuple[float, float]
"""Where audio lies on the stream's axis, and how long it is; in seconds."""


class AudioInput(InputChannel["rtc.AudioFrame | FlushSentinel"]):
    """Audio for a recogniser or detector: at most 10 s wait, then the oldest is dropped.

    Every frame has its position on the stream's axis, which begins at zero with the first sample that was pushed and
    counts what was dropped as well. What was taken is kept until it is acknowledged, 10 s of it at most.

    :param keep: whether to keep what was taken; without, :meth:`rewind` brings nothing back.
    """

    def __init__(self, gate: Gate, *, keep: bool = True) -> None:
        super().__init__(gate)
        self.axis = TimeAxis()
        """From the provider's time, in this attempt, to the stream's."""
        self.pushed_seconds = 0.0
        self.dropped_seconds = 0.0
        self._keep = keep
        self._spans: deque[_Span] = deque()  # of what waits
        self._taken_spans: deque[_Span] = deque()
        self._waiting_seconds = 0.0
        self._taken_seconds = 0.0

    def push(self, frame: rtc.AudioFrame) -> float:
        """Add a frame; returns how many seconds of older audio were dropped for it."""
        seconds = frame.samples_per_channel / frame.sample_rate
        self._spans.append((self.pushed_seconds, seconds))
        self.pushed_seconds += seconds
        self._waiting_seconds += seconds
        self._put(frame)
        return self._drop_oldest() if self._waiting_seconds > AUDIO_BOUND_SECONDS else 0.0

    async def wait_for_room(self, seconds: float = 0.0) -> None:
        """Wait until pushing a frame of that length drops nothing, or the input has ended."""
        while self._values and self._waiting_seconds + seconds > AUDIO_BOUND_SECONDS and not self._closed:
            await self._wait(self._senders)

    def flush(self) -> None:
        """End the segment."""
        self._spans.append((self.pushed_seconds, 0.0))
        self._put(FlushSentinel())

    def acknowledge(self, until_seconds: float) -> None:
        """Forget what was taken before that position of the stream; a frame across it is cut."""
        while self._taken:
            position, seconds = self._taken_spans[0]
            if position + seconds > until_seconds + TOUCHING_SECONDS:
                break
            self._forget_oldest()
        if self._taken and self._taken_spans[0][0] < until_seconds - TOUCHING_SECONDS:
            self._cut_oldest(until_seconds)

    def acknowledge_all(self) -> None:
        """Forget all that was taken."""
        self._taken.clear()
        self._taken_spans.clear()
        self._taken_seconds = 0.0

    def rewind(self) -> None:
        """Hand out again, in their order, the frames that were taken and not acknowledged; the axis begins anew."""
        self._spans.extendleft(reversed(self._taken_spans))
        self._waiting_seconds += self._taken_seconds
        super().rewind()
        self._taken_spans.clear()
        self._taken_seconds = 0.0
        self.axis.restart()

    def _take(self) -> rtc.AudioFrame | FlushSentinel:
        item, span = Chan._take(self), self._spans.popleft()  # noqa: SLF001  each frame comes by here: the short way
        position, seconds = span
        if seconds:  # no flush
            self._waiting_seconds -= seconds
            self.axis.gave(position, seconds)
            self._gave(seconds)
        if self._keep:
            self._taken.append(item)
            self._taken_spans.append(span)
            self._taken_seconds += seconds
            while self._is_over(self._taken_seconds, self._taken):
                self._forget_oldest()
        return item

    def _gave(self, seconds: float) -> None:
        """Note that audio was handed out, again and again also the same; for those who count it."""

    @staticmethod
    def _is_over(seconds: float, items: deque[rtc.AudioFrame | FlushSentinel]) -> bool:
        """Tell whether that is too much; the newest item is kept, however long it is."""
        return seconds > AUDIO_BOUND_SECONDS and len(items) > 1

    def _drop_oldest(self) -> float:
        dropped = 0.0
        kept: list[tuple[FlushSentinel, _Span]] = []
        while self._is_over(self._waiting_seconds, self._values):
            item, span = self._values.popleft(), self._spans.popleft()
            if isinstance(item, FlushSentinel):
                kept.append((item, span))
                continue
            dropped += span[1]
            self._waiting_seconds -= span[1]
        for item, span in reversed(kept):
            self._values.appendleft(item)
            self._spans.appendleft(span)
        self.dropped_seconds += dropped
        return dropped

    def _forget_oldest(self) -> None:
        self._taken.popleft()
        self._taken_seconds -= self._taken_spans.popleft()[1]

    def _cut_oldest(self, at_seconds: float) -> None:
        frame = self._taken[0]
        assert not isinstance(frame, FlushSentinel)  # it has no length, so nothing lies across it
        position, seconds = self._taken_spans[0]
        samples = round((at_seconds - position) * frame.sample_rate)
        if samples >= frame.samples_per_channel:
            self._forget_oldest()
            return
        self._taken[0] = part_of_frame(frame, samples, frame.samples_per_channel)
        cut = samples / frame.sample_rate
        self._taken_spans[0] = (position + cut, seconds - cut)
        self._taken_seconds -= cut
