"""Ending and holding tasks, threads beside the loop, slow callbacks."""

import asyncio
import contextvars
import threading
import time
from collections.abc import Iterator

import pytest

from lk_agents.utils import aio
from lk_agents.utils.aio.threads import call_in_thread


async def test_cancel_and_wait_returns_when_every_task_is_done() -> None:
    done: list[str] = []

    async def slow_to_go() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            done.append("cleaned up")

    async def failing() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise KeyError("dropped")

    tasks = [asyncio.create_task(slow_to_go()), asyncio.create_task(failing())]
    await asyncio.sleep(0)
    await aio.gracefully_cancel(*tasks)

    assert done == ["cleaned up"]
    assert all(task.done() for task in tasks)


async def test_cancel_and_wait_takes_nothing_and_what_is_done_already() -> None:
    finished = asyncio.get_running_loop().create_future()
    finished.set_result(1)

    await aio.cancel_and_wait()
    await aio.cancel_and_wait(finished)

    assert finished.result() == 1


async def test_cancel_and_wait_can_be_cancelled_itself() -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await aio.cancel_and_wait(task)
    assert not task.done()
    release.set()
    await task


async def test_a_task_set_waits_for_its_tasks_and_cancels_none() -> None:
    tasks, done = aio.TaskSet(), list[str]()

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append("work")

    async def failing() -> None:
        raise KeyError("dropped")

    named = tasks.create_task(work(), name="named")
    tasks.create_task(failing())
    await tasks.aclose()

    assert (done, named.get_name()) == (["work"], "named")


async def test_a_closed_task_set_takes_no_more() -> None:
    tasks = aio.TaskSet(asyncio.get_running_loop())
    await tasks.aclose()

    with pytest.raises(RuntimeError, match="closed"):
        tasks.create_task(asyncio.sleep(0))


async def test_a_call_in_a_thread_gives_result_error_and_context() -> None:
    variable = contextvars.ContextVar[int]("variable")
    variable.set(7)

    assert await call_in_thread(variable.get, name="reader") == 7
    assert await call_in_thread(lambda: threading.current_thread().name, name="named") == "named"
    with pytest.raises(ZeroDivisionError):
        await call_in_thread(lambda: 1 // 0, name="failing")


@pytest.mark.parametrize("error", [StopIteration("over"), SystemExit(3)])
async def test_what_would_end_a_loop_becomes_an_error_of_the_call(error: BaseException) -> None:
    def raising() -> None:
        raise error

    with pytest.raises(RuntimeError, match="'failing' raised") as caught:
        await call_in_thread(raising, name="failing")

    assert caught.value.__cause__ is error


async def test_a_cancelled_call_in_a_thread_drops_its_result() -> None:
    go = threading.Event()
    call = call_in_thread(lambda: go.wait(5), name="slow")
    call.cancel()
    go.set()
    await asyncio.sleep(0.05)

    assert call.cancelled()


def block() -> None:
    time.sleep(0.03)


@pytest.fixture
def _unhooked() -> Iterator[None]:
    """Put back what the hook replaces: it is made to stay for the life of a process."""
    run_handle, limit = asyncio.events.Handle._run, aio.debug._slow_seconds
    yield
    asyncio.events.Handle._run = run_handle  # type: ignore[method-assign]
    aio.debug._slow_seconds = limit


@pytest.mark.usefixtures("_unhooked")
async def test_x23_hooking_slow_callbacks_again_only_changes_the_limit(caplog: pytest.LogCaptureFixture) -> None:
    aio.debug.hook_slow_callbacks(10.0)
    hooked = asyncio.events.Handle._run
    aio.debug.hook_slow_callbacks(0.02)
    assert asyncio.events.Handle._run is hooked

    async def slow() -> None:
        await asyncio.sleep(0)
        block()

    await asyncio.create_task(slow(), name="the slow one")
    asyncio.get_running_loop().call_soon(block)
    await asyncio.sleep(0.05)

    named = [getattr(record, "callback", "") for record in caplog.records if "kept the event loop" in record.message]
    assert named[0].startswith("the slow one (")
    assert named[1] == "block"
