"""What holds for every test: core code does not block its event loop, and nothing is left behind."""

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
import pytest
from blockbuster import BlockBuster

CORE = str(Path(__file__).resolve().parent.parent / "core" / "lk_agents") + os.sep
THIRD_PARTY = f"{os.sep}site-packages{os.sep}"
STANDARD_LIBRARY = str(Path(os.__file__).parent) + os.sep

BLOCKING = (
    "time.",
    "io.",
    "socket.",
    "ssl.",
    "sqlite3.",
    "builtins.",
    "os.read",
    "os.write",
    "os.sendfile",
    "os.listdir",
)
"""What is watched, by the beginning of its name. Looking at a path's name or state takes microseconds and is left out;
so are locks, whose every use by every thread would pass through the detector."""

NOT_OURS = {
    ("_run_once", asyncio.base_events.__file__),  # the loop itself
    ("_run", asyncio.events.__file__),
    ("_find_and_load", "<frozen importlib._bootstrap>"),  # modules are imported late on purpose
    ("callHandlers", logging.__file__),  # where a log goes is the user's choice
}
"""Function and file of what never makes core code answerable."""

MAY_BLOCK: dict[tuple[str, str], str] = {
    ("ipc/orphans.py", "own_zombies"): "it reads a list of the kernel's, memory that has the form of a file",
    ("ipc/orphans.py", "_stat"): "the same",
    ("ipc/zygote.py", "effort"): "it reads figures of the kernel's, memory that has the form of a file",
    ("ipc/zygote.py", "_write_all"): "it writes to memory that has the form of a file",
    ("ipc/zygote.py", "execute_zygote"): "waits for the exec of a child, as asyncio's own way to start one does",
}
"""Core functions that may block a loop: (end of the file's name, function) -> why."""

LEFT_BEHIND_SECONDS = 2.0
"""How long threads, processes and tasks may take to end after their test."""

SESSION_THREADS = ("lk_server", "pytest_timeout")
"""Beginnings of the names of threads that outlive a test rightly."""


class BlockingCalls:
    """Finds blocking calls that core code makes on the loop; each fails where it stands, and the test with it."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._detector = BlockBuster()
        for name, function in self._detector.functions.items():
            function.can_block_predicate = self._judge(name, function)

    def start(self) -> None:
        for name, function in self._detector.functions.items():
            if name.startswith(BLOCKING):
                function.activate()

    def stop(self) -> None:
        self._detector.deactivate()

    def _judge(self, name: str, function: Any) -> Any:
        harmless, excused = function.can_block_predicate, tuple(function.can_block_functions)

        def may_block(*args: Any, **kwargs: Any) -> bool:
            if harmless(*args, **kwargs):
                return True
            frame = _core_caller(sys._getframe(2), excused)
            if frame is None:
                return True
            self.found.append(f"{name}, called from\n{''.join(traceback.format_stack(frame, limit=3))}")
            return False

        return may_block


def _core_caller(frame: FrameType | None, excused: Sequence[tuple[str, Container[str]]]) -> FrameType | None:
    """Return the frame of core code that is answerable for a call, None if other code made it or may block.

    The standard library and installed packages act for whoever called them; a test, or a plugin, for itself.
    ``excused`` are functions of theirs, by the end of the file's name, that may block whoever calls them.
    """
    while frame is not None:
        code = frame.f_code
        if (code.co_name, code.co_filename) in NOT_OURS:
            return None
        if any(code.co_filename.endswith(file) and code.co_name in names for file, names in excused):
            return None
        if code.co_filename.startswith(CORE):
            allowed = any(code.co_filename.endswith(file) and code.co_name == name for file, name in MAY_BLOCK)
            return None if allowed else frame
        if not (code.co_filename.startswith((STANDARD_LIBRARY, "<frozen")) or THIRD_PARTY in code.co_filename):
            return None
        frame = frame.f_back
    return None


@pytest.fixture(scope="session")
def blocking_calls() -> Iterator[BlockingCalls]:
    calls = BlockingCalls()
    calls.start()
    yield calls
    calls.stop()


@pytest.fixture(autouse=True)
def _nothing_blocks_the_loop(blocking_calls: BlockingCalls) -> Iterator[None]:
    blocking_calls.found.clear()
    yield
    assert not blocking_calls.found, "blocking call on the event loop: " + "\n".join(blocking_calls.found)


@pytest.fixture(autouse=True)
def _no_thread_or_process_is_left_behind() -> Iterator[None]:
    threads, children = set(threading.enumerate()), _children()
    yield
    deadline = time.monotonic() + LEFT_BEHIND_SECONDS
    while (left := _new_threads(threads) + _new_children(children)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left, f"left behind: {', '.join(left)}"


@pytest.fixture(autouse=True)
def _no_task_is_left_behind(
    _no_thread_or_process_is_left_behind: None, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Look when the test's own fixtures have been taken down, and its loop, which cancels what is left, has not."""
    if request.node.get_closest_marker("asyncio") is None:
        yield
        return
    runner: asyncio.Runner = request.getfixturevalue("_function_scoped_runner")
    yield
    if tasks := asyncio.all_tasks(runner.get_loop()):
        _, left = runner.run(asyncio.wait(tasks, timeout=LEFT_BEHIND_SECONDS / 4))
        assert not left, f"tasks left behind: {', '.join(sorted(map(repr, left)))}"


def _new_threads(before: set[threading.Thread]) -> list[str]:
    new = set(threading.enumerate()) - before
    return [f"thread {thread.name!r}" for thread in new if not thread.name.startswith(SESSION_THREADS)]


def _children() -> dict[int, str]:
    """Return pid and name of the children of this process, ended ones that nobody has waited for included."""
    if hasattr(os, "waitid"):
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # there is none, which is cheaper to ask than which
            return {}
    return {child.pid: child.name() for child in psutil.Process().children()}


def _new_children(before: dict[int, str]) -> list[str]:
    return [f"process {pid} ({name})" for pid, name in _children().items() if pid not in before]
