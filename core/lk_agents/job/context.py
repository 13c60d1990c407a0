"""What a job's entrypoint gets: the room, the people in it, and the job's own life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from lk_agents.foundation.errors import JobError
from lk_agents.foundation.log import logger
from lk_agents.job.api import ServerApi
from lk_agents.job.ending import End, JobLimits
from lk_agents.job.host import InferenceExecutor, JobRuntime
from lk_agents.job.link import LinkPhase, RoomLink
from lk_agents.job.participants import (
    DEFAULT_PARTICIPANT_KINDS,
    KindFilter,
    ParticipantEntrypoint,
    ParticipantEntrypoints,
    wait_for_participant,
)
from lk_agents.job.shutdown import ShutdownCallback, ShutdownCallbacks
from lk_agents.job.spec import EndCause
from lk_agents.job.subscription import AutoSubscribe, KindSubscription
from lk_agents.job.tasks import JobTasks, TaskFailure

if TYPE_CHECKING:
    from livekit import rtc
    from livekit.api import LiveKitAPI
    from livekit.protocol.agent import Job

    from lk_agents.job.process import JobProcess
    from lk_agents.job.request import RunningJobInfo

__all__ = ["JobContext", "JobParts", "get_current_job_context", "job_context_var"]

T = TypeVar("T")

job_context_var: ContextVar[JobContext] = ContextVar("lk_agents_job_context")
"""The running job of this context; set by the runtime."""


def get_current_job_context() -> JobContext:
    """Return the context of the job that this code runs in.

    Works in the entrypoint, in every task that comes of it, in participant entrypoints, hooks and shutdown
    callbacks; in other threads only where the context was copied, as ``asyncio.to_thread`` does. Not in prewarm.

    :raises JobError: there is no job here (it is a ``RuntimeError``).
    """
    try:
        return job_context_var.get()
    except LookupError:
        raise JobError(
            "there is no job here: call this from the entrypoint or from tasks that it starts, not from prewarm or a "
            "thread of your own"
        ) from None


@dataclass(kw_only=True)
class JobParts:
    """What the runtime uses of a job; not for entrypoints."""

    tasks: JobTasks
    link: RoomLink
    participants: ParticipantEntrypoints
    shutdown_callbacks: ShutdownCallbacks
    api: ServerApi
    end: End | None = None


class JobContext:
    """One job: its room, its participants, its end. The argument of the entrypoint.

    Use it on the job's event loop only; :meth:`shutdown` too.

    :param proc: the process or thread the job runs in.
    :param info: the job, and how to join its room.
    :param room: the room, not yet connected.
    :param on_connect: called when the room has been joined.
    :param on_shutdown: called with the reason, at the first :meth:`shutdown`.
    :param inference_executor: runs models that all jobs share.
    :param runtime: connects the context to the runtime; None where something else plays its part.
    """

    def __init__(
        self,
        *,
        proc: JobProcess,
        info: RunningJobInfo,
        room: rtc.Room,
        on_connect: Callable[[], None],
        on_shutdown: Callable[[str], None],
        inference_executor: InferenceExecutor,
        runtime: JobRuntime | None = None,
    ) -> None:
        self._proc = proc
        self._info = info
        self._room = room
        self._on_connect = on_connect
        self._on_shutdown = on_shutdown
        self._inference_executor = inference_executor
        self._runtime = runtime or JobRuntime(host=None, end=lambda end: on_shutdown(end.reason), limits=JobLimits())
        self._shutdown_called = False
        self._log_fields: dict[str, Any] = {"job_id": info.job.id, "room_name": info.job.room.name}
        tasks = JobTasks(info.job.id)
        self.parts = JobParts(
            tasks=tasks,
            link=RoomLink(room, info, tasks=tasks, runtime=self._runtime),
            participants=ParticipantEntrypoints(self, tasks),
            shutdown_callbacks=ShutdownCallbacks(info.job.id),
            api=ServerApi(info),
        )

    @property
    def proc(self) -> JobProcess:
        """The process or thread that the job runs in; ``proc.userdata`` has what prewarm loaded."""
        return self._proc

    @property
    def job(self) -> Job:
        """The job, as the server assigned it."""
        return self._info.job

    @property
    def worker_id(self) -> str:
        """The id under which the server knew the worker that took the job."""
        return self._info.worker_id

    @property
    def info(self) -> RunningJobInfo:
        """The job, how the agent presents itself, and when the job was offered, accepted and assigned."""
        return self._info

    @property
    def room(self) -> rtc.Room:
        """The room; before :meth:`connect` it knows nothing but its name."""
        return self._room

    @property
    def agent(self) -> rtc.LocalParticipant:
        """The agent itself, as a participant of the room.

        :raises JobError: the room was never connected.
        """
        if not self.parts.link.was_joined:
            raise JobError("the agent is not in the room yet; await ctx.connect() first")
        return self._room.local_participant

    @property
    def api(self) -> LiveKitAPI:
        """A client of the server's API, made at the first use and closed when the job has ended.

        It uses the credentials given to ``WorkerOptions``, else those of the environment.

        :raises ConfigError: there are none, or ``WorkerOptions.job_credentials`` keeps them from jobs.
        :raises JobError: the job has ended.
        """
        return self.parts.api.get()

    @property
    def inference_executor(self) -> InferenceExecutor:
        """Runs models that all jobs of the worker share: ``await ….do_inference(method, data)``."""
        return self._inference_executor

    @property
    def log_context_fields(self) -> dict[str, Any]:
        """Fields that every log line of the job's process carries; change it, or set another dictionary.

        Jobs in threads log through the worker's own loggers: their lines carry only what they are given.
        """
        return self._log_fields

    @log_context_fields.setter
    def log_context_fields(self, fields: dict[str, Any]) -> None:
        self._log_fields = fields

    @property
    def end_cause(self) -> EndCause | None:
        """What began the end of the job; None while it goes on."""
        return None if self.parts.end is None else self.parts.end.cause

    @property
    def task_failures(self) -> tuple[TaskFailure, ...]:
        """The participant entrypoints and other tasks of the job that failed so far."""
        return self.parts.tasks.failures

    async def connect(
        self,
        *,
        e2ee: rtc.E2EEOptions | None = None,
        auto_subscribe: AutoSubscribe = AutoSubscribe.SUBSCRIBE_ALL,
        rtc_config: rtc.RtcConfiguration | None = None,
    ) -> None:
        """Join the room. Connected already, it does nothing; after a failure it may be called again.

        Participant entrypoints begin when it returns, for everybody in the room. Cancelled, it leaves the room.

        :param e2ee: options for end-to-end encryption.
        :param auto_subscribe: which tracks of the others to receive.
        :param rtc_config: ICE servers and the like.
        :raises RoomReplacedError: the job's room was closed and another one of its name was made; the job ends.
        :raises JobError: the job is ending, the room was left before, or joining took longer than 30 s.
        :raises livekit.rtc.ConnectError: the server refused or could not be reached.
        """
        link = self.parts.link
        if link.phase in {LinkPhase.CONNECTED, LinkPhase.RECONNECTING}:
            logger.debug("ctx.connect() was called again; the room is connected", extra={"job_id": self.job.id})
            return
        from livekit import rtc

        options = rtc.RoomOptions(
            auto_subscribe=auto_subscribe is AutoSubscribe.SUBSCRIBE_ALL, encryption=e2ee, rtc_config=rtc_config
        )
        subscription = KindSubscription(self._room, auto_subscribe)
        try:
            await link.join(options)
        except BaseException:
            subscription.close()
            raise
        subscription.take_present()
        self._on_connect()
        await link.check_room()
        self.parts.participants.open()

    async def wait_for_participant(
        self,
        *,
        identity: str | None = None,
        kind: KindFilter = DEFAULT_PARTICIPANT_KINDS,
        timeout: float | None = None,
    ) -> rtc.RemoteParticipant:
        """Return the first participant of that identity and kind, who may be in the room already.

        :param identity: None for anybody.
        :param kind: one kind or several; by default people, on a phone or not.
        :param timeout: seconds to wait; None for as long as the room lives.
        :raises JobError: the room is not connected (it is a ``RuntimeError``).
        :raises RoomDisconnectedError: the room disconnected meanwhile.
        :raises TimeoutError: nobody came in time.
        """
        return await wait_for_participant(self._room, identity=identity, kind=kind, timeout=timeout)

    def add_participant_entrypoint(
        self, entrypoint_fnc: ParticipantEntrypoint, *_: Any, kind: KindFilter = DEFAULT_PARTICIPANT_KINDS
    ) -> None:
        """Run ``entrypoint_fnc(ctx, participant)`` as a task for each participant, in the room or to come.

        Its errors are logged and end nothing else; its tasks are cancelled when the job ends, not when the
        participant leaves. Somebody who comes back while an older task still runs gets a second one.

        :param kind: one kind of participant or several; by default people, on a phone or not.
        :raises ConfigError: the function was added before (it is a ``ValueError``).
        """
        self.parts.participants.add(entrypoint_fnc, kind)

    def add_shutdown_callback(self, callback: ShutdownCallback) -> None:
        """Call ``callback`` when the job ends, however it ends; it may take the reason as its one argument.

        All callbacks run at the same time, while the room is still connected where it can be, and are cancelled
        when ``WorkerOptions.shutdown_process_timeout`` is over. An error is logged and changes nothing.

        :raises ConfigError: the callback needs more than one argument.
        :raises JobError: the callbacks are running already.
        """
        self.parts.shutdown_callbacks.add(callback)

    def remove_shutdown_callback(self, callback: ShutdownCallback) -> None:
        """Do not call ``callback`` when the job ends: what it would do is done. Added twice, it is called once then.

        One that was never added is ignored, and one that runs already goes on.
        """
        self.parts.shutdown_callbacks.remove(callback)

    def create_task(self, work: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Run ``work`` beside the entrypoint: watched, its error logged under ``name``, cancelled at the job's end.

        :raises JobError: the job is ending.
        """
        return self.parts.tasks.start(work, name=name)

    def mark(self, name: str) -> None:
        """Note a point of the job's timeline, such as ``"first_audio"``, at the current time."""
        if self._runtime.host is not None:
            self._runtime.host.mark(name)
        self._runtime.span.event(name)

    def shutdown(self, reason: str = "") -> None:
        """Begin the end of the job and return at once; the first reason wins.

        The entrypoint has a moment to return, then it is cancelled; shutdown callbacks run; the room is left.
        """
        if self._shutdown_called:
            return
        self._shutdown_called = True
        self._on_shutdown(reason)
