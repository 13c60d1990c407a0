"""The worker is told to stop, once or twice."""

from __future__ import annotations

import signal
import time
from typing import Final

from benchmarks.agents.faulty import STAY, SWALLOW
from benchmarks.faults.trial import Scene, Trial
from benchmarks.verdict import NotHeldError

HEEDED_SECONDS: Final = 1.0
"""After a signal: by then it has been taken."""
REFUSED_SECONDS: Final = 4.0
"""The server gives up on a dispatch sooner."""
RIGHT_AFTER_SECONDS: Final = 5.0
"""From the end of the last job until the worker has exited."""
FORCED_SECONDS: Final = 5.0


async def first_sigterm(trial: Trial) -> None:
    async with trial.scene() as scene:
        worker, job = scene.worker, await scene.begin(STAY)
        (other,) = await scene.rooms(1)
        await _terminate(scene)
        await scene.dispatch(other, STAY)
        await _check_serves(scene, REFUSED_SECONDS)
        if scene.entered(other):
            raise NotHeldError("another job was taken")
        await scene.check_alive(job)
        await worker.ground.delete_room(job.room)
        await scene.check_gone(job, since=time.monotonic(), seconds=scene.patience)
        if (status := await worker.exit_status(RIGHT_AFTER_SECONDS)) != 0:
            raise NotHeldError(_ended(status, RIGHT_AFTER_SECONDS, "after its last job"))


async def second_sigterm(trial: Trial) -> None:
    async with trial.scene() as scene:
        worker = scene.worker
        await scene.begin(SWALLOW)
        await worker.wait_warm()
        await _terminate(scene)
        family, asked = worker.family.pids(), time.monotonic()
        worker.send(signal.SIGTERM)
        if (status := await worker.exit_status(FORCED_SECONDS)) != 1:
            raise NotHeldError(_ended(status, FORCED_SECONDS, "after the second signal"))
        await scene.check_none_left(family, since=asked, seconds=FORCED_SECONDS)


async def _terminate(scene: Scene) -> None:
    """Send a first SIGTERM, which is heeded when this returns."""
    scene.worker.send(signal.SIGTERM)
    await _check_serves(scene, HEEDED_SECONDS)


async def _check_serves(scene: Scene, seconds: float) -> None:
    """Demand that the worker, which has a job, does not end in that time."""
    if (status := await scene.worker.exit_status(seconds)) is not None:
        raise NotHeldError(_ended(status, seconds, "before its job did"))


def _ended(status: int | None, seconds: float, when: str) -> str:
    if status is None:
        return f"the worker still ran {seconds:g} s {when}"
    return f"the worker ended with status {status} {when}"
