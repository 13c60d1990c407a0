"""Jobs that end in every way, and one that ends nothing but stops its loop."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from benchmarks.agents import faulty
from benchmarks.faults.trial import SHUTDOWN_SECONDS, Job, Scene, Trial
from benchmarks.verdict import NotHeldError

AFTERWARDS_SECONDS: Final = 2.0
"""For a job that was blocked to be ended after all, by whoever found it too slow."""
NAMED_CODE: Final = rf"(exit|code|status)\D*\b{faulty.EXIT_CODE}\b"


async def raised_early(trial: Trial) -> None:
    async with trial.scene() as scene:
        await _check_error_told(scene, await scene.begin(faulty.RAISE_EARLY, "entered"))


async def raised_late(trial: Trial) -> None:
    async with trial.scene() as scene:
        await _check_error_told(scene, await scene.begin(faulty.RAISE_LATE))


async def exited(trial: Trial) -> None:
    async with trial.scene() as scene:
        await scene.check_failed(await scene.begin(faulty.EXIT), NAMED_CODE)


async def shut_down(trial: Trial) -> None:
    async with trial.scene() as scene:
        await scene.check_succeeded(await scene.begin(faulty.SHUT_DOWN))


async def hanging_callback(trial: Trial) -> None:
    async with trial.scene() as scene:
        job = await scene.begin(faulty.HANG, "ending")
        asked = scene.worker.journal.of("ending", job=job.id)[0].at
        await scene.check_gone(job, since=asked, seconds=SHUTDOWN_SECONDS)
        await scene.check_called_back(job)


async def blocked_loop(trial: Trial) -> None:
    async with trial.scene() as scene:
        job = await scene.begin(faulty.BLOCK)
        rooms = await scene.rooms(1)
        await scene.dispatch(rooms[0], faulty.STAY)
        await scene.check_run(rooms)
        if scene.worker.journal.of("awake", job=job.id):
            raise NotHeldError("the other job ran only when the block was over")
        if not await scene.noted("awake", job):
            raise NotHeldError("the blocked job did not survive")
        await asyncio.sleep(AFTERWARDS_SECONDS)
        await scene.check_alive(job)


async def _check_error_told(scene: Scene, job: Job) -> None:
    began = time.monotonic()
    await scene.check_failed(job, faulty.ERROR_TEXT)
    await scene.check_called_back(job)
    await scene.check_gone(job, since=began, seconds=scene.patience)
