"""What the machine of an executor is made of: phases, limits, events and commands, all frozen.

``ipc.machine.step`` says what they mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from lk_agents.foundation.errors import LkAgentsError
from lk_agents.job.spec import EndCause, JobOutcome

__all__ = [
    "Assigned",
    "BeatHeard",
    "BecameReady",
    "ChannelLost",
    "Command",
    "DeadlinePassed",
    "DumpStacks",
    "Event",
    "Executor",
    "Exited",
    "GiveUp",
    "InvalidTransition",
    "JobBegan",
    "JobDone",
    "JobEndBegan",
    "Kill",
    "KillAsked",
    "Limits",
    "Phase",
    "Progressed",
    "ReportEnd",
    "ReportFailedStart",
    "ReportStarted",
    "Requeue",
    "Rung",
    "SendStart",
    "SendStop",
    "SendTermination",
    "SetDeadline",
    "StartFailure",
    "StopAsked",
    "Terminate",
    "TerminationCame",
    "WarnLag",
    "WarnMemory",
]


class Phase(StrEnum):
    """Where an executor is in its life."""

    STARTING = "starting"
    IDLE = "idle"
    RUNNING = "running"
    STOPPING = "stopping"
    GONE = "gone"


class Rung(IntEnum):
    """How hard an executor has been pushed to end."""

    ASKED = 0
    DUMPED = 1
    TERMINATED = 2
    KILLED = 3


class InvalidTransition(LkAgentsError):  # noqa: N818  the name says what it is
    """An event came that cannot happen in that phase."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long what may take, in seconds, and how much memory; see ``PoolConfig``."""

    start_silence_seconds: float = 10.0
    shutdown_seconds: float = 60.0
    beat_silence_seconds: float = 60.0
    loop_blocked_seconds: float = 60.0
    memory_warn_mb: float = 0.0
    memory_limit_mb: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Executor:
    """One process or thread, as far as is known."""

    limits: Limits
    started_at: float
    phase: Phase = Phase.STARTING
    start_phase: str = "fork"
    start_phase_at: float = 0.0
    cpu_seconds: float = 0.0
    bytes_read: int = 0
    deadline_serial: int = 0
    deadline_at: float = 0.0
    rung: Rung = Rung.ASKED
    hurried: bool = False
    job_id: str | None = None
    warm: bool = False
    begun: bool = False
    unwanted: bool = False
    """The pool asked it to end: its end is no failure of its own."""
    end_by: float = 0.0
    """When the end of its job is no longer waited for."""
    end: JobOutcome | None = None
    fault: str = ""
    """Why it is being ended against its will; empty while all is well."""
    warned_mb: float = 0.0
    pss_mb: float | None = None
    peak_pss_mb: float | None = None
    lag_seconds: float = 0.0


# --- events: what happened, with the monotonic time it happened at ------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something happened."""

    at: float


@dataclass(frozen=True, kw_only=True)
class Progressed(Event):
    """A starting executor came to another phase, or says that it gets on."""

    name: str


@dataclass(frozen=True, kw_only=True)
class BeatHeard(Event):
    """It is alive."""

    cpu_seconds: float
    bytes_read: int = 0
    lag_seconds: float = 0.0
    pss_mb: float | None = None


@dataclass(frozen=True, kw_only=True)
class BecameReady(Event):
    """It is warm."""


@dataclass(frozen=True, kw_only=True)
class StartFailure(Event):
    """It says, or the pool found, that it cannot get warm."""

    error: str


@dataclass(frozen=True, kw_only=True)
class Assigned(Event):
    """It is given a job."""

    job_id: str


@dataclass(frozen=True, kw_only=True)
class JobBegan(Event):
    """It has begun the job."""


@dataclass(frozen=True, kw_only=True)
class JobEndBegan(Event):
    """The job has begun to end by itself."""


@dataclass(frozen=True, kw_only=True)
class JobDone(Event):
    """The job is over and its callbacks have run."""

    outcome: JobOutcome


@dataclass(frozen=True, kw_only=True)
class StopAsked(Event):
    """The pool wants it to end."""

    reason: str
    cause: EndCause = EndCause.STOPPED


@dataclass(frozen=True, kw_only=True)
class TerminationCame(Event):
    """The server terminated its job; the job itself decides whether that still means anything."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class KillAsked(Event):
    """The pool wants it gone: ``grace_seconds`` for callbacks, then SIGKILL."""

    grace_seconds: float


@dataclass(frozen=True, kw_only=True)
class DeadlinePassed(Event):
    """The deadline of that serial passed; void if it was replaced."""

    serial: int


@dataclass(frozen=True, kw_only=True)
class ChannelLost(Event):
    """Its channel ended, or broke the protocol (``error`` says how)."""

    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Exited(Event):
    """It is no more; ``how`` is the exit in words.

    ``excused``: what it was to be started from went away before, so it counts as no failed start.
    """

    how: str
    code: int | None
    excused: bool = False


# --- commands: what is to be done ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """Something is to be done; carrying it out never waits."""


@dataclass(frozen=True)
class SetDeadline(Command):
    """Post ``DeadlinePassed(serial)`` at that monotonic time, instead of any earlier deadline."""

    at: float
    serial: int


@dataclass(frozen=True)
class SendStart(Command):
    """Send the job."""

    job_id: str


@dataclass(frozen=True)
class SendStop(Command):
    """Ask it to end."""

    reason: str
    grace_seconds: float
    cause: EndCause = EndCause.STOPPED


@dataclass(frozen=True)
class SendTermination(Command):
    """Tell it that the server terminated its job."""

    reason: str


@dataclass(frozen=True)
class DumpStacks(Command):
    """Have it write the stacks of its threads and tasks."""


@dataclass(frozen=True)
class Terminate(Command):
    """Send SIGTERM."""


@dataclass(frozen=True)
class Kill(Command):
    """Send SIGKILL to its process group."""


@dataclass(frozen=True)
class GiveUp(Command):
    """It cannot be killed: forget it and say so."""


@dataclass(frozen=True)
class ReportStarted(Command):
    """Its job has begun."""

    job_id: str


@dataclass(frozen=True)
class Requeue(Command):
    """Its job was never begun and goes to another executor; ``why`` this one could not."""

    job_id: str
    why: str


@dataclass(frozen=True)
class ReportEnd(Command):
    """Its job ended; ``lost`` where it could not run its callbacks."""

    job_id: str
    outcome: JobOutcome
    lost: bool = False
    exit_code: int | None = None


@dataclass(frozen=True)
class ReportFailedStart(Command):
    """It never got warm."""

    why: str


@dataclass(frozen=True)
class WarnMemory(Command):
    """It uses more memory than one should be silent about."""

    pss_mb: float


@dataclass(frozen=True)
class WarnLag(Command):
    """Its event loop has not got round to anything for so long."""

    lag_seconds: float
