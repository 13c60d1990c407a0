"""A program with other customs: ``EXECUTOR ignores`` sets SIGCHLD aside, ``EXECUTOR collects`` waits for any child."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from contextlib import suppress

from tests.embedding.hosts.common import options, tell, told, what_is_open

from lk_agents import Worker


def collect(stop: threading.Event) -> None:
    """Wait for any child, again and again."""
    while not stop.wait(0.005):
        with suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)


async def main() -> None:
    """Have a worker under these customs."""
    stop = threading.Event()
    if sys.argv[2] == "ignores":
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    else:
        threading.Thread(target=collect, args=(stop,), name="collector", daemon=True).start()
    async with Worker(options()):
        tell(registered=True)
        await told()
    stop.set()
    tell(left=what_is_open()["children"])


if __name__ == "__main__":
    asyncio.run(main())
