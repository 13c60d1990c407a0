"""The guards that conftest.py puts around every test find what they are there for."""

import asyncio
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockingError

from lk_agents.foundation import clock
from lk_agents.utils.hw import cgroup_memory


def blocks() -> None:
    time.sleep(0.001)


async def test_core_code_that_blocks_the_loop_fails_where_it_stands(blocking_calls: Any) -> None:
    with pytest.raises(BlockingError, match=r"time\.sleep"):
        clock.sleep_blocking(0.001)

    assert "clock.py" in blocking_calls.found[0]
    blocking_calls.found.clear()


async def test_core_code_that_reads_files_on_the_loop_is_found(blocking_calls: Any, tmp_path: Path) -> None:
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("1\n")

    with pytest.raises(BlockingError):
        cgroup_memory(tmp_path)

    blocking_calls.found.clear()


async def test_core_code_in_a_thread_may_block_and_so_may_a_test(blocking_calls: Any) -> None:
    await asyncio.to_thread(clock.sleep_blocking, 0.001)
    await asyncio.get_running_loop().run_in_executor(None, cgroup_memory)
    blocks()

    assert blocking_calls.found == []
    assert threading.current_thread() is threading.main_thread()


LEAKING = """
import asyncio, subprocess, sys, threading

released = threading.Event()

async def test_task():
    asyncio.create_task(asyncio.sleep(600), name="stray")
    await asyncio.sleep(0)

def test_thread():
    threading.Thread(target=released.wait, args=(60,), name="stray thread", daemon=True).start()

def test_process():
    test_process.child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)

def test_nothing():
    released.set()
    test_process.child.communicate(b"", timeout=30)
"""


@pytest.mark.timeout(90)
def test_tasks_threads_and_processes_that_a_test_leaves_behind_fail_it(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parent / "conftest.py", tmp_path)
    (tmp_path / "test_leaks.py").write_text(LEAKING)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")

    shown = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=80,
        cwd=tmp_path,
        check=False,
    ).stdout

    assert "4 passed, 3 errors" in shown, shown
    assert "tasks left behind: <Task pending name='stray'" in shown
    assert "left behind: thread 'stray thread'" in shown
    assert "left behind: process " in shown
