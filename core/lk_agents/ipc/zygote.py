"""The worker's end of a zygote: forked from the main process before any loop, or executed later."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from lk_agents.foundation.clock import monotonic
from lk_agents.foundation.errors import ConfigError, ProcessStartError, ProtocolError
from lk_agents.foundation.log import logger
from lk_agents.foundation.settings import child_environment
from lk_agents.ipc.child_logs import levels_in_force
from lk_agents.ipc.descriptors import raise_descriptor_limit
from lk_agents.ipc.messages import (
    Fork,
    FromZygote,
    PreloadRefused,
    ZygoteFailed,
    ZygoteReady,
    decode_from_zygote,
    encode,
)
from lk_agents.ipc.preload import WEIGHTS_HOOK, require_unused_media_sdk, share_memory
from lk_agents.ipc.program import Program, preparation
from lk_agents.ipc.zygote_main import MAX_CONTROL_BYTES, ZygoteStart, exit_code_of, serve_zygote

__all__ = ["START_SILENCE_SECONDS", "Zygote", "execute_zygote", "fork_zygote", "zygotes_work_here"]

_RUN: Final = "import sys; from lk_agents.ipc.zygote_main import main_executed; main_executed({control}, {start})"
_LOOK_SECONDS: Final = 0.5
START_SILENCE_SECONDS: Final = 20.0
"""How long a zygote that is being forked may neither use the processor nor read before it counts as stuck."""
END_SECONDS: Final = 2.0
"""How long a zygote may take to end when its socket has; it has nothing to do but to exit."""


def zygotes_work_here() -> bool:
    """Return whether this system has what a zygote needs (Linux 5.4 or newer)."""
    if not sys.platform.startswith("linux") or not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


class Zygote:
    """One zygote process; see ``ipc.zygote_main`` for the other end.

    :param control: the socket to it.
    :param process: the handle of an executed one, None for a forked one.
    """

    def __init__(self, control: socket.socket, pid: int, process: subprocess.Popen[bytes] | None = None) -> None:
        self.pid = pid
        self._control = control
        self._process = process
        self._pidfd = os.pidfd_open(pid)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_message: Callable[[FromZygote, list[int]], None] | None = None
        self._on_end: Callable[[], None] | None = None
        self._gone_event: asyncio.Event | None = None
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether its socket has ended: it forks no more, though it may not be quite gone yet."""
        return self._ended

    def watch(self, on_message: Callable[[FromZygote, list[int]], None], on_end: Callable[[], None]) -> None:
        """Hand on what it says, on the running loop, until it ends."""
        self._on_message, self._on_end = on_message, on_end
        self._control.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._control.fileno(), self._readable)

    def fork(self, request: Fork, descriptors: list[int]) -> None:
        """Ask for a child.

        :raises OSError: it is gone, or so many requests wait that it must be stuck.
        """
        socket.send_fds(self._control, [encode(request)], descriptors)

    def wait_first_message(self) -> FromZygote:
        """Block until it says how its start went; only before there is an event loop.

        :raises ProcessStartError: it died or is stuck.
        """
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        used, deadline = 0.0, monotonic() + START_SILENCE_SECONDS
        while not poll.poll(_LOOK_SECONDS * 1000):
            if (now_used := self.effort()) > used:
                used, deadline = now_used, monotonic() + START_SILENCE_SECONDS
            if monotonic() > deadline:
                raise ProcessStartError(
                    f"the process that jobs are forked from has made no progress for {START_SILENCE_SECONDS:g} s; "
                    f"a module named by lk_agents_preload_modules, or lk_agents_preload_weights of a plugin, hangs"
                )
        data = self._control.recv(MAX_CONTROL_BYTES)
        if not data:
            raise ProcessStartError("the process that jobs are forked from died while it was starting")
        return decode_from_zygote(data)

    def effort(self) -> float:
        """Return a figure that grows while it computes or reads."""
        with suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            read = Path(f"/proc/{self.pid}/io").read_text(encoding="ascii").split()[1]
            return float(fields[11]) + float(fields[12]) + float(read)
        return 0.0

    def kill(self) -> None:
        """Send SIGKILL; its end is told as any end of it."""
        with suppress(OSError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Let it go: it ends when it reads the end of its socket. Idempotent."""
        if self._loop is not None and self._control.fileno() >= 0:
            self._loop.remove_reader(self._control.fileno())
        self._control.close()
        self._reap()

    def discard(self) -> None:
        """Kill it and wait until it is gone; only before there is an event loop."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        _wait_readable(self._pidfd, END_SECONDS)
        self.close()

    async def aclose(self) -> None:
        """Let it go and wait until it is gone, so that no zombie is left when the loop ends; kill it if it lingers."""
        if self._pidfd >= 0:
            self._gone_event = asyncio.Event()
        self.close()
        for last in (False, True):
            if self._gone_event is None or self._gone_event.is_set():
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await self._gone_event.wait()
            if not last and self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _readable(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, MAX_CONTROL_BYTES, 1)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        message = _understood(data, descriptors)
        if message is not None and self._on_message is not None:
            self._on_message(message, descriptors)
        elif message is None:
            self._ended = True
            with suppress(ProcessLookupError):  # whatever it still does, it is of no use without its socket
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            self.close()

    def _reap(self) -> None:
        """Take its exit, now if it is gone, else when it goes: it owes nobody anything else."""
        if self._pidfd < 0:
            return
        if not _wait_readable(self._pidfd, 0) and self._loop is not None and not self._loop.is_closed():
            self._loop.add_reader(self._pidfd, self._gone)
        else:
            self._gone()

    def _gone(self) -> None:
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd < 0:
            return
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(pidfd)
        if self._process is not None:
            self._process.poll()
        else:
            exit_code_of(pidfd, 0)
        os.close(pidfd)
        if self._gone_event is not None:
            self._gone_event.set()
        if self._ended and self._on_end is not None:
            self._on_end()  # only now: its children become ours after its socket has ended, and before it is gone


def _understood(data: bytes, descriptors: list[int]) -> FromZygote | None:
    """Return what it said; None for nothing, and for what cannot be read, which is the end of it too."""
    if not data:
        return None
    try:
        return decode_from_zygote(data)
    except ProtocolError as error:
        logger.error("zygote failed", extra={"error": str(error)})
        for descriptor in descriptors:
            os.close(descriptor)
        return None


def _wait_readable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()  # select() knows no descriptors beyond 1,023
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def fork_zygote(program: Program) -> Zygote | None:
    """Fork a zygote from this process, which must have loaded the user's module and nothing that runs.

    Blocks until the zygote is ready: call it before there is an event loop.

    :returns: the zygote, or None where this process cannot fork one (another system, threads already running): the
        pool then executes one.
    :raises ConfigError: the media SDK was used at module level.
    :raises ProcessStartError: the zygote could not start; the text carries what it said.
    """
    if not zygotes_work_here():
        return None
    require_unused_media_sdk()
    raise_descriptor_limit()
    if threading.active_count() > 1:
        names = sorted(thread.name for thread in threading.enumerate() if thread is not threading.main_thread())
        logger.warning("threads run at module level, so processes share less memory", extra={"threads": names})
        return None
    share_memory()
    program.pickled()  # a zygote that is killed is replaced by an executed one: find out now whether that would work
    without: list[str] = []
    while True:
        zygote = _fork_once(program, without)
        try:
            answer = zygote.wait_first_message()
            if isinstance(answer, ZygoteReady):
                log_ready(answer)
                return zygote
            without.append(_to_leave_out(answer, without))
        except BaseException:
            zygote.discard()
            raise
        zygote.discard()


def _to_leave_out(answer: FromZygote, without: list[str]) -> str:
    """Return the module that the next zygote must not preload.

    :raises ConfigError: a plugin's weights cannot be loaded before the fork.
    :raises ProcessStartError: it would fail again.
    """
    match answer:
        case PreloadRefused(module=module, opened=opened) if module == WEIGHTS_HOOK:
            raise ConfigError(f"{module} of a plugin opened {opened}; weights must load without it")
        case PreloadRefused(module=module) if module not in without:
            log_refused(answer)
            return module
        case ZygoteFailed(error=error, traceback=text):
            raise ProcessStartError(f"the process that jobs are forked from could not start: {error}\n{text}")
    raise ProcessStartError(f"the process that jobs are forked from said {answer!r} at its start")


def _fork_once(program: Program, without: list[str]) -> Zygote:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()  # or the zygote would hold, and print, a copy
    with warnings.catch_warnings():
        # Python 3.12 and newer warn of any thread, even OpenBLAS's, which numpy starts and which survives a fork
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        _be_zygote(ours, theirs, program, without)
    theirs.close()
    return Zygote(ours, pid)


def _be_zygote(ours: socket.socket, theirs: socket.socket, program: Program, without: list[str]) -> NoReturn:
    """Never return and raise nothing: what comes next in the main process must not happen here too."""
    try:
        ours.close()
        os.setsid()  # a terminal's Ctrl-C is for the worker
        _stdin_from_nowhere()
        serve_zygote(theirs, program, without=without)
    except BaseException:  # noqa: BLE001  shown; the worker sees that the zygote is gone
        traceback.print_exc()
    finally:
        os._exit(1)


def _stdin_from_nowhere() -> None:
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)


def execute_zygote(program: Program, *, without: list[str], with_credentials: bool) -> Zygote:
    """Execute a fresh zygote that loads the user's module by itself; its first message tells how that went.

    :param without: modules that must not be preloaded.
    :param with_credentials: whether the server's credentials stay in its environment.
    :raises ConfigError: the program cannot be handed over.
    :raises OSError: the process cannot be started.
    """
    start = ZygoteStart(
        preparation=preparation(),
        program=program.pickled(),
        preload=program.preload,
        without=without,
        log_levels=levels_in_force(),
    )
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    start_fd = os.memfd_create("lk-zygote-start", os.MFD_CLOEXEC)
    try:
        _write_all(start_fd, msgspec.msgpack.encode(start))
        os.lseek(start_fd, 0, os.SEEK_SET)
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN.format(control=theirs.fileno(), start=start_fd)],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), start_fd),
            env=child_environment(with_credentials=with_credentials),
            start_new_session=True,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
        os.close(start_fd)
    return Zygote(ours, process.pid, process)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def log_ready(ready: ZygoteReady) -> None:
    """Say what the zygote found out while it loaded."""
    if ready.native_threads:
        logger.debug("imports started native threads before the fork", extra={"modules": ready.native_threads})
    for module, error in ready.failed_imports.items():
        logger.warning(
            "a module named for preloading cannot be imported", extra={"module_name": module, "error": error}
        )


def log_refused(refused: PreloadRefused) -> None:
    """Say which module cannot be preloaded, and why."""
    logger.warning(
        "a module cannot be imported before the fork; each process imports it by itself",
        extra={"module_name": refused.module, "opened": refused.opened},
    )
