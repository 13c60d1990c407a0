"""The way out of a stream: events pass a gate that looks at each of them, and a bound that slows the producer down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from lk_agents.foundation.errors import StreamInputError
from lk_agents.utils.aio.channel import Chan, ChanClosed

__all__ = ["EVENTS_BOUND", "EventChannel", "weigh_one"]

EventT = TypeVar("EventT")

EVENTS_BOUND: Final = 1_000
"""How many events wait for a reader before the producer waits."""
HARD_FACTOR: Final = 20
"""How many times the bound a producer that cannot wait may leave behind before its stream fails."""


def weigh_one(event: object) -> float:  # noqa: ARG001  every event counts the same
    """Return 1, whatever the event."""
    return 1


class EventChannel(Chan[EventT]):
    """What a provider sends its events into.

    :param accept: looks at each event before it is queued; returns it, a changed one, or None to drop it. This is where
        the framework measures: it cannot be passed by.
    :param weigh: what one event counts towards ``bound``.
    :param bound: the weight from which the producer waits: ``send`` at once, and the stream's input as well, for
        producers that only know ``send_nowait``. Whoever goes on without waiting gets an error at 20 times that.
    """

    def __init__(
        self,
        accept: Callable[[EventT], EventT | None],
        *,
        weigh: Callable[[EventT], float] = weigh_one,
        bound: float = EVENTS_BOUND,
    ) -> None:
        super().__init__()
        self._accept = accept
        self._weigh = weigh
        self._bound = bound
        self._weight = 0.0

    def full(self) -> bool:
        """Tell whether the producer should wait."""
        return self._weight >= self._bound

    async def send(self, value: EventT) -> None:
        """Hand an event on; waits while too much is unread.

        :raises ChanClosed: the stream has ended.
        """
        await self.wait_for_room()
        self.send_nowait(value)

    def send_nowait(self, value: EventT) -> None:
        """Hand an event on without waiting.

        :raises ChanClosed: the stream has ended.
        :raises StreamInputError: far too much is unread.
        """
        if self._closed:
            raise ChanClosed("this stream has ended: it takes no more events")
        if self._weight >= self._bound * HARD_FACTOR:
            raise StreamInputError(
                f"{len(self._values)} events of this stream are unread: read it, or close it if nobody wants them"
            )
        if (accepted := self._accept(value)) is not None:
            self._weight += self._weigh(accepted)
            self._put(accepted)

    async def wait_for_room(self) -> None:
        """Wait until less than the bound is unread, or the stream has ended."""
        while self.full() and not self._closed:
            await self._wait(self._senders)

    def _take(self) -> EventT:
        value = super()._take()
        self._weight -= self._weigh(value)
        if not self._values:
            self._weight = 0.0  # what rounding has left
        return value
