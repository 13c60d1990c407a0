"""The fixture ``lk_job``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from lk_agents.testing.fixtures_clock import async_fixture

if TYPE_CHECKING:
    from lk_agents.testing.job import JobBench

__all__ = ["lk_job"]


@async_fixture
async def lk_job() -> AsyncIterator[JobBench]:
    """Start jobs over a fake room: ``lk_job.start(entrypoint)``; those that still run are ended after the test."""
    from lk_agents.testing.job import JobBench

    bench = JobBench()
    yield bench
    await bench.aclose()
