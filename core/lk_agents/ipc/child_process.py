"""A process of the pool from its first line to its exit code; forked or spawned, for jobs or for inference."""

from __future__ import annotations

import asyncio
import atexit
import faulthandler
import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, NoReturn, Protocol

from lk_agents.foundation.errors import ProtocolError
from lk_agents.foundation.log import logger
from lk_agents.foundation.settings import limit_runtime_threads
from lk_agents.ipc.channel import SideWriter, StreamChannel
from lk_agents.ipc.child import JobChild
from lk_agents.ipc.child_logs import LogForwarding
from lk_agents.ipc.child_signals import prepare_signals, take_signals
from lk_agents.ipc.memory import read_small, write_small
from lk_agents.ipc.messages import FromChild, Initialize, Phase, StartFailed, StartJob, ToChild, decode_to_child
from lk_agents.ipc.native import limit_heaps
from lk_agents.ipc.preload import import_missing
from lk_agents.ipc.program import Program
from lk_agents.ipc.pulse import Pulse, worker_watch
from lk_agents.ipc.rehearsal import rehearse_job

__all__ = ["ChildSockets", "run_child"]

_OOM_SCORE: Final = "/proc/self/oom_score_adj"
ATEXIT_SECONDS: Final = 2.0
LEFTOVER_TASKS_SECONDS: Final = 1.0
OOM_SCORE_STEP: Final = 300
"""When memory runs out, the kernel takes a job before it takes the worker."""


class ChildSockets:
    """The descriptors of a child.

    :param channel: messages both ways.
    :param side: log lines and beats, to the worker only.
    :param stacks_fd: a file for stacks, -1 for none.
    """

    def __init__(self, channel: socket.socket, side: socket.socket, stacks_fd: int = -1) -> None:
        self.channel = channel
        self.side = side
        self.stacks_fd = stacks_fd


class Serving(Protocol):
    """What a child does, for a job or for inference."""

    def warm_up(self) -> bool:
        """Get warm; False if that failed, which has been told."""

    async def serve(self) -> None:
        """Do the work until there is none."""

    def log_fields(self) -> Mapping[str, Any]:
        """Return what every log line carries at this moment."""

    def receive(self, message: ToChild) -> None:
        """Take a message; on the loop."""

    def worker_lost(self) -> None:
        """The worker is gone; on the loop."""

    def panicked(self) -> None:
        """The native media library panicked; on the loop."""

    def last_warning(self) -> None:
        """SIGKILL is next; on the loop."""


def run_child(
    load: Callable[[], Program],
    init: Initialize,
    sockets: ChildSockets,
    logs: LogForwarding | None = None,
) -> NoReturn:
    """Be a child of the pool; never returns.

    :param load: gives the program; called as the first phase of the start, so a slow import is seen as one.
    :param logs: prepared by a zygote.
    """
    code = 1
    process = _ChildProcess(init, sockets, logs)
    try:
        code = process.run(load)
    except BaseException:  # noqa: BLE001  nothing above this may run in a forked child
        logger.exception("a process of the pool failed")
    finally:
        process.leave(code)


class _ChildProcess:
    """The process around a :class:`Serving`."""

    def __init__(self, init: Initialize, sockets: ChildSockets, logs: LogForwarding | None) -> None:
        self._init = init
        self._logs = logs
        self._sockets = sockets
        self._side = SideWriter(sockets.side)
        self._pulse = Pulse(
            side=self._side,
            channel=sockets.channel,
            worker_pid=init.worker_pid,
            beat_seconds=init.beat_seconds,
            listener=self,
            stacks_fd=sockets.stacks_fd,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: Serving | None = None

    def run(self, load: Callable[[], Program]) -> int:
        """Run to the end; returns the exit code."""
        prepare_signals()
        take_signals()
        if self._sockets.stacks_fd >= 0 and hasattr(signal, "SIGUSR1"):
            faulthandler.register(signal.SIGUSR1, file=self._sockets.stacks_fd, all_threads=True)
        self._forward_logs(self._logs or LogForwarding())
        self._pulse.start()
        _reseed()
        gc.enable()
        if self._init.role == "job":
            _offer_to_oom_killer()
            limit_runtime_threads()
        self._serving = serving = self._build(load)
        if serving is None or not serving.warm_up():
            return 1
        loop = asyncio.new_event_loop()
        loop.set_debug(self._init.asyncio_debug)
        loop.run_until_complete(self._main(serving))
        loop.run_until_complete(_end_tasks())
        return 0  # the loop's threads are not waited for: one that hangs must not hold up the exit

    def _build(self, load: Callable[[], Program]) -> Serving | None:
        send = self._send
        self._channel: StreamChannel[ToChild] = StreamChannel(decode_to_child, self._receive, self._ended)
        try:
            self._side.send(Phase(name="import"))
            program = load()
            if program.modules is None:  # the user's file was loaded here, and may have set up the worker's logging
                self._forward_logs(LogForwarding())
            import_missing(program)
            if self._init.role == "job":
                return JobChild(
                    program,
                    self._init,
                    send=send,
                    send_now=self._side.send,
                    rehearse=rehearse_job,
                    is_congested=self._channel.is_congested,
                )
            from lk_agents.ipc.inference_child import InferenceChild

            self._pulse.note_busy()
            return InferenceChild(program, send=send, send_now=self._side.send)
        except BaseException as error:  # noqa: BLE001  SystemExit too: a user's module may do anything
            text = f"{type(error).__name__}: {error}"
            self._side.send(StartFailed(phase="import", error=text, traceback=traceback.format_exc()))
            return None

    def _forward_logs(self, logs: LogForwarding) -> None:
        logs.begin(self._side, self._init.log_levels, self._log_fields)

    def _log_fields(self) -> Mapping[str, Any]:
        return {} if self._serving is None else self._serving.log_fields()

    async def _main(self, serving: Serving) -> None:
        self._loop = asyncio.get_running_loop()
        self._pulse.watch_loop(self._loop)
        await self._channel.open(self._sockets.channel)
        try:
            await serving.serve()
        finally:
            self._channel.close()

    def leave(self, code: int) -> NoReturn:
        """Run the atexit callbacks under their limit, and end the process."""
        self._pulse.exit_within(ATEXIT_SECONDS, code)
        with suppress(Exception):
            atexit._run_exitfuncs()  # noqa: SLF001  os._exit would skip them, sys.exit would wait for threads
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        if worker_watch(self._sockets.side, self._init.worker_pid)():
            os.killpg(0, signal.SIGKILL)  # there is nobody left who would end what the job started
        os._exit(code)

    def _send(self, message: FromChild) -> None:
        self._channel.send(message)

    def _receive(self, message: ToChild) -> None:
        if isinstance(message, StartJob):
            self._pulse.note_busy()
        if self._serving is not None:
            self._serving.receive(message)
        if isinstance(message, StartJob) and self._loop is not None:
            self._loop.call_soon(limit_heaps)  # behind the entrypoint's first steps, which are waited for

    def _ended(self, error: ProtocolError | None) -> None:
        if error is not None:
            logger.error("the worker broke the protocol", extra={"error": str(error)})
        if self._serving is not None:
            self._serving.worker_lost()

    # --- PulseListener: from its thread
    def panicked(self) -> None:
        """See :class:`PulseListener`."""
        self._call_on_loop(lambda serving: serving.panicked())

    def orphaned(self) -> None:
        """See :class:`PulseListener`."""
        if self._loop is not None and not self._loop.is_closed():
            self._call_on_loop(lambda serving: serving.worker_lost())

    def terminated(self) -> None:
        """See :class:`PulseListener`."""
        self._call_on_loop(lambda serving: serving.last_warning())

    def _call_on_loop(self, what: Callable[[Any], None]) -> None:
        if self._loop is None or self._loop.is_closed():
            os._exit(128 + signal.SIGTERM)  # nothing runs yet, or any more, that could be ended in order
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(what, self._serving)


async def _end_tasks() -> None:
    """Cancel what the job left running, and give it a moment."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=LEFTOVER_TASKS_SECONDS)


def _reseed() -> None:
    """Give each child its own numbers: numpy's global generator is a copy in each forked process."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _offer_to_oom_killer() -> None:
    """Raise our score; where the kernel has none, or does not allow it, all are equal."""
    score = read_small(_OOM_SCORE)
    if score:
        write_small(_OOM_SCORE, b"%d" % min(1000, int(score) + OOM_SCORE_STEP))
