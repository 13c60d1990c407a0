"""Processes that are killed, and jobs that find none."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterable
from typing import Final

from benchmarks.agents.faulty import STAY
from benchmarks.failure import MeasurementError
from benchmarks.faults.trial import Trial
from benchmarks.worker import WARM

MORE: Final = WARM + 2
ORPHANED_SECONDS: Final = 20.0
NAMED_SIGNAL: Final = r"SIGKILL|[Ss]ignal 9\b|-9\b"


async def idle_processes_killed(trial: Trial) -> None:
    async with trial.scene() as scene:
        rooms = await scene.rooms(1)
        _kill(scene.worker.warm())
        await scene.dispatch(rooms[0], STAY)
        await scene.check_run(rooms)


async def helpers_killed(trial: Trial) -> None:
    async with trial.scene() as scene:
        family, warm = scene.worker.family, scene.worker.warm()
        rooms = await scene.rooms(MORE)
        if not (others := set(family.pids()) - {family.root} - set(warm)):
            raise MeasurementError("the worker has no helpers")
        _kill(others)
        await asyncio.gather(*[scene.dispatch(room, STAY) for room in rooms])
        await scene.check_run(rooms)


async def running_job_killed(trial: Trial) -> None:
    async with trial.scene() as scene:
        job = await scene.begin(STAY)
        _kill([job.pid])
        await scene.check_failed(job, NAMED_SIGNAL)
        rooms = await scene.rooms(1)
        await scene.dispatch(rooms[0], STAY)
        await scene.check_run(rooms)


async def worker_killed(trial: Trial) -> None:
    async with trial.scene() as scene:
        job = await scene.begin(STAY)
        await scene.worker.wait_warm()
        family, killed = scene.worker.family.pids(), time.monotonic()
        _kill([scene.worker.family.root])
        await scene.check_called_back(job)
        await scene.check_none_left(family, since=killed, seconds=ORPHANED_SECONDS)


async def one_warm_process(trial: Trial) -> None:
    async with trial.scene(warm=1) as scene:
        rooms = await scene.rooms(2)
        await asyncio.gather(*[scene.dispatch(room, STAY) for room in rooms])
        await scene.check_run(rooms)


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(pid, signal.SIGKILL)
