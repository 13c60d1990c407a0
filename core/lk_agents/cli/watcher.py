"""The loop of ``dev``: start a worker, wait for a change, stop it, start the next one with the jobs of the last."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from watchfiles import Change, awatch

from lk_agents.cli.reload_protocol import FromWorker, Hello, Jobs, Resumed
from lk_agents.cli.serve import FAILED, FINE
from lk_agents.cli.signals import StopSignals
from lk_agents.cli.watch_paths import without_nested
from lk_agents.cli.worker_process import WorkerProcess, describe_exit
from lk_agents.foundation.log import DEV_LEVEL, logger
from lk_agents.job.spec import JobSpec

__all__ = ["WatchPlan", "Watcher"]

_SHOWN_FILES: Final = 5
_ENDED_AS_ASKED: Final = (FINE, -signal.SIGTERM)
"""A worker that was still loading the user's file is ended by SIGTERM."""


@dataclass(frozen=True, kw_only=True)
class WatchPlan:
    """What the watcher is to do.

    :param command: the worker's command line; the number of its channel is put behind it.
    :param environment: makes the worker's environment, anew for each start.
    :param folders: what to watch from the start.
    :param counts: which changes count.
    :param polling: read the files instead of asking the system for changes.
    :param debounce_ms: how long changes are gathered at most.
    """

    command: Sequence[str]
    environment: Callable[[], Mapping[str, str]]
    folders: Sequence[Path]
    counts: Callable[[Change, str], bool]
    polling: bool = False
    debounce_ms: int = 1600


class Watcher:
    """Owns the worker process and what it would lose; :meth:`run` is its only task."""

    def __init__(self, plan: WatchPlan, signals: StopSignals) -> None:
        self._plan = plan
        self._signals = signals
        self._worker: WorkerProcess | None = None
        self._jobs: Sequence[JobSpec] = ()
        self._reload_count = 0
        self._folders = set(plan.folders)
        self._changed = asyncio.Event()
        self._more_folders = asyncio.Event()

    @property
    def reload_count(self) -> int:
        """How often the worker has been started anew."""
        return self._reload_count

    @property
    def change_seen(self) -> bool:
        """Whether a change has been seen since the running worker was started."""
        return self._changed.is_set()

    async def run(self) -> int:
        """Go on until asked to stop, or until the worker ends by itself without an error; return the exit code."""
        watching = asyncio.create_task(self._watch(), name="file-watch")
        try:
            while (code := await self._one_round()) is None:
                self._reload_count += 1
            return code
        finally:
            watching.cancel()
            await asyncio.wait({watching}, timeout=5.0)

    async def _one_round(self) -> int | None:
        """Start a worker and see it through; None: start the next one."""
        self._changed.clear()
        environment = await asyncio.to_thread(self._plan.environment)
        worker = self._worker = await WorkerProcess.start(
            [*self._plan.command, "--reload-fd"], environment, self._heard
        )
        ended = asyncio.create_task(worker.wait(), name="worker-process")
        try:
            await self._first(ended, self._changed.wait(), self._signals.asked.wait())
            if not ended.done():
                await worker.stop("reload" if self._changed.is_set() else "stop", self._signals.forced)
                code = await ended
            else:
                code = ended.result()
                if code == FINE:
                    return FINE  # somebody asked the worker itself to stop
                if not self._signals.asked.is_set() and not self._changed.is_set():
                    logger.warning(
                        "the worker ended; the next save starts it again", extra={"end": describe_exit(code)}
                    )
                    await self._first(self._changed.wait(), self._signals.asked.wait())
        finally:
            ended.cancel()
            worker.let_go()
        if self._signals.asked.is_set():
            return FINE if code in _ENDED_AS_ASKED else FAILED
        return None

    @staticmethod
    async def _first(*waits: asyncio.Task[Any] | Coroutine[Any, Any, Any]) -> None:
        """Return when the first is done; coroutines are cancelled then, tasks are the caller's."""
        given = {wait for wait in waits if isinstance(wait, asyncio.Task)}
        made = {asyncio.create_task(wait) for wait in waits if not isinstance(wait, asyncio.Task)}
        try:
            await asyncio.wait(given | made, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in made:
                task.cancel()

    def _heard(self, message: FromWorker) -> None:
        """Take in what the worker says (called on the loop)."""
        match message:
            case Hello(watch=folders):
                self._add_folders(Path(folder) for folder in folders)
                if self._worker is not None:
                    self._worker.resume(self._jobs, self._reload_count)
            case Jobs(jobs=jobs):
                self._jobs = jobs
            case Resumed(running=running, failed=failed):
                if running:
                    logger.log(DEV_LEVEL, "jobs go on with the new code", extra={"jobs": running})
                for job_id, why in failed.items():
                    logger.warning("a job could not be carried over", extra={"job_id": job_id, "error": why})

    def _add_folders(self, folders: Iterable[Path]) -> None:
        if not self._folders.issuperset(new := set(folders)):
            self._folders |= new
            self._more_folders.set()

    async def _watch(self) -> None:
        """Set ``_changed`` at each change that counts, for ever; begin again when folders are added."""
        while True:
            self._more_folders.clear()
            folders = without_nested(self._folders)
            logger.log(DEV_LEVEL, "watching", extra={"folders": [str(folder) for folder in folders]})
            async for changes in awatch(
                *folders,
                watch_filter=self._plan.counts,
                debounce=self._plan.debounce_ms,
                force_polling=self._plan.polling or None,
                stop_event=self._more_folders,
                ignore_permission_denied=True,
            ):
                files = sorted({path for _, path in changes})
                logger.log(DEV_LEVEL, "changed", extra={"files": files[:_SHOWN_FILES], "count": len(files)})
                self._changed.set()
