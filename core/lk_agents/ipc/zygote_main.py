"""The zygote: a small process with everything loaded and nothing running, that forks a child per request.

It has one socket and no threads. It opens each child's pidfd before it could reap it, looks at an exit before it
reaps (``WNOWAIT``), and says so first: so no exit code is lost, even if it is killed in between. It ends when its
socket ends; killing it ends no job. What a job started and left behind becomes the zygote's child and is reaped here:
the worker may have children that are not ours to wait for, the zygote has none.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final, NoReturn

import msgspec

from lk_agents.foundation.log import logger
from lk_agents.ipc.child_logs import LogForwarding
from lk_agents.ipc.child_process import ChildSockets, run_child
from lk_agents.ipc.child_signals import prepare_signals
from lk_agents.ipc.memory import write_small
from lk_agents.ipc.messages import (
    ChildExited,
    Fork,
    Forked,
    ForkFailed,
    FromZygote,
    LogLine,
    PreloadRefused,
    ZygoteFailed,
    ZygoteReady,
    decode_to_zygote,
    encode,
)
from lk_agents.ipc.orphans import adopt_orphans, own_zombies
from lk_agents.ipc.preload import (
    USER_MODULE,
    RefusedModuleError,
    freeze,
    open_things,
    preload,
    refuse_new,
    require_unused_media_sdk,
)
from lk_agents.ipc.program import Program, prepare_main
from lk_agents.ipc.rehearsal import rehearse

__all__ = ["MAX_CONTROL_BYTES", "ZygoteStart", "exit_code_of", "main_executed", "serve_zygote"]

MAX_CONTROL_BYTES: Final = 64 * 1024
_CHILD_DESCRIPTORS: Final = 3
_ORPHAN_LOOK_SECONDS: Final = 0.5
"""After a child's exit: what it left behind was killed with it, and is a zombie of ours by then."""
_KEPT_CHARACTERS: Final = 500
_KEPT_EXTRAS: Final = 10
"""Of a log line that no message can hold: of either end of each text, four bytes each at most, and of its extras."""


class ZygoteStart(msgspec.Struct, frozen=True, kw_only=True):
    """What an executed zygote reads from its start file: the pickles of ``ipc.program``.

    :param without: modules that a zygote before this one was refused for.
    :param log_levels: the worker's; what is logged while it loads goes to the worker.
    """

    preparation: bytes
    program: bytes
    log_levels: dict[str, int]
    preload: bool = True
    without: list[str] = []


def main_executed(control_fd: int, start_fd: int) -> NoReturn:
    """Be a zygote that was executed: load the user's module and the plugins, then serve."""
    control = socket.socket(fileno=control_fd)
    with open(start_fd, "rb") as file:
        start = msgspec.msgpack.decode(file.read(), type=ZygoteStart)
    LogForwarding().begin(_ControlWriter(control), start.log_levels)

    def load() -> Program:
        prepare_main(start.preparation)
        return Program.unpickled(start.program)

    if not start.preload or USER_MODULE in start.without:
        _leave_signals()
        _serve(control, load)
    before = open_things()
    try:
        program = load()
        refuse_new(USER_MODULE, before)
    except RefusedModuleError as error:
        _send(control, PreloadRefused(module=error.module, opened=error.opened))
        os._exit(0)
    except BaseException as error:  # noqa: BLE001  a user's module may do anything; the worker is told
        text = f"{type(error).__name__}: {error}"
        _send(control, ZygoteFailed(error=text, traceback=traceback.format_exc()))
        os._exit(1)
    serve_zygote(control, program, without=start.without)


def serve_zygote(control: socket.socket, program: Program, *, without: list[str] | None = None) -> NoReturn:
    """Be a zygote whose program is loaded: preload, freeze, then fork a child per request. Never returns."""
    _leave_signals()
    try:
        report = preload(program, without=without or ())
        require_unused_media_sdk()
        _rehearse(program)
    except RefusedModuleError as error:
        _send(control, PreloadRefused(module=error.module, opened=error.opened))
        os._exit(0)
    except BaseException as error:  # noqa: BLE001  a plugin's code; the worker is told
        text = f"{type(error).__name__}: {error}"
        _send(control, ZygoteFailed(error=text, traceback=traceback.format_exc()))
        os._exit(1)
    ready = ZygoteReady(native_threads=report.native_threads, failed_imports=report.failed_imports)
    asked = replace(program, modules=report.modules)
    _serve(control, lambda: asked, ready)


def _rehearse(program: Program) -> None:
    try:
        rehearse(program)
    except Exception as error:  # noqa: BLE001  without it children start too, only later
        logger.debug("the start of a process could not be rehearsed", extra={"error": repr(error)})


def _serve(control: socket.socket, load: Callable[[], Program], ready: ZygoteReady | None = None) -> NoReturn:
    name_process("lk-zygote")
    prepare_signals()
    adopt_orphans()
    zygote = _Zygote(control, load)
    freeze()
    control.setblocking(True)
    _send(control, ready or ZygoteReady())
    zygote.run()


class _ControlWriter:
    """Takes log lines to the worker before there is any child with a channel of its own."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    def send(self, message: LogLine, *, level: int) -> None:  # noqa: ARG002  the worker reads: nothing is dropped
        """Send the line now; the middle of one that is too long is left out."""
        if len(encode(message)) > MAX_CONTROL_BYTES:
            text, exception = _shortened(message.text), _shortened(message.exception)
            extras = {key: _shortened(str(value)) for key, value in list(message.extras.items())[:_KEPT_EXTRAS]}
            message = msgspec.structs.replace(message, text=text, exception=exception, extras=extras)
        _send(self._control, message)


def _shortened(text: str) -> str:
    return text if len(text) <= 2 * _KEPT_CHARACTERS else f"{text[:_KEPT_CHARACTERS]} … {text[-_KEPT_CHARACTERS:]}"


class _Zygote:
    """The loop: a child per request, a word about each exit."""

    def __init__(self, control: socket.socket, load: Callable[[], Program]) -> None:
        self._control = control
        self._load = load
        self._children: dict[int, int] = {}  # pidfd: pid
        self._logs = LogForwarding()
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._worker = os.pidfd_open(os.getppid())  # somebody else may hold the other end of the socket
        self._poll.register(self._worker, select.POLLIN)

    def run(self) -> NoReturn:
        """Serve until the worker is gone."""
        look_again = False
        while True:
            ready = self._poll.poll(_ORPHAN_LOOK_SECONDS * 1000 if look_again else None)
            exits = [descriptor for descriptor, _ in ready if descriptor in self._children]
            for descriptor, _ in ready:
                if descriptor == self._worker:
                    os._exit(0)
                if descriptor == self._control.fileno():
                    self._serve_request()
            for descriptor in exits:
                self._poll.unregister(descriptor)
                _reap(self._control, descriptor, self._children.pop(descriptor))
            if exits or look_again:
                self._reap_orphans()
            look_again = bool(exits)

    def _reap_orphans(self) -> None:
        """Reap what jobs left behind: every dead child that this zygote has not forked."""
        for pid in own_zombies():
            if pid not in self._children.values():
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def _serve_request(self) -> None:
        try:
            data, received, _, _ = socket.recv_fds(self._control, MAX_CONTROL_BYTES, _CHILD_DESCRIPTORS)
        except ConnectionResetError:  # it left without reading all that was said
            data, received = b"", []
        if not data:
            os._exit(0)  # the worker is gone; the children see that for themselves
        request = decode_to_zygote(data)
        executor_id = request.init.executor_id
        try:
            pid = os.fork()
        except OSError as error:
            _close(*received)
            _send(self._control, ForkFailed(executor_id=executor_id, error=f"fork: {error}"))
            return
        if pid == 0:
            self._become_child(request, received)
        _close(*received)
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = pid
        _send(self._control, Forked(executor_id=executor_id, pid=pid), pidfd)
        self._poll.register(pidfd, select.POLLIN)

    def _become_child(self, request: Fork, received: list[int]) -> NoReturn:
        try:
            os.setsid()  # a process group of its own: what the job starts can be ended with it
            _close(self._control.fileno(), self._worker, *self._children)
            name_process("lk-job" if request.init.role == "job" else "lk-inference")
            channel, side, stacks_fd = received
            sockets = ChildSockets(socket.socket(fileno=channel), socket.socket(fileno=side), stacks_fd)
            run_child(self._load, request.init, sockets, self._logs)
        except BaseException:  # noqa: BLE001  the zygote's loop must never run in a child
            traceback.print_exc()
        finally:
            os._exit(1)


def _reap(control: socket.socket, pidfd: int, pid: int) -> None:
    """Tell of an exit, then end what is left of the child's process group, then let go of it."""
    code = exit_code_of(pidfd, os.WNOWAIT)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # still a zombie, so the group's number cannot be another's
    _send(control, ChildExited(pid=pid, code=code if code is not None else 0))
    exit_code_of(pidfd, 0)
    os.close(pidfd)


def exit_code_of(pidfd: int, options: int) -> int | None:
    """Return the exit code of an ended child, or minus the signal's number; None if it is not ours or still runs."""
    try:
        result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG | options)
    except ChildProcessError:
        return None
    if result is None:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def _send(control: socket.socket, message: FromZygote, *descriptors: int) -> None:
    try:
        socket.send_fds(control, [encode(message)], list(descriptors))
    except OSError:  # the worker is gone
        os._exit(0)


def _leave_signals() -> None:
    """Leave the end to the worker: a terminal or a supervisor signals everybody. Exit codes are for us to have."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # whoever started the worker may have had it ignored


def name_process(name: str) -> None:
    """Set the name that ``ps`` and ``top`` show (15 characters)."""
    write_small("/proc/self/comm", name.encode("ascii"))


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        with suppress(OSError):
            os.close(descriptor)
