"""Connections that are opened in advance."""

import asyncio
import warnings

import pytest
from tests.utils.pooled import Connection, Service, settle

from lk_agents.testing import VirtualClock
from lk_agents.utils import ConnectionPool


async def test_prewarming_opens_one_connection_that_the_next_user_gets() -> None:
    service = Service()
    pool = service.pool()
    pool.prewarm()
    pool.prewarm()
    await settle()
    assert service.opened == 1

    assert (await pool.get()).number == 1
    pool.prewarm()
    await settle()
    assert service.opened == 1
    await pool.aclose()


async def test_who_comes_while_a_connection_is_prewarmed_waits_for_it_and_the_next_opens_another(
    lk_clock: VirtualClock,
) -> None:
    service = Service(connect_seconds=1.0)
    pool = service.pool()
    pool.prewarm()
    await asyncio.sleep(0.75)

    async def get() -> tuple[float, int]:
        connection = await pool.get()
        return lk_clock.monotonic(), connection.number

    first, second = await asyncio.gather(get(), get())
    assert (first, second) == ((1.0, 1), (1.75, 2))
    await pool.aclose()


async def test_prewarming_does_nothing_where_there_is_a_connection() -> None:
    service = Service()
    pool = service.pool()
    await pool.get()
    pool.prewarm()
    await settle()

    assert service.opened == 1
    await pool.aclose()


async def test_a_prewarming_that_fails_is_logged_and_the_next_user_tries_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    attempts: list[int] = []

    async def connect() -> Connection:
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("wss://host/?key=secret")
        return Connection(2)

    pool = ConnectionPool(connect_cb=connect)
    pool.prewarm()

    assert (await pool.get()).number == 2
    assert [record.message for record in caplog.records] == ["a connection could not be prewarmed"]
    assert "secret" not in caplog.text


async def test_what_was_prewarmed_with_old_options_is_not_used(lk_clock: VirtualClock) -> None:
    service = Service(connect_seconds=1.0)
    pool = service.pool()
    pool.prewarm()
    await asyncio.sleep(0.5)
    pool.invalidate()
    await asyncio.sleep(1.0)

    assert service.closed == [1]
    assert (await pool.get()).number == 2
    await pool.aclose()


async def test_closing_a_pool_ends_the_wait_for_a_prewarmed_connection(lk_clock: VirtualClock) -> None:
    service = Service(connect_seconds=1.0)
    pool = service.pool()
    pool.prewarm()
    getting = asyncio.create_task(pool.get())
    await asyncio.sleep(0.5)
    await pool.aclose()

    with pytest.raises(RuntimeError, match="closed"):
        await getting
    assert (service.opened, lk_clock.monotonic()) == (0, 0.5)


async def test_x24_closing_a_pool_cancels_its_prewarming_and_waits_for_that(lk_clock: VirtualClock) -> None:
    service = Service(connect_seconds=3600)
    pool = service.pool()
    pool.prewarm()
    await asyncio.sleep(1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a coroutine that nobody awaits would be one
        await pool.aclose()

    assert service.cancelled == 1
    assert service.opened == 0
    assert [task.get_name() for task in asyncio.all_tasks() if "prewarm" in task.get_name()] == []
