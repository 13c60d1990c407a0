"""The stock of executors: how many there should be, started as far as failed starts allow."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Final

from lk_agents.foundation.clock import monotonic
from lk_agents.foundation.log import logger
from lk_agents.ipc import records as m
from lk_agents.ipc.child_logs import levels_in_force
from lk_agents.ipc.counts import PoolCounts
from lk_agents.ipc.entries import Entry, PooledJob
from lk_agents.ipc.inbox import Inbox
from lk_agents.ipc.launch import Launcher
from lk_agents.ipc.machine import CHILD_SHARE
from lk_agents.ipc.messages import Initialize, Role
from lk_agents.ipc.plan import Census, StartRecord, starts_wanted, surplus_idle
from lk_agents.ipc.pool import PoolConfig

__all__ = ["Stock", "limits_of"]

BEAT_SECONDS: Final = 2.5
AT_ONCE_AT_LEAST: Final = 4


def limits_of(config: PoolConfig) -> m.Limits:
    """Return the limits of each executor of such a pool."""
    return m.Limits(
        start_silence_seconds=config.start_silence_seconds,
        shutdown_seconds=config.shutdown_seconds,
        memory_warn_mb=config.memory_warn_mb,
        memory_limit_mb=config.memory_limit_mb,
    )


class Stock:
    """Counts and starts executors for the supervisor, whose task alone calls it.

    :param launchers: what starts executors of each role; ``inference`` only where there is an inference process.
    :param entries: the supervisor's executors; new ones are added here.
    :param waiting: the jobs without an executor.
    :param at_once: how many may be starting at the same time; by default as many as cores, at least 4.
    """

    def __init__(
        self,
        config: PoolConfig,
        launchers: Mapping[Role, Launcher],
        entries: MutableMapping[int, Entry],
        waiting: Sequence[PooledJob],
        inbox: Inbox,
        counts: PoolCounts,
        limits: m.Limits,
        *,
        at_once: int | None,
    ) -> None:
        self.idle_target = config.idle_target
        self._asyncio_debug = config.asyncio_debug
        self._launchers = launchers
        self._entries = entries
        self._waiting = waiting
        self._inbox = inbox
        self._counts = counts
        self._at_once = at_once or max(AT_ONCE_AT_LEAST, os.cpu_count() or 1)
        self._limits = limits
        self._starts: dict[Role, StartRecord] = {"job": StartRecord(), "inference": StartRecord()}
        self._next_id = 1
        self._resume: asyncio.TimerHandle | None = None

    def idle(self) -> deque[Entry]:
        """Return the warm executors, the longest warm first."""
        return deque(e for e in self._entries.values() if e.role == "job" and e.phase is m.Phase.IDLE)

    def start_missing(self) -> None:
        """Start what is missing, as far as that may be done now."""
        now = monotonic()
        has_inference = any(entry.role == "inference" for entry in self._entries.values())
        wanted: dict[Role, int] = {"job": starts_wanted(self._census()) or self._trial()}
        if "inference" in self._launchers:
            wanted["inference"] = 0 if has_inference else 1
        for role, count in wanted.items():
            if count and self._launchers[role].ready and self._may_start(role, now):
                for _ in range(count):
                    self._launch(role, now)

    def _trial(self) -> int:
        """Start one that nobody wants while starting is broken: else it would stay so where none are kept warm."""
        census, record = self._census(), self._starts["job"]
        return 1 if record.broken and not (record.late or census.starting or census.idle) else 0

    def surplus(self) -> Sequence[Entry]:
        """Return the warm executors that are more than wanted: the youngest."""
        count = surplus_idle(self._census())
        return list(self.idle())[-count:] if count else ()

    def started(self, entry: Entry, now: float) -> None:
        """Note that one got warm."""
        self._starts[entry.role] = self._starts[entry.role].warm()
        if entry.role == "job":
            self._counts.warm(entry.executor, now)

    def weighed(self, entry: Entry) -> None:
        """Note that one told its weight: if it may go on, it is within its memory limit."""
        if entry.phase in (m.Phase.IDLE, m.Phase.RUNNING):
            self._starts[entry.role] = self._starts[entry.role].weighed()

    def start_failed(self, entry: Entry, why: str) -> None:
        """Note that one did not, or that it used too much memory as soon as it was."""
        self._counts.start_failed()
        now, role = monotonic(), entry.role
        self._starts[role] = record = self._starts[role].failed(why, now, late=entry.executor.warm)
        fields = {"role": role, "failures": record.failed_in_a_row, "error": why}
        if record.broken:
            next_try = round(record.resume_at - now, 1)
            logger.error("starting processes fails", extra={**fields, "next_try_seconds": next_try})
        else:
            logger.warning("a process did not get warm", extra=fields)

    def hopeless(self) -> str | None:
        """Return why no executor will come for the waiting jobs in time, None while one may."""
        census = self._census()
        return None if census.starting or census.idle else self.broken_reason()

    def broken_reason(self) -> str | None:
        """Return why executors cannot be started, None if they can."""
        record = self._starts["job"]
        if record.broken:
            count = record.failed_in_a_row
            return f"{count} processes in a row could not be started, the last one: {record.last_failure}"
        launcher = self._launchers["job"]
        return None if launcher.ready else launcher.failure

    def why_nobody(self, deadline_seconds: float) -> str:
        """Return in words why a job found no executor in time."""
        census, record = self._census(), self._starts["job"]
        last = f"; the last failed start: {record.last_failure}" if record.last_failure else ""
        return (
            f"no process became ready within {deadline_seconds:g} s ({census.starting} starting, {census.idle} idle, "
            f"{census.waiting} jobs waiting){last}"
        )

    def close(self) -> None:
        """Look no more by itself."""
        if self._resume is not None:
            self._resume.cancel()
            self._resume = None

    def _census(self) -> Census:
        mine = [entry.executor for entry in self._entries.values() if entry.role == "job"]
        return Census(
            idle_target=self.idle_target,
            waiting=len(self._waiting),
            starting=sum(executor.phase is m.Phase.STARTING or _failing(executor) for executor in mine),
            idle=sum(executor.phase is m.Phase.IDLE for executor in mine),
            at_once=self._at_once,
        )

    def _may_start(self, role: Role, now: float) -> bool:
        """Whether failed starts allow another one now; if not, the pool looks again when they do."""
        record = self._starts[role]
        if now >= record.resume_at:
            return True
        loop = asyncio.get_running_loop()
        if self._resume is None or self._resume.when() > loop.time() + (record.resume_at - now):
            self.close()  # the other role's turn would come later
            self._resume = loop.call_later(record.resume_at - now, self._resumed)
        return False

    def _resumed(self) -> None:
        self._resume = None
        self._inbox.post_change()

    def _launch(self, role: Role, now: float) -> None:
        executor_id, self._next_id = self._next_id, self._next_id + 1
        silence = self._limits.start_silence_seconds
        init = Initialize(
            executor_id=executor_id,
            role=role,
            worker_pid=os.getpid(),
            beat_seconds=min(BEAT_SECONDS, silence / 4),
            shutdown_seconds=self._limits.shutdown_seconds * CHILD_SHARE,
            asyncio_debug=self._asyncio_debug,
            log_levels=levels_in_force(),
        )
        executor = m.Executor(limits=self._limits, started_at=now, start_phase_at=now)
        self._entries[executor_id] = entry = Entry(executor_id, role, executor, self._launchers[role].launch(init))
        entry.set_deadline(now + silence, 0, self._inbox.post)


def _failing(executor: m.Executor) -> bool:
    """Whether its start has failed and does not count as failed before it has ended, which takes a moment.

    Until then nothing takes its place, or many would fail before the third failure stops them.
    """
    unasked = not (executor.warm or executor.unwanted)
    return executor.phase is m.Phase.STOPPING and unasked and executor.rung is m.Rung.ASKED
