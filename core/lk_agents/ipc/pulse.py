"""The pulse of a child: one thread that beats, takes signals, and notices when the worker is gone.

It needs no event loop, so a job that blocks its loop can be told from a process that is dead, and a worker that was
SIGKILLed takes its processes with it even when their jobs do not listen.
"""

from __future__ import annotations

import _thread
import asyncio
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from io import StringIO
from typing import Final, Protocol

from lk_agents.foundation.clock import monotonic, sleep_blocking
from lk_agents.ipc.channel import SideWriter
from lk_agents.ipc.memory import own_pss_kb, read_small
from lk_agents.ipc.messages import Beat
from lk_agents.ipc.native import give_back_memory

__all__ = ["ORPHAN_SECONDS", "Pulse", "PulseListener", "worker_watch"]

ORPHAN_SECONDS: Final = 15.0
"""How long a job may go on after its worker is gone."""
_WEIGH_EVERY_BEATS: Final = 2
_WEIGH_IDLE_EVERY_BEATS: Final = 12
"""Reading one's weight is what a beat costs most of, and a process that waits for a job gains none."""
_SIGNALS: Final = tuple(s for s in (getattr(signal, name, None) for name in ("SIGTERM", "SIGUSR2")) if s is not None)


class PulseListener(Protocol):
    """What the pulse finds out. Calls come from its thread."""

    def panicked(self) -> None:
        """Say that the process sent SIGTERM to itself: the native media library does so when it panics."""

    def orphaned(self) -> None:
        """Say that the worker is gone, in case its end of the channel is still held by somebody."""

    def terminated(self) -> None:
        """Say that the worker sent SIGTERM: the last warning before SIGKILL."""


class Pulse:
    """The thread; one per child process.

    :param side: where beats go.
    :param channel: the socket to the worker; only its hang-up is looked at.
    :param worker_pid: whose SIGTERM counts. Everybody else's is ignored: supervisors signal a whole group of
        processes, and the worker, told too, decides what that means for its jobs.
    :param stacks_fd: where stacks are written on request, -1 for nowhere.
    """

    def __init__(
        self,
        *,
        side: SideWriter,
        channel: socket.socket,
        worker_pid: int,
        beat_seconds: float,
        listener: PulseListener,
        stacks_fd: int = -1,
    ) -> None:
        self._side = side
        self._worker_pid = worker_pid
        self._beat_seconds = beat_seconds
        self._listener = listener
        self._stacks_fd = stacks_fd
        self._worker_gone = worker_watch(channel, worker_pid)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked_at: float | None = None
        self._orphan_at: float | None = None
        self._busy = False
        self._unweighed = _WEIGH_IDLE_EVERY_BEATS

    def start(self) -> None:
        """Begin to beat; the first beat is sent at once."""
        _thread.start_new_thread(self._run, ())  # a Thread with its locks would cost each warm process 0.2 MB

    def watch_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Measure from now on how late ``loop`` gets round to a callback."""
        self._loop = loop

    def note_busy(self) -> None:
        """Take note that there is work now, which may take memory."""
        self._busy = True

    def exit_within(self, seconds: float, code: int) -> None:
        """End the process with ``code`` after ``seconds``, whatever its other threads do."""
        threading.Thread(target=_exit_late, args=(seconds, code), name="lk-exit", daemon=True).start()

    # --- the thread
    def _run(self) -> None:
        next_beat = monotonic()
        while True:
            now = monotonic()
            if now >= next_beat:
                next_beat = now + self._beat_seconds
                self.beat()
            self._watch_worker(now)
            wake = next_beat if self._orphan_at is None else min(next_beat, self._orphan_at)
            self._take_signal(max(0.0, wake - monotonic()))

    def beat(self) -> None:
        """Send one beat, now."""
        times = os.times()
        self._unweighed += 1
        every = _WEIGH_EVERY_BEATS if self._busy else _WEIGH_IDLE_EVERY_BEATS
        weigh = self._loop is not None and self._unweighed >= every
        if weigh:
            self._unweighed = 0
            if self._busy:
                give_back_memory()
        self._side.send(
            Beat(
                cpu_seconds=times.user + times.system,
                bytes_read=_bytes_read() if self._loop is None else 0,
                lag_seconds=self._lag(),
                pss_kb=own_pss_kb() if weigh else -1,
                dropped_logs=self._side.take_dropped(),
            )
        )

    def _lag(self) -> float:
        """Return for how long the loop has owed us a callback, and ask for the next one."""
        asked, loop = self._asked_at, self._loop
        if asked is not None:
            return monotonic() - asked
        if loop is not None and not loop.is_closed():
            self._asked_at = monotonic()
            try:
                loop.call_soon_threadsafe(self._answered)
            except RuntimeError:  # closed in between
                self._asked_at = None
        return 0.0

    def _answered(self) -> None:
        self._asked_at = None

    def _watch_worker(self, now: float) -> None:
        if self._orphan_at is None:
            if self._worker_gone():
                self._orphan_at = now + ORPHAN_SECONDS
                self._listener.orphaned()
        elif now >= self._orphan_at:
            os.killpg(0, signal.SIGKILL)

    def _take_signal(self, seconds: float) -> None:
        if not hasattr(signal, "sigtimedwait"):  # macOS, Windows: no sender to be had, SIGTERM is ignored there
            sleep_blocking(seconds)
            return
        info = signal.sigtimedwait(_SIGNALS, seconds)
        if info is None:
            return
        if info.si_signo == signal.SIGUSR2:
            self._write_tasks()
        elif info.si_pid == os.getpid():
            self._listener.panicked()
        elif info.si_pid == self._worker_pid:
            self._listener.terminated()

    def _write_tasks(self) -> None:
        """Write the stack of each task; the stacks of the threads are written by faulthandler before."""
        loop = self._loop
        if loop is None or self._stacks_fd < 0:
            return
        text = StringIO()
        try:
            tasks = asyncio.all_tasks(loop)
        except RuntimeError:  # the set changed while it was copied, too often
            tasks = set()
        for task in tasks:
            text.write(f"\nTask {task.get_name()!r}:\n")
            task.print_stack(limit=10, file=text)
        os.write(self._stacks_fd, text.getvalue().encode(errors="replace"))


def _exit_late(seconds: float, code: int) -> None:
    sleep_blocking(seconds)
    sys.stderr.write("lk-agents: an atexit callback did not return in time\n")
    os._exit(code)


def worker_watch(channel: socket.socket, worker_pid: int) -> Callable[[], bool]:
    """Return what tells whether the worker is gone: its end of the channel closed, or its process dead.

    The process is looked at too, because a fork of the worker that somebody made would keep the channel open.
    """
    if not hasattr(select, "POLLRDHUP"):  # not Linux: the loop sees the end of the channel, if it is not blocked
        return lambda: False
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLRDHUP)
    if worker_pid != os.getpid():
        try:
            poll.register(os.pidfd_open(worker_pid), select.POLLIN)
        except ProcessLookupError:
            return lambda: True
        except OSError:  # no more descriptors: then the channel tells
            return lambda: bool(poll.poll(0))
    return lambda: bool(poll.poll(0))


def _bytes_read() -> int:
    """Return how much this process has read so far; 0 where only its CPU time tells of progress."""
    first = read_small("/proc/self/io").partition(b"\n")[0]
    return int(first[6:]) if first.startswith(b"rchar:") else 0
