"""The soft memory limit."""

from __future__ import annotations

import asyncio

from lk_agents.utils.aio.threads import call_in_thread
from lk_agents.worker.memory_guard import MemoryGuard


async def test_only_memory_that_is_short_ends_a_job_and_it_is_asked_for_on_the_loop() -> None:
    asked: list[tuple[str, asyncio.AbstractEventLoop]] = []
    guard = MemoryGuard(lambda reason: asked.append((reason, asyncio.get_running_loop())))

    for share in (0.5, 0.94, 0.951):
        await call_in_thread(lambda share=share: guard.looked(share), name="looks")  # type: ignore[misc]
    await asyncio.sleep(0)

    assert asked == [("95% of the container's memory is in use", asyncio.get_running_loop())]
