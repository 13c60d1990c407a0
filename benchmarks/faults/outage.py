"""The server goes away and comes back."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Final

from benchmarks.agents.faulty import STAY
from benchmarks.failure import MeasurementError
from benchmarks.faults.trial import Trial
from benchmarks.ground import Ground
from benchmarks.verdict import NotHeldError
from benchmarks.waiting import comes_true

AWAY_SECONDS: Final = 3.0
NEXT_JOB_SECONDS: Final = 3.0
"""From the server's return until the next job runs."""
GONE_SECONDS: Final = 5.0


async def server_gone(trial: Trial) -> None:
    async with Ground.open() as before, replace(trial, ground=before).scene() as scene:
        before.server.kill()
        if not await asyncio.to_thread(before.server.wait, GONE_SECONDS):
            raise MeasurementError("the server does not die")
        await asyncio.sleep(AWAY_SECONDS)
        async with Ground.open(instead_of=before.server) as after:
            returned, agent, journal = time.monotonic(), scene.worker.agent, scene.worker.journal
            (room,) = await after.make_rooms(1)
            if not await comes_true(lambda: after.log.registered(agent) is not None, scene.patience):
                raise NotHeldError(f"{scene.patience:g} s after its return the worker had not registered again")
            await after.dispatch(agent, room, STAY)
            if not await comes_true(lambda: scene.entered(room), scene.patience):
                raise NotHeldError(f"no job ran in {scene.patience:g} s")
            if (took := journal.of("entered", room=room)[0].at - returned) > NEXT_JOB_SECONDS:
                raise NotHeldError(f"the next job ran {took:.2f} s after its return")
