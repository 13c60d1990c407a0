"""What the machine or container says of its load: CPU, memory, file descriptors; read in a thread."""

from __future__ import annotations

import errno
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lk_agents.foundation.clock import monotonic
from lk_agents.foundation.log import logger
from lk_agents.utils.hw import cgroup_memory, counter_monitor
from lk_agents.utils.misc import MovingAverage

__all__ = ["MachineSampler", "ShareAlarm", "descriptor_share", "memory_share"]

INTERVAL_SECONDS: Final = 1.25
AVERAGED_SAMPLES: Final = 2
"""2.5 s together; the counters add up all the time, so more looks would tell the same mean."""
THREAD_NAME: Final = "lk_agents_machine_load"
END_SECONDS: Final = 0.2
SHORTAGES_SECONDS: Final = 2.5
UNLIMITED_SECONDS: Final = 30.0
CALM_SHARE: Final = 0.7
FULL_SHARE: Final = 0.90
RELIEVED_SHARE: Final = 0.85
DESCRIPTOR_FOLDER: Final = Path("proc/self/fd")


class ShareAlarm:
    """Turns the used share of something that must not run out into 0 or 1.

    Such a share says nothing about how busy the worker is until it is short. 1 from 90 % on, and 0 again only below
    85 %, so that a worker at the edge does not change its mind at every look.
    """

    def __init__(self) -> None:
        self._full = False

    def update(self, share: float | None) -> float:
        """Take in the share and return the signal; None, for no limit, is 0."""
        self._full = share is not None and share >= (RELIEVED_SHARE if self._full else FULL_SHARE)
        return float(self._full)


class MachineSampler:
    """Looks at the machine now and then, in a daemon thread of its own so that nothing blocks the event loop.

    Memory of which much is used is looked at more often; memory without a limit rarely, in case it is given one.
    Reading :meth:`values` is safe from any thread.

    :param cpu: returns the CPU's share since its last call, or None for no figure.
    :param memory: returns the used share of the memory limit, or None for no limit.
    :param descriptors: the same of the limit of open files.
    :param on_memory: told each used share of the memory limit, in the thread.
    """

    def __init__(
        self,
        *,
        cpu: Callable[[], float | None] | None = None,
        memory: Callable[[], float | None] | None = None,
        descriptors: Callable[[], float | None] | None = None,
        on_memory: Callable[[float], None] | None = None,
    ) -> None:
        self._cpu = cpu
        self._memory = memory or memory_share
        self._descriptors = descriptors or descriptor_share
        self._on_memory = on_memory
        self._memory_due = 0.0
        self._descriptors_due = 0.0
        self._cpu_average = MovingAverage(AVERAGED_SAMPLES)
        self._memory_alarm = ShareAlarm()
        self._descriptor_alarm = ShareAlarm()
        self._values = {"cpu": 0.0, "memory": 0.0, "descriptors": 0.0}
        self._broken: set[str] = set()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look; again does nothing."""
        if self._thread is None and not self._stop.is_set():
            self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Look no more, and wait a moment for the thread, which ends after the look it is at. Idempotent."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(END_SECONDS)

    def values(self) -> dict[str, float]:
        """Return ``cpu`` (mean of the last 2.5 s, 0 before the first sample), ``memory``, ``descriptors``; in 0..1."""
        return dict(self._values)

    def look(self) -> None:
        """Take one look at what is due; called in the thread, and by tests without one."""
        if (share := self._read("cpu", self._read_cpu)) is not None:
            self._cpu_average.add_sample(min(max(share, 0.0), 1.0))
        values = {**self._values, "cpu": self._cpu_average.get_avg()}
        now = monotonic()
        if now >= self._memory_due:
            values["memory"] = self._memory_alarm.update(self._look_at_memory(now))
        if now >= self._descriptors_due:
            self._descriptors_due = now + SHORTAGES_SECONDS
            values["descriptors"] = self._descriptor_alarm.update(self._read("descriptors", self._descriptors))
        self._values = values

    def _run(self) -> None:
        self.look()
        while not self._stop.wait(INTERVAL_SECONDS):
            self.look()

    def _look_at_memory(self, now: float) -> float | None:
        share = self._read("memory", self._memory)
        if share is None:
            self._memory_due = now + (SHORTAGES_SECONDS if "memory" in self._broken else UNLIMITED_SECONDS)
            return None
        self._memory_due = now + (SHORTAGES_SECONDS if share < CALM_SHARE else 0.0)
        if self._on_memory is not None:
            self._on_memory(share)
        return share

    def _read_cpu(self) -> float | None:
        if self._cpu is None:
            self._cpu = counter_monitor().sample
        share = self._cpu()
        return None if share is None or math.isnan(share) else share

    def _read(self, name: str, reader: Callable[[], float | None]) -> float | None:
        """Read one figure; one that fails is left out and told once, until it works again."""
        try:
            share = reader()
        except Exception:  # noqa: BLE001  one reader must not end the thread and with it all figures
            if name not in self._broken:
                logger.exception("a load signal cannot be read; it is left out", extra={"signal": name})
                self._broken.add(name)
            return None
        self._broken.discard(name)
        return share


def memory_share(root: Path = Path("/")) -> float | None:
    """Return the used share of the control group's memory limit; None without a limit."""
    memory = cgroup_memory(root)
    return None if memory is None else memory.share


def descriptor_share(root: Path = Path("/")) -> float | None:
    """Return the used share of the files that this process may open; None where the system does not tell.

    1 if there is not even one left to look with.
    """
    folder = root / DESCRIPTOR_FOLDER
    if not folder.is_dir():
        return None
    import resource  # not on every platform, but wherever there is the folder

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    try:
        return len(os.listdir(folder)) / soft  # noqa: PTH208  dearer
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return 1.0
        raise
