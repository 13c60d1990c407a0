"""One worker's socket as the fake server holds it: what it said, and what it can be told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from livekit.protocol import agent

from lk_agents.foundation.clock import wall_seconds
from lk_agents.foundation.errors import ProtocolError

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["ConnectedWorker", "PeerOwner"]


class PeerOwner(Protocol):
    """The server, as one of its sockets needs it."""

    def noted(self) -> None:
        """Take note that something was recorded."""

    async def worker_registered(self, peer: ConnectedWorker) -> None:
        """Answer the registration."""

    def worker_simulates(self, peer: ConnectedWorker, request: agent.SimulateJobRequest) -> None:
        """Offer the worker a job of its own making."""


class ConnectedWorker:
    """A socket that a worker opened, with everything that the worker said on it.

    :param socket: the open websocket.
    :param worker_id: the id that it is told at registration.
    :param claims: what its token says.
    :param owner: the server.
    :param cut: ends the connection without a word.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        worker_id: str,
        claims: dict[str, Any],
        *,
        owner: PeerOwner,
        cut: Callable[[], None],
    ) -> None:
        self.id = worker_id
        self.claims = claims
        self.registration: agent.RegisterWorkerRequest | None = None
        self.statuses: list[agent.UpdateWorkerStatus] = []
        self.answers: list[agent.AvailabilityResponse] = []
        self.job_updates: list[agent.UpdateJobStatus] = []
        self.migrations: list[list[str]] = []
        self.simulations: list[agent.SimulateJobRequest] = []
        self.said: list[str] = []
        """The kinds of all messages, in order."""
        self.closed = False
        self.answer_pings = True
        self._socket = socket
        self._owner = owner
        self._cut = cut
        self._reading = asyncio.Event()
        self._reading.set()
        self._asked: dict[str, asyncio.Future[agent.AvailabilityResponse]] = {}

    @property
    def registered(self) -> bool:
        """Whether the worker has registered on this socket, which is still open."""
        return self.registration is not None and not self.closed

    @property
    def full(self) -> bool:
        """Whether the worker takes no jobs, by the last status that it sent."""
        return bool(self.statuses) and self.statuses[-1].status == agent.WorkerStatus.WS_FULL

    @property
    def load(self) -> float:
        """The load that the worker sent last; 0 before the first."""
        return self.statuses[-1].load if self.statuses else 0.0

    # --- what the server can do ----------------------------------------------------------------------

    async def send(self, **message: Any) -> None:
        """Send one ``ServerMessage``; ``message`` names its one field."""
        await self._socket.send_bytes(agent.ServerMessage(**message).SerializeToString())

    async def send_bytes(self, frame: bytes) -> None:
        """Send a binary frame as it is."""
        await self._socket.send_bytes(frame)

    async def send_text(self, frame: str) -> None:
        """Send a text frame."""
        await self._socket.send_str(frame)

    async def ask(self, job: agent.Job, *, seconds: float = 3.0) -> agent.AvailabilityResponse:
        """Offer a job and return the worker's answer.

        :raises TimeoutError: there was none in ``seconds``.
        :raises ConnectionError: the worker left instead.
        """
        answer: asyncio.Future[agent.AvailabilityResponse] = asyncio.get_running_loop().create_future()
        self._asked[job.id] = answer
        try:
            async with asyncio.timeout(seconds):
                await self.send(availability=agent.AvailabilityRequest(job=job))
                return await answer
        finally:
            del self._asked[job.id]

    async def assign(self, job: agent.Job, token: str, *, url: str | None = None) -> None:
        """Give the worker a job, whether it wants it or not."""
        await self.send(assignment=agent.JobAssignment(job=job, token=token, url=url))

    async def terminate(self, job_id: str) -> None:
        """Tell the worker that a job has ended for the server."""
        await self.send(termination=agent.JobTermination(job_id=job_id))

    def drop(self) -> None:
        """Cut the connection as the real server does: without a close frame."""
        self._reading.set()
        self._cut()

    def stop_reading(self) -> None:
        """Read nothing more and answer nothing, while the connection stays open."""
        self._reading.clear()

    # --- what the worker says ------------------------------------------------------------------------

    async def serve(self) -> None:
        """Read until the worker leaves.

        :raises ProtocolError: it broke a rule for which the real server closes the socket.
        """
        try:
            await self._read()
        finally:
            self.closed = True
            for asked in self._asked.values():
                if not asked.done():
                    asked.set_exception(ConnectionResetError("the worker left without an answer"))

    async def _read(self) -> None:
        from aiohttp import WSMsgType

        while True:
            frame = await self._socket.receive()
            await self._reading.wait()
            if frame.type is not WSMsgType.BINARY:
                return
            message = agent.WorkerMessage.FromString(frame.data)
            kind = message.WhichOneof("message")
            self.said.append(str(kind))
            if kind == "register":
                if self.registration is not None:
                    raise ProtocolError("the worker registered twice on one socket")
                self.registration = message.register
                await self._owner.worker_registered(self)
            elif self.registration is None and kind != "ping":
                raise ProtocolError(f"the worker said {kind} before it registered")
            else:
                await self._take(kind, message)
            self._owner.noted()

    async def _take(self, kind: str | None, message: agent.WorkerMessage) -> None:
        match kind:
            case "availability":
                self.answers.append(message.availability)
                waiting = self._asked.get(message.availability.job_id)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message.availability)
            case "update_worker":
                self.statuses.append(message.update_worker)
            case "update_job":
                self.job_updates.append(message.update_job)
            case "migrate_job":
                self.migrations.append(list(message.migrate_job.job_ids))
            case "simulate_job":
                self.simulations.append(message.simulate_job)
                self._owner.worker_simulates(self, message.simulate_job)
            case "ping":
                if self.answer_pings:
                    pong = agent.WorkerPong(last_timestamp=message.ping.timestamp, timestamp=int(wall_seconds() * 1000))
                    await self.send(pong=pong)
            case _:
                raise ProtocolError(f"the worker sent {kind!r}, which no server knows")
