"""The parts of a running worker, wired; each part owns its own state, this one owns none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lk_agents.foundation.log import logger
from lk_agents.hooks.records import JobLost
from lk_agents.ipc.pool import PoolConfig
from lk_agents.metrics.totals import Totals
from lk_agents.utils.aio import cancel_and_wait
from lk_agents.worker.admission import Admission, Slot
from lk_agents.worker.connection import Connection, ConnectionLimits, Link
from lk_agents.worker.dispatch import Dispatcher, DispatchLimits
from lk_agents.worker.health import HealthServer, HealthState
from lk_agents.worker.load import LoadSampler
from lk_agents.worker.machine_load import MachineSampler
from lk_agents.worker.memory_guard import MemoryGuard
from lk_agents.worker.metrics_page import MetricsPage, worker_gauges
from lk_agents.worker.options import default_load_fnc
from lk_agents.worker.outbox import Outbox
from lk_agents.worker.registration import UNREGISTERED, Registration
from lk_agents.worker.reports import JobReports
from lk_agents.worker.status import UPDATE_LOAD_INTERVAL, StatusLoop

if TYPE_CHECKING:
    from livekit.protocol import models

    from lk_agents.hooks.records import WorkerInfo
    from lk_agents.ipc.pool import JobPool, JobReport, PoolListener
    from lk_agents.metrics.exporter import Gauge
    from lk_agents.worker.config import WorkerConfig
    from lk_agents.worker.plugins import WorkerPlugins

__all__ = ["Engine", "PoolFactory", "WorkerLimits"]

PoolFactory = Callable[["PoolConfig", "PoolListener"], "JobPool"]


@dataclass(frozen=True, kw_only=True)
class WorkerLimits:
    """Deadlines and intervals that users do not set; seconds.

    :param flush: how long the last job statuses may take to be written when the worker closes.
    :param load_interval: between two samples of the load.
    """

    connection: ConnectionLimits = field(default_factory=ConnectionLimits)
    dispatch: DispatchLimits = field(default_factory=DispatchLimits)
    flush: float = 2.0
    load_interval: float = UPDATE_LOAD_INTERVAL


class Engine:
    """Builds the parts, starts them in order and closes them in the opposite one.

    :param worker: what hooks and ``load_fnc`` are given.
    :param state: returns the worker's state in a word.
    :param announce: told of each registration.
    """

    def __init__(
        self,
        config: WorkerConfig,
        plugins: WorkerPlugins,
        *,
        worker: Any,
        state: Callable[[], str],
        pool_factory: PoolFactory,
        announce: Callable[[models.ServerInfo, WorkerInfo], None],
        limits: WorkerLimits,
    ) -> None:
        self._config = config
        self._plugins = plugins
        self._limits = limits
        self._state = state
        self._announce = announce
        self._idle = asyncio.Event()
        self._idle.set()
        self.admission = Admission(config.options.max_jobs, self._slots_changed)
        self.outbox = Outbox()
        self.totals = Totals()
        self.reports = self._make_reports()
        self.pool = pool_factory(pool_config(config, self.totals), self.reports)
        self.dispatcher = self._make_dispatcher()
        self.sampler = self._make_sampler()
        self.status = StatusLoop(
            self.admission,
            self.outbox,
            sample=lambda: self.sampler.sample(worker),
            threshold=config.load_threshold,
            interval=limits.load_interval,
        )
        self.registration = Registration(
            config,
            dispatcher=self.dispatcher,
            reports=self.reports,
            pool=self.pool,
            status=self.status,
            announce=self._registered,
        )
        self.connection = Connection(
            config, self.outbox, self.registration, jobs_running=self._jobs_running, limits=limits.connection
        )
        metrics = MetricsPage(self.totals, self._gauges).write
        self.health = HealthServer(config.host, config.port, self._health, metrics)
        self.serving: asyncio.Task[None] | None = None
        self._closing = AsyncExitStack()

    def _make_reports(self) -> JobReports:
        release, lost = self._release, self._job_lost
        return JobReports(self.admission, self.outbox, release=release, lost=lost, totals=self.totals)

    def _make_sampler(self) -> LoadSampler:
        load_fnc = self._config.options.load_fnc
        return LoadSampler(
            self._plugins.registry,
            load_fnc=None if load_fnc is default_load_fnc else load_fnc,
            machine=MachineSampler(on_memory=MemoryGuard(self.pool.relieve_memory).looked),
        )

    def _make_dispatcher(self) -> Dispatcher:
        return Dispatcher(
            self._config,
            admission=self.admission,
            outbox=self.outbox,
            reports=self.reports,
            pool=self.pool,
            filter_request=self._plugins.filter_request,
            worker_id=lambda: self.registration.worker_id,
            limits=self._limits.dispatch,
        )

    async def start(self) -> None:
        """Start every part; if one fails, close those that run and raise its error."""
        try:
            self._closing.push_async_callback(self.sampler.aclose)
            self.sampler.start()
            self._closing.push_async_callback(self.health.aclose)
            await self.health.start()
            self.serving = asyncio.get_running_loop().create_task(self._serve(), name="worker_serving")
            self._closing.push_async_callback(cancel_and_wait, self.serving)
            self._closing.push_async_callback(self.flush)
            self._closing.push_async_callback(self.dispatcher.aclose)
            self._closing.push_async_callback(self.pool.aclose)
            await self.pool.start()
        except BaseException:
            await self.aclose()
            raise

    async def wait_registered(self) -> None:
        """Return when the server knows the worker.

        :raises RegistrationError: the server refused, or could not be reached for too long.
        """
        assert self.serving is not None
        registered = asyncio.ensure_future(self.registration.wait_registered())
        try:
            await asyncio.wait({self.serving, registered}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            registered.cancel()
        if self.serving.done():
            await self.serving

    async def wait_no_jobs(self) -> None:
        """Return when no job is asked about, accepted, starting or running."""
        while self.admission.occupied:
            await self._idle.wait()
        await self.pool.wait_no_jobs()

    def refuse_new(self) -> None:
        """Take no job any more; the server is told."""
        self.admission.drain()

    async def flush(self) -> None:
        """Return when the server has been told what it is owed, or cannot be told.

        It takes a job for running until it hears of its end.
        """
        try:
            async with asyncio.timeout(self._limits.flush):
                await self.outbox.wait_empty()
        except TimeoutError:
            logger.warning("the server could not be told everything", extra={"seconds": self._limits.flush})
        if untold := self.outbox.untold_jobs():
            logger.warning("the server was not told how jobs ended", extra={"job_ids": untold})

    async def aclose(self) -> None:
        """End jobs, tell the server how they ended, then close the rest. Every part is closed, whatever fails."""
        self.refuse_new()
        self.dispatcher.refuse_open("the worker is closing")
        await self._closing.aclose()

    # --- parts among themselves ----------------------------------------------------------------------

    async def _serve(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.connection.run(), name="worker_connection")
                group.create_task(self.status.run(), name="worker_status")
        except ExceptionGroup as errors:
            failure = errors.exceptions[0]
            logger.error("the worker cannot go on", extra={"cause": str(failure)})
            raise failure from failure.__cause__

    def _registered(self, server: models.ServerInfo, info: WorkerInfo) -> None:
        self.totals.count("worker_registrations")
        self._announce(server, info)

    def _slots_changed(self) -> None:
        if self.admission.occupied:
            self._idle.clear()
        else:
            self._idle.set()
        self.status.slots_changed()

    def _jobs_running(self) -> bool:
        return self.admission.count(Slot.ACCEPTED) + self.admission.count(Slot.RUNNING) > 0

    def _release(self, job_id: str) -> None:
        self.pool.end_reported(job_id)

    def _job_lost(self, report: JobReport) -> None:
        from livekit.protocol.agent import Job

        job = Job.FromString(report.spec.job)
        record = JobLost(
            job_id=report.spec.job_id,
            room_name=job.room.name,
            metadata=job.metadata,
            cause=report.outcome.cause.value,
            reason=report.outcome.reason,
            exit_code=report.exit_code,
            stacks=report.outcome.detail,
            pid=report.pid,
            agent_name=job.agent_name,
            worker_id=report.spec.worker_id,
            peak_pss_mb=report.peak_pss_mb,
        )
        self._plugins.tell("lk_agents_job_lost", record=record)

    def _health(self) -> HealthState:
        worker_id, reading = self.registration.worker_id, self.status.reading
        return HealthState(
            id="" if worker_id == UNREGISTERED else worker_id,
            state=self._state(),
            registered=self.connection.link is Link.REGISTERED,
            draining=self.admission.draining,
            pool_broken=self.pool.snapshot().broken_reason,
            worker_type=self._config.options.worker_type.name,
            agent_name=self._config.options.agent_name,
            active_jobs=len(self.pool.jobs()),
            worker_load=reading.value,
            load_signal=reading.name,
        )

    def _gauges(self) -> list[Gauge]:
        return worker_gauges(
            self._health(),
            self.pool.snapshot(),
            self.admission,
            threshold=self._config.load_threshold,
            loop_lag_seconds=self.status.loop_lag_seconds,
        )


def pool_config(config: WorkerConfig, totals: Totals) -> PoolConfig:
    """Return what the pool must know of the worker's settings.

    :param totals: where it counts.
    """
    options = config.options
    return PoolConfig(
        entrypoint=options.entrypoint_fnc,
        prewarm=options.prewarm_fnc,
        idle_target=config.idle_processes,
        start_silence_seconds=options.initialize_process_timeout,
        shutdown_seconds=options.shutdown_process_timeout,
        memory_warn_mb=options.job_memory_warn_mb,
        memory_limit_mb=config.memory_limit_mb,
        asyncio_debug=asyncio.get_running_loop().get_debug(),
        user_arguments=options.job_user_arguments,
        totals=totals,
    )
