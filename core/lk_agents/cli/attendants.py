"""What stands beside a worker in development: the carrier of its jobs over a restart, the caller of one room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from lk_agents.cli.reload_client import ReloadClient, inherited_socket
from lk_agents.cli.signals import StopSignals
from lk_agents.cli.watch_paths import editable_folders_of
from lk_agents.foundation.log import logger
from lk_agents.job.request import RunningJobInfo

if TYPE_CHECKING:
    from lk_agents.ipc.pool import JobReport, PoolListener, PoolSnapshot
    from lk_agents.job.spec import JobSpec
    from lk_agents.worker.worker import Worker

__all__ = ["Carrier", "RoomCaller", "TellingListener"]

_STOP_MARGIN_SECONDS: Final = 15.0
"""On top of the jobs' own limit: the ladder of signals (5 s), the last words to the server (2 s), and room."""


class _Jobs:
    """The worker's jobs as the records that travel to the watcher and back."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def jobs_to_carry(self) -> Sequence[JobSpec]:
        """Return the jobs that wait, start or run."""
        return [info.to_spec() for info in self._worker.active_jobs]

    async def resume_jobs(self, jobs: Sequence[JobSpec]) -> Mapping[str, str]:
        """Take over jobs; return why some could not be, by job id."""
        await self._worker.resume_jobs([RunningJobInfo.from_spec(job) for job in jobs])
        running = {info.job.id for info in self._worker.active_jobs}
        return {job.job_id: "the worker's log tells why" for job in jobs if job.job_id not in running}


def _imported_plugins() -> list[str]:
    """Return the packages of plugins; those that only an import registered are unknown to the watcher."""
    from lk_agents.plugin import Plugin

    return [plugin.package for plugin in Plugin.registered_plugins]


class Carrier:
    """Talks to the watcher from the moment the worker has started.

    :param descriptor: the inherited end of the channel.
    :param first_start: called when nothing ran before this worker.
    """

    def __init__(
        self,
        worker: Worker,
        signals: StopSignals,
        descriptor: int,
        *,
        first_start: Callable[[], None] | None = None,
    ) -> None:
        self._sock = inherited_socket(descriptor)
        self._opening: asyncio.Task[None] | None = None
        self.client = ReloadClient(
            _Jobs(worker),
            signals,
            stop_seconds=worker.config.options.shutdown_process_timeout + _STOP_MARGIN_SECONDS,
            folders=[str(folder) for folder in editable_folders_of(_imported_plugins())],
            first_start=first_start,
        )
        worker.on("worker_started", self._start)

    def _start(self) -> None:
        self._opening = asyncio.create_task(self.client.open(self._sock), name="reload-channel")

    async def aclose(self) -> None:
        """Tell the watcher the last list of jobs and let go."""
        if self._opening is None:
            self._sock.close()
            return
        await asyncio.wait({self._opening}, timeout=1.0)
        await self.client.aclose()


class TellingListener:
    """A pool's listener that tells somebody else, too, whenever jobs may have come or gone."""

    def __init__(self, listener: PoolListener, tell: Callable[[], None]) -> None:
        self._listener = listener
        self._tell = tell

    def job_started(self, spec: JobSpec, pid: int | None) -> None:
        """Hand on."""
        self._listener.job_started(spec, pid)
        self._tell()

    def job_ended(self, report: JobReport) -> None:
        """Hand on."""
        self._listener.job_ended(report)
        self._tell()

    def pool_changed(self, snapshot: PoolSnapshot) -> None:
        """Hand on."""
        self._listener.pool_changed(snapshot)
        self._tell()


class RoomCaller:
    """Has the server offer one job for a room: once, when the worker is registered and that is allowed.

    A worker that a watcher started anew must not call again: its job is carried over.
    """

    def __init__(self, worker: Worker, room: str, participant_identity: str | None) -> None:
        self._worker = worker
        self._room = room
        self._participant_identity = participant_identity
        self._registered = asyncio.Event()
        self._allowed = asyncio.Event()
        worker.on("worker_registered", self._note)
        self._calling = asyncio.create_task(self._call(), name="connect-room")

    def allow(self) -> None:
        """Say that this is the first start."""
        self._allowed.set()

    async def aclose(self) -> None:
        """Give up, if it has not called yet."""
        self._calling.cancel()
        await asyncio.wait({self._calling}, timeout=1.0)

    def _note(self, *_: Any) -> None:
        self._registered.set()

    async def _call(self) -> None:
        await self._registered.wait()
        await self._allowed.wait()
        try:
            await self._worker.simulate_job(self._room, self._participant_identity)
        except Exception as error:  # noqa: BLE001  the worker goes on: a dispatch by hand still reaches it
            logger.exception(
                "no job could be had for the room", extra={"room": self._room, "error": type(error).__name__}
            )
