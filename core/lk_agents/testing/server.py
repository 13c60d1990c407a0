"""A LiveKit server that is not one: it speaks the workers' protocol, and can be told to misbehave.

It has no rooms and no media. It registers workers, offers and assigns jobs as the real server does, and keeps what
workers say::

    async with FakeLiveKitServer() as server:
        async with Worker(WorkerOptions(entrypoint, ws_url=server.url, api_key=server.api_key, …)):
            dispatch = await server.dispatch("my-room")
            assert dispatch.outcome == "assigned"
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from livekit.protocol import agent, models
from livekit.protocol import room as room_service

from lk_agents.foundation.clock import monotonic
from lk_agents.foundation.errors import ProtocolError
from lk_agents.foundation.ids import short_id
from lk_agents.testing.server_peer import ConnectedWorker

if TYPE_CHECKING:
    from types import TracebackType

    from aiohttp import web

Outcome = Literal["assigned", "refused", "no_worker", "no_answer", "not_assigned"]

__all__ = ["ConnectedWorker", "Dispatch", "FakeLiveKitServer", "Faults", "Outcome"]

API_KEY: Final = "fake-key"
API_SECRET: Final = "fake-secret-of-more-than-32-characters"  # noqa: S105  it opens nothing
LARGEST_LOAD: Final = 0.7
"""The real server offers nothing from this load on, whatever a worker's status says (its ``agents.target_load``)."""

ANSWER_SECONDS: Final = 2.8
"""What the real server leaves a worker to answer in."""


@dataclass(kw_only=True)
class Faults:
    """How the server misbehaves; may be changed at any time.

    :param refuse_status: answer the request for a websocket with this HTTP status.
    :param close_after: drop each socket when it was ``"opened"``, or when it was ``"registered"``.
    :param ignore_register: never answer ``register``.
    :param assignment_delay: seconds between a worker's yes and the assignment; None for no assignment at all.
    """

    refuse_status: int | None = None
    close_after: Literal["opened", "registered"] | None = None
    ignore_register: bool = False
    assignment_delay: float | None = 0.0


@dataclass(kw_only=True)
class Dispatch:
    """What became of one job that was to be given to a worker.

    :param asked: the workers that were asked, in order.
    :param answer: the yes of the worker that took it.
    :param token: what the agent would join the room with.
    """

    job: agent.Job
    outcome: Outcome = "no_worker"
    asked: list[ConnectedWorker] = field(default_factory=list)
    worker: ConnectedWorker | None = None
    answer: agent.AvailabilityResponse | None = None
    token: str = ""


class FakeLiveKitServer:
    """Listens on the loopback while its block lasts.

    :param api_key: the one key that it takes.
    :param api_secret: its secret.
    :param faults: how it misbehaves.
    :param base_path: serve below this path, as behind a proxy.
    """

    def __init__(
        self,
        *,
        api_key: str = API_KEY,
        api_secret: str = API_SECRET,
        faults: Faults | None = None,
        base_path: str = "",
    ) -> None:
        self.api_key = api_key
        self.api_secret = api_secret
        self.faults = faults or Faults()
        self.connections: list[ConnectedWorker] = []
        """Every socket there has been, in the order of opening."""
        self.attempts: list[float] = []
        """When a socket was asked for, in monotonic seconds; refused ones among them."""
        self.broken_rules: list[str] = []
        """What workers did that the real server closes the socket for."""
        self._base_path = base_path
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._noted = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    # --- its life ------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Listen: on a free port at first, on the same one again after :meth:`aclose`."""
        from aiohttp import web

        app = web.Application()
        app.router.add_get(f"{self._base_path}/agent", self._agent)
        app.router.add_post(f"{self._base_path}/twirp/livekit.RoomService/CreateRoom", self._create_room)
        app.router.add_post(f"{self._base_path}/twirp/livekit.RoomService/GetParticipant", self._get_participant)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]

    async def aclose(self) -> None:
        """Drop every socket and stop listening; idempotent."""
        for task in self._tasks:
            task.cancel()
        for connection in self.connections:
            connection.drop()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @property
    def url(self) -> str:
        """What a worker takes as ``ws_url``."""
        return f"ws://127.0.0.1:{self._port}{self._base_path}"

    # --- what it knows -------------------------------------------------------------------------------

    @property
    def workers(self) -> list[ConnectedWorker]:
        """The workers that are registered now."""
        return [connection for connection in self.connections if connection.registered]

    def job_updates(self, job_id: str) -> list[agent.UpdateJobStatus]:
        """Return what workers reported of a job, over all sockets."""
        return [one for peer in self.connections for one in peer.job_updates if one.job_id == job_id]

    def final_updates(self, job_id: str) -> list[agent.UpdateJobStatus]:
        """Return how often, and how, a job was reported as ended."""
        ends = {agent.JobStatus.JS_SUCCESS, agent.JobStatus.JS_FAILED}
        return [update for update in self.job_updates(job_id) if update.status in ends]

    async def until(self, condition: Callable[[], object], *, seconds: float = 5.0) -> None:
        """Return when ``condition`` holds; it is looked at whenever a worker came, spoke or left.

        :raises TimeoutError: it did not hold within ``seconds``.
        """
        async with asyncio.timeout(seconds):
            while not condition():
                self._noted.clear()
                await self._noted.wait()

    async def wait_worker(self, *, seconds: float = 5.0) -> ConnectedWorker:
        """Return the worker that registered last; waits for one.

        :raises TimeoutError: none is there within ``seconds``.
        """
        await self.until(lambda: self.workers, seconds=seconds)
        return self.workers[-1]

    # --- what it does --------------------------------------------------------------------------------

    def make_job(self, room: str, *, agent_name: str = "", metadata: str = "", participant: str = "") -> agent.Job:
        """Return a new job for ``room``, about its participant if one is named."""
        kind = agent.JobType.JT_PUBLISHER if participant else agent.JobType.JT_ROOM
        job = agent.Job(
            id=short_id("AJ_"),
            dispatch_id=short_id("AD_"),
            type=kind,
            room=models.Room(name=room, sid=short_id("RM_")),
            agent_name=agent_name,
            metadata=metadata,
        )
        if participant:
            job.participant.identity = participant
        return job

    async def dispatch(
        self, room: str, *, agent_name: str = "", metadata: str = "", participant: str = "", seconds: float = 2.8
    ) -> Dispatch:
        """Offer a job to one worker after the other until one takes it, and assign it.

        Workers that are full or too loaded are not asked. Returns when the assignment was sent, or nobody is left,
        or a worker gave no answer within ``seconds``: then, as with the real server, no other one is asked.
        """
        job = self.make_job(room, agent_name=agent_name, metadata=metadata, participant=participant)
        return await self.offer(job, seconds=seconds)

    async def offer(self, job: agent.Job, *, seconds: float = ANSWER_SECONDS) -> Dispatch:
        """The same with a job of your own."""
        dispatch = Dispatch(job=job)
        for worker in self.workers:
            wanted = worker.registration is not None and worker.registration.agent_name == job.agent_name
            if not wanted or worker.full or worker.load >= LARGEST_LOAD:
                continue
            if await self._offer_to(worker, dispatch, seconds):
                break
        return dispatch

    async def _offer_to(self, worker: ConnectedWorker, dispatch: Dispatch, seconds: float) -> bool:
        """Ask one worker; False if another one may be asked."""
        dispatch.asked.append(worker)
        try:
            answer = await worker.ask(dispatch.job, seconds=seconds)
        except TimeoutError:
            dispatch.outcome = "no_answer"
            return True
        except ConnectionError:
            return False
        if not answer.available:
            dispatch.outcome = "refused"
            return False
        dispatch.worker, dispatch.answer, dispatch.outcome = worker, answer, "not_assigned"
        dispatch.token = self.mint_token(dispatch.job, answer, worker)
        if self.faults.assignment_delay is not None:
            await asyncio.sleep(self.faults.assignment_delay)
            await worker.assign(dispatch.job, dispatch.token)
            dispatch.outcome = "assigned"
        return True

    def mint_token(self, job: agent.Job, answer: agent.AvailabilityResponse, worker: ConnectedWorker) -> str:
        """Return the token that an agent joins the room of its job with."""
        from livekit import api

        registration = worker.registration or agent.RegisterWorkerRequest()
        may = registration.allowed_permissions
        grants = api.VideoGrants(
            room_join=True,
            agent=True,
            room=job.room.name,
            can_publish=may.can_publish,
            can_subscribe=may.can_subscribe,
            can_publish_data=may.can_publish_data,
            can_update_own_metadata=may.can_update_metadata,
            hidden=may.hidden,
        )
        token = api.AccessToken(self.api_key, self.api_secret).with_identity(answer.participant_identity)
        token = token.with_name(answer.participant_name).with_metadata(answer.participant_metadata)
        attributes = dict(answer.participant_attributes) | {"lk.agent_name": registration.agent_name}
        return token.with_kind("agent").with_attributes(attributes).with_grants(grants).to_jwt()

    # --- requests ------------------------------------------------------------------------------------

    async def _agent(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        self.attempts.append(monotonic())
        self._noted.set()
        if self.faults.refuse_status is not None:
            return web.Response(status=self.faults.refuse_status)
        socket = web.WebSocketResponse()
        if not socket.can_prepare(request).ok:
            return web.Response(status=404)
        claims = self._claims(request)
        if claims is None:
            return web.Response(status=401, text="no permissions to access the room")
        await socket.prepare(request)

        def cut() -> None:
            if request.transport is not None:
                request.transport.abort()

        peer = ConnectedWorker(socket, short_id("AW_"), claims, owner=self, cut=cut)
        self.connections.append(peer)
        try:
            if self.faults.close_after != "opened":
                await peer.serve()
        except ProtocolError as error:
            self.broken_rules.append(str(error))
        finally:
            peer.closed = True
            peer.drop()
            self._noted.set()
        return socket

    def _claims(self, request: web.Request) -> dict[str, Any] | None:
        import jwt

        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            claims: dict[str, Any] = jwt.decode(token, self.api_secret, algorithms=["HS256"], leeway=60)
        except jwt.InvalidTokenError:
            return None
        allowed = claims.get("iss") == self.api_key and claims.get("video", {}).get("agent") is True
        return claims if scheme == "Bearer" and allowed else None

    # --- what its sockets tell it --------------------------------------------------------------------

    def noted(self) -> None:
        """Let :meth:`until` look again."""
        self._noted.set()

    def worker_simulates(self, peer: ConnectedWorker, request: agent.SimulateJobRequest) -> None:
        """Offer the job to the very worker that wished for it, as the real server does."""
        identity = request.participant.identity
        name = peer.registration.agent_name if peer.registration is not None else ""
        job = self.make_job(request.room.name, agent_name=name, participant=identity)
        task = asyncio.get_running_loop().create_task(self._offer_to(peer, Dispatch(job=job), 10.0), name="simulated")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def worker_registered(self, peer: ConnectedWorker) -> None:
        """Answer the registration, as far as the faults allow."""
        if self.faults.ignore_register:
            return
        server = models.ServerInfo(version="0.0.0-fake", protocol=16, region="", node_id="ND_fake")
        await peer.send(register=agent.RegisterWorkerResponse(worker_id=peer.id, server_info=server))
        if self.faults.close_after == "registered":
            peer.drop()

    async def _create_room(self, request: web.Request) -> web.Response:
        wanted = room_service.CreateRoomRequest.FromString(await request.read())
        room = models.Room(name=wanted.name, sid=short_id("RM_"))
        return _protobuf(room.SerializeToString())

    async def _get_participant(self, request: web.Request) -> web.Response:
        wanted = room_service.RoomParticipantIdentity.FromString(await request.read())
        found = models.ParticipantInfo(identity=wanted.identity, sid=short_id("PA_"))
        return _protobuf(found.SerializeToString())


def _protobuf(content: bytes) -> web.Response:
    from aiohttp import web

    return web.Response(body=content, content_type="application/protobuf")
