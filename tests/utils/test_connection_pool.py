"""Connections that are kept open between uses."""

import asyncio
from collections.abc import Callable

import aiohttp
import pytest
from aiohttp import web
from tests.utils.pooled import Connection, Service, settle

from lk_agents.testing import VirtualClock
from lk_agents.utils import ConnectionPool, aio


async def test_a_connection_that_came_back_is_used_again() -> None:
    service = Service()
    pool = service.pool()
    first = await pool.get()
    pool.put(first)

    assert await pool.get() is first
    assert service.opened == 1
    await pool.aclose()


async def test_no_connection_has_two_users() -> None:
    service = Service()
    pool = service.pool()
    connections = [await pool.get() for _ in range(3)]

    assert [connection.number for connection in connections] == [1, 2, 3]
    await pool.aclose()


async def test_many_users_at_once_never_share(lk_clock: VirtualClock) -> None:
    service = Service(connect_seconds=0.1)
    pool = service.pool()
    used: set[int] = set()

    async def use(number: int) -> None:
        for _ in range(10):
            async with pool.connection() as connection:
                assert connection.number not in used
                used.add(connection.number)
                await asyncio.sleep(0.01 * (number % 3))
                used.discard(connection.number)

    await asyncio.gather(*(use(number) for number in range(20)))
    await pool.aclose()
    assert sorted(service.closed) == list(range(1, service.opened + 1))
    assert service.opened <= 20


async def test_a_removed_connection_is_closed_and_not_used_again() -> None:
    service = Service()
    pool = service.pool()
    first = await pool.get()
    pool.remove(first)
    second = await pool.get()
    pool.put(first)

    assert service.closed == [1]
    assert second is not first
    assert (await pool.get()).number == 3, "what was removed does not come back"
    await pool.aclose()


async def test_an_idle_connection_can_be_removed() -> None:
    service = Service()
    pool = service.pool()
    first = await pool.get()
    pool.put(first)
    pool.remove(first)
    pool.remove(first)

    assert (await pool.get()).number == 2
    assert service.closed == [1]
    await pool.aclose()


async def test_putting_back_twice_does_not_lend_twice() -> None:
    service = Service()
    pool = service.pool()
    first = await pool.get()
    pool.put(first)
    pool.put(first)

    assert await pool.get() is not await pool.get()
    await pool.aclose()


async def test_an_old_connection_is_not_used_again(lk_clock: VirtualClock) -> None:
    service = Service()
    pool = service.pool(max_session_duration=60)
    pool.put(await pool.get())
    await asyncio.sleep(59)
    pool.put(await pool.get())
    assert service.opened == 1
    await asyncio.sleep(2)

    assert (await pool.get()).number == 2
    await settle()
    assert service.closed == [1]
    await pool.aclose()


async def test_age_can_count_from_the_last_use(lk_clock: VirtualClock) -> None:
    service = Service()
    pool = service.pool(max_session_duration=60, mark_refreshed_on_get=True)
    for _ in range(4):
        pool.put(await pool.get())
        await asyncio.sleep(59)
    assert service.opened == 1
    await asyncio.sleep(2)

    assert (await pool.get()).number == 2
    await pool.aclose()


async def test_old_connections_are_closed_also_where_a_younger_one_is_at_hand(lk_clock: VirtualClock) -> None:
    service = Service()
    pool = service.pool(max_session_duration=60)
    first = await pool.get()
    await asyncio.sleep(50)
    second = await pool.get()
    pool.put(first)
    pool.put(second)
    await asyncio.sleep(20)

    assert await pool.get() is second
    await settle()
    assert service.closed == [1]
    await pool.aclose()


async def test_a_connection_that_died_while_idle_is_not_used_again() -> None:
    service = Service()
    pool = service.pool()
    first = await pool.get()
    pool.put(first)
    first.closed = True

    assert (await pool.get()).number == 2
    await pool.aclose()


async def test_a_websocket_that_the_server_dropped_while_it_was_idle_is_not_used_again() -> None:
    dropped = asyncio.Event()

    async def drop(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert request.transport is not None
        request.transport.abort()
        dropped.set()
        return socket

    runner = web.ServerRunner(web.Server(drop))  # type: ignore[arg-type]
    await runner.setup()
    await (site := web.TCPSite(runner, "127.0.0.1", 0)).start()
    async with aiohttp.ClientSession() as session:
        pool = ConnectionPool(
            connect_cb=lambda: session.ws_connect(f"http://127.0.0.1:{runner.addresses[0][1]}/"),
            close_cb=aiohttp.ClientWebSocketResponse.close,
        )
        first = await pool.get()
        pool.put(first)
        await dropped.wait()
        await asyncio.sleep(0.05)
        assert not first.closed, "it has not noticed"

        assert await pool.get() is not first
        await pool.aclose()
    await site.stop()
    await runner.cleanup()


async def test_what_is_alive_can_be_told_by_a_function() -> None:
    service = Service()
    pool = service.pool(is_alive=lambda connection: connection.number != 1)
    pool.put(await pool.get())
    pool.put(await pool.get())

    assert (await pool.get()).number == 2
    assert service.closed == [1]
    await pool.aclose()


async def test_a_connection_that_died_in_use_does_not_come_back() -> None:
    service = Service()
    pool = service.pool()
    async with pool.connection() as first:
        first.closed = True

    assert (await pool.get()).number == 2
    assert service.closed == [1]
    await pool.aclose()


async def test_the_block_of_a_connection_that_succeeds_gives_it_back() -> None:
    service = Service()
    pool = service.pool()
    for _ in range(3):
        async with pool.connection() as connection:
            assert connection.number == 1
    await pool.aclose()


async def test_the_block_of_a_connection_that_fails_closes_it() -> None:
    service = Service()
    pool = service.pool()
    with pytest.raises(KeyError):
        async with pool.connection():
            raise KeyError("in the block")
    await settle()

    assert service.closed == [1]
    await pool.aclose()


async def test_a_cancelled_user_leaves_a_closed_connection_not_a_half_used_one(lk_clock: VirtualClock) -> None:
    service = Service()
    pool = service.pool()

    async def use() -> None:
        async with pool.connection():
            await asyncio.sleep(3600)

    user = asyncio.create_task(use())
    await asyncio.sleep(1.0)
    await aio.gracefully_cancel(user)
    await settle()

    assert service.closed == [1]
    assert (await pool.get()).number == 2
    await pool.aclose()


async def test_invalidating_closes_idle_connections_now_and_used_ones_when_they_come_back() -> None:
    service = Service()
    pool = service.pool()
    used, idle = await pool.get(), await pool.get()
    pool.put(idle)
    pool.invalidate()
    await settle()
    assert service.closed == [2], "nobody's connection is closed under his hands"
    pool.put(used)
    await settle()

    assert service.closed == [2, 1]
    assert (await pool.get()).number == 3
    await pool.aclose()


async def test_a_connection_that_was_being_opened_when_the_pool_was_invalidated_is_used_once(
    lk_clock: VirtualClock,
) -> None:
    service = Service(connect_seconds=1.0)
    pool = service.pool()
    getting = asyncio.create_task(pool.get())
    await asyncio.sleep(0.5)
    pool.invalidate()
    pool.put(await getting)

    assert (await pool.get()).number == 2
    await pool.aclose()


async def test_a_failing_close_is_logged_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    service = Service()

    async def fail(connection: Connection) -> None:
        raise OSError("wss://host/?key=secret")

    pool = ConnectionPool(connect_cb=service.connect, close_cb=fail)
    pool.remove(await pool.get())

    assert (await pool.get()).number == 2
    await pool.aclose()
    assert [record.message for record in caplog.records] == ["a connection could not be closed in order"] * 2
    assert "secret" not in caplog.text


async def test_getting_does_not_wait_for_a_slow_close(lk_clock: VirtualClock) -> None:
    service = Service(close_seconds=3.0)
    pool = service.pool()
    pool.remove(await pool.get())
    await pool.get()

    assert lk_clock.monotonic() == 0.0
    await pool.aclose()
    assert service.closed == [1, 2]


async def test_without_a_way_to_connect_there_is_an_error() -> None:
    pool: ConnectionPool[Connection] = ConnectionPool()
    with pytest.raises(NotImplementedError, match="connect_cb"):
        await pool.get()


async def test_without_a_way_to_close_connections_are_dropped() -> None:
    pool = ConnectionPool(connect_cb=Service().connect)
    first = await pool.get()
    pool.remove(first)

    assert await pool.get() is not first
    await pool.aclose()


async def test_connecting_that_fails_leaves_nothing_behind() -> None:
    attempts = iter([OSError("refused"), None])

    async def connect() -> Connection:
        if (error := next(attempts)) is not None:
            raise error
        return Connection(1)

    pool = ConnectionPool(connect_cb=connect)
    with pytest.raises(OSError, match="refused"):
        await pool.get()
    assert (await pool.get()).number == 1


async def test_connecting_has_a_time_limit(lk_clock: VirtualClock) -> None:
    service = Service(connect_seconds=3600)
    pool = service.pool()

    with pytest.raises(TimeoutError):
        await pool.get()
    assert lk_clock.monotonic() == 10.0
    with pytest.raises(TimeoutError):
        async with pool.connection(timeout=2.0):
            pass
    assert lk_clock.monotonic() == 12.0
    await pool.aclose()


async def test_a_callback_that_takes_a_timeout_is_given_it_and_raises_its_own_error(lk_clock: VirtualClock) -> None:
    given: list[float] = []

    async def connect(timeout: float) -> Connection:
        given.append(timeout)
        try:
            async with asyncio.timeout(timeout):
                await asyncio.sleep(3600)
        except TimeoutError as error:
            raise ConnectionRefusedError("the callback's own") from error
        return Connection(1)

    pool = ConnectionPool(connect_cb=connect, connect_timeout=5.0)
    for timeout in (None, 2.0):
        with pytest.raises(ConnectionRefusedError):
            await pool.get(timeout=timeout)

    assert given == [5.0, 2.0]


async def test_closing_closes_idle_and_used_connections_at_the_same_time(lk_clock: VirtualClock) -> None:
    service = Service(close_seconds=3.0)
    pool = service.pool()
    used, idle = await pool.get(), await pool.get()
    pool.put(idle)
    await pool.aclose()
    await pool.aclose()
    pool.put(used)

    assert sorted(service.closed) == [1, 2]
    assert lk_clock.monotonic() == 3.0


async def test_closing_does_not_wait_for_ever(lk_clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    service = Service(close_seconds=3600)
    pool = service.pool()
    await pool.get()
    await pool.aclose()

    assert lk_clock.monotonic() == 5.0
    assert [record.__dict__["error"] for record in caplog.records] == ["TimeoutError"]


async def test_a_close_that_cannot_be_cancelled_is_left_behind_and_reported(
    lk_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    release = asyncio.Event()

    async def stubborn(connection: Connection) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    pool = ConnectionPool(connect_cb=Service().connect, close_cb=stubborn)
    await pool.get()
    await pool.aclose()

    assert lk_clock.monotonic() == 6.0
    assert caplog.records[-1].message == "a connection pool could not be closed in time"
    release.set()


async def test_a_closed_pool_gives_no_connections(lk_clock: VirtualClock) -> None:
    service = Service(connect_seconds=1.0)
    pool = service.pool()
    getting = asyncio.create_task(pool.get())
    await asyncio.sleep(0.5)
    await pool.aclose()

    with pytest.raises(RuntimeError, match="closed"):
        await getting
    with pytest.raises(RuntimeError, match="closed"):
        await pool.get()
    pool.prewarm()
    await settle()
    assert service.closed == [1], "what was being opened is not left open"


@pytest.mark.parametrize("use", [ConnectionPool.remove, ConnectionPool.put])
async def test_what_the_pool_does_not_know_is_ignored(
    use: Callable[[ConnectionPool[Connection], Connection], None],
) -> None:
    service = Service()
    pool = service.pool()
    use(pool, Connection(99))

    assert (await pool.get()).number == 1
    await pool.aclose()
    assert service.closed == [1]


def test_what_is_removed_outside_of_the_loop_is_closed_with_the_pool() -> None:
    service = Service()
    pool = service.pool()
    connection = asyncio.run(pool.get())
    pool.remove(connection)
    assert service.closed == []

    asyncio.run(pool.aclose())
    assert service.closed == [1]
