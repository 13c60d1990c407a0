"""The supervisor: one task that owns every executor and carries out what the machine decides.

Everything that happens (a message, an exit, a passed deadline, a submitted job) is an item in one queue. The task
takes one item, applies :func:`ipc.machine.step`, carries out the commands, none of which waits, and then restores
what the pool wants: jobs assigned, executors started, surplus stopped. Nobody else changes state.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from lk_agents.foundation.clock import monotonic
from lk_agents.foundation.errors import NoProcessError, PoolClosedError, PoolError, ProcessStartError
from lk_agents.foundation.log import logger
from lk_agents.ipc import records as m
from lk_agents.ipc.commands import CommandHands
from lk_agents.ipc.counts import PoolCounts, died_warm
from lk_agents.ipc.descriptors import raise_descriptor_limit
from lk_agents.ipc.entries import Entry, PooledJob, heaviest_job
from lk_agents.ipc.inbox import Inbox
from lk_agents.ipc.inference_desk import InferenceDesk
from lk_agents.ipc.launch import Launcher
from lk_agents.ipc.machine import step
from lk_agents.ipc.messages import EndReported, InferenceAsk, PermitGranted, Role
from lk_agents.ipc.permits import PermitDesk
from lk_agents.ipc.pool import PoolConfig, PoolListener, PoolSnapshot
from lk_agents.ipc.rehearsals import Rehearsals
from lk_agents.ipc.stock import Stock, limits_of
from lk_agents.job.spec import EndCause, JobSpec

__all__ = ["Supervisor"]

MAX_ATTEMPTS: Final = 3
"""How many executors a job is tried on, as long as none has begun it."""
CLOSE_MARGIN_SECONDS: Final = 7.0
KILL_MARGIN_SECONDS: Final = 2.5
"""From SIGKILL to giving up on a process that cannot be killed."""


class Supervisor:
    """Runs each submitted job in an executor of its own; implements ``JobPool``.

    :param inference_launcher: starts the inference process; may be the same launcher; None for no such process.
    :param start_at_once: how many executors may be starting at the same time.
    :param limits: used instead of those that follow from ``config``.
    """

    def __init__(
        self,
        config: PoolConfig,
        launcher: Launcher,
        listener: PoolListener,
        *,
        inference_launcher: Launcher | None = None,
        start_at_once: int | None = None,
        limits: m.Limits | None = None,
    ) -> None:
        launchers: dict[Role, Launcher] = {"job": launcher}
        if inference_launcher is not None:
            launchers["inference"] = inference_launcher
        self._launchers = tuple(dict.fromkeys(launchers.values()))
        self._listener = listener
        limits = limits or limits_of(config)
        self._shutdown_seconds = limits.shutdown_seconds
        self._entries: dict[int, Entry] = {}
        self._waiting: deque[PooledJob] = deque()
        self._closing: str | None = None
        self._no_jobs = asyncio.Event()
        self._empty = asyncio.Event()
        self._no_jobs.set()
        self._empty.set()
        self._task: asyncio.Task[None] | None = None
        self._told_shape: object = None
        self._rehearsals = Rehearsals()
        self._close_handled = asyncio.Event()
        self._ended = False
        self._desk = InferenceDesk(self._send_inference, self._inference_hung)
        self._desk.exists = inference_launcher is not None
        self._permits = PermitDesk(os.cpu_count() or 1, self._grant_permit)
        self._counts = PoolCounts(config.totals)
        self._inbox = Inbox(self._entries, self._permits, self._desk, self._counts)
        self._stock = Stock(
            config, launchers, self._entries, self._waiting, self._inbox, self._counts, limits, at_once=start_at_once
        )
        self._hands = CommandHands(self._inbox, listener, self._requeue, self._stock.start_failed)

    # --- JobPool
    async def start(self) -> None:
        """See ``JobPool``."""
        raise_descriptor_limit()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="lk-pool-supervisor")
        for launcher in self._launchers:
            await launcher.start(self._inbox)
        self._inbox.post_change()

    async def submit(self, spec: JobSpec, *, deadline_seconds: float) -> None:
        """See ``JobPool``."""
        if self._closing is not None:
            raise PoolClosedError(self._closing)
        job = PooledJob(spec, asyncio.get_running_loop().create_future())
        self._counts.submitted(spec)
        self._no_jobs.clear()
        self._inbox.post_call(lambda: self._waiting.append(job))
        try:
            async with asyncio.timeout(deadline_seconds):
                await asyncio.shield(job.taken)
        except TimeoutError:
            if job.taken.done() and job.taken.exception() is None:
                return  # begun in the very moment
            self._give_up(job)
            raise NoProcessError(self._stock.why_nobody(deadline_seconds)) from None
        except asyncio.CancelledError:
            self._give_up(job)
            raise

    def stop_job(self, job_id: str, reason: str) -> bool:
        """See ``JobPool``."""
        found = job_id in self.jobs()
        self._inbox.post_call(lambda: self._terminate(job_id, reason))
        return found

    def end_reported(self, job_id: str) -> None:
        """See ``JobPool``."""
        for entry in self._entries.values():
            if entry.job is not None and entry.job.spec.job_id == job_id:
                entry.handle.send(EndReported())

    def relieve_memory(self, reason: str) -> None:
        """See ``JobPool``."""
        self._inbox.post_call(lambda: self._relieve_memory(reason))

    def set_idle_target(self, count: int) -> None:
        """See ``JobPool``."""
        self._stock.idle_target = count
        self._inbox.post_change()

    async def wait_no_jobs(self) -> None:
        """See ``JobPool``."""
        await self._no_jobs.wait()

    async def aclose(self, reason: str = "the worker is shutting down") -> None:
        """See ``JobPool``."""
        self._close(reason, lambda: self._post_to_all(lambda now: m.StopAsked(at=now, reason=reason)))
        await self._wait_empty(self._shutdown_seconds + CLOSE_MARGIN_SECONDS)

    async def kill(self, grace_seconds: float = 2.0) -> None:
        """See ``JobPool``."""
        self._close(
            "the worker was told to end at once",
            lambda: self._post_to_all(lambda now: m.KillAsked(at=now, grace_seconds=grace_seconds)),
        )
        await self._wait_empty(grace_seconds + KILL_MARGIN_SECONDS)

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        """See ``JobPool``."""
        return await self._desk.do_inference(method, data)

    def snapshot(self) -> PoolSnapshot:
        """See ``JobPool``."""
        return PoolSnapshot(
            processes=tuple(entry.snapshot() for entry in self._entries.values()),
            waiting_jobs=len(self._waiting),
            idle_target=self._stock.idle_target,
            broken_reason=self._stock.broken_reason(),
        )

    def jobs(self) -> Mapping[str, JobSpec]:
        """See ``JobPool``."""
        held = [entry.job for entry in self._entries.values() if entry.job is not None and entry.executor.end is None]
        return {job.spec.job_id: job.spec for job in (*self._waiting, *held)}

    # --- the task
    async def _run(self) -> None:
        while True:
            item = await self._inbox.take()
            try:
                if not isinstance(item, tuple):
                    item()
                elif not self._apply(*item) and isinstance(item[1], m.BeatHeard):
                    continue  # most beats change nothing
                self._restore()
            except Exception:  # noqa: BLE001  a fault in one place must not stop the pool
                logger.exception("the pool could not handle an event")

    def _apply(self, executor_id: int, event: m.Event) -> bool:
        """Have the event happen; return whether the pool may be another one now."""
        entry = self._entries.get(executor_id)
        if entry is None:
            return False  # it is gone
        before = entry.phase
        try:
            entry.executor, commands = step(entry.executor, event)
        except m.InvalidTransition as error:
            logger.error("a process said something out of turn", extra={**entry.log_fields(), "error": str(error)})
            entry.executor, commands = step(entry.executor, m.ChannelLost(at=event.at, error=str(error)))
        for command in commands:
            self._hands.carry_out(entry, command)
        weighed = isinstance(event, m.BeatHeard) and event.pss_mb is not None
        if weighed:
            self._stock.weighed(entry)
        if before is not entry.phase:
            self._phase_changed(entry, before, event)
        return weighed or before is not entry.phase

    def _phase_changed(self, entry: Entry, before: m.Phase, event: m.Event) -> None:
        logger.debug("process changed", extra={**entry.log_fields(), "before": str(before), "phase": str(entry.phase)})
        inference = entry.role == "inference"
        if entry.phase is m.Phase.IDLE:
            self._stock.started(entry, event.at)
            if inference:
                self._desk.available = True
        elif inference and self._desk.available:
            self._desk.process_gone(entry.executor.fault or ("stopped" if entry.executor.unwanted else "it died"))
        if entry.phase is m.Phase.GONE:
            _say_if_died_warm(entry, event)
            self._counts.gone(entry.executor)
            self._permits.give_back(entry.executor_id)
            self._desk.owner_gone(entry.executor_id)
            entry.cancel_deadline()
            entry.handle.release()
            del self._entries[entry.executor_id]

    # --- what the pool wants
    def _restore(self) -> None:
        """Assign, start, stop: what is, becomes what should be, as far as it can now."""
        if self._closing is None:
            self._assign()
            self._stock.start_missing()
            for entry in self._stock.surplus():
                self._apply(entry.executor_id, m.StopAsked(at=monotonic(), reason="it is not needed any more"))
            if (reason := self._stock.hopeless()) is not None:
                self._fail_waiting(ProcessStartError(reason))
        self._rehearsals.next_is(next(iter(self._stock.idle()), None) if self._closing is None else None)
        (self._no_jobs.clear if self.jobs() else self._no_jobs.set)()
        (self._empty.clear if self._entries else self._empty.set)()
        self._tell_listener()

    def _assign(self) -> None:
        idle = self._stock.idle()
        while self._waiting and idle:
            job, entry = self._waiting.popleft(), idle.popleft()
            entry.job = job
            job.attempts += 1
            self._counts.marked(job, job.mark("process_ready"))
            self._apply(entry.executor_id, m.Assigned(at=monotonic(), job_id=job.spec.job_id))

    def _tell_listener(self) -> None:
        """Tell of a change, but not of each beat."""
        broken = self._stock.broken_reason()
        shape = (broken, len(self._waiting), tuple((key, e.phase, e.job) for key, e in self._entries.items()))
        if shape != self._told_shape:
            self._told_shape = shape
            self._listener.pool_changed(self.snapshot())

    def _fail_waiting(self, error: PoolError) -> None:
        while self._waiting:
            self._waiting.popleft().fail(error)

    # --- items that are no events of one executor
    def _give_up(self, job: PooledJob) -> None:
        job.withdrawn = True  # from now on, not from its turn on: what is queued before that may end the job
        self._inbox.post_call(lambda: self._withdraw(job))

    def _withdraw(self, job: PooledJob) -> None:
        if job in self._waiting:
            self._waiting.remove(job)
        for entry in self._entries.values():
            if entry.job is job:
                self._apply(entry.executor_id, m.StopAsked(at=monotonic(), reason="its submitter gave up"))
                return

    def _terminate(self, job_id: str, reason: str) -> None:
        for job in tuple(self._waiting):
            if job.spec.job_id == job_id:
                self._waiting.remove(job)
                job.fail(NoProcessError(f"the job ended before it was begun: {reason}"))
        for entry in tuple(self._entries.values()):
            if entry.job is not None and entry.job.spec.job_id == job_id:
                self._apply(entry.executor_id, m.TerminationCame(at=monotonic(), reason=reason))

    def _relieve_memory(self, reason: str) -> None:
        heaviest = heaviest_job(self._entries.values())
        if heaviest is not None:
            logger.error("a job is ended to save memory", extra={**heaviest.log_fields(), "reason": reason})
            stop = m.StopAsked(at=monotonic(), reason=reason, cause=EndCause.MEMORY)
            self._apply(heaviest.executor_id, stop)

    def _requeue(self, job: PooledJob, why: str) -> None:
        if job.withdrawn or job.taken.done():
            return
        if job.attempts >= MAX_ATTEMPTS or self._closing is not None:
            job.fail(ProcessStartError(f"{job.attempts} processes could not begin the job, the last one: {why}"))
            return
        logger.warning("a job goes to another process", extra={"job_id": job.spec.job_id, "why": why})
        self._waiting.appendleft(job)

    def _close(self, reason: str, then: Callable[[], None]) -> None:
        self._closing = self._closing or reason
        self._inbox.post_call(then)

    def _post_to_all(self, make: Callable[[float], m.Event]) -> None:
        self._fail_waiting(PoolClosedError(self._closing or ""))
        now = monotonic()
        for executor_id in tuple(self._entries):
            self._apply(executor_id, make(now))
        self._close_handled.set()

    async def _wait_empty(self, seconds: float) -> None:
        """Wait until nothing is left, then end the launcher and the task. Idempotent."""
        if self._task is None or self._ended:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._close_handled.wait()
                await self._empty.wait()
        except TimeoutError:
            logger.error("processes are left behind", extra={"pids": [e.handle.pid for e in self._entries.values()]})
        self._ended = True
        self._rehearsals.next_is(None)
        self._stock.close()
        for launcher in self._launchers:
            await launcher.aclose()
        self._task.cancel()
        await asyncio.wait([self._task])

    def _send_inference(self, ask: InferenceAsk) -> None:
        for entry in self._entries.values():
            if entry.role == "inference" and entry.phase is m.Phase.IDLE:
                entry.handle.send(ask)
                return

    def _inference_hung(self, why: str) -> None:
        """Have the inference process ended, and so replaced: it answers nobody any more."""
        for entry in self._entries.values():
            if entry.role == "inference" and entry.phase is m.Phase.IDLE:
                self._inbox.post(entry.executor_id, m.ChannelLost(at=monotonic(), error=why))

    def _grant_permit(self, executor_id: int) -> None:
        self._entries[executor_id].handle.send(PermitGranted())


def _say_if_died_warm(entry: Entry, event: m.Event) -> None:
    if not died_warm(entry.executor):
        return
    why = [entry.executor.fault, event.how if isinstance(event, m.Exited) else ""]
    fields = {**entry.log_fields(), "reason": "; ".join(filter(None, why))}
    logger.warning("a warm process died; it is replaced", extra=fields)
