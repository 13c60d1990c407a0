"""Connections that are kept open between uses."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS

__all__ = ["ConnectionPool"]

T = TypeVar("T")

CLOSE_SECONDS: Final = 5.0
"""How long closing one connection may take."""
SLACK_SECONDS: Final = 1.0
"""How much later than a callback that has a time limit of its own we give up on it, so that its error comes first."""


@dataclass(eq=False, slots=True)
class _Held(Generic[T]):
    """One connection of the pool."""

    connection: T
    fresh_since: float
    stale: bool = False  # made before the last invalidate(): it may be used to the end, and not again


class ConnectionPool(Generic[T]):
    """Hands out connections, each to one user at a time, and keeps those that come back for the next one.

    A connection is not handed out again when it is older than ``max_session_duration``, when it is dead, when its user
    failed or was cancelled, and after :meth:`invalidate`. What is not kept is closed at once, in the background; only
    :meth:`aclose` waits for that. A failing ``close_cb`` is logged.

    To be used from one event loop. There is no limit to the number of connections.

    :param max_session_duration: seconds after which a connection is too old; None for never.
    :param mark_refreshed_on_get: count its age from when it was last handed out, not from when it was opened.
    :param connect_cb: opens a connection. If it has a parameter ``timeout``, it gets the seconds it may take.
    :param close_cb: closes one; it gets 5 s. Without it, connections are just dropped.
    :param connect_timeout: seconds that connecting may take where the caller says nothing.
    :param is_alive: tells whether an idle connection can still be used. By default one cannot that has an attribute
        ``closed`` which is True, or a ``get_extra_info`` that knows no socket any more: an aiohttp websocket which the
        server dropped while nobody read from it does not know that it is closed.
    """

    def __init__(
        self,
        *,
        max_session_duration: float | None = None,
        mark_refreshed_on_get: bool = False,
        connect_cb: Callable[..., Awaitable[T]] | None = None,
        close_cb: Callable[[T], Awaitable[Any]] | None = None,
        connect_timeout: float = DEFAULT_API_CONNECT_OPTIONS.timeout,
        is_alive: Callable[[T], bool] | None = None,
    ) -> None:
        self._max_age = max_session_duration
        self._refresh = mark_refreshed_on_get
        self._connect_cb = connect_cb
        self._close_cb = close_cb
        self._connect_timeout = connect_timeout
        self._is_alive = is_alive or _has_a_socket
        self._idle: list[_Held[T]] = []  # the one that came back last is at the end, and is used first
        self._in_use: dict[int, _Held[T]] = {}  # by identity: connections need not be hashable
        self._to_close: list[T] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._generation = 0  # counts invalidate()
        self._prewarming: asyncio.Task[None] | None = None
        self._prewarmed_for_somebody = False
        self._closed = False

    @asynccontextmanager
    async def connection(self, *, timeout: float | None = None) -> AsyncIterator[T]:
        """Lend a connection for the block; one whose block raises, or is cancelled, is closed and not used again.

        :param timeout: as for :meth:`get`, as are the errors.
        """
        connection = await self.get(timeout=timeout)
        try:
            yield connection
        except BaseException:  # cancelled in the middle of an exchange, it is in nobody knows what state
            self.remove(connection)
            raise
        self.put(connection)

    async def get(self, *, timeout: float | None = None) -> T:
        """Return a connection that nobody else has: a kept one, the one that is being prewarmed, or a new one.

        Give it back with :meth:`put` or :meth:`remove`. Cancelled, nothing has been taken.

        :param timeout: seconds that connecting may take.
        :raises TimeoutError: it took longer.
        :raises NotImplementedError: there is none, and no ``connect_cb``.
        :raises RuntimeError: the pool has been closed.
        """
        self._check_open()
        self._start_closing()
        if self._closing:
            await asyncio.sleep(0)  # what closes without waiting is closed before the next one opens
        limit = self._connect_timeout if timeout is None else timeout
        held = self._take_idle()
        if held is None and (prewarming := self._claim_prewarmed()) is not None:
            await asyncio.wait([prewarming], timeout=limit)
            self._check_open()
            held = self._take_idle()
        if held is None:
            held = await self._connect(limit)
            if self._closed:
                self._retire(held)
                self._check_open()
        elif self._refresh:
            held.fresh_since = clock.monotonic()
        self._in_use[id(held.connection)] = held
        return held.connection

    def put(self, conn: T) -> None:
        """Take a connection back for the next user; one that the pool no longer knows is ignored."""
        held = self._in_use.pop(id(conn), None)
        if held is None:
            return
        if self._is_usable(held):
            self._idle.append(held)
        else:
            self._retire(held)

    def remove(self, conn: T) -> None:
        """Close a connection and forget it, in use or not; one that the pool does not know is ignored."""
        held = self._in_use.pop(id(conn), None)
        if held is None:
            held = next((one for one in self._idle if one.connection is conn), None)
            if held is None:
                return
            self._idle.remove(held)
        self._retire(held)

    def invalidate(self) -> None:
        """Use none of the present connections again: idle ones are closed now, the others when they come back."""
        self._generation += 1
        for held in self._in_use.values():
            held.stale = True
        idle, self._idle = self._idle, []
        self._retire(*idle)

    def prewarm(self) -> None:
        """Open a connection in the background, once per pool, if there is none. A failure is logged, and harmless."""
        if self._prewarming is None and not self._idle and not self._in_use and not self._closed:
            self._prewarming = asyncio.get_running_loop().create_task(self._prewarm(), name="lk_connection_prewarm")

    async def aclose(self) -> None:
        """Close every connection, also those in use, and hand out no more; takes some 10 s at most. Idempotent.

        A prewarming is cancelled. Cancelled itself, it stops waiting, and the closing goes on.
        """
        self._closed = True
        if self._prewarming is not None:
            self._prewarming.cancel()
            await self._wait([self._prewarming])
        self._retire(*self._idle, *self._in_use.values())
        self._idle.clear()
        self._in_use.clear()
        await self._wait(self._closing)

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("this connection pool has been closed: it gives no more connections")

    def _is_usable(self, held: _Held[T]) -> bool:
        if held.stale or not self._is_alive(held.connection):
            return False
        return self._max_age is None or clock.monotonic() - held.fresh_since <= self._max_age

    def _take_idle(self) -> _Held[T] | None:
        usable: list[_Held[T]] = []
        for held in self._idle:
            if self._is_usable(held):
                usable.append(held)
            else:
                self._retire(held)
        self._idle = usable
        return usable.pop() if usable else None

    def _claim_prewarmed(self) -> asyncio.Task[None] | None:
        """Return what is opening a connection in advance, unless somebody else waits for that one."""
        if self._prewarming is None or self._prewarming.done() or self._prewarmed_for_somebody:
            return None
        self._prewarmed_for_somebody = True
        return self._prewarming

    async def _connect(self, timeout: float) -> _Held[T]:
        if self._connect_cb is None:
            raise NotImplementedError("this connection pool has no connect_cb: it cannot open connections")
        generation = self._generation
        if _takes_timeout(self._connect_cb):
            async with asyncio.timeout(timeout + SLACK_SECONDS):
                connection = await self._connect_cb(timeout=timeout)
        else:
            async with asyncio.timeout(timeout):
                connection = await self._connect_cb()
        return _Held(connection, clock.monotonic(), stale=generation != self._generation)

    async def _prewarm(self) -> None:
        try:
            held = await self._connect(self._connect_timeout)
        except Exception as error:  # noqa: BLE001  whoever needs a connection tries again, and gets the error
            # the text of the error may hold the address, and with it a key
            logger.warning("a connection could not be prewarmed", extra={"error": type(error).__name__})
            return
        if held.stale or self._closed:
            self._retire(held)
        else:
            self._idle.append(held)

    def _retire(self, *unwanted: _Held[T]) -> None:
        if self._close_cb is not None:
            self._to_close += (held.connection for held in unwanted)
            self._start_closing()

    def _start_closing(self) -> None:
        if not self._to_close:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # called from outside of the loop: the next get() or aclose() does it
        for connection in self._to_close:
            task = loop.create_task(self._close(connection), name="lk_connection_close")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        self._to_close.clear()

    async def _close(self, connection: T) -> None:
        assert self._close_cb is not None
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._close_cb(connection)
        except Exception as error:  # noqa: BLE001  nobody needs the connection any more
            logger.warning("a connection could not be closed in order", extra={"error": type(error).__name__})

    async def _wait(self, tasks: Collection[asyncio.Task[None]]) -> None:
        """Wait for tasks that have a time limit of their own, unless they ignore it."""
        if not tasks:
            return
        _, left = await asyncio.wait(tasks, timeout=CLOSE_SECONDS + SLACK_SECONDS)
        if left:
            logger.warning("a connection pool could not be closed in time", extra={"left": len(left)})


def _has_a_socket(connection: object) -> bool:
    if getattr(connection, "closed", False) is True:
        return False
    get_extra_info = getattr(connection, "get_extra_info", None)
    return get_extra_info is None or get_extra_info("socket") is not None


def _takes_timeout(callback: Callable[..., Any]) -> bool:
    try:
        parameter = inspect.signature(callback).parameters.get("timeout")
    except (ValueError, TypeError):  # some built-in functions do not tell
        return False
    return parameter is not None and parameter.kind is not parameter.POSITIONAL_ONLY
