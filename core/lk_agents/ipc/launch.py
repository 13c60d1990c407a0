"""What the supervisor asks of whatever starts executors: processes from a zygote, spawned processes, threads."""

from __future__ import annotations

import signal
from typing import Protocol

from lk_agents.ipc.messages import FromChild, Initialize, ToChild

__all__ = ["ExecutorSink", "Handle", "Launcher", "LauncherSink", "describe_exit"]


class ExecutorSink(Protocol):
    """Where a running executor tells what happens to it. Calls come on the supervisor's loop."""

    def message(self, executor_id: int, message: FromChild) -> None:
        """Take a message."""

    def channel_lost(self, executor_id: int, error: str) -> None:
        """The channel ended before the executor did, or broke the protocol (``error``)."""

    def exited(self, executor_id: int, code: int | None, how: str) -> None:
        """It is no more, and everything that it had said has been handed over; the last call for it."""


class LauncherSink(ExecutorSink, Protocol):
    """The same, and what happens to the launcher itself."""

    def not_started(self, executor_id: int, why: str) -> None:
        """It never began to start, because what it was to be started from went away; the last call for it."""

    def launcher_changed(self) -> None:
        """Whether executors can be launched (``ready``), or why not (``failure``), has changed."""

    def launcher_lost(self) -> None:
        """What executors are launched from is gone, and is started anew."""


class Handle(Protocol):
    """One executor, as the supervisor holds it. Nothing here waits."""

    @property
    def pid(self) -> int | None:
        """The process, None where it is not known yet or is a thread."""

    def send(self, message: ToChild) -> None:
        """Send a message; nothing happens if the executor is gone."""

    def dump_stacks(self) -> None:
        """Have it write its stacks."""

    def stacks(self) -> str:
        """Return what it wrote."""

    def terminate(self) -> None:
        """Send SIGTERM, where there is such a thing."""

    def kill(self) -> None:
        """Send SIGKILL to its process group, where there is such a thing."""

    def release(self) -> None:
        """Let go of every descriptor; the executor is gone or given up."""


class Launcher(Protocol):
    """Starts executors of one kind."""

    @property
    def ready(self) -> bool:
        """Whether :meth:`launch` can be called now."""

    @property
    def failure(self) -> str | None:
        """Why it cannot, where waiting does not help by itself."""

    async def start(self, sink: LauncherSink) -> None:
        """Get ready; returns at once, ``launcher_changed`` tells."""

    def launch(self, init: Initialize) -> Handle:
        """Start an executor; what comes of it is told to the sink."""

    async def aclose(self) -> None:
        """Give up whatever executors are started from; running ones are not touched."""


def describe_exit(code: int | None, pss_mb: float | None = None) -> str:
    """Return an exit in words."""
    if code is None:
        return "ended, and nobody knows how"
    if code >= 0:
        return f"exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == "SIGKILL":
        used = f", last seen with {pss_mb:.0f} MB" if pss_mb is not None else ""
        return f"killed by SIGKILL, perhaps out of memory{used}"
    return f"killed by {name}"
