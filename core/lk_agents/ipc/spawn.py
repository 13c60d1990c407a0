"""Spawned processes: a fresh interpreter per executor, for systems without a zygote (macOS, Windows).

Slower to start and with no memory in common, but otherwise the same: the same child, messages and limits.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.connection
import socket
import sys
import threading
from contextlib import suppress
from multiprocessing.process import BaseProcess
from typing import Any, Final, cast

from lk_agents.foundation.log import logger
from lk_agents.foundation.settings import leave_credentials_behind
from lk_agents.ipc.child_handle import ProcessHandle
from lk_agents.ipc.launch import LauncherSink
from lk_agents.ipc.messages import Initialize
from lk_agents.ipc.program import Program

__all__ = ["SpawnLauncher", "SpawnedProcess", "spawned_main"]

_JOIN_SECONDS: Final = 1.0


def spawned_main(
    init: Initialize, handover: tuple[bytes, bool], channel: socket.socket, side: socket.socket, stacks: Any
) -> None:
    """Be a spawned child; multiprocessing has loaded the user's module by now.

    :param handover: the program as a pickle, and whether the server's credentials stay in the environment.
    """
    import os

    from lk_agents.ipc.child_process import ChildSockets, run_child

    if hasattr(os, "setsid"):
        os.setsid()
    program, with_credentials = handover
    if not with_credentials:
        leave_credentials_behind()
    stacks_fd = stacks.detach() if stacks is not None else -1
    run_child(lambda: Program.unpickled(program), init, ChildSockets(channel, side, stacks_fd))


class SpawnedProcess(ProcessHandle):
    """A process started by multiprocessing's spawn method."""

    def __init__(self, init: Initialize, sink: LauncherSink, waiter: _Waiter) -> None:
        super().__init__(init, sink)
        self._waiter = waiter
        self._process: BaseProcess | None = None

    async def spawn(self, handover: tuple[bytes, bool]) -> None:
        """Start it; starting takes milliseconds of this process's time, so it happens in a thread."""
        try:
            ends = await self.open()
        except OSError as error:
            logger.error("no descriptors for another process", extra={"error": str(error)})
            self.died(None)
            return
        try:
            stacks = _inheritable(ends.stacks_fd)
            arguments = (self.init, handover, ends.channel, ends.side, stacks)
            context = multiprocessing.get_context("spawn")
            process = context.Process(target=spawned_main, args=arguments, name=f"lk-job-{self.init.executor_id}")
            await asyncio.to_thread(process.start)
        except Exception as error:  # noqa: BLE001  pickling runs anybody's code; whatever it is, there is no process
            logger.error("no process could be spawned", extra={"error": f"{type(error).__name__}: {error}"})
            self.died(None)
            return
        finally:
            ends.close()
        self._process = process
        self._waiter.add(process.sentinel, self._gone)
        self.born(process.pid or 0)

    def release(self) -> None:
        """See ``Handle``."""
        super().release()
        if self._process is not None:
            with suppress(ValueError):  # still running: given up
                self._process.close()

    def _gone(self) -> None:
        assert self._process is not None
        self._process.join(_JOIN_SECONDS)  # it is dead: this only takes its exit code
        self.died(self._process.exitcode)


def _inheritable(descriptor: int) -> Any:
    if descriptor < 0 or sys.platform == "win32":
        return None
    from multiprocessing.reduction import DupFd

    return _StacksFile(descriptor, DupFd)


class _StacksFile:
    """A descriptor that travels with the process object: duplicated when it is pickled for the child."""

    def __init__(self, descriptor: int, duplicate: Any) -> None:
        self._descriptor = descriptor
        self._duplicate = duplicate

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return _received, (self._duplicate(self._descriptor),)


def _received(duplicate: Any) -> Any:
    return duplicate


class _Waiter:
    """Waits for the exits of all spawned processes: by the loop where it can, else by one thread for all."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._by_loop = hasattr(self._loop, "add_reader") and sys.platform != "win32"
        self._watched: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._changed_ours, self._changed_theirs = socket.socketpair()
        self._thread: threading.Thread | None = None

    def add(self, sentinel: int, gone: Any) -> None:
        """Call ``gone`` on the loop once the process of that sentinel has ended."""
        if self._by_loop:
            self._loop.add_reader(sentinel, self._readable, sentinel, gone)
            return
        with self._lock:
            self._watched[sentinel] = gone
        if self._thread is None:
            self._thread = threading.Thread(target=self._wait, name="lk-spawn-waiter", daemon=True)
            self._thread.start()
        self._changed_ours.send(b"+")

    def close(self) -> None:
        """Wait no more."""
        self._changed_ours.close()
        if self._thread is None:
            self._changed_theirs.close()

    def _readable(self, sentinel: int, gone: Any) -> None:
        self._loop.remove_reader(sentinel)
        gone()

    def _wait(self) -> None:
        while True:
            with self._lock:
                sentinels = list(self._watched)
            for ready in multiprocessing.connection.wait([self._changed_theirs, *sentinels]):
                if ready is self._changed_theirs:
                    if not self._changed_theirs.recv(1):
                        self._changed_theirs.close()
                        return
                    continue
                with self._lock:
                    gone = self._watched.pop(cast("int", ready))
                with suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(gone)


class SpawnLauncher:
    """Spawns processes; see ``ipc.launch.Launcher``.

    :param with_credentials: False has each process forget the server's credentials at its start; multiprocessing
        offers no way to start it without them.
    """

    failure: str | None = None

    def __init__(self, program: Program, *, with_credentials: bool = True) -> None:
        self._program = program
        self._with_credentials = with_credentials
        self._handover = (b"", with_credentials)
        self._sink: LauncherSink | None = None
        self._waiter: _Waiter | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.ready = False

    async def start(self, sink: LauncherSink) -> None:
        """See ``Launcher``.

        :raises ConfigError: the program cannot be handed to another process.
        """
        self._handover = (self._program.pickled(), self._with_credentials)
        self._sink = sink
        self._waiter = _Waiter()
        self.ready = True
        sink.launcher_changed()

    def launch(self, init: Initialize) -> SpawnedProcess:
        """See ``Launcher``."""
        assert self._sink is not None
        assert self._waiter is not None
        child = SpawnedProcess(init, self._sink, self._waiter)
        task = asyncio.get_running_loop().create_task(child.spawn(self._handover), name=f"lk-spawn-{init.executor_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return child

    async def aclose(self) -> None:
        """See ``Launcher``."""
        self.ready = False
        for task in tuple(self._tasks):
            task.cancel()
        if self._waiter is not None:
            self._waiter.close()
