"""Threads as executors: the same messages over an in-memory channel, in the worker's own process.

What a thread lacks: it cannot be killed, has no memory limit of its own, and shares the worker's fate. One that does
not end is given up and named; its job is reported as lost.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from contextlib import suppress
from typing import Final

from lk_agents.foundation.log import logger
from lk_agents.ipc.child import JobChild
from lk_agents.ipc.launch import LauncherSink
from lk_agents.ipc.memory import read_small
from lk_agents.ipc.messages import Beat, FromChild, Initialize, Stop, ToChild
from lk_agents.ipc.program import Program
from lk_agents.job.process import JobExecutorType

__all__ = ["ThreadHandle", "ThreadLauncher"]

_LEFTOVER_TASKS_SECONDS: Final = 1.0


class ThreadHandle:
    """One thread with an event loop of its own; see ``ipc.launch.Handle``."""

    def __init__(self, init: Initialize, program: Program, sink: LauncherSink) -> None:
        self._init = init
        self._program = program
        self._sink = sink
        self._home = asyncio.get_running_loop()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._early: list[ToChild] = []
        self._gate = threading.Lock()
        self._released = False
        self._started = threading.Event()
        self._child = JobChild(program, init, send=self._say, send_now=self._say, executor_type=JobExecutorType.THREAD)
        self._thread = threading.Thread(target=self._run, name=f"lk-job-{init.executor_id}", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """None: it is a thread of this process."""
        return None

    def send(self, message: ToChild) -> None:
        """See ``Handle``."""
        with self._gate:
            if self._loop is None:
                self._early.append(message)
                return
            with suppress(RuntimeError):  # its loop is closed: it is gone
                self._loop.call_soon_threadsafe(self._child.receive, message)

    def dump_stacks(self) -> None:
        """Nothing to do: :meth:`stacks` looks at the living thread."""

    def stacks(self) -> str:
        """See ``Handle``: where the thread is now."""
        frame = sys._current_frames().get(self._thread.ident or 0)  # noqa: SLF001  the documented way to see a thread
        if frame is None:
            return ""
        import traceback

        return "".join(traceback.format_stack(frame))

    def terminate(self) -> None:
        """Tell the job that this is the last warning: a thread takes no signal."""
        with self._gate, suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._child.last_warning)

    def kill(self) -> None:
        """Tell it to end as soon as it listens: a thread cannot be killed, and one whose start hangs is given up."""
        self.send(Stop(reason="the worker does not wait for it any longer", grace_seconds=0.0))

    def release(self) -> None:
        """See ``Handle``."""
        self._released = True
        self._started.set()

    # --- the thread
    def _run(self) -> None:
        code = 1
        beating = threading.Thread(
            target=self._beat_while_starting, args=(threading.get_native_id(),), name="lk-pulse", daemon=True
        )
        try:
            beating.start()
            if self._child.warm_up():
                self._started.set()
                code = self._run_loop()
        except BaseException:  # noqa: BLE001  whatever the job's thread does, the pool is told that it ended
            logger.exception("a job's thread failed")
        finally:
            self._started.set()
            self._call_home(self._sink.exited, self._init.executor_id, code, f"its thread ended ({code})")

    def _beat_while_starting(self, thread: int) -> None:
        """Tell from a thread of its own what a start uses: it has no loop yet that could beat."""
        while not self._started.wait(self._init.beat_seconds):
            self._say(_effort(thread))

    def _run_loop(self) -> int:
        loop = asyncio.new_event_loop()
        loop.set_debug(self._init.asyncio_debug)
        try:
            loop.run_until_complete(self._main(loop))
        finally:
            with self._gate:
                loop.close()
        return 0

    async def _main(self, loop: asyncio.AbstractEventLoop) -> None:
        serving = loop.create_task(self._child.serve(), name="lk-job-serve")
        await asyncio.sleep(0)  # serve() has begun: what it is sent from here on is in order
        with self._gate:
            self._loop, early = loop, self._early
            self._early = []
        for message in early:
            self._child.receive(message)
        beating = loop.create_task(self._beat(), name="lk-pulse")
        await serving
        beating.cancel()
        leftover = asyncio.all_tasks() - {asyncio.current_task()}
        for task in leftover:
            task.cancel()
        if leftover:
            await asyncio.wait(leftover, timeout=_LEFTOVER_TASKS_SECONDS)

    async def _beat(self) -> None:
        """Beat on the job's own loop: a blocked loop falls silent, and the pool notices."""
        while True:
            times = os.times()
            self._say(Beat(cpu_seconds=times.user + times.system))
            await asyncio.sleep(self._init.beat_seconds)

    def _say(self, message: FromChild) -> None:
        if not self._released:
            self._call_home(self._sink.message, self._init.executor_id, message)

    def _call_home(self, what: object, *arguments: object) -> None:
        with suppress(RuntimeError):  # the worker's loop is closed
            self._home.call_soon_threadsafe(what, *arguments)  # type: ignore[arg-type]


def _effort(thread: int) -> Beat:
    """Return what one thread has used so far; where that cannot be had, what the whole process has."""
    folder = f"/proc/self/task/{thread}"
    fields = read_small(f"{folder}/stat").rpartition(b")")[2].split()
    if not fields:
        times = os.times()
        return Beat(cpu_seconds=times.user + times.system)
    ticks = int(fields[11]) + int(fields[12])
    read = read_small(f"{folder}/io").partition(b"\n")[0]  # rchar: NUMBER
    return Beat(cpu_seconds=ticks / os.sysconf("SC_CLK_TCK"), bytes_read=int(read[6:]) if read else 0)


class ThreadLauncher:
    """Starts threads; see ``ipc.launch.Launcher``."""

    ready = True
    failure: str | None = None

    def __init__(self, program: Program) -> None:
        self._program = program
        self._sink: LauncherSink | None = None

    async def start(self, sink: LauncherSink) -> None:
        """See ``Launcher``."""
        self._sink = sink
        sink.launcher_changed()

    def launch(self, init: Initialize) -> ThreadHandle:
        """See ``Launcher``."""
        assert self._sink is not None
        return ThreadHandle(init, self._program, self._sink)

    async def aclose(self) -> None:
        """Nothing to give up."""
