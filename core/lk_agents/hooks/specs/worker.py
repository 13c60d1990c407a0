"""The events of a worker's life: starting, registered, draining, stopped."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from lk_agents.hooks.markers import Scope, hookspec

if TYPE_CHECKING:
    from lk_agents.hooks.records import WorkerInfo
    from lk_agents.worker.worker import Worker


@hookspec(scope=Scope.IN_USE, may_await=True)
def lk_agents_worker_starting(worker: Worker) -> Awaitable[None] | None:
    """Take note that a worker starts.

    Called once per worker, before processes are warmed and before it connects to the server. May be a coroutine
    function.

    Example::

        @lk_agents.hookimpl
        async def lk_agents_worker_starting(worker: Worker) -> None:
            await metrics.open()

    :param worker: the worker, to be read only.
    :returns: nothing.

    Errors: an error or overrun is logged with the plugin's name; the worker starts all the same.

    Called in: the worker. For: plugins in use. Since: 0.1.
    """


@hookspec(scope=Scope.IN_USE, may_await=True)
def lk_agents_worker_registered(worker: Worker, info: WorkerInfo) -> Awaitable[None] | None:
    """Take note that the server has registered the worker, so that it may be offered jobs.

    Called after the first registration and after each reconnect, which brings another worker id. May be a
    coroutine function.

    Example::

        @lk_agents.hookimpl
        def lk_agents_worker_registered(worker: Worker, info: WorkerInfo) -> None:
            metrics.label(worker_id=info.worker_id, region=info.server_region)

    :param worker: the worker, to be read only.
    :param info: the server's answer.
    :returns: nothing.

    Errors: an error or overrun is logged with the plugin's name; the worker goes on.

    Called in: the worker. For: plugins in use. Since: 0.1.
    """


@hookspec(scope=Scope.IN_USE, may_await=True)
def lk_agents_worker_draining(worker: Worker) -> Awaitable[None] | None:
    """Take note that the worker takes no new jobs and lets the running ones end.

    Called once per worker, after the server has been told. May be a coroutine function.

    Example::

        @lk_agents.hookimpl
        async def lk_agents_worker_draining(worker: Worker) -> None:
            await registry.withdraw(worker.id)

    :param worker: the worker, to be read only.
    :returns: nothing.

    Errors: an error or overrun is logged with the plugin's name; the drain goes on.

    Called in: the worker. For: plugins in use. Since: 0.1.
    """


@hookspec(scope=Scope.IN_USE, may_await=True)
def lk_agents_worker_stopped(worker: Worker) -> Awaitable[None] | None:
    """Take note that the worker has ended: no job runs, no process is left, the server's socket is closed.

    Called once per worker, as its last act; not when the worker's process is killed. May be a coroutine function.

    Example::

        @lk_agents.hookimpl
        async def lk_agents_worker_stopped(worker: Worker) -> None:
            await metrics.flush()

    :param worker: the worker, to be read only.
    :returns: nothing.

    Errors: an error or overrun is logged with the plugin's name.

    Called in: the worker. For: plugins in use. Since: 0.1.
    """
