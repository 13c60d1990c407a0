"""The events of a job's life: starting, finished, lost."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from lk_agents.hooks.markers import Scope, hookspec

if TYPE_CHECKING:
    from lk_agents.hooks.records import JobFinished, JobLost
    from lk_agents.job.context import JobContext


@hookspec(scope=Scope.IN_USE, may_await=True)
def lk_agents_job_starting(ctx: JobContext) -> Awaitable[None] | None:
    """Take note that a job is about to run.

    Called in the job's process before the user's entrypoint, when the room is not yet connected. May be a coroutine
    function; the caller waits in the room meanwhile, so be quick.

    Example::

        @lk_agents.hookimpl
        def lk_agents_job_starting(ctx: JobContext) -> None:
            tracing.begin(job_id=ctx.job.id)

    :param ctx: the job's context.
    :returns: nothing.

    Errors: an error or overrun is logged with the plugin's name; the job runs all the same.

    Called in: the job's process. For: plugins in use. Since: 0.1.
    """


@hookspec(scope=Scope.IN_USE, may_await=True)
def lk_agents_job_finished(ctx: JobContext, result: JobFinished) -> Awaitable[None] | None:
    """Take note that a job has ended, for whatever reason.

    Called in the job's process after the entrypoint has ended and before the user's shutdown callbacks; the room
    may still be connected. May be a coroutine function. If the process dies before, ``lk_agents_job_lost`` is called
    in the worker instead.

    Example::

        @lk_agents.hookimpl
        async def lk_agents_job_finished(ctx: JobContext, result: JobFinished) -> None:
            await tracing.end(job_id=result.job_id, success=result.success)

    :param ctx: the job's context.
    :param result: how it ended.
    :returns: nothing.

    Errors: an error or overrun is logged with the plugin's name and does not change the job's outcome.

    Called in: the job's process. For: plugins in use. Since: 0.1.
    """


@hookspec(scope=Scope.IN_USE, may_await=True)
def lk_agents_job_lost(record: JobLost) -> Awaitable[None] | None:
    """Take note of a job whose process could not run its shutdown callbacks: killed, crashed, or not answering.

    Called in the worker, once per lost job, after its process is gone or has been given up. The place to save what
    the job itself can no longer save, or to call the customer back. May be a coroutine function.

    Example::

        @lk_agents.hookimpl
        async def lk_agents_job_lost(record: JobLost) -> None:
            await pager.alert(f"job {record.job_id} was lost: {record.reason}")

    :param record: the job, the cause, and the stacks as far as they could be had.
    :returns: nothing.

    Errors: an error or overrun is logged with the plugin's name.

    Called in: the worker. For: plugins in use. Since: 0.1.
    """
