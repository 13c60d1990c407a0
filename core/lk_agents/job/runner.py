"""Runs one job from its record to its outcome."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Token
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import RoomDisconnectedError, RoomReplacedError
from lk_agents.foundation.log import logger
from lk_agents.job.closing import JobClosing, notify
from lk_agents.job.context import JobContext, job_context_var
from lk_agents.job.deadline import EndDeadline
from lk_agents.job.ending import End, JobLimits, outcome_of
from lk_agents.job.host import JobRuntime
from lk_agents.job.job_span import job_span, tell_outcome
from lk_agents.job.link import LinkPhase, new_room
from lk_agents.job.request import RunningJobInfo
from lk_agents.job.spec import EndCause, JobOutcome, JobSpec
from lk_agents.job.tasks import start_contained
from lk_agents.utils import http_context
from lk_agents.utils.tracing import NO_SPAN

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.job.host import JobHost
    from lk_agents.job.link import RoomLink
    from lk_agents.job.process import JobProcess

__all__ = ["JobRunner"]

HOOK_CANCEL_SECONDS: Final = 1.5
"""For implementations of a hook to follow their cancellation."""


class JobRunner:
    """Runs one job; build it on the job's event loop, and use it there only.

    :param spec: the job.
    :param process: the executor it runs in, prewarmed.
    :param entrypoint: the user's entrypoint.
    :param host: what the job asks of the process around it.
    :param registry: the plugins in use; None calls no hooks.
    :param shutdown_seconds: the longest end of the job, from its cause to having left the room.
    :param room_factory: builds the room object from the room's name; by default the real one.
    :param limits: the other limits.
    :raises google.protobuf.message.DecodeError: ``spec.job`` is not a serialised job.
    """

    def __init__(
        self,
        spec: JobSpec,
        *,
        process: JobProcess,
        entrypoint: Callable[[JobContext], Awaitable[None]],
        host: JobHost,
        registry: PluginRegistry | None = None,
        shutdown_seconds: float = 60.0,
        room_factory: Callable[[str], rtc.Room] = new_room,
        limits: JobLimits | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._info = RunningJobInfo.from_spec(spec)
        self._process = process
        self._entrypoint = entrypoint
        self._host = host
        self._registry = registry
        self._shutdown_seconds = shutdown_seconds
        self._room_factory = room_factory
        self._limits = limits or JobLimits()
        self._ctx: JobContext | None = None
        self._entrypoint_task: asyncio.Task[None] | None = None
        self._end: asyncio.Future[End] = self._loop.create_future()
        self._deadline: EndDeadline | None = None
        self._current: Token[JobContext] | None = None
        self._span = NO_SPAN

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self._info.job.id

    @property
    def context(self) -> JobContext | None:
        """The job's context; None before :meth:`run` has built it."""
        return self._ctx

    @property
    def ending(self) -> bool:
        """Whether the job has begun to end."""
        return self._end.done()

    async def run(self) -> JobOutcome:
        """Run the job to its end; to be called once. Nothing that the user's code does comes out of it as an error.

        Cancelled, it cancels all that belongs to the job and waits for nothing: :meth:`stop` is the way to end one.
        """
        started_at = self._loop.time()
        with self._in_charge(), job_span(self._info) as self._span:
            try:
                await self._begin_and_live()
                return await self._finish(self._end.result(), started_at)
            except asyncio.CancelledError:
                self._abandon()
                raise

    async def rehearse(self) -> None:
        """Do what a job begins with, its entrypoint included, which must end it; but nothing of the end itself."""
        with self._in_charge():
            await self._begin_and_live()

    def stop(self, reason: str, *, cause: EndCause = EndCause.STOPPED, grace_seconds: float | None = None) -> None:
        """Begin the end of the job; the first cause wins.

        :param grace_seconds: the longest end from now on, if that is less than what is left of
            ``shutdown_seconds``; it counts also when the job is ending already.
        """
        if grace_seconds is not None:
            if self._deadline is None:
                self._shutdown_seconds = min(self._shutdown_seconds, grace_seconds)
            else:
                self._deadline.shorten(grace_seconds)
        self._begin_end(End(cause=cause, reason=reason))

    async def terminate(self, reason: str) -> bool:
        """Obey the server's termination of the job, unless it is void; return whether the job is ending.

        While the room is being joined it waits up to 3 s for that. A termination that comes within 10 s of a
        reconnect of a connected room is logged and ignored (False): the server sends one for the session that the
        reconnect replaced, and disconnects by itself whoever it really wants to go.
        """
        if self._ctx is not None and not self._end.done():
            link, limits = self._ctx.parts.link, self._limits
            if link.phase is LinkPhase.CONNECTING:
                await link.wait_settled(limits.termination_wait_seconds)
            elif link.phase is LinkPhase.RECONNECTING:
                await link.wait_settled(limits.reconnect_window_seconds)
            if not self._end.done() and link.reconnected_within(limits.reconnect_window_seconds):
                logger.warning(
                    "a termination is ignored: it is for the session that a reconnect has just replaced",
                    extra={"job_id": self.job_id, "reason": reason},
                )
                return False
        self.stop(reason)
        return True

    # --- running ------------------------------------------------------------------------------------------------

    @contextmanager
    def _in_charge(self) -> Iterator[None]:
        """Have this job be the current one while the block lasts, and take what the loop has nobody to give to."""
        other_handler = self._loop.get_exception_handler()
        self._loop.set_exception_handler(self._on_loop_error)
        http_context._new_session_ctx()  # noqa: SLF001  the name is fixed by the public surface
        try:
            yield
        finally:
            if self._current is not None:
                job_context_var.reset(self._current)
            self._loop.set_exception_handler(other_handler)

    async def _begin_and_live(self) -> None:
        self._host.job_started()
        if (ctx := self._build_context()) is not None:
            self._current = job_context_var.set(ctx)
            await self._live(ctx)

    def _build_context(self) -> JobContext | None:
        try:
            room = self._room_factory(self._info.job.room.name)
            self._ctx = JobContext(
                proc=self._process,
                info=self._info,
                room=room,
                on_connect=self._on_connect,
                on_shutdown=self._on_shutdown,
                inference_executor=self._host,
                runtime=JobRuntime(host=self._host, end=self._begin_end, limits=self._limits, span=self._span),
            )
        except Exception as error:  # noqa: BLE001  whatever it is, the job gets an outcome
            logger.exception("the job could not be set up", extra={"job_id": self.job_id})
            self._begin_end(self._end_of(error))
        if self._ctx is not None and self._end.done():  # stopped before it began
            self._seal(self._ctx, self._end.result())
        return self._ctx

    async def _live(self, ctx: JobContext) -> None:
        """Run hook and entrypoint until something ends the job."""
        if not self._end.done():
            await self._run_starting_hook(ctx)
        if self._end.done():
            return
        self._mark("entrypoint")
        self._entrypoint_task = start_contained(self._call_entrypoint(ctx), name="job_user_entrypoint")
        self._entrypoint_task.add_done_callback(self._on_entrypoint_done)
        warning = self._loop.call_later(self._limits.unconnected_warning_seconds, self._warn_unconnected)
        try:
            await asyncio.wait({self._end})
        finally:
            warning.cancel()

    async def _call_entrypoint(self, ctx: JobContext) -> None:
        await self._entrypoint(ctx)

    async def _run_starting_hook(self, ctx: JobContext) -> None:
        if self._registry is None or not self._registry.implementations("lk_agents_job_starting"):
            return
        seconds = self._limits.hook_seconds
        work = notify(self._registry, "lk_agents_job_starting", seconds=seconds, ctx=ctx)
        hook = self._loop.create_task(work, name="job_starting")
        either: set[asyncio.Future[Any]] = {hook, self._end}
        await asyncio.wait(either, timeout=seconds + HOOK_CANCEL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not hook.done():  # the job is ending already
            hook.cancel()
            await asyncio.wait({hook}, timeout=HOOK_CANCEL_SECONDS)
        if hook.done() and not hook.cancelled() and (error := hook.exception()) is not None:
            logger.error("lk_agents_job_starting failed", exc_info=error, extra={"job_id": self.job_id})

    def _on_connect(self) -> None:
        self._mark("connected")

    def _mark(self, name: str) -> None:
        self._host.mark(name)
        self._span.event(name)

    def _on_shutdown(self, reason: str) -> None:
        self._begin_end(End(cause=EndCause.SHUTDOWN, reason=reason))

    def _on_entrypoint_done(self, task: asyncio.Task[None]) -> None:
        error = asyncio.CancelledError("the entrypoint was cancelled") if task.cancelled() else task.exception()
        fields = {"job_id": self.job_id, "room_name": self._info.job.room.name}
        if self._end.done():
            cause = self._end.result().cause
            told = (
                task.cancelled()
                or (isinstance(error, RoomReplacedError) and cause is EndCause.ROOM_REPLACED)
                or isinstance(error, RoomDisconnectedError)  # it waited for somebody, and the room's end is known
            )
            if error is not None and not told:
                logger.warning("the entrypoint failed while the job was ending", exc_info=error, extra=fields)
        elif error is not None:
            logger.error("the entrypoint failed; the job ends", exc_info=error, extra=fields)
            self._begin_end(self._end_of(error))
        else:
            self._end_if_never_connected()

    def _end_if_never_connected(self) -> None:
        assert self._ctx is not None
        link = self._ctx.parts.link
        if link.phase is LinkPhase.CONNECTING:  # somebody else's task: ask again when it is through
            self._ctx.parts.tasks.start(self._end_after_join(link), name="job_await_join")
        elif not link.was_joined:
            logger.warning(
                "the entrypoint returned without having connected to the room; the job ends",
                extra={"job_id": self.job_id, "room_name": self._info.job.room.name},
            )
            self._begin_end(End(cause=EndCause.RETURNED, reason="the entrypoint returned without having connected"))

    async def _end_after_join(self, link: RoomLink) -> None:
        await link.wait_settled(self._limits.connect_seconds)
        self._end_if_never_connected()

    def _warn_unconnected(self) -> None:
        if self._ctx is not None and self._ctx.parts.link.phase is LinkPhase.NEW:
            logger.warning(
                "the entrypoint has called neither ctx.connect() nor ctx.shutdown(); nobody hears the agent",
                extra={"job_id": self.job_id, "seconds": self._limits.unconnected_warning_seconds},
            )

    # --- ending -------------------------------------------------------------------------------------------------

    def _begin_end(self, end: End) -> None:
        if self._end.done():
            logger.debug(
                "the job is ending already; a later cause is ignored",
                extra={"job_id": self.job_id, "cause": end.cause.value, "reason": end.reason},
            )
            return
        self._end.set_result(end)
        if self._ctx is not None:
            self._seal(self._ctx, end)

    def _seal(self, ctx: JobContext, end: End) -> None:
        """Let nothing new begin in a job that is ending."""
        ctx.parts.end = end
        ctx.parts.link.refuse_joins("the job is ending")
        ctx.parts.participants.close()

    def _end_of(self, error: BaseException) -> End:
        """Put an error of the user's code into words, without the job's token, should it be in them."""
        detail = "".join(traceback.format_exception(error))
        return End(cause=EndCause.RAISED, reason=self._hide(_words(error)), detail=self._hide(detail))

    def _hide(self, text: str) -> str:
        return text.replace(self._info.token, "***") if self._info.token else text

    async def _finish(self, end: End, started_at: float) -> JobOutcome:
        outcome = outcome_of(end)
        fields = {
            "job_id": self.job_id,
            "cause": end.cause.value,
            "reason": end.reason,
        }
        logger.debug("the job begins to end", extra=fields)
        self._host.job_ending(end.cause, end.reason)
        tell_outcome(self._span, outcome)
        self._deadline = EndDeadline(self._shutdown_seconds)
        closing = JobClosing(self.job_id, self._host, self._registry, self._deadline)
        await closing.close(self._ctx, self._entrypoint_task, outcome, seconds=self._loop.time() - started_at)
        logger.info(
            "the job has ended",
            extra={**fields, "success": outcome.success, "seconds": round(self._loop.time() - started_at, 3)},
        )
        return outcome

    def _abandon(self) -> None:
        self._begin_end(End(cause=EndCause.STOPPED, reason="the job was cancelled"))
        if self._entrypoint_task is not None:
            self._entrypoint_task.cancel()
        if self._ctx is not None:
            self._ctx.parts.tasks.cancel()
            self._ctx.parts.link.abandon()

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # noqa: ARG002
        """Log what asyncio has nobody to give to: errors of callbacks, and of tasks that nobody awaited."""
        task = context.get("task") or context.get("future")
        logger.error(
            "an error in the job was not handled",
            exc_info=context.get("exception"),
            extra={
                "job_id": self.job_id,
                "what": context.get("message"),
                "task": task.get_name() if isinstance(task, asyncio.Task) else None,
            },
        )


def _words(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
