"""Time has one source, which a test can own."""

import asyncio
import threading
import time

from lk_agents.foundation import clock


class FixedClock:
    def monotonic(self) -> float:
        return 1.0

    def wall_seconds(self) -> float:
        return 2.0


def test_time_is_the_machines_unless_somebody_says_otherwise() -> None:
    before = time.monotonic(), time.time()
    seen = clock.monotonic(), clock.wall_seconds()

    assert before[0] <= seen[0] <= time.monotonic()
    assert before[1] <= seen[1] <= time.time()


def test_a_clock_holds_for_its_block_and_no_longer() -> None:
    with clock.use_clock(FixedClock()):
        assert (clock.monotonic(), clock.wall_seconds()) == (1.0, 2.0)

    assert clock.wall_seconds() > 1e9


async def test_tasks_inherit_the_clock_and_threads_of_their_own_do_not() -> None:
    async def read() -> float:
        return clock.wall_seconds()

    seen: list[float] = []
    with clock.use_clock(FixedClock()):
        assert await asyncio.create_task(read()) == 2.0
        thread = threading.Thread(target=lambda: seen.append(clock.wall_seconds()))
        thread.start()
        await asyncio.to_thread(thread.join)

    assert seen[0] > 1e9


def test_a_blocking_sleep_blocks() -> None:
    began = time.monotonic()
    clock.sleep_blocking(0.01)

    assert time.monotonic() - began >= 0.009
