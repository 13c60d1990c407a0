"""Every kind of leak is found and told with its place; what ends in time, or was there before, is none."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from lk_agents.testing import LeakError, VirtualClock, no_leaks

QUICK = 0.05


@asynccontextmanager
async def leaking(*expected: str) -> AsyncIterator[None]:
    """Expect that the block leaves something behind, and that the failure says so."""
    with pytest.raises(LeakError) as caught:
        async with no_leaks(patience_seconds=QUICK):
            yield
    for text in expected:
        assert text in str(caught.value)


async def test_nothing_is_left_is_fine() -> None:
    async with no_leaks():
        async with aiohttp.ClientSession():
            pass
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()
        server.close()
        await server.wait_closed()


async def test_a_task_is_found_with_where_it_waits_and_where_it_was_made() -> None:
    async def waiting_for_godot() -> None:
        await asyncio.Event().wait()

    async with leaking("task 'estragon'", "waiting_for_godot, line", f"made at {__file__}:"):
        task = asyncio.create_task(waiting_for_godot(), name="estragon")
    task.cancel()


async def test_a_thread_is_found() -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="a thread of mine")
    async with leaking("thread 'a thread of mine'", "made at", "in test_a_thread_is_found"):
        thread.start()
    release.set()
    thread.join()


async def test_a_socket_is_found_with_its_ends() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    async with leaking(
        "- socket 127.0.0.1:", f"→ 127.0.0.1:{port}, made at", "in test_a_socket_is_found_with_its_ends"
    ):
        client = socket.create_connection(listener.getsockname())
    client.close()
    listener.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not tell what is open")
async def test_a_file_is_found_with_its_name(tmp_path: Path) -> None:
    async with leaking(f"({tmp_path}/it)"):
        number = os.open(tmp_path / "it", os.O_CREAT | os.O_WRONLY)
    os.close(number)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not tell what is open")
async def test_a_descriptor_that_stands_for_something_else_now_is_found() -> None:
    first, second = os.pipe()
    other, third = os.pipe()
    async with leaking(f"- descriptor {first} (pipe:["):
        os.dup2(other, first)
    for number in (first, second, other, third):
        os.close(number)


async def test_a_session_that_nobody_closed_is_found() -> None:
    found: list[aiohttp.ClientSession] = []

    async def careless() -> None:
        session = aiohttp.ClientSession()
        found.append(session)

    async with leaking("HTTP session that was not closed, made at", "careless"):
        await careless()
    await found[0].close()


async def test_a_native_handle_is_found() -> None:
    from livekit import rtc

    async with leaking("1 native handles of the media SDK: FfiHandle("):
        resampler = rtc.AudioResampler(48_000, 16_000)
    del resampler


async def test_a_native_handle_that_only_the_garbage_holds_is_none() -> None:
    from livekit import rtc

    async with no_leaks():
        circle: list[object] = [rtc.AudioResampler(48_000, 16_000)]
        circle.append(circle)
        del circle


async def test_what_was_there_before_is_no_leak() -> None:
    release = asyncio.Event()
    task = asyncio.create_task(release.wait(), name="older")
    session = aiohttp.ClientSession()
    first, second = os.pipe()
    async with no_leaks():
        pass
    os.close(first)
    os.close(second)
    await session.close()
    release.set()
    await task


async def test_what_is_about_to_end_is_waited_for() -> None:
    async with no_leaks():
        threading.Timer(0.02, lambda: None).start()
        short = asyncio.create_task(asyncio.sleep(0.02), name="short")
    assert short.done()


async def test_the_loops_own_pool_is_no_leak() -> None:
    async with no_leaks():
        await asyncio.to_thread(int)


async def test_a_block_that_fails_keeps_its_own_error() -> None:
    tasks: list[asyncio.Task[bool]] = []

    async def fail() -> None:
        async with no_leaks(patience_seconds=QUICK):
            tasks.append(asyncio.create_task(asyncio.Event().wait(), name="left"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    tasks[0].cancel()


async def test_the_recording_ends_with_the_block() -> None:
    before = threading.Thread.start, socket.socket.__init__, aiohttp.ClientSession.__init__
    async with no_leaks():
        assert threading.Thread.start is not before[0]

    assert (threading.Thread.start, socket.socket.__init__, aiohttp.ClientSession.__init__) == before
    assert asyncio.get_running_loop().get_task_factory() is None


async def test_it_works_in_virtual_time(lk_clock: VirtualClock) -> None:
    async with no_leaks():
        threading.Timer(0.01, lambda: None).start()
        short = asyncio.create_task(asyncio.sleep(0.3), name="short")
    assert short.done()

    async with leaking("task 'long'"):
        long = asyncio.create_task(asyncio.sleep(30), name="long")
    assert lk_clock.monotonic() < 10
    long.cancel()


async def test_a_thread_that_hangs_is_found_in_virtual_time(lk_clock: VirtualClock) -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="hanging")
    async with leaking("thread 'hanging', made at"):
        thread.start()
    release.set()
    thread.join()


@pytest.mark.timeout(90)
def test_the_fixture_fails_the_test_that_leaks_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    (tmp_path / "test_it.py").write_text("""
import asyncio, os, threading
import aiohttp, pytest, pytest_asyncio

@pytest_asyncio.fixture
async def tidy():
    task = asyncio.create_task(asyncio.Event().wait())
    yield
    task.cancel()

@pytest.mark.asyncio
async def test_clean(lk_no_leaks, tidy):
    async with aiohttp.ClientSession():
        pass

@pytest.mark.asyncio
async def test_virtual(lk_no_leaks, lk_clock):
    await asyncio.sleep(1000)

def test_sdk(lk_no_leaks):
    from livekit import rtc

    rtc.AudioResampler(48000, 16000)

@pytest.mark.asyncio
async def test_task(lk_no_leaks):
    globals()["kept"] = asyncio.create_task(asyncio.Event().wait(), name="forgotten")

def test_descriptor(lk_no_leaks):
    os.pipe()

def test_thread(lk_no_leaks):
    threading.Thread(target=threading.Event().wait, name="endless", daemon=True).start()

@pytest.mark.asyncio
async def test_without_the_fixture():
    os.pipe()
""")
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    shown = ran.stdout + ran.stderr

    assert "7 passed, 3 errors" in shown, shown
    for name, text in (("task", "task 'forgotten'"), ("descriptor", "(pipe:["), ("thread", "thread 'endless'")):
        assert f"ERROR test_it.py::test_{name} - Failed: left behind:" in shown
        assert text in shown
    assert "test_it.py:27 in test_task" in shown
