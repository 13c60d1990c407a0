"""Executors that do what a test says: a launcher for the supervisor without any process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from livekit.protocol import agent

from lk_agents.ipc.launch import LauncherSink
from lk_agents.ipc.messages import (
    Beat,
    FromChild,
    Initialize,
    JobEnded,
    JobStarted,
    Ready,
    StartFailed,
    StartJob,
    Stop,
    ToChild,
)
from lk_agents.ipc.pool import JobReport, PoolSnapshot
from lk_agents.job.spec import AcceptArguments, EndCause, JobOutcome, JobSpec


def job_spec(job_id: str = "AJ_1", metadata: str = "") -> JobSpec:
    """Return a job whose room nobody joins."""
    job = agent.Job(id=job_id, metadata=metadata)
    job.room.name = "nowhere"
    accept = AcceptArguments(identity="agent")
    return JobSpec(job_id=job_id, job=job.SerializeToString(), url="ws://x", token="t", worker_id="w", accept=accept)


class ScriptedHandle:
    """One executor; ``script`` says what it does with each message and when it is killed."""

    def __init__(self, init: Initialize, sink: LauncherSink, script: Script) -> None:
        self.init = init
        self.pid: int | None = 1000 + init.executor_id
        self.sent: list[ToChild] = []
        self.calls: list[str] = []
        self.released = False
        self._sink = sink
        self._script = script
        self.gone = False
        self._loop = asyncio.get_running_loop()
        self._loop.call_soon(script.born, self)

    @property
    def job_ids(self) -> list[str]:
        """The jobs it was given."""
        return [message.spec.job_id for message in self.sent if isinstance(message, StartJob)]

    def say(self, *messages: FromChild) -> None:
        """Say something to the worker."""
        for message in messages:
            self._sink.message(self.init.executor_id, message)

    def beat(self, *, pss_mb: float = -1 / 1024) -> None:
        """Say that it is alive, with its weight."""
        self.say(Beat(cpu_seconds=0.0, pss_kb=int(pss_mb * 1024)))

    def exit(self, code: int = 0) -> None:
        """End it."""
        if not self.gone:
            self.gone = True
            self._sink.channel_lost(self.init.executor_id, "")
            self._sink.exited(self.init.executor_id, code, "")

    # --- Handle
    def send(self, message: ToChild) -> None:
        self.sent.append(message)
        self._loop.call_soon(self._script.told, self, message)

    def dump_stacks(self) -> None:
        self.calls.append("dump")

    def stacks(self) -> str:
        return "Thread 1: in a loop"

    def terminate(self) -> None:
        self.calls.append("terminate")

    def kill(self) -> None:
        self.calls.append("kill")
        if self._script.can_be_killed:
            self._loop.call_soon(self.exit, -9)

    def release(self) -> None:
        assert not self.released
        self.released = True


@dataclass
class Script:
    """What the executors of a launcher do."""

    born: Callable[[ScriptedHandle], None] = lambda handle: handle.say(Ready())
    told: Callable[[ScriptedHandle, ToChild], None] = lambda handle, message: obey(handle, message)
    can_be_killed: bool = True


def obey(handle: ScriptedHandle, message: ToChild) -> None:
    """Begin jobs and stop when told to, as a good child does."""
    if isinstance(message, StartJob):
        handle.say(JobStarted())
    elif isinstance(message, Stop):
        if any(isinstance(other, StartJob) for other in handle.sent):
            handle.say(JobEnded(outcome=JobOutcome(success=True, cause=EndCause.STOPPED, reason=message.reason)))
        handle.exit()


def fail_to_start(handle: ScriptedHandle) -> None:
    """Say that it cannot get warm, and end."""
    handle.say(StartFailed(phase="prewarm_fnc", error="ValueError: no model"))
    handle.exit(1)


def stay_silent(handle: ScriptedHandle) -> None:
    """Do nothing."""


class ScriptedLauncher:
    """Starts scripted executors."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.handles: list[ScriptedHandle] = []
        self.ready = True
        self.failure: str | None = None
        self.closed = False
        self.sink: LauncherSink | None = None

    async def start(self, sink: LauncherSink) -> None:
        self.sink = sink
        sink.launcher_changed()

    def launch(self, init: Initialize) -> ScriptedHandle:
        assert self.sink is not None
        handle = ScriptedHandle(init, self.sink, self.script)
        self.handles.append(handle)
        return handle

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class Diary:
    """A listener that writes everything down."""

    started: list[str] = field(default_factory=list)
    reports: list[JobReport] = field(default_factory=list)
    snapshots: list[PoolSnapshot] = field(default_factory=list)

    def job_started(self, spec: JobSpec, pid: int | None) -> None:
        self.started.append(spec.job_id)

    def job_ended(self, report: JobReport) -> None:
        self.reports.append(report)

    def pool_changed(self, snapshot: PoolSnapshot) -> None:
        self.snapshots.append(snapshot)
