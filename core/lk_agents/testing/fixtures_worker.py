"""The fixture ``lk_worker``: real workers, registered with the real server of ``lk_server``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

from lk_agents.testing.fixtures_clock import async_fixture

if TYPE_CHECKING:
    from lk_agents.hooks.records import ServerInfo
    from lk_agents.job.context import JobContext
    from lk_agents.worker.engine import WorkerLimits
    from lk_agents.worker.worker import Worker

__all__ = ["WorkerBench", "lk_worker"]


class WorkerBench:
    """Starts workers in this process; each runs its jobs as it would anywhere else.

    :param server: whom they register with, unless their options name another one.
    """

    def __init__(self, server: ServerInfo) -> None:
        self.server = server
        self._workers: list[Worker] = []

    async def start(
        self,
        entrypoint: Callable[[JobContext], Awaitable[None]],
        *,
        devmode: bool = True,
        limits: WorkerLimits | None = None,
        **options: Any,
    ) -> Worker:
        """Start a worker and return it when the server knows it.

        :param entrypoint: at the top level of a module, as everywhere: the job's process finds it by its name.
        :param devmode: False for the defaults of production, such as warm processes and a load threshold.
        :param limits: deadlines that users do not set.
        :param options: further fields of ``WorkerOptions``; the health endpoint is on a free port of the loopback
            unless they say otherwise.
        :raises lk_agents.foundation.errors.RegistrationError: the server refused the worker.
        """
        from lk_agents.worker.options import WorkerOptions
        from lk_agents.worker.worker import Worker

        server = self.server
        given = {
            "ws_url": server.url,
            "api_key": server.api_key,
            "api_secret": server.api_secret,
            "host": "127.0.0.1",
            "port": 0,
            **options,
        }
        worker = Worker(WorkerOptions(entrypoint, **given), devmode=devmode, limits=limits)
        await worker.__aenter__()
        self._workers.append(worker)
        return worker

    async def aclose(self) -> None:
        """Close all workers, at the same time: their jobs are ended, with their callbacks.

        :raises BaseExceptionGroup: workers had failed before; it holds their errors.
        """
        workers, self._workers = self._workers, []
        ends = [worker.__aexit__(None, None, None) for worker in workers]
        failures = [end for end in await asyncio.gather(*ends, return_exceptions=True) if end is not None]
        if failures:
            raise BaseExceptionGroup("workers failed during the test", failures)


@async_fixture
async def lk_worker(lk_server: ServerInfo) -> AsyncIterator[WorkerBench]:
    """Start real workers: ``await lk_worker.start(entrypoint, agent_name="me")``; they are closed after the test."""
    bench = WorkerBench(lk_server)
    yield bench
    await bench.aclose()
