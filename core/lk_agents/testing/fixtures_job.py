"""The fixture ``lk_job``. Loading this module loads no part of the framework."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lk_agents.testing.job import JobBench

if TYPE_CHECKING or find_spec("pytest_asyncio") is not None:
    import pytest_asyncio

    async_fixture = pytest_asyncio.fixture
else:  # lk_agents is installed for something else than these tests: only who uses the fixture needs the runner
    async_fixture = pytest.fixture

__all__ = ["lk_job"]


@async_fixture
async def lk_job() -> AsyncIterator[JobBench]:
    """Start jobs over a fake room: ``lk_job.start(entrypoint)``; those that still run are ended after the test."""
    from lk_agents.testing.job import JobBench

    bench = JobBench()
    yield bench
    await bench.aclose()
