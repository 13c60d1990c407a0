"""A queue between tasks that can be closed: whoever reads it knows when nothing more will come."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from lk_agents.foundation.errors import LkAgentsError

__all__ = ["Chan", "ChanClosed", "ChanEmpty", "ChanFull", "ChanReceiver", "ChanSender"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class ChanClosed(LkAgentsError):  # noqa: N818  its name is part of the public surface
    """The channel is closed and, for a reader, empty."""


class ChanEmpty(LkAgentsError):  # noqa: N818  its name is part of the public surface
    """Nothing is there at the moment."""


class ChanFull(LkAgentsError):  # noqa: N818  its name is part of the public surface
    """There is no room at the moment."""


class ChanSender(Protocol[T_contra]):
    """The end that things are put into."""

    async def send(self, value: T_contra) -> None:
        """Put ``value`` in; waits for room."""

    def send_nowait(self, value: T_contra) -> None:
        """Put ``value`` in, without waiting."""

    def close(self) -> None:
        """Let nothing more in."""


class ChanReceiver(Protocol[T_co]):
    """The end that things are taken from."""

    async def recv(self) -> T_co:
        """Take the oldest value; waits for one."""

    def recv_nowait(self) -> T_co:
        """Take the oldest value, without waiting."""

    def close(self) -> None:
        """Let nothing more in."""


class Chan(Generic[T]):
    """First in, first out, between tasks of one event loop.

    Closing lets nothing more in; what is inside can still be taken, then readers get :class:`ChanClosed` and
    ``async for`` ends. A reader or sender that is cancelled while it waits takes or leaves nothing: the next call goes
    on where this one stood. Several tasks may read or send at the same time.

    :param maxsize: how many values wait at most; 0 for no limit.
    :param loop: ignored; the running loop is used. It is taken because older code passes it.
    """

    def __init__(self, maxsize: int = 0, loop: asyncio.AbstractEventLoop | None = None) -> None:  # noqa: ARG002
        self._maxsize = max(maxsize, 0)
        self._values: deque[T] = deque()
        self._receivers: deque[asyncio.Future[None]] = deque()
        self._senders: deque[asyncio.Future[None]] = deque()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether nothing more is let in; there may still be something inside."""
        return self._closed

    def qsize(self) -> int:
        """Return how many values wait."""
        return len(self._values)

    def empty(self) -> bool:
        """Tell whether no value waits."""
        return not self._values

    def full(self) -> bool:
        """Tell whether there is no room for another value."""
        return self._maxsize > 0 and len(self._values) >= self._maxsize

    async def send(self, value: T) -> None:
        """Put ``value`` in; waits while there is no room.

        :raises ChanClosed: the channel is closed, or was closed while this waited.
        """
        while not self._closed and self.full():
            await self._wait(self._senders)
        self.send_nowait(value)

    def send_nowait(self, value: T) -> None:
        """Put ``value`` in.

        :raises ChanClosed: the channel is closed.
        :raises ChanFull: there is no room.
        """
        if self._closed:
            raise ChanClosed("this channel is closed: it takes nothing more")
        if self.full():
            raise ChanFull(f"this channel is full: {len(self._values)} values wait in it")
        self._put(value)

    async def recv(self) -> T:
        """Take the oldest value; waits for one.

        :raises ChanClosed: the channel is closed and empty.
        """
        while not self._values:
            if self._closed:
                raise ChanClosed("this channel is closed and empty")
            await self._wait(self._receivers)
        return self._take()

    def recv_nowait(self) -> T:
        """Take the oldest value.

        :raises ChanEmpty: there is none at the moment.
        :raises ChanClosed: there is none, and the channel is closed.
        """
        if not self._values:
            if self._closed:
                raise ChanClosed("this channel is closed and empty")
            raise ChanEmpty("nothing waits in this channel")
        return self._take()

    def close(self) -> None:
        """Let nothing more in; closing twice is fine."""
        self._closed = True
        _wake_all(self._receivers)
        _wake_all(self._senders)

    def __aiter__(self) -> Chan[T]:
        return self

    async def __anext__(self) -> T:
        if self._values:  # most often, and sooner than by way of recv()
            return self._take()
        try:
            return await self.recv()
        except ChanClosed:
            raise StopAsyncIteration from None

    def _put(self, value: T) -> None:
        self._values.append(value)
        if self._receivers:
            _wake_one(self._receivers)

    def _take(self) -> T:
        value = self._values.popleft()
        if self._senders:
            _wake_one(self._senders)
        return value

    async def _wait(self, waiters: deque[asyncio.Future[None]]) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                _wake_one(waiters)  # it was this one's turn, which it cannot use
            else:
                with suppress(ValueError):  # somebody who woke others has just passed it over
                    waiters.remove(waiter)
            raise


def _wake_one(waiters: deque[asyncio.Future[None]]) -> None:
    while waiters:
        waiter = waiters.popleft()
        if not waiter.done():
            waiter.set_result(None)
            return


def _wake_all(waiters: deque[asyncio.Future[None]]) -> None:
    while waiters:
        waiter = waiters.popleft()
        if not waiter.done():
            waiter.set_result(None)
