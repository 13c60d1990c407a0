"""A place for text in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.foundation import clock
from lk_agents.media.protocols import TextMessage
from lk_agents.utils.aio.channel import Chan

if TYPE_CHECKING:
    from lk_agents.media.protocols import TextSegment

__all__ = ["MemoryTextIO"]


class MemoryTextIO:
    """Keeps what is published and hands over what is typed; a :class:`~lk_agents.media.TextIO`."""

    def __init__(self) -> None:
        self.published: list[TextSegment] = []
        """All pieces of transcript, in order."""
        self.published_at: list[float] = []
        """When each of them was published, in the clock's seconds."""
        self._messages: Chan[TextMessage] = Chan()

    @property
    def shown(self) -> list[TextSegment]:
        """What a client shows: the last version of each piece, in the order in which the pieces began."""
        return list({segment.id: segment for segment in self.published}.values())

    async def publish(self, segment: TextSegment) -> None:
        """Keep a piece of transcript."""
        self.published_at.append(clock.monotonic())
        self.published.append(segment)

    def write(self, text: str, participant: str = "caller") -> None:
        """Let somebody type a message.

        :raises ChanClosed: it was closed.
        """
        self._messages.send_nowait(TextMessage(participant=participant, text=text))

    def __aiter__(self) -> MemoryTextIO:
        return self

    async def __anext__(self) -> TextMessage:
        """Wait for the next message."""
        return await self._messages.__anext__()

    async def aclose(self) -> None:
        """End it."""
        self._messages.close()
