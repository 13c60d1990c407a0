"""The worker: registers with the server, is offered jobs, runs each in a process of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Self, get_args

from lk_agents.foundation.clock import wall_seconds
from lk_agents.foundation.errors import ConfigError, LkAgentsError, WorkerClosedError, WorkerError
from lk_agents.foundation.log import DEV_LEVEL, logger
from lk_agents.foundation.settings import Settings
from lk_agents.foundation.version import __version__
from lk_agents.job.request import RunningJobInfo
from lk_agents.utils.aio.threads import call_in_thread
from lk_agents.utils.events import EventEmitter
from lk_agents.worker import protocol
from lk_agents.worker.config import WorkerConfig, resolve
from lk_agents.worker.connection import Link
from lk_agents.worker.engine import Engine, PoolFactory, WorkerLimits
from lk_agents.worker.plugins import WorkerPlugins
from lk_agents.worker.registration import UNREGISTERED
from lk_agents.worker.tokens import renewed_token

if TYPE_CHECKING:
    from types import TracebackType

    from livekit.protocol import models

    from lk_agents.hooks.records import WorkerInfo
    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.ipc.pool import JobPool, PoolConfig, PoolListener
    from lk_agents.ipc.zygote import Zygote
    from lk_agents.worker.options import WorkerOptions

__all__ = ["EventTypes", "Worker", "WorkerState"]

EventTypes = Literal["worker_registered", "worker_started"]


class WorkerState(StrEnum):
    """Where a worker is in its life; it goes through it once."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    CLOSING = "closing"
    CLOSED = "closed"


class Worker(EventEmitter[EventTypes]):
    """Offers itself to a server and runs the jobs that it is given.

    ``await worker.run()`` runs it until it is closed; ``async with Worker(options):`` runs it beside other work on
    the same loop. It sets no signal handlers and no log handlers. A worker runs once; make another one to run again.

    Events: ``worker_started()`` when all is up, ``worker_registered(worker_id, server_info)`` at each registration.

    :param opts: the settings; left as they are.
    :param devmode: the defaults of development: no warm processes, never full, health endpoint on the loopback.
    :param loop: the loop that it will run on; by default the running one when it starts.
    :param registry: the plugins; by default the process's own, for which see ``lk_agents.hooks.current``.
    :param zygote: where processes are forked from, if somebody made it before the loop began.
    :param pool_factory: builds the pool instead of :meth:`build_pool`.
    :param limits: deadlines that users do not set.
    :raises ConfigError: an option cannot work; the text names it and the remedy.
    """

    EVENTS = get_args(EventTypes)

    def __init__(
        self,
        opts: WorkerOptions,
        *,
        devmode: bool = True,
        loop: asyncio.AbstractEventLoop | None = None,
        registry: PluginRegistry | None = None,
        zygote: Zygote | None = None,
        pool_factory: PoolFactory | None = None,
        limits: WorkerLimits | None = None,
    ) -> None:
        super().__init__()
        self._config = resolve(opts, Settings.read(), devmode=devmode)
        self._loop = loop
        self._plugins = WorkerPlugins(registry, self._config.options)
        self._zygote = zygote
        self._pool_factory = pool_factory or self.build_pool
        self._limits = limits or WorkerLimits()
        self._state = WorkerState.NEW
        self._engine: Engine | None = None
        self._closing: asyncio.Task[None] | None = None
        self._start_ended = asyncio.Event()

    # --- what it is ----------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The id that the server gave last; ``"unregistered"`` before that."""
        return UNREGISTERED if self._engine is None else self._engine.registration.worker_id

    @property
    def state(self) -> WorkerState:
        """Where the worker is in its life."""
        return self._state

    @property
    def connected(self) -> bool:
        """Whether the server knows the worker at this moment."""
        return self._engine is not None and self._engine.connection.link is Link.REGISTERED

    @property
    def config(self) -> WorkerConfig:
        """The options made definite; read only."""
        return self._config

    @property
    def active_jobs(self) -> list[RunningJobInfo]:
        """The jobs that wait for a process, start or run."""
        specs = () if self._engine is None else self._engine.pool.jobs().values()
        return [RunningJobInfo.from_spec(spec) for spec in specs]

    @property
    def cpu_load(self) -> float:
        """The CPU's share, averaged over some seconds, in 0..1; 0 while the worker does not run."""
        return 0.0 if self._engine is None else self._engine.sampler.cpu_load

    @property
    def health_port(self) -> int | None:
        """The port of the health endpoint, or None while it does not listen."""
        return None if self._engine is None else self._engine.health.port

    # --- its life ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until :meth:`aclose` is called; cancelled, close first.

        :raises RegistrationError: the server refused the worker, or could not be reached for too long while no job
            ran; the worker has been closed.
        :raises ConfigError: a part could not start, such as the health endpoint on a port that is taken.
        :raises WorkerError: it runs already, or has run.
        """
        started_here = self._state is WorkerState.NEW
        try:
            engine = await self._start()
        except WorkerClosedError:
            if started_here:  # closed while it started, as somebody wished
                return
            raise
        assert engine.serving is not None
        try:
            await asyncio.wait({engine.serving})
            if not engine.serving.cancelled():  # cancelled by aclose(), which is the good end
                await engine.serving
        finally:
            await self.aclose()

    async def __aenter__(self) -> Self:
        """Start, and return when the server knows the worker.

        :raises RegistrationError: the server refused, or could not be reached for too long; the worker is closed.
        """
        engine = await self._start()
        try:
            await engine.wait_registered()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; if the worker failed meanwhile and the block did not, raise the worker's error."""
        serving = self._running_engine().serving
        failed = serving is not None and serving.done() and not serving.cancelled()
        await self.aclose()
        if failed and error is None and serving is not None:
            await serving

    async def drain(self, timeout: int | None = None) -> None:
        """Take no job any more and return when those that were accepted have ended. Nothing is closed.

        Calling it again waits as well. Cancelled, it stops waiting; the worker goes on draining.

        :param timeout: seconds to wait; None and 0 for ever.
        :raises TimeoutError: jobs still run after ``timeout``.
        """
        engine = self._engine
        if engine is None or self._state is WorkerState.CLOSED:
            return
        if self._state is WorkerState.RUNNING:
            self._state = WorkerState.DRAINING
            logger.info("the worker drains", extra={"jobs": engine.admission.occupied})
            engine.refuse_new()
            self._plugins.tell("lk_agents_worker_draining", after=engine.flush(), worker=self)
        async with asyncio.timeout(timeout or None):
            await engine.wait_no_jobs()

    async def aclose(self) -> None:
        """End the running jobs within ``shutdown_process_timeout``, tell the server, close everything.

        Idempotent: calling it again waits for the first. Cancelled, it stops waiting; the closing goes on.
        """
        if self._state is WorkerState.STARTING:
            self._state = WorkerState.CLOSING  # _start() sees it and undoes what it did
            await self._start_ended.wait()
        if self._closing is None:
            if self._engine is None:
                self._state = WorkerState.CLOSED
                return
            self._closing = asyncio.get_running_loop().create_task(self._close(self._engine), name="worker_close")
        await asyncio.shield(self._closing)

    async def kill(self, grace_seconds: float = 2.0) -> None:
        """Close now: ``grace_seconds`` for the jobs' shutdown callbacks, then every process is killed."""
        if self._engine is not None and self._state is not WorkerState.CLOSED:
            await self._engine.pool.kill(grace_seconds)
        await self.aclose()

    # --- jobs ----------------------------------------------------------------------------------------

    async def simulate_job(self, room: str, participant_identity: str | None = None) -> None:
        """Have the server offer this worker a job for ``room``, which is made if it does not exist.

        :param participant_identity: a participant of the room that the job is to be about.
        :raises WorkerError: the worker does not run.
        """
        from livekit import api
        from livekit.protocol import room as room_service

        engine = self._running_engine()
        config = self._config
        async with api.LiveKitAPI(config.url, config.api_key, config.api_secret) as server:
            found = await server.room.create_room(room_service.CreateRoomRequest(name=room))
            participant = None
            if participant_identity:
                wanted = room_service.RoomParticipantIdentity(room=room, identity=participant_identity)
                participant = await server.room.get_participant(wanted)
        engine.outbox.put_request(protocol.simulate(found, participant))

    async def resume_jobs(self, jobs: list[RunningJobInfo]) -> None:
        """Run jobs again that another worker's process ran before a reload; one that fails does not stop the others.

        :raises WorkerError: the worker does not run.
        """
        engine = self._running_engine()
        specs = []
        for info in jobs:
            fields = {"job_id": info.job.id, "agent_name": info.job.agent_name}
            try:
                token = renewed_token(info.token, self._config.api_secret, now=wall_seconds())
            except ConfigError as error:
                logger.error("a job cannot be resumed", extra=fields | {"cause": str(error)})
                continue
            specs.append(replace(info, url=self._config.url, token=token).to_spec())
            logger.log(DEV_LEVEL, "a job is resumed", extra=fields)
        # Failures are logged where they happen and told to the server.
        await asyncio.gather(*[engine.dispatcher.launch(spec) for spec in specs], return_exceptions=True)

    _reload_jobs = resume_jobs

    def build_pool(self, config: PoolConfig, listener: PoolListener) -> JobPool:
        """Return the pool that this worker's options ask for; ``pool_factory`` may call it with its own listener."""
        from lk_agents.ipc import build_pool

        return build_pool(
            config,
            listener,
            executor=self._config.executor,
            registry=self._plugins.registry,
            zygote=self._zygote,
            preload=self._config.options.preload_app,
            with_credentials=self._config.options.job_credentials == "inherit",
        )

    # --- inside --------------------------------------------------------------------------------------

    def _running_engine(self) -> Engine:
        if self._engine is None:
            raise WorkerError("the worker does not run; call run() first, or use it with `async with`")
        return self._engine

    async def _start(self) -> Engine:
        if self._state is WorkerState.CLOSED:
            raise WorkerClosedError("the worker has been closed; make another one")
        if self._state is not WorkerState.NEW:
            raise WorkerError(f"the worker is {self._state.value} already; a worker runs once")
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            raise WorkerError("the worker was made for another event loop; run it on that one, or leave loop out")
        self._state = WorkerState.STARTING
        await self._log_start()
        try:
            await self._plugins.open(self)
            with self._plugins.in_context():
                engine = self._make_engine()
                await engine.start()
            if self._was_closed():
                await engine.aclose()
                raise WorkerClosedError("the worker was closed while it started")
        except BaseException:
            self._state = WorkerState.CLOSED
            await self._plugins.aclose()
            raise
        finally:
            self._start_ended.set()
        self._engine = engine
        self._state = WorkerState.RUNNING
        self.emit("worker_started")
        return engine

    def _make_engine(self) -> Engine:
        return Engine(
            self._config,
            self._plugins,
            worker=self,
            state=lambda: self._state.value,
            pool_factory=self._pool_factory,
            announce=self._registered,
            limits=self._limits,
        )

    def _was_closed(self) -> bool:
        return self._state is WorkerState.CLOSING

    async def _log_start(self) -> None:
        from importlib.metadata import version

        media = await call_in_thread(lambda: version("livekit"), name="worker_version")  # it reads a file
        logger.info("starting worker", extra={"version": __version__, "rtc-version": media})
        if name := self._config.options.agent_name:
            logger.info("explicit dispatch: the worker gets only jobs that name its agent", extra={"agent_name": name})

    def _registered(self, server: models.ServerInfo, info: WorkerInfo) -> None:
        try:
            self.emit("worker_registered", info.worker_id, server)
        except TypeError:  # a callback whose parameters do not fit; the connection must not suffer
            logger.exception("a callback of worker_registered failed")
        self._plugins.tell("lk_agents_worker_registered", worker=self, info=info)

    async def _close(self, engine: Engine) -> None:
        self._state = WorkerState.CLOSING
        try:
            await engine.aclose()
        except LkAgentsError:
            logger.exception("a part of the worker could not be closed")
        finally:
            self._state = WorkerState.CLOSED
            await self._plugins.tell_and_wait("lk_agents_worker_stopped", worker=self)
            await self._plugins.aclose()
            logger.info("the worker is closed")
