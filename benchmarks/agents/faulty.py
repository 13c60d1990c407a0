"""Jobs that go wrong, or that stand by while something else does; which one, says the dispatch's metadata.

All of them have a shutdown callback that notes that it ran.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from benchmarks.agents import work

STAY = "join and stay"
RAISE_EARLY = "raise before joining"
RAISE_LATE = "raise after joining"
EXIT = "leave the process by os._exit"
SHUT_DOWN = "end the job"
HANG = "end the job, with a shutdown callback that hangs"
BLOCK = "block the event loop"
SWALLOW = "swallow every cancellation"

ERROR_TEXT = "the model file is missing"
EXIT_CODE = 3
BLOCK_SECONDS = 8.0


class AgentError(Exception):
    """What a job raises here."""


async def run(ctx: Any) -> None:
    """Do what the metadata says."""
    what = ctx.job.metadata

    async def ended(_reason: str) -> None:
        _note("callback", ctx)
        if what == HANG:
            await asyncio.Event().wait()

    ctx.add_shutdown_callback(ended)
    if what == RAISE_EARLY:
        raise AgentError(ERROR_TEXT)
    await ctx.connect()
    _note("connected", ctx)
    if what == RAISE_LATE:
        raise AgentError(ERROR_TEXT)
    if what == EXIT:
        os._exit(EXIT_CODE)
    if what in {SHUT_DOWN, HANG}:
        _note("ending", ctx)
        ctx.shutdown("as told")
    if what == BLOCK:
        time.sleep(BLOCK_SECONDS)  # noqa: ASYNC251  this is the fault
        _note("awake", ctx)
    while what == SWALLOW:
        try:
            await asyncio.sleep(work.STAY_SECONDS)
        except asyncio.CancelledError:
            _note("swallowed", ctx)


def _note(event: str, ctx: Any) -> None:
    work.note(event, job=ctx.job.id, room=ctx.job.room.name)
