"""The plugins as the worker uses them: which are in use, and who is told what."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import PluginError
from lk_agents.utils.aio import cancel_and_wait

if TYPE_CHECKING:
    from lk_agents.hooks.records import Reject
    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.job.request import JobRequest
    from lk_agents.worker.options import WorkerOptions

__all__ = ["WorkerPlugins"]

CLOSE_SECONDS: Final = 5.0
"""How long hooks that are still at work may take when the worker closes."""


class WorkerPlugins:
    """Owns the tasks of hooks that the worker does not wait for.

    :param given: the registry that the worker was built with, or None for the process's own.
    """

    def __init__(self, given: PluginRegistry | None, options: WorkerOptions) -> None:
        self._given = given
        self._options = options
        self._registry: PluginRegistry | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def registry(self) -> PluginRegistry:
        """The plugins; only after :meth:`open`."""
        assert self._registry is not None, "open() comes first"
        return self._registry

    async def open(self, worker: Any) -> None:
        """Decide which plugins are in use, and say that the worker starts.

        :raises PluginError: a plugin that the options name is broken or unknown, the environment names an unknown one,
            or plugins would have to be loaded off the main thread.
        """
        from lk_agents.hooks.discovery import require_known

        self._registry = registry = self._introduced()
        require_known(registry.plugins(), registry.settings)
        registry.decide_in_use(self._options.plugins)
        await self.tell_and_wait("lk_agents_worker_starting", worker=worker)

    def in_context(self) -> AbstractContextManager[None]:
        """Make the plugins those of the tasks that are started in the block."""
        from lk_agents.hooks.current import use_registry

        return use_registry(self.registry)

    def _introduced(self) -> PluginRegistry:
        """Return the plugins, which have introduced themselves: once per process, however many workers it has."""
        from lk_agents.hooks.current import current_registry

        source = current_registry() if self._given is None else self._given
        try:
            source.register_plugins()
        except RuntimeError as error:
            raise PluginError(
                f"the worker starts off the main thread, where plugins cannot be registered; before that, call "
                f"lk_agents.hooks.current.current_registry().register_plugins() on the main thread ({error})"
            ) from error
        return source.branch() if self._given is None else source  # what is in use is each worker's own decision

    async def filter_request(self, request: JobRequest) -> Reject | None:
        """Return the first refusal of a plugin, or None."""
        from lk_agents.hooks.invoke import first_refusal

        hook, seconds = "lk_agents_filter_request", self._options.request_timeout
        return await first_refusal(self.registry, hook, deadline_seconds=seconds, request=request)

    def tell(self, hook: str, *, after: Awaitable[None] | None = None, **arguments: Any) -> None:
        """Call an event's implementations in a task of their own, ``after`` something if it is given."""

        async def work() -> None:
            if after is not None:
                await after
            await self.tell_and_wait(hook, **arguments)

        task = asyncio.get_running_loop().create_task(work(), name=f"hook_{hook}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def tell_and_wait(self, hook: str, **arguments: Any) -> None:
        """Call an event's implementations and return when they are done; their errors are logged."""
        from lk_agents.hooks.invoke import notify

        if self._registry is not None:
            await notify(self._registry, hook, **arguments)

    async def aclose(self) -> None:
        """Wait a moment for hooks that are at work, then cancel them."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
            await cancel_and_wait(*self._tasks)
