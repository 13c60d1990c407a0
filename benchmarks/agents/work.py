"""What the agent does under every framework: it writes down when it is where, and joins its room if told to.

Only the standard library is used, and only modules that each framework has loaded anyway: what an agent imports here
would be counted as the framework's.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import Any

JOIN = "join"
"""A job with this metadata joins its room; one without metadata only runs; any other one is of ``faulty``."""

STAY_SECONDS = 3600.0
NOTED_SECONDS = 0.1
"""Longer than any latency that is measured, and shorter than anybody waits for the journal."""

AGENT_NAME = os.environ.get("LK_BENCH_AGENT", "")
WARM = int(os.environ.get("LK_BENCH_WARM", "3"))
SPY = "LK_BENCH_SPY" in os.environ
"""Whether the worker is to note when it was asked for a job, when it wanted a process, and when that was ready."""
OWN_LOAD = "LK_BENCH_OWN_LOAD" in os.environ
"""Whether the framework measures its load as it does by default, instead of being told that it is none."""
SHUTDOWN_SECONDS = float(os.environ.get("LK_BENCH_SHUTDOWN", "0"))
"""How long a job may take to end; 0 for what the framework allows by default."""


def note(event: str, **fields: Any) -> None:
    """Append one line to the journal, with process and time (``CLOCK_MONOTONIC``, the same in every process)."""
    _write({"event": event, "at": time.monotonic(), "pid": os.getpid(), **fields})


def note_later(event: str, **fields: Any) -> None:
    """Note what happens now, but write it in a moment: in between lies what is measured. Only on an event loop."""
    entry = {"event": event, "at": time.monotonic(), "pid": os.getpid(), **fields}
    asyncio.get_running_loop().call_later(NOTED_SECONDS, _write, entry)


def _write(entry: dict[str, Any]) -> None:
    line = json.dumps(entry)
    journal = os.open(os.environ["LK_BENCH_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        os.write(journal, f"{line}\n".encode())
    finally:
        os.close(journal)


def no_load(*_worker: Any) -> float:
    """Say that there is no load, so that no framework refuses a job for the noise of the machine."""
    return 0.0


def prewarm(_proc: Any) -> None:
    """Note that a process is as good as warm."""
    note("prewarmed")


async def consider(request: Any) -> None:
    """Accept."""
    await request.accept()


async def run(ctx: Any) -> None:
    """Note the job; join its room if it says so."""
    note("entered", job=ctx.job.id, room=ctx.job.room.name)
    if ctx.job.metadata == JOIN:
        await ctx.connect()
        note("connected", job=ctx.job.id, room=ctx.job.room.name)
        return
    if ctx.job.metadata:
        from benchmarks.agents import faulty  # only what is never measured for its size or its speed

        await faulty.run(ctx)
        return
    await asyncio.sleep(STAY_SECONDS)
