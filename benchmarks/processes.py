"""Which processes belong to a worker, what they weigh, and what CPU time they took. Linux only."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.failure import MeasurementError
from lk_agents.ipc.memory import private_kb, pss_kb

__all__ = ["Family", "cpu_seconds", "is_alive", "private_mb", "pss_mb"]

PROC: Final = Path("/proc")
KIB: Final = 1024
MB: Final = 1_000_000
KILL_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Family:
    """A worker with all that it started: zygote or fork server, resource tracker, jobs; also what it lost sight of.

    :param root: the worker's process.
    :param mark: a variable of the worker's environment, ``NAME=value``, that all of them inherit.
    """

    root: int
    mark: str

    def pids(self) -> list[int]:
        """Return the processes that are there now: the descendants, and whoever carries the mark."""
        parents = _parents()
        found = {self.root} & parents.keys()
        grown = True
        while grown:
            new = {pid for pid, parent in parents.items() if parent in found} - found
            grown = bool(new)
            found |= new
        return sorted(found | {pid for pid in parents if _carries(pid, self.mark)})

    def kill(self) -> None:
        """Kill them all, also those that come up meanwhile.

        :raises MeasurementError: some are still there after 10 s.
        """
        deadline = time.monotonic() + KILL_SECONDS
        while pids := self.pids():
            if time.monotonic() > deadline:
                raise MeasurementError(f"processes {pids} do not die")
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Tell whether there is such a process, and not only its exit status."""
    return _parent(pid) is not None


def private_mb(pid: int) -> float:
    """Return the memory that would be free if the process ended (USS)."""
    return _megabytes(pid, private_kb(pid))


def pss_mb(pids: Iterable[int]) -> float:
    """Return the memory of the processes together, each page divided among those that have it (PSS)."""
    return sum(_megabytes(pid, pss_kb(pid)) for pid in pids)


def cpu_seconds(pids: Iterable[int]) -> dict[int, float]:
    """Return the CPU time of each process, its threads together, in nanosecond resolution."""
    # The clock of somebody else's process: see clock_getcpuclockid(3). The times in /proc are multiples of 10 ms.
    return {pid: time.clock_gettime((~pid << 3) | 2) for pid in pids}


def _megabytes(pid: int, kib: int) -> float:
    if kib < 0:
        raise MeasurementError(f"process {pid} was gone when its memory was to be read")
    return kib * KIB / MB


def _parents() -> dict[int, int]:
    """Return each living process's parent."""
    pids = [int(folder.name) for folder in PROC.iterdir() if folder.name.isdigit()]
    return {pid: parent for pid in pids if (parent := _parent(pid)) is not None}


def _parent(pid: int) -> int | None:
    """Return the process's parent; None if it is gone, or nothing of it is left but its exit status."""
    try:
        state, parent = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state in "ZX" else int(parent)


def _carries(pid: int, mark: str) -> bool:
    try:
        return mark.encode() in (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return False
