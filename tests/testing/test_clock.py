"""Virtual time: what it jumps over, what it waits for, and how it fails."""

import asyncio
import concurrent.futures
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import pytest

from lk_agents.foundation import clock as foundation_clock
from lk_agents.foundation import ids
from lk_agents.testing import VirtualClock, VirtualLoop, VirtualTimeError

T = TypeVar("T")
BRIEFLY = 0.05
"""Real seconds that something outside takes: long against a jump, short against the clock's patience."""


def run(main: Coroutine[Any, Any, T], *, patience: float = 10.0) -> T:
    return VirtualClock(patience_seconds=patience).run(main)


def now() -> float:
    return asyncio.get_running_loop().time()


# --- time jumps ------------------------------------------------------------------------------------


def test_an_hour_takes_no_time() -> None:
    async def main() -> tuple[float, float, float]:
        wall = foundation_clock.wall_seconds()
        await asyncio.sleep(3600)
        return now(), foundation_clock.monotonic(), foundation_clock.wall_seconds() - wall

    began = time.monotonic()

    assert run(main()) == (3600.0, 3600.0, 3600.0)
    assert time.monotonic() - began < 30


def test_timers_fire_in_their_order_each_at_exactly_its_moment() -> None:
    async def main() -> list[tuple[str, float]]:
        fired: list[tuple[str, float]] = []

        async def at(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            fired.append((name, now()))

        await asyncio.gather(at("c", 0.3), at("a", 0.1), at("day", 86_400 * 30), at("b", 0.2), at("a again", 0.1))
        return fired

    assert run(main()) == [("a", 0.1), ("a again", 0.1), ("b", 0.2), ("c", 0.3), ("day", 86_400.0 * 30)]


def test_timers_that_are_centuries_away_still_fire() -> None:
    async def main() -> bool:
        await asyncio.sleep(1e10 + 0.1)
        await asyncio.sleep(0.1)
        return now() > 1e10

    assert run(main())


def test_timeouts_and_cancelled_timers_work() -> None:
    async def main() -> float:
        async with asyncio.timeout(50):
            await asyncio.sleep(10)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(60)
        return now()

    assert run(main()) == 15.0


def test_ready_callbacks_come_before_any_jump() -> None:
    async def main() -> float:
        async def busy() -> float:
            for _ in range(100):
                await asyncio.sleep(0)
            return now()

        timer = asyncio.create_task(asyncio.sleep(1))
        seen = await busy()
        await timer
        return seen

    assert run(main()) == 0.0


def test_time_can_be_moved_by_hand() -> None:
    clock = VirtualClock()
    clock.advance(5)

    assert clock.monotonic() == 5.0
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1)


def test_ids_repeat_from_run_to_run() -> None:
    async def main() -> list[str]:
        return [ids.short_id(), await asyncio.create_task(named())]

    async def named() -> str:
        return ids.short_id()

    assert run(main()) == run(main())


# --- time waits ------------------------------------------------------------------------------------


def _after_a_moment(then: Callable[[], object]) -> None:
    time.sleep(BRIEFLY)
    then()


async def _while_outside(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Return when the work outside was done, and when a timer that ran beside it fired."""
    timer = asyncio.create_task(asyncio.sleep(5))
    await work()
    done = now()
    await timer
    return done, now()


def test_a_call_in_a_thread_is_waited_for() -> None:
    assert run(_while_outside(lambda: asyncio.to_thread(time.sleep, BRIEFLY))) == (0.0, 5.0)


def test_a_call_in_a_pool_of_ones_own_is_waited_for_and_its_idle_threads_are_not() -> None:
    async def main() -> tuple[float, float]:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            loop = asyncio.get_running_loop()
            done = await _while_outside(lambda: loop.run_in_executor(pool, time.sleep, BRIEFLY))
            await asyncio.sleep(1)
            return done

    assert run(main()) == (0.0, 5.0)


def test_a_call_whose_caller_gave_up_is_still_waited_for() -> None:
    async def main() -> bool:
        finished = threading.Event()

        call = asyncio.create_task(asyncio.to_thread(_after_a_moment, finished.set))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.sleep(60)
        return finished.is_set()

    assert run(main())


def test_a_thread_that_calls_back_is_waited_for() -> None:
    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        called = asyncio.Event()

        threading.Thread(target=_after_a_moment, args=[lambda: loop.call_soon_threadsafe(called.set)]).start()
        return await _while_outside(called.wait)

    assert run(main()) == (0.0, 5.0)


def test_a_thread_from_before_counts_once_it_has_called() -> None:
    go, over = threading.Event(), threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    def work() -> None:
        go.wait(10)
        loops[0].call_soon_threadsafe(int)
        over.wait(10)

    thread = threading.Thread(target=work, name="older than the clock")
    thread.start()

    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loops.append(loop)
        await asyncio.sleep(60)
        before = loop.open_sources()
        go.set()
        while not loop.open_sources():
            await asyncio.sleep(0)
        found = loop.open_sources()
        over.set()
        await asyncio.sleep(1)
        return before + found

    assert run(main()) == ["thread 'older than the clock'"]
    thread.join(10)


def test_threads_can_be_left_out() -> None:
    clock, over = VirtualClock(), threading.Event()
    clock.ignore_threads("quiet")

    async def main() -> float:
        threading.Thread(target=over.wait, args=(10,), name="quiet one").start()
        await asyncio.sleep(60)
        return now()

    assert clock.run(main()) == 60.0
    over.set()


def test_work_that_the_clock_cannot_see_can_be_declared() -> None:
    clock = VirtualClock()

    async def main() -> float:
        timer = asyncio.create_task(asyncio.sleep(5))
        with clock.outside("the other side"):
            began = time.monotonic()
            while time.monotonic() - began < BRIEFLY:
                await asyncio.sleep(0)
            seen = now()
        await timer
        return seen

    assert clock.run(main()) == 0.0


def test_a_real_connection_takes_real_time_and_no_virtual_time() -> None:
    async def main() -> tuple[bytes, float, float]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readline()).upper())
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        timer = asyncio.create_task(asyncio.sleep(5))
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        heard, at = await reader.read(), now()
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        await timer
        return heard, at, now()

    assert run(main()) == (b"HELLO\n", 0.0, 5.0)


def test_a_child_process_is_waited_for() -> None:
    async def main() -> tuple[bytes, float, float]:
        script = f"import time; time.sleep({BRIEFLY}); print('done')"
        timer = asyncio.create_task(asyncio.sleep(5))
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        at = now()
        await timer
        return output, at, now()

    assert run(main()) == (b"done\n", 0.0, 5.0)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are POSIX")
def test_a_signal_is_seen_before_time_jumps() -> None:
    async def main() -> tuple[float, float]:
        came = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, came.set)

        async def send() -> None:
            os.kill(os.getpid(), signal.SIGUSR1)
            await came.wait()

        return await _while_outside(send)

    assert run(main()) == (0.0, 5.0)


# --- time cannot go on -----------------------------------------------------------------------------


def test_an_open_socket_is_named_after_a_second_of_real_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        async def main() -> None:
            server = await asyncio.start_server(lambda *_: None, sock=listening)
            try:
                await asyncio.sleep(5)
            finally:
                server.close()

        began = time.monotonic()
        with pytest.raises(VirtualTimeError, match=str(listening.getsockname()[1])) as caught:
            VirtualClock().run(main())

    assert "waited 1 s of real time" in str(caught.value)
    assert time.monotonic() - began >= 1.0


def test_a_connection_that_reads_nothing_counts_as_well() -> None:
    here, there = socket.socketpair()

    async def main() -> None:
        _, writer = await asyncio.open_connection(sock=here)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        try:
            await asyncio.sleep(5)
        finally:
            writer.close()

    with there, pytest.raises(VirtualTimeError, match="socket"):
        run(main(), patience=0.1)


def test_an_executor_call_that_does_not_end_is_named() -> None:
    over = threading.Event()

    def endless() -> None:
        over.wait(10)

    async def main() -> None:
        try:
            await asyncio.gather(asyncio.to_thread(endless), asyncio.sleep(5))
        finally:
            over.set()

    with pytest.raises(VirtualTimeError, match=r"executor call of .*endless"):
        run(main(), patience=0.1)


def test_what_has_been_open_longest_is_named_first() -> None:
    clock = VirtualClock(patience_seconds=0.2)

    async def main() -> None:
        with clock.outside("the first"):
            timer = asyncio.create_task(asyncio.sleep(5))
            await asyncio.to_thread(time.sleep, 0.1)
            with clock.outside("the second"):
                await timer

    with pytest.raises(VirtualTimeError, match="for: the first; also open: the second"):
        clock.run(main())


def test_a_thread_that_waits_for_virtual_time_is_reported() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        def ask() -> None:
            with contextlib.suppress(concurrent.futures.CancelledError):
                asyncio.run_coroutine_threadsafe(asyncio.sleep(5), loop).result(timeout=10)

        threading.Thread(target=ask, name="asking").start()
        await asyncio.sleep(5)

    with pytest.raises(VirtualTimeError, match="thread 'asking'"):
        run(main(), patience=0.1)


def test_a_test_in_which_nothing_can_happen_any_more_fails_and_names_who_waits() -> None:
    async def waits_for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        await asyncio.create_task(waits_for_ever(), name="the waiter")

    with pytest.raises(VirtualTimeError, match=r"no timer, thread or socket is left.*the waiter in .*waits_for_ever"):
        run(main(), patience=0.1)


def test_after_a_failure_the_test_is_taken_down_in_real_time() -> None:
    clock, taken_down = VirtualClock(patience_seconds=0.1), list[str]()

    async def main() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(BRIEFLY)
            taken_down.append("cleaned up")

    with pytest.raises(VirtualTimeError):
        clock.run(main())

    assert taken_down == ["cleaned up"]
    assert clock.is_real
