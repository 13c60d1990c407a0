"""The life of one executor as a pure function: ``step(executor, event) -> (executor, commands)``.

::

    STARTING ── BecameReady ──▶ IDLE ── Assigned ──▶ RUNNING ── end ──▶ STOPPING ── Exited ──▶ GONE
        └───────── failed, silent, asked to stop ─────────────────────────▲            ▲
                                                 anything that dies by itself ─────────┘

Nothing here does I/O or asks for the time: events carry the time they happened at, commands are carried out by the
supervisor. Late or repeated events are ignored by name, because a queue always holds some; what is left over raises
:class:`InvalidTransition`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from lk_agents.ipc.records import (
    Assigned,
    BeatHeard,
    BecameReady,
    ChannelLost,
    Command,
    DeadlinePassed,
    DumpStacks,
    Event,
    Executor,
    Exited,
    GiveUp,
    InvalidTransition,
    JobBegan,
    JobDone,
    JobEndBegan,
    Kill,
    KillAsked,
    Phase,
    Progressed,
    ReportEnd,
    ReportFailedStart,
    ReportStarted,
    Requeue,
    Rung,
    SendStart,
    SendStop,
    SendTermination,
    SetDeadline,
    StartFailure,
    StopAsked,
    Terminate,
    TerminationCame,
    WarnLag,
    WarnMemory,
)
from lk_agents.job.spec import EndCause, JobOutcome

__all__ = ["CHILD_SHARE", "step"]

BEGIN_SECONDS: Final = 5.0
"""A warm process says that it has begun a job within this, or the job goes to another one."""
IDLE_STOP_SECONDS: Final = 2.0
"""An idle process ends within this when asked."""
LOST_CHANNEL_SECONDS: Final = 1.0
"""A process whose channel ended exits within this by itself."""
EXIT_SECONDS: Final = 6.0
"""After its job: 1 s for the worker's answer, then leaving the room, then 2 s of atexit callbacks."""
LEAVE_SECONDS: Final = 2.0
"""A job that used up its limit still gets this for leaving its room."""
CHILD_SHARE: Final = 0.9
"""The child's own limit is this share of the pool's, so that it can say how the job ended before it is pushed."""
DUMP_SECONDS: Final = 0.5
TERMINATE_SECONDS: Final = 2.0
KILL_SECONDS: Final = 2.0
START_HARD_FACTOR: Final = 20
"""A start that always makes progress is ended after this many times its allowed silence."""
PROGRESS_CPU_SECONDS: Final = 0.01
PROGRESS_BYTES: Final = 64 * 1024
"""Less growth than these since the last beat is the beating itself."""
LAG_WARN_SECONDS: Final = 0.5
"""A loop that is blocked for longer is warned about, once for each time."""
MEMORY_WARN_STEP_MB: Final = 50.0
"""A process that was warned about is warned about again when it has grown by this."""


Step = tuple[Executor, Sequence[Command]]


def step(executor: Executor, event: Event) -> Step:
    """Decide what one event means for one executor; touches nothing outside.

    :raises InvalidTransition: for an event that cannot happen in that phase.
    """
    if executor.phase is Phase.GONE:
        return executor, ()  # late: nothing left to decide
    match event:
        case Exited():
            return _gone(executor, event)
        case KillAsked():
            return _hurry(executor, event)
        case BeatHeard():
            return _beat(executor, event)
        case DeadlinePassed(serial=serial) if serial != executor.deadline_serial:
            return executor, ()  # replaced since
    decided = _BY_PHASE[executor.phase](executor, event)
    if decided is None:
        raise InvalidTransition(f"an executor that is {executor.phase} cannot take {event!r}")
    return decided


def _starting(executor: Executor, event: Event) -> Step | None:
    match event:
        case Progressed(at=now, name=name):
            known = replace(executor, start_phase=name, start_phase_at=now)
            return _with_deadline(known, _start_deadline(known, now))
        case BecameReady(at=now):
            idle = replace(executor, phase=Phase.IDLE, warm=True)
            return _with_deadline(idle, now + executor.limits.beat_silence_seconds)
        case StartFailure(at=now, error=error):
            failed = replace(executor, phase=Phase.STOPPING, fault=error)
            return _with_deadline(failed, now + LOST_CHANNEL_SECONDS)
        case StopAsked(at=now):
            return _kill(replace(executor, phase=Phase.STOPPING, unwanted=True), now)
        case DeadlinePassed(at=now):
            return _push(executor, now, _slow_start(executor, now))
        case ChannelLost():
            return _lost(executor, event)
    return None


def _idle(executor: Executor, event: Event) -> Step | None:
    match event:
        case Assigned(at=now, job_id=job_id):
            running = replace(executor, phase=Phase.RUNNING, job_id=job_id)
            return _with_deadline(running, now + BEGIN_SECONDS, SendStart(job_id))
        case StopAsked(at=now, reason=reason):
            unwanted = replace(executor, unwanted=True)
            return _ask(unwanted, now, IDLE_STOP_SECONDS, reason, EndCause.STOPPED)
        case DeadlinePassed(at=now):
            return _push(executor, now, _silence(executor))
        case ChannelLost():
            return _lost(executor, event)
        case Progressed():
            return executor, ()  # late
    return None


def _running(executor: Executor, event: Event) -> Step | None:
    limits = executor.limits
    match event:
        case JobBegan(at=now) if not executor.begun:
            begun = replace(executor, begun=True)
            return _with_deadline(begun, now + limits.beat_silence_seconds, ReportStarted(executor.job_id or ""))
        case StopAsked(at=now, reason=reason, cause=cause):
            return _ask(replace(executor, unwanted=True), now, limits.shutdown_seconds, reason, cause)
        case TerminationCame(reason=reason):
            return executor, (SendTermination(reason),)
        case JobEndBegan(at=now):
            end_by = now + limits.shutdown_seconds
            return _with_deadline(replace(executor, phase=Phase.STOPPING, end_by=end_by), end_by)
        case JobDone(at=now, outcome=outcome):
            return _done(replace(executor, phase=Phase.STOPPING), now, outcome)
        case DeadlinePassed(at=now):
            return _push(executor, now, _silence(executor))
        case ChannelLost():
            return _lost(executor, event)
        case Progressed():
            return executor, ()  # late: it came by the side channel, the end of the start by the other
    return None


def _stopping(executor: Executor, event: Event) -> Step | None:
    match event:
        case DeadlinePassed(at=now):
            return _climb(executor, now)
        case StartFailure(error=error) if not executor.warm and not executor.fault:
            return replace(executor, fault=error), ()  # the end of its channel was seen first
        case Progressed() | BecameReady() | StartFailure():
            return executor, ()  # late or repeated
        case JobBegan() | JobEndBegan() | JobDone() if executor.job_id is None:
            return None
        case JobDone(at=now, outcome=outcome):
            return _done(executor, now, outcome)
        case JobBegan() if not executor.begun:
            return replace(executor, begun=True), (ReportStarted(executor.job_id or ""),)
        case JobBegan() | JobEndBegan():
            return executor, ()  # late or repeated
        case StopAsked() | TerminationCame() | ChannelLost():
            return executor, ()  # it is ending already
    return None


_BY_PHASE: Final = {
    Phase.STARTING: _starting,
    Phase.IDLE: _idle,
    Phase.RUNNING: _running,
    Phase.STOPPING: _stopping,
}


def _with_deadline(executor: Executor, at: float, *commands: Command) -> Step:
    serial = executor.deadline_serial + 1
    return replace(executor, deadline_serial=serial, deadline_at=at), (*commands, SetDeadline(at, serial))


def _start_deadline(executor: Executor, now: float) -> float:
    silence = executor.limits.start_silence_seconds
    return min(now + silence, executor.started_at + START_HARD_FACTOR * silence)


def _slow_start(executor: Executor, now: float) -> str:
    whole, here = now - executor.started_at, now - executor.start_phase_at
    return (
        f"no progress for {executor.limits.start_silence_seconds:g} s while starting: in phase "
        f"{executor.start_phase!r} for {here:.1f} s, {whole:.1f} s in all (initialize_process_timeout)"
    )


def _silence(executor: Executor) -> str:
    if executor.phase is Phase.RUNNING and not executor.begun:
        return f"did not begin the job within {BEGIN_SECONDS:g} s"
    return f"no sign of life for {executor.limits.beat_silence_seconds:g} s"


def _beat(executor: Executor, beat: BeatHeard) -> Step:
    grown = (
        beat.cpu_seconds - executor.cpu_seconds >= PROGRESS_CPU_SECONDS
        or beat.bytes_read - executor.bytes_read >= PROGRESS_BYTES
    )
    pss = beat.pss_mb if beat.pss_mb is not None else executor.pss_mb
    peak = max((mb for mb in (pss, executor.peak_pss_mb) if mb is not None), default=None)
    known = replace(
        executor,
        cpu_seconds=beat.cpu_seconds,
        bytes_read=beat.bytes_read,
        lag_seconds=beat.lag_seconds,
        pss_mb=pss,
        peak_pss_mb=peak,
    )
    match executor.phase:
        case Phase.STARTING:
            return _with_deadline(known, _start_deadline(known, beat.at)) if grown else (known, ())
        case Phase.IDLE | Phase.RUNNING:
            return _living(known, beat, known_lag=executor.lag_seconds)
    return known, ()


def _living(executor: Executor, beat: BeatHeard, *, known_lag: float) -> Step:
    limits = executor.limits
    if beat.lag_seconds > limits.loop_blocked_seconds:
        return _push(executor, beat.at, f"its event loop was blocked for {beat.lag_seconds:.0f} s")
    pss = beat.pss_mb or 0.0
    if 0 < limits.memory_limit_mb < pss:
        return _over_limit(executor, beat.at, pss)
    warning: tuple[Command, ...] = ()
    if beat.lag_seconds > LAG_WARN_SECONDS >= known_lag:
        warning = (WarnLag(beat.lag_seconds),)
    if 0 < limits.memory_warn_mb < pss and pss >= executor.warned_mb + MEMORY_WARN_STEP_MB:
        executor, warning = replace(executor, warned_mb=pss), (*warning, WarnMemory(pss))
    if executor.phase is Phase.RUNNING and not executor.begun:
        return executor, warning  # beating does not excuse it from beginning the job
    return _with_deadline(executor, beat.at + limits.beat_silence_seconds, *warning)


def _over_limit(executor: Executor, now: float, pss_mb: float) -> Step:
    limit, limits = executor.limits.memory_limit_mb, executor.limits
    fault = f"uses {pss_mb:.0f} MB of memory, over the limit of {limit:g} MB (job_memory_limit_mb)"
    over = replace(executor, fault=fault)
    if executor.phase is Phase.RUNNING:
        return _ask(over, now, limits.shutdown_seconds, fault, EndCause.MEMORY)
    # prewarm alone is over the limit: the next process would be, too, so it counts as one that cannot start
    stopping, commands = _ask(over, now, IDLE_STOP_SECONDS, fault, EndCause.MEMORY)
    return stopping, (ReportFailedStart(fault), *commands)


def _lost(executor: Executor, event: ChannelLost) -> Step:
    lost = replace(executor, phase=Phase.STOPPING, fault=event.error)
    return _with_deadline(lost, event.at + LOST_CHANNEL_SECONDS)


def _ask(executor: Executor, now: float, grace: float, reason: str, cause: EndCause) -> Step:
    stopping = replace(executor, phase=Phase.STOPPING, end_by=now + grace)
    return _with_deadline(stopping, now + grace, SendStop(reason, grace * CHILD_SHARE, cause))


def _push(executor: Executor, now: float, fault: str) -> Step:
    """Asking is no use: begin with the stacks."""
    pushed = replace(executor, phase=Phase.STOPPING, rung=Rung.DUMPED, fault=fault)
    return _with_deadline(pushed, now + DUMP_SECONDS, DumpStacks())


def _climb(executor: Executor, now: float) -> Step:
    if executor.rung is Rung.KILLED:
        how = "cannot be killed; it is left to the operating system"
        gone, commands = _gone(executor, Exited(at=now, how=how, code=None))
        return gone, (*commands, GiveUp())
    if executor.hurried or executor.rung is Rung.TERMINATED:
        return _kill(executor, now)
    if executor.rung is Rung.DUMPED:
        return _with_deadline(replace(executor, rung=Rung.TERMINATED), now + TERMINATE_SECONDS, Terminate())
    return _push(executor, now, executor.fault or _slow_end(executor))


def _slow_end(executor: Executor) -> str:
    if executor.end_by == 0.0:  # nobody asked it to end
        return "its channel ended, but it did not"
    if executor.job_id is None:
        return f"did not end within {IDLE_STOP_SECONDS:g} s, though it had no job"
    return f"did not end within {executor.limits.shutdown_seconds:g} s (shutdown_process_timeout)"


def _kill(executor: Executor, now: float) -> Step:
    return _with_deadline(replace(executor, rung=Rung.KILLED), now + KILL_SECONDS, Kill())


def _hurry(executor: Executor, event: KillAsked) -> Step:
    hurried = replace(
        executor, hurried=True, unwanted=True, fault=executor.fault or "the worker was told to end at once"
    )
    if executor.rung is Rung.KILLED:
        return hurried, ()
    grace = event.grace_seconds
    if executor.phase is Phase.STOPPING:  # being told once more must not put off what is coming anyway
        grace = min(grace, executor.deadline_at - event.at)
    if executor.phase in (Phase.STARTING, Phase.IDLE) or grace <= 0:
        return _kill(replace(hurried, phase=Phase.STOPPING), event.at)
    if executor.job_id is not None and executor.end is None:  # one that is ending already is told to be quicker
        return _ask(hurried, event.at, grace, hurried.fault, EndCause.STOPPED)
    return _with_deadline(hurried, event.at + grace)


def _done(executor: Executor, now: float, outcome: JobOutcome) -> Step:
    if executor.end is not None:
        return executor, ()  # told twice
    ended = replace(executor, end=outcome)
    exit_by = min(now + EXIT_SECONDS, max(executor.end_by, now + LEAVE_SECONDS))
    return _with_deadline(ended, exit_by, ReportEnd(executor.job_id or "", outcome))


def _gone(executor: Executor, event: Exited) -> Step:
    """It is no more: whatever had to be said of its job and was not said yet is said now."""
    gone = replace(executor, phase=Phase.GONE, deadline_serial=executor.deadline_serial + 1)
    why = f"{executor.fault}; {event.how}" if executor.fault else event.how
    if executor.job_id is None:
        harmless = executor.warm or executor.unwanted or event.excused
        return gone, () if harmless else (ReportFailedStart(why),)
    if executor.end is not None:
        return gone, ()
    if not executor.begun and not executor.unwanted:
        return gone, (Requeue(executor.job_id, why),)
    outcome = JobOutcome(success=False, cause=EndCause.PROCESS_LOST, reason=why)
    return gone, (ReportEnd(executor.job_id, outcome, lost=True, exit_code=event.code),)
