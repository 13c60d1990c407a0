"""The regular beat, and the sleep whose end can be moved."""

import asyncio

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.testing import VirtualClock
from lk_agents.utils import aio


async def ticks(beat: aio.Interval, clock: VirtualClock, count: int) -> list[tuple[float, int]]:
    seen = []
    for _ in range(count):
        number = await beat.tick()
        seen.append((clock.monotonic(), number))
    return seen


async def test_the_first_tick_comes_at_once_and_then_one_per_period(lk_clock: VirtualClock) -> None:
    assert await ticks(aio.interval(2.0), lk_clock, 4) == [(0.0, 0), (2.0, 1), (4.0, 2), (6.0, 3)]


async def test_a_late_tick_comes_at_once_and_the_next_a_full_period_after_it(lk_clock: VirtualClock) -> None:
    beat = aio.interval(1.0)
    await beat.tick()
    await asyncio.sleep(3.5)

    assert await ticks(beat, lk_clock, 2) == [(3.5, 1), (4.5, 2)]


async def test_a_beat_can_be_iterated(lk_clock: VirtualClock) -> None:
    numbers = []
    async for number in aio.Interval(0.5):
        numbers.append(number)
        if number == 3:
            break

    assert numbers == [0, 1, 2, 3]
    assert lk_clock.monotonic() == 1.5


async def test_a_reset_while_a_tick_is_waited_for_begins_its_period_anew(lk_clock: VirtualClock) -> None:
    beat = aio.interval(1.0)
    await beat.tick()
    asyncio.get_running_loop().call_later(0.75, beat.reset)

    assert await ticks(beat, lk_clock, 2) == [(1.75, 1), (2.75, 2)]


async def test_a_reset_between_ticks_repeats_the_number_at_once(lk_clock: VirtualClock) -> None:
    beat = aio.interval(1.0)
    await ticks(beat, lk_clock, 2)
    beat.reset()

    assert await ticks(beat, lk_clock, 2) == [(1.0, 1), (2.0, 2)]


async def test_a_reset_before_the_first_tick_changes_nothing(lk_clock: VirtualClock) -> None:
    beat = aio.interval(1.0)
    beat.reset()

    assert await ticks(beat, lk_clock, 2) == [(0.0, 0), (1.0, 1)]


async def test_a_cancelled_tick_is_waited_for_again(lk_clock: VirtualClock) -> None:
    beat = aio.interval(1.0)
    await beat.tick()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(beat.tick(), 0.4)

    assert await ticks(beat, lk_clock, 2) == [(1.0, 1), (2.0, 2)]


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_a_beat_needs_a_period(seconds: float) -> None:
    with pytest.raises(ConfigError, match="more than 0"):
        aio.interval(seconds)


async def test_a_sleep_lasts_as_long_as_it_says(lk_clock: VirtualClock) -> None:
    await aio.sleep(3.0)

    assert lk_clock.monotonic() == 3.0


async def test_a_reset_sleep_lasts_its_full_time_from_then_on(lk_clock: VirtualClock) -> None:
    nap = aio.sleep(3.0)
    asyncio.get_running_loop().call_later(2.0, nap.reset)
    asyncio.get_running_loop().call_later(4.0, nap.reset, 0.5)
    await nap

    assert lk_clock.monotonic() == 4.5


async def test_a_sleep_that_has_not_begun_only_takes_the_new_time(lk_clock: VirtualClock) -> None:
    nap = aio.sleep(3.0)
    nap.reset(1.0)
    await asyncio.sleep(5.0)
    await nap

    assert lk_clock.monotonic() == 6.0


async def test_a_sleep_that_has_ended_cannot_be_reset(lk_clock: VirtualClock) -> None:
    nap = aio.sleep(1.0)
    await nap

    with pytest.raises(aio.SleepFinished):
        nap.reset()


async def test_a_sleep_whose_time_is_over_cannot_be_reset_before_its_task_runs(lk_clock: VirtualClock) -> None:
    nap = aio.sleep(1.0)
    late: list[bool] = []

    def reset() -> None:
        with pytest.raises(aio.SleepFinished):
            nap.reset()
        late.append(True)

    task = asyncio.ensure_future(_wait(nap))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(1.0, reset)  # right behind the sleep's own timer
    await task

    assert late == [True]


async def test_a_cancelled_sleep_cancels_who_awaits_it_and_cannot_be_reset(lk_clock: VirtualClock) -> None:
    nap = aio.sleep(3.0)
    asyncio.get_running_loop().call_later(1.0, nap.cancel)

    with pytest.raises(asyncio.CancelledError):
        await nap
    assert lk_clock.monotonic() == 1.0
    with pytest.raises(aio.SleepFinished):
        nap.reset()


async def test_a_sleep_cancelled_before_it_began_does_not_begin(lk_clock: VirtualClock) -> None:
    nap = aio.sleep(3.0)
    nap.cancel()

    with pytest.raises(asyncio.CancelledError):
        await nap
    assert lk_clock.monotonic() == 0.0
    with pytest.raises(aio.SleepFinished):
        nap.reset()


async def test_a_sleep_cancelled_before_it_began_cannot_be_reset() -> None:
    nap = aio.sleep(3.0)
    nap.cancel()

    with pytest.raises(aio.SleepFinished):
        nap.reset()


async def test_a_sleep_ends_with_the_task_that_sleeps(lk_clock: VirtualClock) -> None:
    nap = aio.sleep(3.0)
    task = asyncio.ensure_future(_wait(nap))
    await asyncio.sleep(1.0)
    await aio.gracefully_cancel(task)

    with pytest.raises(aio.SleepFinished):
        nap.reset()


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_a_sleep_of_no_time_is_over_at_once_and_may_be_reset(seconds: float, lk_clock: VirtualClock) -> None:
    nap = aio.sleep(seconds)
    await nap
    nap.reset()

    assert lk_clock.monotonic() == 0.0


async def test_a_sleep_serves_one_await(lk_clock: VirtualClock) -> None:
    nap = aio.sleep(1.0)
    await nap

    with pytest.raises(RuntimeError, match="second time"):
        await nap


async def _wait(nap: aio.Sleep) -> None:
    await nap
