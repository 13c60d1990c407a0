"""A child process as the worker holds it: two channels, a file for stacks, and whatever tells of its exit.

Shared by processes from a zygote and spawned ones; they differ in how the process comes to be and how its exit code
is learnt.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from typing import Final

from lk_agents.foundation.errors import ProtocolError
from lk_agents.ipc.channel import StreamChannel
from lk_agents.ipc.launch import ExecutorSink, describe_exit
from lk_agents.ipc.messages import FromChild, Initialize, ToChild, decode_from_child

__all__ = ["ChildEnds", "ProcessHandle"]

DRAIN_SECONDS: Final = 1.0
"""After an exit: how long what it wrote is still read, should somebody else hold its end of a channel."""
STACKS_MAX_BYTES: Final = 64 * 1024


class ChildEnds:
    """The child's ends of what a handle made; to be handed over and then closed here."""

    def __init__(self, channel: socket.socket, side: socket.socket, stacks_fd: int) -> None:
        self.channel = channel
        self.side = side
        self.stacks_fd = stacks_fd

    def descriptors(self) -> list[int]:
        """Return them in the order in which a child expects them."""
        return [self.channel.fileno(), self.side.fileno(), self.stacks_fd]

    def close(self) -> None:
        """Close the sockets; the stack file stays the handle's."""
        self.channel.close()
        self.side.close()


class ProcessHandle:
    """One child process; see ``ipc.launch.Handle``."""

    def __init__(self, init: Initialize, sink: ExecutorSink) -> None:
        self.init = init
        self._sink = sink
        self._pid: int | None = None
        self._channel: StreamChannel[FromChild] = StreamChannel(decode_from_child, self._message, self._channel_end)
        self._side: StreamChannel[FromChild] = StreamChannel(decode_from_child, self._message, self._side_end)
        self._open_channels = 0
        self._stacks_fd = _stack_file()
        self._killed_early = False
        self._early: list[FromChild] = []
        self._exited = False
        self._code: int | None = None
        self._failure = ""
        self._drain: asyncio.TimerHandle | None = None
        self._told = False

    @property
    def pid(self) -> int | None:
        """See ``Handle``."""
        return self._pid

    async def open(self) -> ChildEnds:
        """Make the channels and take our ends of them.

        :raises OSError: descriptors have run out.
        """
        ours, theirs = socket.socketpair()
        try:
            side_ours, side_theirs = socket.socketpair()
        except OSError:
            ours.close()
            theirs.close()
            raise
        await self._channel.open(ours)
        await self._side.open(side_ours)
        self._open_channels = 2
        return ChildEnds(theirs, side_theirs, self._stacks_fd)

    def born(self, pid: int) -> None:
        """Note its process id; what it said, or was to be killed for, before that is passed on now."""
        self._pid = pid
        early, self._early = self._early, []
        for message in early:
            self._sink.message(self.init.executor_id, message)
        if self._killed_early:
            self.kill()

    def failed(self, why: str) -> None:
        """Note that there is no process, or none that can be held; the sink is told why."""
        self._failure = why
        self.died(None)

    def died(self, code: int | None) -> None:
        """Note its exit; the sink is told once all that it wrote has been read."""
        if self._exited:
            return
        self._exited, self._code = True, code
        if self._open_channels <= 0:
            self._tell()
        else:
            self._drain = asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._tell)

    # --- Handle
    def send(self, message: ToChild) -> None:
        """See ``Handle``."""
        self._channel.send(message)

    def dump_stacks(self) -> None:
        """See ``Handle``."""
        for name in ("SIGUSR1", "SIGUSR2"):  # threads by faulthandler, then tasks by the pulse
            if hasattr(signal, name) and self._stacks_fd >= 0:
                self._signal(getattr(signal, name))

    def stacks(self) -> str:
        """See ``Handle``."""
        if self._stacks_fd < 0:
            return ""
        with suppress(OSError):
            return os.pread(self._stacks_fd, STACKS_MAX_BYTES, 0).decode(errors="replace")
        return ""

    def terminate(self) -> None:
        """See ``Handle``."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """See ``Handle``."""
        if self._pid is None:
            self._killed_early = True
        elif not self._exited:
            self._kill_group(self._pid)

    def release(self) -> None:
        """See ``Handle``."""
        self._channel.close()
        self._side.close()
        if self._stacks_fd >= 0:
            os.close(self._stacks_fd)
            self._stacks_fd = -1

    # --- for the kinds of process
    def _signal(self, number: int) -> None:
        """Signal the process itself, unless it is gone."""
        if self._pid is not None and not self._exited:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self._pid, number)

    def _kill_group(self, pid: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                os.kill(pid, signal.SIGTERM)  # TerminateProcess: there are no groups
            else:
                os.killpg(pid, signal.SIGKILL)
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))  # it may not have made its group yet

    def _message(self, message: FromChild) -> None:
        if self._pid is None:
            self._early.append(message)  # it was faster than the word of its birth
        else:
            self._sink.message(self.init.executor_id, message)

    def _channel_end(self, error: ProtocolError | None) -> None:
        if not self._exited and not self._told:
            self._sink.channel_lost(self.init.executor_id, str(error) if error else "")
        self._one_less()

    def _side_end(self, error: ProtocolError | None) -> None:
        """Without its side channel nothing is heard of it any more: one that broke it is as lost as by the other."""
        if error is not None and not self._exited and not self._told:
            self._sink.channel_lost(self.init.executor_id, str(error))
            self._channel.close()  # so that it ends its job by itself
        self._one_less()

    def _one_less(self) -> None:
        self._open_channels -= 1
        if self._exited and self._open_channels <= 0:
            self._tell()

    def _tell(self) -> None:
        if self._told:
            return
        self._told = True
        if self._drain is not None:
            self._drain.cancel()
        self._sink.exited(self.init.executor_id, self._code, self._failure or describe_exit(self._code))


def _stack_file() -> int:
    """Return a descriptor of a file without a name, -1 if there is none to be had."""
    with suppress(OSError):
        if hasattr(os, "memfd_create"):
            return os.memfd_create("lk-stacks", os.MFD_CLOEXEC)
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
    return -1
