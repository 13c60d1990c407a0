"""The task around a worker is cancelled: ``EXECUTOR running`` or ``EXECUTOR starting``, or its neighbour fails."""

from __future__ import annotations

import asyncio
import sys

from tests.embedding.hosts.common import options, tell, told, what_is_open

from lk_agents import Worker

worker: Worker


async def serve() -> None:
    """Have a worker for ever."""
    global worker
    worker = Worker(options())
    tell(made=True)
    async with worker:
        tell(registered=True)
        await asyncio.Event().wait()


async def fail_at_a_word() -> None:
    """Be the neighbour."""
    await told()
    raise ArithmeticError


async def main() -> None:
    """Begin, cancel, and tell what is left on the same loop and after it."""
    before = asyncio.all_tasks()
    ended = "still running"
    if sys.argv[2] == "neighbour":
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(serve())
                group.create_task(fail_at_a_word())
        except* ArithmeticError:
            ended = "group failed"
    else:
        serving = asyncio.create_task(serve())
        await told()
        serving.cancel()
        await asyncio.wait([serving])
        ended = "cancelled" if serving.cancelled() else repr(serving.exception())
    tasks = [task.get_name() for task in asyncio.all_tasks() - before]
    tell(ended=ended, state=worker.state.value, tasks=tasks, **what_is_open())


if __name__ == "__main__":
    asyncio.run(main())
