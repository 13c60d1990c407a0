"""The hands of the supervisor: carries out one command of the machine; none of them waits."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from lk_agents.foundation.log import logger
from lk_agents.ipc import records as m
from lk_agents.ipc.entries import Entry, PooledJob
from lk_agents.ipc.inbox import Inbox
from lk_agents.ipc.messages import StartJob, Stop, Terminated
from lk_agents.ipc.pool import JobReport, PoolListener

__all__ = ["CommandHands"]


class CommandHands:
    """Carries out commands.

    :param requeue: takes back a job that no executor has begun, with the reason.
    :param start_failed: hears of each executor that never got warm.
    """

    def __init__(
        self,
        inbox: Inbox,
        listener: PoolListener,
        requeue: Callable[[PooledJob, str], None],
        start_failed: Callable[[Entry, str], None],
    ) -> None:
        self._inbox = inbox
        self._listener = listener
        self._requeue = requeue
        self._start_failed = start_failed

    def carry_out(self, entry: Entry, command: m.Command) -> None:  # one branch a command
        """Do what the machine decided for that executor."""
        match command:
            case m.SetDeadline():
                entry.set_deadline(command.at, command.serial, self._inbox.post)
            case m.SendStart():
                assert entry.job is not None
                entry.handle.send(StartJob(spec=entry.job.spec))
            case m.SendStop(reason=reason, grace_seconds=grace, cause=cause):
                entry.handle.send(Stop(reason=reason, grace_seconds=grace, cause=cause))
            case m.SendTermination(reason=reason):
                entry.handle.send(Terminated(reason=reason))
            case m.DumpStacks():
                self._push(entry)
            case m.Terminate():
                entry.handle.terminate()
            case m.Kill():
                entry.handle.kill()
            case _:
                self._report(entry, command)

    def _push(self, entry: Entry) -> None:
        logger.error("a process has to be ended", extra={**entry.log_fields(), "reason": entry.executor.fault})
        entry.handle.dump_stacks()

    def _report(self, entry: Entry, command: m.Command) -> None:
        match command:
            case m.ReportStarted():
                self._started(entry)
            case m.ReportEnd():
                self._ended(entry, command)
            case m.Requeue(why=why):
                assert entry.job is not None
                job, entry.job = entry.job, None
                self._requeue(job, why)
            case m.ReportFailedStart(why=why):
                if stacks := self._stacks(entry):
                    logger.error(
                        "stacks of a process that did not start", extra={**entry.log_fields(), "stacks": stacks}
                    )
                self._start_failed(entry, why)
            case m.WarnMemory(pss_mb=pss_mb):
                logger.warning("a process uses much memory", extra={**entry.log_fields(), "pss_mb": round(pss_mb)})
            case m.WarnLag(lag_seconds=lag):
                fields = {**entry.log_fields(), "lag_seconds": round(lag, 1)}
                logger.warning("the event loop of a process is blocked", extra=fields)
            case m.GiveUp():
                logger.critical("a process cannot be killed; it is left behind", extra=entry.log_fields())
            case _:
                raise AssertionError(f"{command!r} is no command")

    def _started(self, entry: Entry) -> None:
        job = entry.job
        if job is None or job.withdrawn:
            return
        if not job.taken.done():
            job.taken.set_result(None)
        self._listener.job_started(job.spec, entry.handle.pid)

    def _ended(self, entry: Entry, end: m.ReportEnd) -> None:
        job = entry.job
        assert job is not None
        outcome = end.outcome
        if stacks := self._stacks(entry):
            outcome = msgspec.structs.replace(outcome, detail=f"{outcome.detail}\n{stacks}".lstrip())
            logger.error("stacks of a process that had to be ended", extra={**entry.log_fields(), "stacks": stacks})
        timeline = tuple(sorted(job.marks, key=lambda mark: mark.at))
        logger.info(
            "job timeline",
            extra={**entry.log_fields(), "timeline": [{"name": mark.name, "at": mark.at} for mark in timeline]},
        )
        if job.withdrawn:
            return
        if not job.taken.done():
            job.taken.set_result(None)  # it was begun, or is reported as lost: the report says how it ended
        self._listener.job_ended(
            JobReport(
                spec=job.spec,
                outcome=outcome,
                lost=end.lost,
                exit_code=end.exit_code,
                pid=entry.handle.pid,
                timeline=timeline,
                peak_pss_mb=entry.executor.peak_pss_mb,
            )
        )

    def _stacks(self, entry: Entry) -> str:
        return entry.handle.stacks() if entry.executor.rung >= m.Rung.DUMPED else ""
