"""The soft memory limit."""

from __future__ import annotations

import asyncio

from lk_agents.worker.memory_guard import MemoryGuard


async def test_only_memory_that_is_short_ends_a_job_and_a_failing_figure_ends_nothing() -> None:
    shares = iter([None, 0.5, 0.94, OSError("gone"), 0.951])
    asked: list[str] = []
    seen_all = asyncio.Event()
    loop = asyncio.get_running_loop()

    def share() -> float | None:
        one = next(shares, "end")
        if one == "end":
            loop.call_soon_threadsafe(seen_all.set)
            return None
        if isinstance(one, OSError):
            raise one
        assert one is None or isinstance(one, float)
        return one

    guard = asyncio.create_task(MemoryGuard(asked.append, share=share, interval=0.0).run())
    async with asyncio.timeout(5):
        await seen_all.wait()
    guard.cancel()

    assert asked == ["95% of the container's memory is in use"]
