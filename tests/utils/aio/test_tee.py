"""Several readers of one asynchronous iterator."""

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.testing import VirtualClock
from lk_agents.utils import aio
from lk_agents.utils.aio.itertools import TeeReader, tee


class Source:
    """Yields numbers; counts how many were asked for, and says how it ended."""

    def __init__(self, count: int, *, error: Exception | None = None, pause: float = 0.0) -> None:
        self.given = 0
        self.closed = False
        self._count, self._error, self._pause = count, error, pause

    def read(self) -> AsyncGenerator[int, None]:
        return self._numbers()

    async def _numbers(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(self._count):
                await asyncio.sleep(self._pause)
                self.given += 1
                yield number
            if self._error is not None:
                raise self._error
        finally:
            self.closed = True


async def everything(reader: AsyncIterator[int]) -> list[int]:
    return [item async for item in reader]


async def test_every_reader_gets_every_item_in_order() -> None:
    source = Source(50)
    readers = tee(source.read(), 3)

    assert await asyncio.gather(*(everything(reader) for reader in readers)) == [list(range(50))] * 3
    assert source.closed


async def test_readers_may_read_one_after_the_other() -> None:
    first, second = tee(Source(50).read())

    assert await everything(first) == await everything(second) == list(range(50))


async def test_nothing_is_read_before_somebody_wants_it() -> None:
    source = Source(10)
    async with tee(source.read()) as readers:
        assert source.given == 0
        assert await anext(readers[0]) == 0
        await asyncio.sleep(0.01)
        assert source.given == 1


async def test_an_error_reaches_every_reader_after_the_items_and_again_at_each_read() -> None:
    cause = KeyError("the cause")
    error = ValueError("broken")
    error.__cause__ = cause
    first, second = tee(Source(2, error=error).read())

    for reader in (first, second):
        assert [await anext(reader), await anext(reader)] == [0, 1]
        for _ in range(2):
            with pytest.raises(ValueError, match="broken") as raised:
                await anext(reader)
            assert raised.value.__cause__ is cause
            assert len(raised.traceback) < 6, "the traceback does not grow with each read"


async def test_a_cancelled_read_loses_nothing_for_anybody(lk_clock: VirtualClock) -> None:
    first, second = tee(Source(5, pause=1.0).read())
    for timeout in (0.3, 0.3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(first), timeout)

    assert await everything(first) == await everything(second) == list(range(5))
    assert lk_clock.monotonic() == 5.0


async def test_two_tasks_may_read_from_one_reader(lk_clock: VirtualClock) -> None:
    (reader,) = tee(Source(4, pause=1.0).read(), 1)
    parts = await asyncio.gather(everything(reader), everything(reader))

    assert sorted(parts[0] + parts[1]) == [0, 1, 2, 3]


async def test_the_iterator_sees_one_task_only() -> None:
    tasks = set()

    async def source() -> AsyncGenerator[int, None]:
        for number in range(3):
            async with asyncio.timeout(60):  # belongs to the task in which it was entered
                tasks.add(asyncio.current_task())
                yield number

    first, second = tee(source())
    await asyncio.gather(everything(first), everything(second))

    assert len(tasks) == 1


async def test_a_reader_that_is_far_ahead_waits_for_the_slowest(lk_clock: VirtualClock) -> None:
    source = Source(100)
    fast, slow = tee(source.read(), max_ahead=10)
    reading = asyncio.create_task(everything(fast))
    await asyncio.sleep(1.0)
    assert source.given == 10

    assert await everything(slow) == list(range(100))
    assert await reading == list(range(100))


async def test_each_item_that_the_slowest_reads_lets_the_fastest_go_on_by_one(lk_clock: VirtualClock) -> None:
    source = Source(100)
    fast, slow = tee(source.read(), max_ahead=10)
    reading = asyncio.create_task(everything(fast))
    await asyncio.sleep(1.0)
    for _ in range(3):
        await anext(slow)
        await asyncio.sleep(1.0)
    assert source.given == 13
    await slow.aclose()

    assert await reading == list(range(100))


async def test_a_closed_reader_holds_nobody_up(lk_clock: VirtualClock) -> None:
    fast, slow = tee(Source(100).read(), max_ahead=10)
    reading = asyncio.create_task(everything(fast))
    await asyncio.sleep(1.0)
    await slow.aclose()

    assert await reading == list(range(100))
    assert await everything(slow) == []


async def test_a_reader_that_nobody_holds_any_more_holds_nobody_up(lk_clock: VirtualClock) -> None:
    fast, slow = tee(Source(100).read(), max_ahead=10)
    reading = asyncio.create_task(everything(fast))
    await asyncio.sleep(1.0)
    del slow
    gc.collect()

    assert await reading == list(range(100))


async def test_the_iterator_is_closed_when_all_readers_have_been_dropped() -> None:
    source = Source(100)
    reader = tee(source.read(), 1)[0]
    assert await anext(reader) == 0
    del reader
    gc.collect()
    await asyncio.sleep(0.01)

    assert source.closed
    assert len(asyncio.all_tasks()) == 1


async def test_the_iterator_is_closed_with_the_last_reader() -> None:
    source = Source(100)
    first, second = tee(source.read())
    assert [await anext(first), await anext(second)] == [0, 0]
    await first.aclose()
    assert not source.closed
    await second.aclose()

    assert source.closed


async def test_closing_wakes_the_reader_that_waits(lk_clock: VirtualClock) -> None:
    source = Source(5, pause=3600)
    readers = tee(source.read())
    reading = asyncio.create_task(everything(readers[0]))
    await asyncio.sleep(1.0)
    await readers.aclose()

    assert await reading == []
    assert source.closed


async def test_closing_right_after_a_read_began_closes_the_iterator() -> None:
    class Stream:
        closed = 0

        def __aiter__(self) -> "Stream":
            return self

        async def __anext__(self) -> int:
            await asyncio.sleep(3600)
            return 0

        async def aclose(self) -> None:
            self.closed += 1

    stream = Stream()
    readers = tee(stream)
    reading = asyncio.create_task(everything(readers[0]))
    await asyncio.sleep(0)  # the reader has begun to wait; what reads for it has not run yet
    await readers.aclose()
    await readers.aclose()

    assert await reading == []
    assert stream.closed == 1


async def test_what_was_never_read_is_closed_too() -> None:
    source = Source(3)
    generator = source.read()
    async with tee(generator):
        pass

    assert await everything(generator) == []


async def test_a_failing_close_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    class Stream:
        def __aiter__(self) -> "Stream":
            return self

        async def __anext__(self) -> int:
            raise StopAsyncIteration

        async def aclose(self) -> None:
            raise OSError("already gone")

    first, second = tee(Stream())

    assert await everything(first) == await everything(second) == []
    assert [record.message for record in caplog.records] == ["closing what several readers shared failed"]


async def test_a_source_cancelled_from_outside_ends_the_reading() -> None:
    async def source() -> AsyncGenerator[int, None]:
        yield 0
        raise asyncio.CancelledError

    first, second = tee(source())

    assert await everything(first) == await everything(second) == [0]


async def test_a_channel_can_be_shared() -> None:
    chan = aio.Chan[str]()
    first, second = tee(chan)
    for value in "ab":
        chan.send_nowait(value)
    chan.close()

    assert [value async for value in first] == [value async for value in second] == ["a", "b"]


async def test_the_readers_are_had_by_number_slice_and_unpacking() -> None:
    readers = tee(Source(1).read(), 3)

    assert len(readers) == 3
    assert list(readers) == [readers[0], readers[1], readers[2]]
    assert readers[1:] == (readers[1], readers[2])
    assert all(isinstance(reader, TeeReader) for reader in readers)


@pytest.mark.parametrize(("n", "max_ahead"), [(0, 1), (2, 0)])
def test_there_is_at_least_one_reader_and_one_item(n: int, max_ahead: int) -> None:
    with pytest.raises(ConfigError):
        tee(Source(1).read(), n, max_ahead=max_ahead)
