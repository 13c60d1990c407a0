"""Under what id the server knows the worker, and who acts on what the server says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from lk_agents.foundation.log import logger
from lk_agents.hooks.records import WorkerInfo
from lk_agents.worker import protocol

if TYPE_CHECKING:
    from livekit.protocol import agent, models

    from lk_agents.ipc.pool import JobPool
    from lk_agents.worker.config import WorkerConfig
    from lk_agents.worker.dispatch import Dispatcher
    from lk_agents.worker.reports import JobReports
    from lk_agents.worker.status import StatusLoop

__all__ = ["UNREGISTERED", "Registration"]

UNREGISTERED: Final = "unregistered"


class Registration:
    """Owns the worker's id; the listener of the connection.

    :param announce: told of each registration, with the server's own record and ours.
    """

    def __init__(
        self,
        config: WorkerConfig,
        *,
        dispatcher: Dispatcher,
        reports: JobReports,
        pool: JobPool,
        status: StatusLoop,
        announce: Callable[[models.ServerInfo, WorkerInfo], None],
    ) -> None:
        self._config = config
        self._dispatcher = dispatcher
        self._reports = reports
        self._pool = pool
        self._status = status
        self._announce = announce
        self._registered_before = False
        self._first = asyncio.Event()
        self._worker_id = UNREGISTERED

    @property
    def worker_id(self) -> str:
        """The id that the server gave last."""
        return self._worker_id

    async def wait_registered(self) -> None:
        """Return when the server has registered the worker for the first time, and offers it jobs."""
        await self._first.wait()

    def registered(self, answer: agent.RegisterWorkerResponse) -> Iterable[agent.WorkerMessage]:
        """Take the new id, and say which jobs go on although the server has a new socket before it."""
        server = answer.server_info
        self._worker_id = answer.worker_id
        info = WorkerInfo(
            worker_id=answer.worker_id,
            url=self._config.url,
            agent_name=self._config.options.agent_name,
            server_version=server.version,
            server_region=server.region,
            server_node_id=server.node_id,
            reconnected=self._registered_before,
        )
        logger.info(
            "the worker is registered",
            extra={
                "worker_id": info.worker_id,
                "url": info.url,
                "region": info.server_region,
                "server_version": info.server_version,
                "protocol": server.protocol,
                "node_id": info.server_node_id,
            },
        )
        self._registered_before = True
        self._status.refresh()
        self._announce(server, info)
        going_on = self._reports.unended()
        return [protocol.migrate(going_on)] if going_on else []

    def confirmed(self) -> None:
        """Let those go on who wait for the registration."""
        self._first.set()

    def disconnected(self) -> None:
        """Free the slots of jobs whose assignment cannot come any more."""
        self._dispatcher.disconnected()

    def offered(self, request: agent.AvailabilityRequest, session: int) -> None:
        """Hand the server's question to the dispatcher."""
        self._dispatcher.offered(request, session)

    def assigned(self, assignment: agent.JobAssignment) -> None:
        """Hand the assignment to the dispatcher."""
        self._dispatcher.assigned(assignment)

    def terminated(self, termination: agent.JobTermination) -> None:
        """Ask the job to end; the server says so again for jobs that are ending, and for ones it has forgotten."""
        known = self._pool.stop_job(termination.job_id, "the server ended the job")
        logger.info("the server ends a job", extra={"job_id": termination.job_id, "known": known})
