"""Several readers of one asynchronous iterator."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, overload

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger
from lk_agents.utils.aio.tasks import cancel_and_wait

__all__ = ["MAX_AHEAD", "Tee", "TeeReader", "tee"]

T = TypeVar("T")

MAX_AHEAD: Final = 1000
"""How many items one reader may be ahead of another by default."""
_CLOSE_SECONDS: Final = 5.0


class _Buffer(Generic[T]):
    """What one reader has not read yet. It is not the reader itself, so that one that nobody holds can be noticed."""

    def __init__(self) -> None:
        self.items: deque[T] = deque()
        self.closed = False


class _Source(Generic[T]):
    """Advances the iterator, in one task for its whole life, when a reader waits and none is too far behind."""

    def __init__(self, iterable: AsyncIterable[T], max_ahead: int) -> None:
        self.iterator = aiter(iterable)
        self.max_ahead = max_ahead
        self.open: list[_Buffer[T]] = []
        self.error: Exception | None = None
        self.traceback: TracebackType | None = None
        self.ended = False
        self.task: asyncio.Task[None] | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._idle: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Return when there is an item, or the end; cancelling this leaves the iterator alone."""
        loop = asyncio.get_running_loop()
        if self.task is None:
            self.task = loop.create_task(self._run(), name="lk_tee")
        waiter = loop.create_future()
        self._waiting.add(waiter)
        self.look()
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)

    def look(self) -> None:
        """Go on if that is possible now."""
        if self._idle is not None and not self._idle.done() and self._may_advance():
            self._idle.set_result(None)

    def close(self, buffer: _Buffer[T]) -> None:
        """Drop one reader; the iterator is closed with the last one."""
        buffer.closed = True
        buffer.items.clear()
        if buffer in self.open:
            self.open.remove(buffer)
        self._wake()  # it may be waiting itself; the others look again
        if not self.open and self.task is not None:
            self.task.cancel()

    async def finish(self) -> None:
        """Close the iterator, after the last reader, and wait for that."""
        if self.task is not None:
            await cancel_and_wait(self.task)
        if not self.ended:  # nobody ever read, or the task was cancelled before it began
            self.ended = True
            await _close_iterator(self.iterator)

    def forget(self, buffer: _Buffer[T]) -> None:
        """Drop a reader that nobody holds any more; called by the garbage collector, in whatever thread that runs."""
        if self.task is None:
            self.close(buffer)
        elif not self.task.done():
            try:
                self.task.get_loop().call_soon_threadsafe(self.close, buffer)
            except RuntimeError:
                return  # the loop has been closed, and has ended the task

    def _may_advance(self) -> bool:
        return bool(self._waiting) and all(len(buffer.items) < self.max_ahead for buffer in self.open)

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def _run(self) -> None:
        try:
            async for item in self.iterator:
                for buffer in self.open:
                    buffer.items.append(item)
                self._wake()
                await self._until_wanted()
        except Exception as error:  # noqa: BLE001  every reader gets it
            self.error, self.traceback = error, error.__traceback__
        finally:
            try:
                await _close_iterator(self.iterator)
            finally:
                self.ended = True
                self._wake()

    async def _until_wanted(self) -> None:
        while not self._may_advance():
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle
        self._idle = None


async def _close_iterator(iterator: AsyncIterator[Any]) -> None:
    aclose = getattr(iterator, "aclose", None)
    if aclose is None:
        return
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await aclose()
    except Exception:  # noqa: BLE001  the readers have what there was; there is nobody left to tell
        logger.exception("closing what several readers shared failed", extra={"iterator": type(iterator).__qualname__})


class TeeReader(Generic[T]):
    """One of the readers that :func:`tee` gives; an asynchronous iterator.

    Cancelling a read loses nothing: the next one goes on where it stood.
    """

    def __init__(self, source: _Source[T], buffer: _Buffer[T]) -> None:
        self._source = source
        self._buffer = buffer
        self._abandoned = weakref.finalize(self, source.forget, buffer)
        self._abandoned.atexit = False

    def __aiter__(self) -> TeeReader[T]:
        return self

    async def __anext__(self) -> T:
        while not self._buffer.items:
            if self._buffer.closed:
                raise StopAsyncIteration
            if self._source.ended:
                if self._source.error is not None:
                    raise self._source.error.with_traceback(self._source.traceback)
                raise StopAsyncIteration
            await self._source.wait()
        item = self._buffer.items.popleft()
        self._source.look()
        return item

    async def aclose(self) -> None:
        """Read no more; with the last reader, the iterator is closed, which this waits for."""
        self._abandoned.detach()
        self._source.close(self._buffer)
        if not self._source.open:
            await self._source.finish()


class Tee(Generic[T]):
    """The readers that :func:`tee` gives, by number: ``first, second = tee(source)``.

    Leaving ``async with`` closes them all.
    """

    def __init__(self, async_iterable: AsyncIterable[T], n: int = 2, *, max_ahead: int = MAX_AHEAD) -> None:
        if n < 1 or max_ahead < 1:
            raise ConfigError(f"tee() was given n={n!r} and max_ahead={max_ahead!r}; both must be 1 or more")
        source = _Source(async_iterable, max_ahead)
        source.open.extend(_Buffer() for _ in range(n))
        self._readers = tuple(TeeReader(source, buffer) for buffer in source.open)

    def __len__(self) -> int:
        return len(self._readers)

    @overload
    def __getitem__(self, item: int) -> TeeReader[T]: ...

    @overload
    def __getitem__(self, item: slice) -> tuple[TeeReader[T], ...]: ...

    def __getitem__(self, item: int | slice) -> TeeReader[T] | tuple[TeeReader[T], ...]:
        return self._readers[item]

    def __iter__(self) -> Iterator[TeeReader[T]]:
        return iter(self._readers)

    async def __aenter__(self) -> Tee[T]:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all readers and the iterator; those that wait for an item see the end."""
        for reader in self._readers:
            await reader.aclose()


def tee(async_iterable: AsyncIterable[T], n: int = 2, *, max_ahead: int = MAX_AHEAD) -> Tee[T]:
    """Let ``n`` readers read the same asynchronous iterator; each gets every item, in order.

    The iterator is advanced when a reader waits for an item, always by the same task. When it fails, every reader gets
    its items first and then the same error, at each further read again; when it is cancelled from outside, reading just
    ends. It is closed (``aclose``, where it has that) when it has ended or the last reader has been closed or dropped.

    A reader that reads ``max_ahead`` items more than another waits for it. Close one that is not to be read, or it
    holds up the others.

    :param n: how many readers.
    :param max_ahead: how many items the fastest may be ahead of the slowest.
    :raises ConfigError: ``n`` or ``max_ahead`` is less than 1.
    """
    return Tee(async_iterable, n, max_ahead=max_ahead)
