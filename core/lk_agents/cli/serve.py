"""Running a worker until it fails or somebody asks it to stop, and ending it in order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from lk_agents.cli.signals import StopSignals
from lk_agents.foundation.errors import LkAgentsError
from lk_agents.foundation.log import logger

__all__ = ["FAILED", "FINE", "USAGE", "Ended", "ServedWorker", "serve"]

FINE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
"""What click exits with by itself."""

_KILL_SECONDS: Final = 4.0
"""A forced end has 5 s in all; the worker's own kill takes 2 s for shutdown callbacks and then SIGKILL."""


class ServedWorker(Protocol):
    """What is needed of a worker here."""

    async def run(self) -> None:
        """Serve until closed; raise what makes it impossible to go on."""

    async def drain(self, timeout: int | None = None) -> None:
        """Take no new jobs and wait for the running ones, at most ``timeout`` seconds."""

    async def aclose(self) -> None:
        """End everything in order."""

    async def kill(self) -> None:
        """End everything now."""


@dataclass(frozen=True)
class Ended:
    """How serving ended.

    :param code: exit code for the process.
    :param forced: a second signal cut the end short: what is left may not be waited for.
    """

    code: int
    forced: bool = False


async def serve(worker: ServedWorker, signals: StopSignals, *, drain_seconds: int) -> Ended:
    """Run ``worker``; at the first signal drain it and close it, at the second end it at once.

    A worker that fails is closed too, and the exit code is 1. Errors are logged, not raised.

    :param drain_seconds: how long running jobs may go on after the first signal; 0 = do not wait for them.
    """
    running = asyncio.create_task(worker.run(), name="worker")
    asked = asyncio.create_task(signals.asked.wait(), name="stop-asked")
    try:
        await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
        failed_early = running.done()
        ended = await _end(worker, signals, 0 if failed_early else drain_seconds)
        if ended.forced:
            running.cancel()
        return Ended(max(ended.code, await _outcome(running)), ended.forced)
    finally:
        for task in (running, asked):
            task.cancel()
        await asyncio.wait({running, asked}, timeout=1.0)


async def _outcome(running: asyncio.Task[None]) -> int:
    """Return the exit code that the end of ``run()`` stands for; log why it failed."""
    await asyncio.wait({running}, timeout=_KILL_SECONDS)
    if not running.done():
        logger.error("the worker was closed but is still running")
        return FAILED
    if running.cancelled():
        return FINE
    error = running.exception()
    if error is None:
        return FINE
    if isinstance(error, LkAgentsError):  # the text says it all
        logger.error("the worker failed", extra={"error": str(error), "kind": type(error).__name__})
    else:
        logger.error("the worker failed", exc_info=error)
    return FAILED


async def _end(worker: ServedWorker, signals: StopSignals, drain_seconds: int) -> Ended:
    orderly = asyncio.create_task(_end_in_order(worker, drain_seconds), name="orderly-end")
    forced = asyncio.create_task(signals.forced.wait(), name="stop-forced")
    try:
        await asyncio.wait({orderly, forced}, return_when=asyncio.FIRST_COMPLETED)
        if orderly.done():
            return Ended(orderly.result())
        logger.warning("asked to stop a second time: ending at once")
        orderly.cancel()
        await _kill(worker)
        return Ended(FAILED, forced=True)
    finally:
        for task in (orderly, forced):
            task.cancel()
        await asyncio.wait({orderly, forced}, timeout=1.0)


async def _end_in_order(worker: ServedWorker, drain_seconds: int) -> int:
    """Drain and close; whatever goes wrong in draining, closing comes about."""
    code = FINE
    if drain_seconds > 0:
        logger.info("asked to stop: running jobs may go on for a while", extra={"limit_seconds": drain_seconds})
        try:
            await worker.drain(timeout=drain_seconds)
        except TimeoutError:
            logger.warning(
                "jobs still run at the end of the drain time and are ended now", extra={"limit_seconds": drain_seconds}
            )
        except Exception:  # noqa: BLE001  logged; the close must come about
            logger.exception("draining failed; closing all the same")
            code = FAILED
    try:
        await worker.aclose()
    except Exception:  # noqa: BLE001  logged; the exit code tells
        logger.exception("the worker could not be closed in order")
        code = FAILED
    return code


async def _kill(worker: ServedWorker) -> None:
    try:
        async with asyncio.timeout(_KILL_SECONDS):
            await worker.kill()
    except TimeoutError:
        logger.error("the worker did not end in time; its processes are killed")
    except Exception:  # noqa: BLE001  logged; its processes are killed next
        logger.exception("the worker could not be ended; its processes are killed")
