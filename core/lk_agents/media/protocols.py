"""What a conversation needs of its surroundings: somebody's voice, a loudspeaker, a place for text.

A room, a console and a test implement the same three. Positions and lengths are seconds; samples are counted per
channel; audio is signed 16-bit in frames of ``livekit.rtc``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["AudioIn", "AudioOut", "TextIO", "TextMessage", "TextSegment"]


class AudioIn(Protocol):
    """One participant's voice: iterate over it to get the frames as they are spoken.

    It has one reader. A reader that is cancelled while it waits loses nothing. A reader that is too slow loses the
    oldest frames, never the newest.
    """

    @property
    def participant(self) -> str:
        """The identity of whom it comes from."""

    @property
    def sample_rate(self) -> int:
        """Hz of every frame."""

    @property
    def num_channels(self) -> int:
        """Channels of every frame."""

    def __aiter__(self) -> AudioIn: ...

    async def __anext__(self) -> rtc.AudioFrame:
        """Wait for the next frame.

        :raises StopAsyncIteration: there are no more: the track has ended, or the input was closed.
        """

    async def aclose(self) -> None:
        """Receive no more; a waiting reader sees the end. Any number of times. Cancelled, it is closed all the same."""


class AudioOut(Protocol):
    """What plays audio, at its own speed: a loudspeaker, a track in a room.

    Audio that was taken is *captured*; it waits in a queue until it is *played*. One writer at a time.
    """

    @property
    def sample_rate(self) -> int:
        """Hz that frames must have."""

    @property
    def num_channels(self) -> int:
        """Channels that frames must have."""

    @property
    def queued_seconds(self) -> float:
        """How much waits to be played."""

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Take a frame to be played behind what waits; returns when it is taken, and waits while the queue is full.

        A :meth:`clear` while it waits drops this frame too. Cancelled while it waits, the frame may be played or not.
        """

    def clear(self) -> None:
        """Drop what waits, at once: it is not played and does not count as played. What was played stays so."""

    def position(self) -> float:
        """Return how many seconds were really played since the sink was made.

        It never goes back and never passes what was captured. It stands still while nothing waits, and follows the
        sink's own clock, which may run a little faster or slower than this machine's.
        """

    async def wait_for_playout(self) -> None:
        """Return when nothing waits any more: it was played, or cleared. Cancelled, only the waiting ends."""


@dataclass(frozen=True, kw_only=True)
class TextSegment:
    """A piece of transcript; it replaces what was shown before under the same ``id``.

    :param participant: the identity of who said it.
    :param track: the id of the track on which it was said; empty for none.
    :param id: the same for all versions of the piece.
    :param text: all of the piece so far.
    :param final: whether it will not change any more.
    :param language: a language tag; empty where nobody says.
    """

    participant: str
    id: str
    text: str
    final: bool
    track: str = ""
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class TextMessage:
    """What somebody has typed.

    :param participant: the identity of who wrote it.
    :param text: the whole message.
    """

    participant: str
    text: str


class TextIO(Protocol):
    """Text beside the voices: transcripts go out, typed messages come in. Iterate over it to get the messages.

    It has one reader; one that is cancelled while it waits loses nothing.
    """

    async def publish(self, segment: TextSegment) -> None:
        """Show a piece of transcript. Pieces are shown in the order of the calls.

        A surrounding that is not connected drops it silently. Cancelled, it may have been shown or not.

        :raises Exception: it was not taken; the next piece may be.
        """

    def __aiter__(self) -> TextIO: ...

    async def __anext__(self) -> TextMessage:
        """Wait for the next message.

        :raises StopAsyncIteration: there are no more: it was closed.
        """

    async def aclose(self) -> None:
        """End it; a waiting reader sees the end. Any number of times. Cancelled, it is closed all the same."""
