"""A worker off the main thread: ``EXECUTOR loaded`` has the plugins loaded on the main thread before."""

from __future__ import annotations

import asyncio
import sys
import threading

from tests.embedding.hosts.common import options, tell, what_is_open

from lk_agents import Worker
from lk_agents.foundation.errors import LkAgentsError
from lk_agents.hooks.current import current_registry


async def serve(stop: asyncio.Event) -> None:
    """Have a worker until the main thread says so."""
    async with Worker(options()):
        tell(registered=True)
        await stop.wait()


def in_thread(ready: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    """Be the other thread."""

    async def main() -> None:
        stop = asyncio.Event()
        ready.append((asyncio.get_running_loop(), stop))
        await serve(stop)

    try:
        asyncio.run(main())
    except LkAgentsError as error:
        tell(refused=f"{type(error).__name__}: {error}")


def main() -> None:
    """Start the thread, and end it at a word of the test."""
    if sys.argv[2] == "loaded":
        current_registry().register_plugins()
    ready: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    thread = threading.Thread(target=in_thread, args=(ready,), name="not-main")
    thread.start()
    if sys.argv[2] == "loaded":
        sys.stdin.readline()
        loop, stop = ready[0]
        loop.call_soon_threadsafe(stop.set)
    thread.join()
    tell(left=what_is_open())


if __name__ == "__main__":
    main()
