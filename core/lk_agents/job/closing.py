"""The end of a job, step by step, each under its own deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.log import logger
from lk_agents.job.tasks import say_unfinished
from lk_agents.utils import http_context

if TYPE_CHECKING:
    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.job.context import JobContext
    from lk_agents.job.deadline import EndDeadline
    from lk_agents.job.host import JobHost
    from lk_agents.job.spec import JobOutcome

__all__ = ["JobClosing", "notify"]

REPORT_SECONDS: Final = 1.5
"""For the worker's answer to the report of the end; the host itself waits 1 s."""

LEAVE_SECONDS: Final = 3.0
LEAST_SECONDS: Final = 0.5
"""What leaving and closing get even when the job's time is over."""


async def notify(registry: PluginRegistry, hook: str, *, seconds: float, **arguments: Any) -> None:
    """Call one of the job's event hooks; what fails or takes longer than ``seconds`` is logged with its plugin."""
    from lk_agents.hooks import invoke

    await invoke.notify(registry, hook, deadline_seconds=seconds, **arguments)


class JobClosing:
    """Ends one job, once.

    Nothing of the user's code is awaited directly: what ignores its cancellation is logged, and the end goes on.

    :param registry: the plugins in use, or None.
    :param deadline: by when all must be over.
    """

    def __init__(self, job_id: str, host: JobHost, registry: PluginRegistry | None, deadline: EndDeadline) -> None:
        self._job_id = job_id
        self._host = host
        self._registry = registry
        self._deadline = deadline

    async def close(
        self, ctx: JobContext | None, entrypoint: asyncio.Task[None] | None, outcome: JobOutcome, *, seconds: float
    ) -> None:
        """End the entrypoint, tell the hook, run the callbacks, report the end, and only then leave the room.

        :param ctx: None if the job could not even be set up.
        :param entrypoint: None if it was never called.
        :param seconds: how long the job ran, for the hook.
        """
        plan = self._deadline.plan
        if ctx is not None:
            if entrypoint is not None:
                await self._end_entrypoint(entrypoint)
            await ctx.parts.tasks.aclose(self._deadline, at_most=plan.tasks)
            await self._run_finished_hook(ctx, outcome, seconds=seconds)
            await ctx.parts.shutdown_callbacks.run(outcome.reason, self._deadline)
        await self._bounded(self._host.job_ended(outcome), REPORT_SECONDS, "report the end of the job")
        if ctx is not None:
            await self._leave(ctx, outcome)
            await self._bounded(ctx.parts.api.aclose(), self._time(plan.closing), "close ctx.api")
        await self._close_http_session()

    async def _end_entrypoint(self, entrypoint: asyncio.Task[None]) -> None:
        plan = self._deadline.plan
        if not await self._deadline.wait({entrypoint}, at_most=plan.entrypoint_grace):
            return
        entrypoint.cancel()
        late = await self._deadline.wait({entrypoint}, at_most=plan.entrypoint_cancel)
        say_unfinished(late, job_id=self._job_id)

    async def _run_finished_hook(self, ctx: JobContext, outcome: JobOutcome, *, seconds: float) -> None:
        if self._registry is None:
            return
        from lk_agents.hooks.records import JobFinished

        result = JobFinished(
            job_id=self._job_id,
            room_name=ctx.job.room.name,
            success=outcome.success,
            cause=outcome.cause.value,
            reason=outcome.reason,
            seconds=seconds,
        )
        plan = self._deadline.plan
        work = notify(
            self._registry,
            "lk_agents_job_finished",
            seconds=plan.hook - plan.hook_cancel,
            ctx=ctx,
            result=result,
        )
        task = asyncio.get_running_loop().create_task(work, name="job_finished")
        await self._deadline.wait({task}, at_most=plan.hook)
        self._settle(task, "call lk_agents_job_finished")

    async def _leave(self, ctx: JobContext, outcome: JobOutcome) -> None:
        link = ctx.parts.link
        if not await self._bounded(link.leave(failed=not outcome.success), self._time(LEAVE_SECONDS), "leave the room"):
            link.abandon()

    async def _close_http_session(self) -> None:
        try:
            async with asyncio.timeout(self._time(LEAVE_SECONDS)):
                await http_context._close_http_ctx()  # noqa: SLF001  the name is fixed by the public surface
        except Exception:  # noqa: BLE001  the job is over, whatever its connections do
            logger.exception("the job's HTTP session could not be closed", extra={"job_id": self._job_id})

    def _time(self, at_most: float) -> float:
        return min(at_most, max(LEAST_SECONDS, self._deadline.left))

    async def _bounded(self, work: Coroutine[Any, Any, None], seconds: float, what: str) -> bool:
        """Run ``work`` as a task for ``seconds`` at most, and return whether it was done."""
        task = asyncio.get_running_loop().create_task(work, name=f"job_end: {what}")
        await asyncio.wait({task}, timeout=seconds)
        return self._settle(task, what)

    def _settle(self, task: asyncio.Task[None], what: str) -> bool:
        """Cancel a step that took too long, log what went wrong, and return whether it was done."""
        fields = {"job_id": self._job_id, "step": what}
        if not task.done():
            task.cancel()
            logger.error("a step of the job's end took too long", extra=fields)
            return False
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a step of the job's end failed", exc_info=error, extra=fields)
        return True
