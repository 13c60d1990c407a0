"""A program with subprocesses of its own, which end while the worker's jobs do."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess

from tests.embedding.hosts.common import options, tell, told

from lk_agents import Worker


async def main() -> None:
    """Start some before the worker, some beside it, and ask each for its exit code long after it has ended."""
    before = subprocess.Popen(["sh", "-c", "exit 7"])
    async with Worker(options()):
        beside = [subprocess.Popen(["sh", "-c", "exit 8"]) for _ in range(3)]
        session = subprocess.Popen(["sh", "-c", "exit 9"], start_new_session=True)
        long = subprocess.Popen(["sleep", "60"])
        ours = await asyncio.create_subprocess_exec("sh", "-c", "exit 10")
        forked = os.fork()
        if forked == 0:
            os._exit(11)
        tell(registered=True)
        while await told() != "stop":
            tell(heard=True)
        tell(alive=long.poll() is None)
        codes = [before.wait(), *(each.wait() for each in beside), session.wait(), await ours.wait()]
        codes.append(os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]))
    tell(codes=codes, still_alive=long.poll() is None)
    long.send_signal(signal.SIGTERM)
    tell(ended=long.wait())


if __name__ == "__main__":
    asyncio.run(main())
