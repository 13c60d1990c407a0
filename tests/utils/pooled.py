"""A service whose connections are pooled, for tests."""

import asyncio
from typing import Any

from lk_agents.utils import ConnectionPool


class Connection:
    """A connection of the test; unhashable on purpose."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = False


class Service:
    """Opens and closes connections, and remembers which."""

    def __init__(self, *, connect_seconds: float = 0.0, close_seconds: float = 0.0) -> None:
        self.opened = 0
        self.closed: list[int] = []
        self.cancelled = 0
        self.connect_seconds = connect_seconds
        self.close_seconds = close_seconds

    async def connect(self) -> Connection:
        try:
            if self.connect_seconds:
                await asyncio.sleep(self.connect_seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.opened += 1
        return Connection(self.opened)

    async def close(self, connection: Connection) -> None:
        if self.close_seconds:
            await asyncio.sleep(self.close_seconds)
        self.closed.append(connection.number)
        connection.closed = True

    def pool(self, **options: Any) -> ConnectionPool[Connection]:
        return ConnectionPool(connect_cb=self.connect, close_cb=self.close, **options)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
