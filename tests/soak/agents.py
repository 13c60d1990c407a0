"""The agent of the soak: does what the job's metadata says, and lets the test look into its worker."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
from collections import Counter

from tests.e2e import journal

from lk_agents.hooks.markers import hookimpl
from lk_agents.hooks.records import WorkerInfo
from lk_agents.job.context import JobContext
from lk_agents.worker.worker import Worker


async def versatile(ctx: JobContext) -> None:
    """Note the job, then end it as its metadata says."""
    deed = ctx.job.metadata
    journal.write(ctx.proc.user_arguments, "entered", job=ctx.job.id, deed=deed, room=ctx.job.room.name)
    match deed:
        case "leave":
            ctx.shutdown("nothing to do")
        case "join":
            await ctx.connect()
            journal.write(ctx.proc.user_arguments, "joined", job=ctx.job.id)
            ctx.shutdown("seen enough")
        case "raise":
            raise ValueError("raised as told")
        case "exit":
            os._exit(3)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case _:
            raise AssertionError(f"nobody knows how to {deed!r}")


class Window:
    """A plugin that writes down, at each SIGUSR1, what the worker's process holds."""

    def __init__(self, path: str) -> None:
        self._path = path

    @hookimpl
    def lk_agents_worker_registered(self, worker: Worker, info: WorkerInfo) -> None:
        """Look whenever the test asks for it."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._look)
        journal.write(self._path, "registered")

    def _look(self) -> None:
        gc.collect()
        kinds = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())
        tasks = sorted(re.sub(r"\d+", "N", task.get_name()) for task in asyncio.all_tasks())
        journal.write(self._path, "look", tasks=tasks, kinds=kinds)
