"""Processes whose parent died: made the zygote's or the worker's, and reaped when they end.

As child subreapers the zygote becomes the parent of whatever a job left behind, and the worker that of job processes
whose zygote was killed, and of what those leave behind.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from lk_agents.foundation.log import logger

__all__ = ["OrphanReaper", "adopt_orphans", "become_subreaper", "own_zombies", "stop_subreaping"]

_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_GET_CHILD_SUBREAPER: Final = 37
_REMEMBERED_SESSIONS: Final = 4096
_LOOK_SECONDS: Final = 0.5
"""After a child's death: what it left behind was killed with it, and is a zombie of ours by then."""
_DYING_SECONDS: Final = 0.05
"""At the very end: what was killed is a zombie by then, unless the machine is very busy."""
_STAT_STATE, _STAT_SESSION = 0, 3


class _Subreaping:
    """Whether this process is a subreaper: a property of the whole process, so of all its workers together."""

    users = 0
    before = 0
    """What it was before the first worker: the program around it may have its own reasons."""


def become_subreaper() -> None:
    """Make processes whose parent died this process's children (Linux), until :func:`stop_subreaping`."""
    _Subreaping.users += 1
    if _Subreaping.users == 1:
        before = ctypes.c_int(0)
        _prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before))
        _Subreaping.before = before.value
    if not adopt_orphans():
        logger.warning("this process cannot adopt orphans: exit codes may be unknown after a zygote's death")


def stop_subreaping() -> None:
    """Undo one :func:`become_subreaper`; after the last one the program around adopts nobody's orphans any more."""
    _Subreaping.users -= 1
    if _Subreaping.users == 0:
        _prctl(_PR_SET_CHILD_SUBREAPER, _Subreaping.before)


def adopt_orphans() -> bool:
    """Make processes whose parent died this process's children, until it ends; False where that cannot be."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, argument: object) -> bool:
    return bool(ctypes.CDLL(None).prctl(option, argument, 0, 0, 0) == 0)


class OrphanReaper:
    """Reaps what jobs left behind.

    Only zombies in the session of a job's process are touched: the worker may be part of somebody else's program,
    whose own subprocesses are for that program to wait for.
    """

    def __init__(self) -> None:
        self._sessions: OrderedDict[int, None] = OrderedDict()
        self._look: asyncio.TimerHandle | None = None
        self._closed = False

    def know(self, pid: int) -> None:
        """Note a job's process, which leads a session of its number."""
        self._sessions[pid] = None
        if len(self._sessions) > _REMEMBERED_SESSIONS:
            self._sessions.popitem(last=False)

    def look_soon(self) -> None:
        """Look for zombies in a moment: a job's process has ended."""
        if self._look is None and not self._closed:
            self._look = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._reap)

    async def aclose(self) -> None:
        """Look a last time, if somebody has died a moment ago, and no more then."""
        self._closed = True
        if self._look is not None:
            self._look.cancel()
            await asyncio.sleep(_DYING_SECONDS)
            self._reap()

    def _reap(self) -> None:
        self._look = None
        for pid in own_zombies():
            session = _stat(pid)[_STAT_SESSION]
            if pid != int(session) and int(session) in self._sessions:  # leaders are reaped by their handles
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
                    logger.debug("reaped what a job left behind", extra={"orphan_pid": pid})


def own_zombies() -> Iterator[int]:
    """Yield the children of this process that have ended and that nobody has waited for.

    Without a descriptor to look with it finds none: the next look does.
    """
    with suppress(OSError):
        for listing in Path("/proc/self/task").glob("*/children"):
            with suppress(OSError):
                for pid in map(int, listing.read_text(encoding="ascii").split()):
                    if _stat(pid)[_STAT_STATE] == "Z":
                        yield pid


def _stat(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the state on."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return ["", "0", "0", "0"]
