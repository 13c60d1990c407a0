"""The worker's end of the channel to its watcher."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from lk_agents.cli.reload_protocol import Force, Hello, Jobs, Resume, Resumed, Stop, ToWorker, decode_to_worker
from lk_agents.cli.signals import StopSignals
from lk_agents.foundation.errors import ProtocolError
from lk_agents.foundation.log import logger
from lk_agents.ipc.channel import StreamChannel
from lk_agents.job.spec import JobSpec

__all__ = ["CarryingWorker", "ReloadClient", "inherited_socket"]


class CarryingWorker(Protocol):
    """What is needed of a worker whose jobs outlive it."""

    def jobs_to_carry(self) -> Sequence[JobSpec]:
        """Return the jobs that wait, start or run."""

    async def resume_jobs(self, jobs: Sequence[JobSpec]) -> Mapping[str, str]:
        """Take over jobs; return why some could not be, by job id."""


def inherited_socket(descriptor: int) -> socket.socket:
    """Return the socket that the watcher left open for this process; no other program inherits it."""
    os.set_inheritable(descriptor, False)
    sock = socket.socket(fileno=descriptor)
    sock.setblocking(False)
    return sock


class ReloadClient:
    """Tells the watcher which jobs run, takes over the jobs of the worker before, and stops when told.

    Jobs are told at each :meth:`jobs_changed`, and from the moment of the stop none is taken off the list any more:
    what ends then ends because of the stop.

    :param stop_seconds: the longest time that the worker may take to end.
    :param folders: what the watcher shall watch besides what it found.
    :param first_start: called when there is nothing to resume because nothing ran before.
    """

    def __init__(
        self,
        worker: CarryingWorker,
        signals: StopSignals,
        *,
        stop_seconds: float,
        folders: Sequence[str] = (),
        first_start: Callable[[], None] | None = None,
    ) -> None:
        self._worker = worker
        self._signals = signals
        self._hello = Hello(stop_seconds=stop_seconds, watch=list(folders))
        self._first_start = first_start
        self._channel: StreamChannel[ToWorker] = StreamChannel(decode_to_worker, self._heard, self._ended)
        self._jobs: dict[str, JobSpec] = {}
        self._resuming: asyncio.Task[None] | None = None
        self._resumed = False
        self._stopping = False

    async def open(self, sock: socket.socket) -> None:
        """Begin: greet the watcher, then follow what it says."""
        await self._channel.open(sock)
        self._channel.send(self._hello)

    async def aclose(self) -> None:
        """Tell the final list of jobs and close."""
        self.jobs_changed()
        if self._resuming is not None:
            self._resuming.cancel()
            await asyncio.wait({self._resuming}, timeout=1.0)
        self._channel.close()
        await asyncio.sleep(0)  # lets the transport write what is queued

    def jobs_changed(self) -> None:
        """Tell the watcher the jobs as they are now. Before the old ones have been taken over it knows better."""
        if not self._resumed:
            return
        now = {job.job_id: job for job in self._worker.jobs_to_carry()}
        jobs = {**self._jobs, **now} if self._stopping else now
        if jobs.keys() != self._jobs.keys() or self._stopping:
            self._jobs = jobs
            self._channel.send(Jobs(jobs=list(jobs.values())))

    def _heard(self, message: ToWorker) -> None:
        match message:
            case Resume(jobs=jobs, reload_count=count):
                if count == 0 and self._first_start is not None:
                    self._first_start()
                self._resuming = asyncio.create_task(self._resume(jobs), name="resume-jobs")
            case Stop():
                self._stop()
            case Force():
                self._signals.force()

    def _stop(self) -> None:
        self.jobs_changed()
        self._stopping = True
        self._signals.ask()

    def _ended(self, error: ProtocolError | None) -> None:
        """The watcher is gone: nobody would start the next worker."""
        if error is not None:
            logger.error("the watcher broke the rules of its channel", extra={"error": str(error)})
        if not self._stopping:
            self._stop()

    async def _resume(self, jobs: Sequence[JobSpec]) -> None:
        failed: Mapping[str, str] = {}
        try:
            if jobs:
                failed = await self._worker.resume_jobs(jobs)
        except Exception as error:  # noqa: BLE001  one job's trouble must not end the talk with the watcher
            logger.exception("jobs could not be carried over")
            failed = {job.job_id: str(error) for job in jobs}
        self._resumed = True
        self._jobs = {}
        self._channel.send(Resumed(running=len(jobs) - len(failed), failed=dict(failed)))
        if jobs:
            self._channel.send(Jobs(jobs=list(self._worker.jobs_to_carry())))
        self.jobs_changed()
