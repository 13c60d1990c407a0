"""The ground of random walks through a pool: everything is real but the executors, and everything is written down.

What is wrong is collected in ``Notes.faults`` and not raised where it is found: the pool survives a listener or an
executor that raises, and would hide it.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from livekit.protocol.agent import JobStatus, WorkerMessage
from tests.ipc.scripted import (
    Script,
    ScriptedHandle,
    ScriptedLauncher,
    fail_to_start,
    job_spec,
    obey,
    stay_silent,
)

from lk_agents.foundation.clock import monotonic
from lk_agents.foundation.errors import PoolError
from lk_agents.foundation.settings import Settings
from lk_agents.ipc.launch import LauncherSink
from lk_agents.ipc.messages import FromChild, Initialize, JobEnded, JobEnding, Ready, Rehearse, StartJob, Stop, ToChild
from lk_agents.ipc.pool import JobReport, PoolConfig, PoolSnapshot
from lk_agents.ipc.records import Limits
from lk_agents.ipc.supervisor import MAX_ATTEMPTS, Supervisor
from lk_agents.job.spec import JobSpec
from lk_agents.metrics.totals import Totals
from lk_agents.worker.admission import Admission
from lk_agents.worker.config import resolve
from lk_agents.worker.dispatch import Dispatcher
from lk_agents.worker.options import WorkerOptions
from lk_agents.worker.outbox import Outbox
from lk_agents.worker.reports import JobReports

__all__ = ["LIMITS", "Character", "Ground", "JobNotes", "Notes", "WalkHandle"]

LIMITS = Limits(
    start_silence_seconds=10,
    shutdown_seconds=20,
    beat_silence_seconds=30,
    loop_blocked_seconds=20,
    memory_warn_mb=100,
    memory_limit_mb=200,
)
LEAVING_SECONDS = 2.0
"""What a job that has ended in time still gets for leaving its room."""
PUSHING_SECONDS = 2.5
"""From the first push of one that does not end to its SIGKILL."""
MOST_EXECUTORS = 300
INSTANT_SECONDS = 1e-6
"""So much virtual time passes while everything is done that can be done at once."""


async def entrypoint(ctx: Any) -> None:
    """Nobody calls it here."""


@dataclass
class JobNotes:
    """What became of one job.

    :param until: when ``submit`` must have returned or raised.
    :param submitted: when the pool was asked.
    """

    job_id: str
    deadline_seconds: float
    submitted: float | None = None
    until: float = 0.0
    returned: bool = False
    raised: BaseException | None = None
    cancelled_too_late: bool = False
    """Its submitter was cancelled in the moment in which it had begun or ended: then it has both outcomes."""
    started: int = 0
    reports: list[JobReport] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    """What the server is told of it."""

    @property
    def waits(self) -> bool:
        """Whether ``submit`` has neither returned nor raised."""
        return self.submitted is not None and not self.returned and self.raised is None

    @property
    def ends_told(self) -> int:
        """How many ends the server heard of."""
        return len(self.told) - self.told.count(JobStatus.JS_RUNNING)


@dataclass
class Notes:
    """What happened, and what was wrong with it."""

    faults: list[str] = field(default_factory=list)
    jobs: dict[str, JobNotes] = field(default_factory=dict)
    warm: set[int] = field(default_factory=set)
    """The executors that were seen warm."""
    closing: bool = False
    killed_by: float = math.inf
    """When whatever still lives must have been sent SIGKILL."""

    def expect(self, holds: object, fault: str) -> None:
        """Note the fault unless it holds."""
        if not holds:
            self.faults.append(f"{fault}, at {monotonic():.3f} s")


class Character(StrEnum):
    """What an executor does without being told by the walk."""

    SILENT = "nothing"
    READY = "becomes ready"
    GOOD = "becomes ready, begins jobs and stops when asked"
    FRAIL = "becomes ready and dies when it is given a job"
    FAILING = "cannot start"


class WalkHandle(ScriptedHandle):
    """An executor that does what the walk says, and checks what is asked of it."""

    def __init__(self, init: Initialize, sink: LauncherSink, script: Script, notes: Notes) -> None:
        super().__init__(init, sink, script)
        self.said: list[FromChild] = []
        self.heard_at = monotonic()
        self.known_dead = False
        """It was dead when the pool had last done everything that it had to do."""
        self._notes = notes

    @property
    def has_job(self) -> bool:
        """Whether it was given one."""
        return bool(self.job_ids)

    def has_said(self, *kinds: type[FromChild]) -> bool:
        """Whether it has said something of the kind."""
        return any(isinstance(message, kinds) for message in self.said)

    def was_sent(self, kind: type[ToChild]) -> bool:
        """Whether it was sent something of the kind."""
        return any(isinstance(message, kind) for message in self.sent)

    def say(self, *messages: FromChild) -> None:
        self.said.extend(messages)
        self.heard_at = monotonic()
        super().say(*messages)

    def hang_up(self) -> None:
        """End its channel, and live on."""
        self._sink.channel_lost(self.init.executor_id, "")

    def send(self, message: ToChild) -> None:
        expect, name = self._notes.expect, f"executor {self.init.executor_id}"
        expect(not self.released, f"{name} was sent {message} after it was released")
        busy = bool(self.job_ids) or self.was_sent(Stop)
        expect(not (isinstance(message, Rehearse) and busy), f"{name} was to rehearse, but was not idle")
        if isinstance(message, StartJob):
            expect(not self.known_dead, f"{name} was given a job, though it was known to be dead")
            expect(self.has_said(Ready), f"{name} was given a job before it was ready")
            expect(not self.was_sent(Stop), f"{name} was given a job after it was asked to stop")
            expect(not self.job_ids, f"{name} was given a second job")
            self.heard_at = monotonic()
        super().send(message)

    def kill(self) -> None:
        pushed = "terminate" in self.calls or self._notes.closing
        self._notes.expect(pushed, f"executor {self.init.executor_id} was killed without being asked first")
        super().kill()

    @property
    def unkillable(self) -> bool:
        """Whether it lives on though it was killed."""
        return not self.gone and "kill" in self.calls

    def release(self) -> None:
        self._notes.expect(not self.released, f"executor {self.init.executor_id} was released twice")
        super().release()


class WalkLauncher(ScriptedLauncher):
    """Checks each decision to launch.

    It holds the bound where it has a meaning: in the moment in which one more is started. Later there may be more
    than ``target + waiting`` for a while: when the target was lowered or a job went, by being withdrawn, terminated or
    failed, while executors were starting. A starting one is never called surplus: it is stopped when it is warm.
    """

    def __init__(self, notes: Notes, *, at_once: int) -> None:
        super().__init__()
        self.become(Character.SILENT, killable=True)
        self.walkers: list[WalkHandle] = []
        self.look: Callable[[], PoolSnapshot] = PoolSnapshot
        self._notes = notes
        self._at_once = at_once

    def become(self, character: Character, *, killable: bool) -> None:
        """Have all that are started from now on do what that character does."""
        born = {Character.SILENT: stay_silent, Character.FAILING: fail_to_start}.get(character, Script().born)
        told = {Character.GOOD: obey, Character.FRAIL: _die}.get(character, _ignore)
        self.script = Script(born, told, can_be_killed=killable)

    def launch(self, init: Initialize) -> ScriptedHandle:
        before, expect = self.look(), self._notes.expect
        starting, idle = before.count("starting"), before.count("idle")
        wanted = before.idle_target + before.waiting_jobs
        # While starting is broken and nobody wants an executor, one is tried: else it would be broken for ever.
        trial = before.broken_reason is not None and starting == idle == wanted == 0
        expect(trial or starting + idle < wanted, f"one too many was started: {before}")
        expect(starting < self._at_once, f"more were starting than allowed: {before}")
        expect(self.ready, "one was started by a launcher that is not ready")
        expect(not self._notes.closing, "one was started by a pool that closes")
        if len(self.walkers) >= MOST_EXECUTORS:
            expect(False, "executors are started and ended without end")
            raise RuntimeError("no more executors")  # else it would go on in the same instant for ever
        assert self.sink is not None
        handle = WalkHandle(init, self.sink, self.script, self._notes)
        self.walkers.append(handle)
        return handle

    def changes(self, *, ready: bool, failure: str | None = None) -> None:
        """Become ready, or not any more, as when a zygote is killed."""
        self.ready, self.failure = ready, failure
        if self.sink is not None:
            self.sink.launcher_changed()


class WalkPool(Supervisor):
    """Notes what its submitters hear, and gives each job a deadline of its own."""

    notes: Notes

    async def submit(self, spec: JobSpec, *, deadline_seconds: float) -> None:
        note = self.notes.jobs[spec.job_id]
        note.submitted = monotonic()
        note.until = note.submitted + min(deadline_seconds, note.deadline_seconds)
        try:
            await super().submit(spec, deadline_seconds=note.deadline_seconds)
        except BaseException as error:
            note.raised = error
            note.cancelled_too_late = isinstance(error, asyncio.CancelledError) and bool(note.started or note.reports)
            raise
        note.returned = True

    async def aclose(self, reason: str = "the worker is shutting down") -> None:
        self._closes(LIMITS.shutdown_seconds + PUSHING_SECONDS)
        await super().aclose(reason)

    async def kill(self, grace_seconds: float = 2.0) -> None:
        self._closes(grace_seconds)
        await super().kill(grace_seconds)

    def _closes(self, seconds: float) -> None:
        self.notes.closing = True
        self.notes.killed_by = min(self.notes.killed_by, monotonic() + seconds + LEAVING_SECONDS + 0.001)


class WalkOutbox(Outbox):
    """Notes what the server is told of each job; there is no socket it could be written to."""

    notes: Notes

    def put_job_status(
        self, job_id: str, message: WorkerMessage, settled: Callable[[], None] | None = None, *, due: float = 0.0
    ) -> None:
        self.notes.jobs[job_id].told.append(message.update_job.status)
        super().put_job_status(job_id, message, settled, due=due)


class Listener:
    """Hears the pool, writes it down and passes it on to the worker's own listener."""

    def __init__(self, notes: Notes, reports: JobReports) -> None:
        self._notes = notes
        self._reports = reports

    def job_started(self, spec: JobSpec, pid: int | None) -> None:
        self._notes.jobs[spec.job_id].started += 1
        self._reports.job_started(spec, pid)

    def job_ended(self, report: JobReport) -> None:
        self._notes.jobs[report.spec.job_id].reports.append(report)
        self._reports.job_ended(report)

    def pool_changed(self, snapshot: PoolSnapshot) -> None:
        check_snapshot(self._notes, snapshot)
        self._notes.warm.update(p.executor_id for p in snapshot.processes if p.phase in ("idle", "running"))
        self._reports.pool_changed(snapshot)


def check_snapshot(notes: Notes, snapshot: PoolSnapshot) -> None:
    """Check what holds after every single event."""
    phases = [process.phase for process in snapshot.processes]
    live = sum(snapshot.count(phase) for phase in ("starting", "idle", "running", "stopping"))
    notes.expect(live == len(phases), f"live is not starting + idle + running + stopping: {phases}")
    if not notes.closing:
        idle, waiting = snapshot.count("idle"), snapshot.waiting_jobs
        notes.expect(not (idle and waiting), f"{waiting} jobs wait, though {idle} executors are idle")
        notes.expect(idle <= snapshot.idle_target + waiting, f"{idle} idle, target {snapshot.idle_target}")


class Faults(logging.Handler):
    """Notes that the pool logged that it could not do its work."""

    def __init__(self, notes: Notes) -> None:
        super().__init__()
        self._notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == "the pool could not handle an event":
            self._notes.faults.append(self.format(record))


class Ground:
    """A pool, and of the worker what decides on jobs and reports them."""

    def __init__(self, *, idle_target: int, max_jobs: int | None, at_once: int) -> None:
        self.notes = Notes()
        self.max_jobs = max_jobs
        self.at_once = at_once
        self.launcher = WalkLauncher(self.notes, at_once=at_once)
        self.admission = Admission(max_jobs)
        outbox = WalkOutbox()
        outbox.notes = self.notes
        self.reports = JobReports(
            self.admission, outbox, release=lambda job: self.pool.end_reported(job), lost=_unheard, totals=Totals()
        )
        self.pool = WalkPool(
            PoolConfig(entrypoint=entrypoint, idle_target=idle_target),
            self.launcher,
            Listener(self.notes, self.reports),
            limits=LIMITS,
            start_at_once=at_once,
        )
        self.pool.notes = self.notes
        self.launcher.look = self.pool.snapshot
        options = WorkerOptions(entrypoint, ws_url="ws://x", api_key="key", api_secret="s" * 32, max_jobs=max_jobs)
        self.dispatcher = Dispatcher(
            resolve(options, Settings(), devmode=True),
            admission=self.admission,
            outbox=outbox,
            reports=self.reports,
            pool=self.pool,
            filter_request=_filter_nothing,
            worker_id=lambda: "AW_1",
        )

    @property
    def handles(self) -> Sequence[WalkHandle]:
        """All executors so far."""
        return self.launcher.walkers

    def live(self) -> Sequence[WalkHandle]:
        """Return the executors that are not dead."""
        return [handle for handle in self.handles if not handle.gone]

    def held_by(self, job_id: str) -> Sequence[WalkHandle]:
        """Return the executors that have the job, as far as the pool knows."""
        return [handle for handle in self.handles if job_id in handle.job_ids and not handle.released]

    async def launch(self, job_id: str) -> None:
        """Hand over a job that was accepted and assigned, as the worker does."""
        try:
            await self.dispatcher.launch(job_spec(job_id))
        except PoolError:
            return  # the server was told

    async def settle(self) -> None:
        """Let everything happen that can happen at once: time goes on only when nothing else can."""
        await asyncio.sleep(INSTANT_SECONDS)
        for _ in range(5):
            await asyncio.sleep(0)  # a deadline passed in that very instant
        for handle in self.handles:
            handle.known_dead = handle.gone

    # --- what holds whenever nothing is left to be done
    def check(self) -> None:
        """Check everything; what is wrong is in the notes."""
        snapshot = self.pool.snapshot()
        check_snapshot(self.notes, snapshot)
        self._check_executors(snapshot)
        self._check_slots(snapshot)
        self._check_jobs(snapshot)
        if not self.notes.closing:
            self._check_stock(snapshot)

    def _check_executors(self, snapshot: PoolSnapshot) -> None:
        expect, now = self.notes.expect, monotonic()
        phases = {process.executor_id: process.phase for process in snapshot.processes}
        kept = [handle.init.executor_id for handle in self.handles if not handle.released]
        expect(sorted(phases) == kept, f"the pool has {sorted(phases)}, not released are {kept}")
        for handle in self.handles:
            phase, name = phases.get(handle.init.executor_id), f"executor {handle.init.executor_id}"
            expect(not handle.gone or phase is None, f"{name} is dead, for the pool it is {phase}")
            late = phase is not None and not handle.unkillable and now > self.notes.killed_by
            expect(not late, f"{name} lives, though the pool was to be closed by now")
            match phase:
                case "starting":
                    fits = not handle.has_said(Ready) and not handle.was_sent(StartJob) and not handle.calls
                    silence = LIMITS.start_silence_seconds
                case "idle":
                    fits = handle.has_said(Ready) and not handle.was_sent(StartJob) and not handle.was_sent(Stop)
                    silence = LIMITS.beat_silence_seconds
                case "running":
                    fits = handle.was_sent(StartJob) and not handle.has_said(JobEnding, JobEnded) and not handle.calls
                    silence = LIMITS.beat_silence_seconds
                case _:
                    continue
            expect(fits, f"{name} is {phase}, but said {handle.said} and was told {handle.sent}, {handle.calls}")
            expect(now <= handle.heard_at + silence + 0.001, f"{name} is {phase} and silent for too long")

    def _check_slots(self, snapshot: PoolSnapshot) -> None:
        occupied, open_jobs = self.admission.occupied, [job for job in self.notes.jobs.values() if not job.ends_told]
        self.notes.expect(occupied == len(open_jobs), f"{occupied} slots are taken by {len(open_jobs)} jobs")
        owed = sorted(job.job_id for job in open_jobs if job.submitted is not None)
        self.notes.expect(self.reports.unended() == owed, f"owed are the ends of {owed}: {self.reports.unended()}")
        self.notes.expect(snapshot.count("running") <= occupied, f"more run than have a slot: {snapshot}")
        most = self.max_jobs
        self.notes.expect(most is None or occupied <= most, f"{occupied} slots are taken of {most}")

    def _check_jobs(self, snapshot: PoolSnapshot) -> None:
        expect, now, known = self.notes.expect, monotonic(), self.pool.jobs()
        waiting = 0
        for job in self.notes.jobs.values():
            if job.submitted is None:
                continue
            name, held = f"job {job.job_id}", self.held_by(job.job_id)
            expect(len(held) <= 1, f"{name} is with {len(held)} executors")
            given = sum(job.job_id in handle.job_ids for handle in self.handles)
            expect(given <= MAX_ATTEMPTS, f"{name} was given to {given} executors")
            expect(not job.waits or now <= job.until + 0.001, f"{name} waits beyond its deadline")
            waiting += job.waits and not held
            told = (bool(job.raised) or bool(job.reports), job.ends_told)
            expect(told in ((False, 0), (True, 1)), f"{name}: {job}")
            expect(job.started <= 1 and len(job.reports) <= 1, f"{name} was told of twice: {job}")
            expect(not job.waits or not (job.started or job.reports), f"{name} waits, but: {job}")
            expect(not job.returned or job.started or job.reports, f"{name} was taken by nobody: {job}")
            expect(not job.raised or not job.reports or job.cancelled_too_late, f"{name} has two outcomes: {job}")
            expect(JobStatus.JS_RUNNING not in job.told[1:], f"{name} was told to run after: {job.told}")
            expect(job.ends_told or job.job_id in known, f"{name} goes on, and the pool has forgotten it")
        expect(waiting == snapshot.waiting_jobs, f"{waiting} jobs wait, for the pool {snapshot.waiting_jobs}")

    def _check_stock(self, snapshot: PoolSnapshot) -> None:
        starting, idle = snapshot.count("starting"), snapshot.count("idle")
        # One that said it cannot get warm has not failed before it has ended; nothing takes its place until then.
        stopping = {process.executor_id for process in snapshot.processes if process.phase == "stopping"}
        asked = {handle.init.executor_id for handle in self.handles if handle.was_sent(Stop)}
        failing = len(stopping - self.notes.warm - asked)
        missing = snapshot.idle_target + snapshot.waiting_jobs - idle - starting
        broken = snapshot.broken_reason is not None
        excused = broken or not self.launcher.ready or starting + failing >= self.at_once
        self.notes.expect(excused or missing <= failing, f"{missing} are missing and nobody starts them: {snapshot}")
        hopeless = broken and not (starting or idle or failing)
        self.notes.expect(not (hopeless and snapshot.waiting_jobs), f"jobs wait for executors in vain: {snapshot}")


def _ignore(handle: ScriptedHandle, message: ToChild) -> None:
    """Do nothing about it."""


def _die(handle: ScriptedHandle, message: ToChild) -> None:
    """Die of a job."""
    if isinstance(message, StartJob):
        handle.exit(-9)


def _unheard(report: JobReport) -> None:
    """The worker's hook for lost jobs, that nobody implements."""


async def _filter_nothing(request: object) -> None:
    """No plugin has a say."""
