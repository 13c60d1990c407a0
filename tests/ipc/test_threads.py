"""What jobs in threads leave alone: they share the process with the worker."""

from __future__ import annotations

import asyncio

import pytest
from tests.ipc.pools import job, threads

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(40)]


async def test_x23_jobs_in_threads_leave_asyncio_as_it_is() -> None:
    before = asyncio.events.Handle._run

    async with threads(idle_target=1) as bench:
        for _ in range(2):
            report = await bench.run(job("tell_facts"))
            assert report.outcome.success

        assert asyncio.events.Handle._run is before
