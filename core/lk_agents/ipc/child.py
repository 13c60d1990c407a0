"""The inside of a job's executor, the same in a process and in a thread: warm up, then run at most one job."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from lk_agents.foundation.clock import wall_seconds
from lk_agents.foundation.errors import InferenceError, InferenceOverloadedError
from lk_agents.foundation.ids import short_id
from lk_agents.foundation.log import logger
from lk_agents.hooks.current import use_registry
from lk_agents.hooks.invoke import run_each
from lk_agents.ipc.messages import (
    EndReported,
    FromChild,
    InferenceAnswer,
    InferenceAsk,
    Initialize,
    JobEnded,
    JobEnding,
    JobStarted,
    Mark,
    PermitAsk,
    PermitBack,
    PermitGranted,
    Phase,
    Ready,
    Rehearse,
    StartFailed,
    StartJob,
    Stop,
    Terminated,
    ToChild,
)
from lk_agents.ipc.meter import Meter
from lk_agents.ipc.program import Program
from lk_agents.ipc.pulse import ORPHAN_SECONDS
from lk_agents.job.process import JobExecutorType, JobProcess
from lk_agents.job.runner import JobRunner
from lk_agents.job.spec import EndCause, JobOutcome, JobSpec, TimelineMark
from lk_agents.metrics.counting import counted_by

__all__ = ["JobChild"]

PERMIT_SECONDS: Final = 2.0
END_REPORT_SECONDS: Final = 1.0
INFERENCE_SECONDS: Final = 60.0
"""The worker answers sooner, with an error if it must; this is for a worker that is gone."""
REHEARSAL_SECONDS: Final = 0.5
"""A job does not wait longer for the rehearsal that came before it."""
LAST_WARNING_SECONDS: Final = 1.0
"""What a job gets between the worker's SIGTERM and its SIGKILL."""

Send = Callable[[FromChild], None]


class ChildHost:
    """What a running job asks of the executor around it; implements ``JobHost`` over the messages.

    :param send: sends one message to the worker, from the job's loop.
    :param before_end: called before the worker is told that the job is over.
    """

    def __init__(self, send: Send, *, before_end: Callable[[], None] = lambda: None) -> None:
        self._send = send
        self._before_end = before_end
        self._permit = asyncio.Event()
        self._reported = asyncio.Event()
        self._answers: dict[str, asyncio.Future[InferenceAnswer]] = {}

    @asynccontextmanager
    async def connect_permit(self) -> AsyncIterator[None]:
        """Hold a permit, or go on without after 2 s."""
        self._permit.clear()
        self._send(PermitAsk())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PERMIT_SECONDS):
                    await self._permit.wait()
            yield
        finally:
            self._send(PermitBack())

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        """Ask through the worker; see ``InferenceExecutor``."""
        request_id = short_id("inference_")
        answer: asyncio.Future[InferenceAnswer] = asyncio.get_running_loop().create_future()
        self._answers[request_id] = answer
        try:
            self._send(InferenceAsk(request_id=request_id, method=method, data=data))
            async with asyncio.timeout(INFERENCE_SECONDS):
                got = await answer
        except TimeoutError:
            raise InferenceError(f"{method}: no answer within {INFERENCE_SECONDS:g} s") from None
        finally:
            del self._answers[request_id]
        if got.overloaded:
            raise InferenceOverloadedError(f"{method}: {got.error}")
        if got.error:
            raise InferenceError(f"{method}: {got.error}")
        return got.data

    def mark(self, name: str) -> None:
        """Send the mark."""
        self._send(Mark(mark=TimelineMark(name=name, at=wall_seconds())))

    def job_started(self) -> None:
        """Send that it has begun."""
        self._send(JobStarted())

    def job_ending(self, cause: EndCause, reason: str) -> None:
        """Send that it has begun to end."""
        self._send(JobEnding(cause=cause, reason=reason))

    async def job_ended(self, outcome: JobOutcome) -> None:
        """Send the outcome and wait until the worker has told the server, 1 s at most."""
        self._before_end()
        self._send(JobEnded(outcome=outcome))
        with suppress(TimeoutError):
            async with asyncio.timeout(END_REPORT_SECONDS):
                await self._reported.wait()

    # --- what the worker answers
    def permit_granted(self) -> None:
        """Let the job connect."""
        self._permit.set()

    def end_reported(self) -> None:
        """Let the job leave its room."""
        self._reported.set()

    def answered(self, answer: InferenceAnswer) -> None:
        """Give the answer to whoever waits for it."""
        waiting = self._answers.get(answer.request_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def worker_lost(self) -> None:
        """End every wait for the worker."""
        self._permit.set()
        self._reported.set()
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_result(InferenceAnswer(request_id="", error="the worker is gone"))


class JobChild:
    """Warms up, waits for a job, runs it.

    :param send: sends one message to the worker from the loop.
    :param send_now: the same from anywhere, without a loop: used while warming up.
    :param rehearse: goes through a job without anybody's code; None where that would make nothing faster.
    :param is_congested: tells that the worker does not read what it is sent.
    """

    def __init__(
        self,
        program: Program,
        init: Initialize,
        *,
        send: Send,
        send_now: Send,
        executor_type: JobExecutorType = JobExecutorType.PROCESS,
        rehearse: Callable[[Initialize], Coroutine[Any, Any, None]] | None = None,
        is_congested: Callable[[], bool] = lambda: False,
    ) -> None:
        self._program = program
        self._init = init
        self._send = send
        self._send_now = send_now
        self._phase = "start"
        self._rehearse = rehearse
        self._rehearsing: asyncio.Task[None] | None = None
        self._meter = Meter(send, is_congested)
        self._process = JobProcess(
            user_arguments=program.user_arguments, executor_type=executor_type, on_progress=self._progress
        )
        self._warming = True
        self._stop: Stop | None = None
        self._early: list[ToChild] = []
        self._spec: asyncio.Future[JobSpec | None] | None = None
        self._host: ChildHost | None = None
        self._runner: JobRunner | None = None
        self._tasks: set[asyncio.Task[bool]] = set()

    def warm_up(self) -> bool:
        """Run the prewarm hooks and the user's prewarm function; False if the start failed, which has been told."""
        try:
            if self._program.has_plugins:
                self._enter("prewarm hooks")
                with use_registry(self._program.registry):
                    run_each(self._program.registry, "lk_agents_prewarm", proc=self._process)
            if self._program.prewarm is not None:
                self._enter("prewarm_fnc")
                with use_registry(self._program.registry):
                    self._program.prewarm(self._process)
        except (Exception, SystemExit) as error:  # noqa: BLE001  plugins' and user's code: whatever it is, it is told
            self._send_now(
                StartFailed(
                    phase=self._phase,
                    error=f"{type(error).__name__}: {error}" if str(error) else type(error).__name__,
                    traceback=traceback.format_exc(),
                )
            )
            return False
        self._warming = False
        return True

    async def serve(self) -> None:
        """Say that the executor is warm, wait for what the worker wants, and do it."""
        self._spec = asyncio.get_running_loop().create_future()
        if self._stop is not None:
            return
        self._send(Ready())
        spec = await self._spec
        if spec is None:
            return  # stopped before there was a job
        await self._end_rehearsal()
        self._host = host = ChildHost(self._send, before_end=self._meter.tell)
        self._runner = JobRunner(
            spec,
            process=self._process,
            entrypoint=self._program.entrypoint,
            host=host,
            registry=self._program.registry,
            shutdown_seconds=self._init.shutdown_seconds,
        )
        for message in self._early:
            self.receive(message)
        with use_registry(self._program.registry), counted_by(self._meter.record):
            await self._runner.run()
        self._meter.tell()  # what leaving the room has ended

    def log_fields(self) -> Mapping[str, Any]:
        """Return what every log line of this process carries: the job's fields, once there is one."""
        ctx = None if self._runner is None else self._runner.context
        return {} if ctx is None else ctx.log_context_fields

    def receive(self, message: ToChild) -> None:
        """Take one message of the worker; on the loop."""
        match message:
            case StartJob(spec=spec):
                self._settle(spec)
            case Rehearse() if self._may_rehearse():
                assert self._rehearse is not None
                self._rehearsing = asyncio.get_running_loop().create_task(
                    self._rehearse(self._init), name="lk-rehearsal"
                )
            case Stop() | Terminated() if self._is_given():
                self._early.append(message)  # it came right behind the job
            case Stop():
                self._stop = message
                self._settle(None)
                self._stop_runner(message)
            case Terminated(reason=reason):
                if self._runner is not None:
                    task = asyncio.get_running_loop().create_task(
                        self._runner.terminate(reason), name="lk-job-termination"
                    )
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
            case EndReported() if self._host is not None:
                self._host.end_reported()
            case PermitGranted() if self._host is not None:
                self._host.permit_granted()
            case InferenceAnswer() if self._host is not None:
                self._host.answered(message)
            case _:
                logger.debug("message ignored", extra={"message_kind": type(message).__name__})

    def worker_lost(self) -> None:
        """End the job, with its callbacks: the worker is gone; on the loop."""
        if self._host is not None:
            self._host.worker_lost()
        self.receive(
            Stop(
                reason="the worker's process is gone",
                cause=EndCause.WORKER_LOST,
                grace_seconds=min(self._init.shutdown_seconds, ORPHAN_SECONDS * 0.8),
            )
        )

    def panicked(self) -> None:
        """End the job as failed: the native media library is in an unrecoverable state; on the loop."""
        self.receive(
            Stop(
                reason="the native media library panicked (its message is on stderr)",
                cause=EndCause.NATIVE_PANIC,
                grace_seconds=self._init.shutdown_seconds,
            )
        )

    def last_warning(self) -> None:
        """End the job at once: SIGKILL is next; on the loop."""
        self.receive(Stop(reason="it did not end within its limit", grace_seconds=LAST_WARNING_SECONDS))

    def _stop_runner(self, stop: Stop) -> None:
        if self._runner is not None:
            self._runner.stop(stop.reason, cause=stop.cause, grace_seconds=stop.grace_seconds)

    def _is_given(self) -> bool:
        """Whether there is a job whose runner has not been built yet."""
        given = self._spec is not None and self._spec.done() and self._spec.result() is not None
        return given and self._runner is None

    def _may_rehearse(self) -> bool:
        """Whether there is time for it: the executor waits for its job."""
        waits = self._spec is not None and not self._spec.done()
        return waits and self._rehearse is not None and self._rehearsing is None

    async def _end_rehearsal(self) -> None:
        """Let a rehearsal that is at it come to its end, which takes a few milliseconds at most."""
        if (rehearsal := self._rehearsing) is None:
            return
        await asyncio.wait({rehearsal}, timeout=REHEARSAL_SECONDS)
        if not rehearsal.done():
            rehearsal.cancel()
            # What it undoes at its end (the loop's error handler) must not be undone under the job.
            await asyncio.wait({rehearsal}, timeout=REHEARSAL_SECONDS)
        elif not rehearsal.cancelled() and (error := rehearsal.exception()) is not None:
            logger.debug("a rehearsal failed", extra={"error": repr(error)})

    def _settle(self, spec: JobSpec | None) -> None:
        if self._spec is not None and not self._spec.done():
            self._spec.set_result(spec)

    def _enter(self, phase: str) -> None:
        self._phase = phase
        self._send_now(Phase(name=phase))

    def _progress(self, text: str) -> None:
        if self._warming:
            self._enter(f"prewarm: {text}")
