"""How busy the machine or container is: CPU share and memory, read so that no figure can lie.

Readers take the folder that stands for ``/``, so a recorded tree can be read like a living one. Limits are looked for
in the process's own control group and in every group above it that can be seen; the tightest one counts.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lk_agents.foundation import clock

__all__ = [
    "CGroupV2CPUMonitor",
    "CPUMonitor",
    "CgroupMemory",
    "CounterMonitor",
    "DefaultCPUMonitor",
    "Usage",
    "cgroup_memory",
    "cpu_share",
    "get_cpu_monitor",
]

CGROUP_MOUNT: Final = Path("sys/fs/cgroup")
DEFAULT_PERIOD_MICROSECONDS: Final = 100_000
POSSIBLE_FACTOR: Final = 1.5
"""A counter may run ahead of the clock by its own granularity; what exceeds all cores by more than this is no usage."""
NO_MEMORY_LIMIT_BYTES: Final = 1 << 60
"""Version 1 writes "no limit" as the largest number of pages that it can count."""


@dataclass(frozen=True)
class Usage:
    """A counter of used CPU time: ``used_seconds`` since some zero, read ``at_seconds`` of the monotonic clock."""

    used_seconds: float
    at_seconds: float


def cpu_share(before: Usage, after: Usage, *, cores: float, machine_cores: float) -> float | None:
    """Return which share of ``cores`` was used between two readings, in 0..1.

    None for readings that cannot be true, as some kernels give for the root group: a counter that went back or
    jumped by more than all ``machine_cores`` could have used, or no time between the readings.
    """
    elapsed = after.at_seconds - before.at_seconds
    used = after.used_seconds - before.used_seconds
    capacity = elapsed * cores
    if not 0 < capacity < float("inf") or not 0 <= used <= elapsed * machine_cores * POSSIBLE_FACTOR:
        return None
    return min(used / capacity, 1.0)


class CPUMonitor(ABC):
    """Tells how much of the CPU time that this process may have is used."""

    @abstractmethod
    def cpu_count(self) -> float:
        """Return how many cores can be used; a fraction where a quota says so."""

    @abstractmethod
    def cpu_percent(self, interval: float = 0.5) -> float:
        """Block for ``interval`` seconds and return the share of the cores used meanwhile, in 0..1."""


class CounterMonitor(CPUMonitor):
    """A monitor over a counter of used CPU seconds. Use each one from one thread.

    :param read_used: returns the counter; None where it cannot be read at the moment.
    :param cores: what the counted processes may use.
    :param machine_cores: what they could use without a quota.
    """

    def __init__(self, read_used: Callable[[], float | None], *, cores: float, machine_cores: float) -> None:
        self._read_used = read_used
        self._machine_cores = max(machine_cores, 1.0)
        self._cores = min(cores, self._machine_cores) if cores > 0 else self._machine_cores
        self._before: Usage | None = None
        self._last_share = 0.0

    def cpu_count(self) -> float:
        """Return how many cores can be used; a fraction where a quota says so."""
        return self._cores

    def cpu_percent(self, interval: float = 0.5) -> float:
        """Block for ``interval`` seconds and return the share used meanwhile.

        After a reading that cannot be true, return the share before it.
        """
        self.sample()
        clock.sleep_blocking(interval)
        self.sample()
        return self._last_share

    def sample(self) -> float | None:
        """Return the share used since the last call, at once; None for the first call and after an untrue reading."""
        used = self._read_used()
        before, self._before = self._before, None
        if used is None:
            return None
        self._before = Usage(used, clock.monotonic())
        if before is None:
            return None
        share = cpu_share(before, self._before, cores=self._cores, machine_cores=self._machine_cores)
        if share is not None:
            self._last_share = share
        return share


class _FixedMonitor(CPUMonitor):
    """A monitor of one source, whether or not it is the one that fits; :func:`get_cpu_monitor` chooses."""

    def __init__(self, monitor: CounterMonitor) -> None:
        self._monitor = monitor

    def cpu_count(self) -> float:
        """Return how many cores can be used; a fraction where a quota says so."""
        return self._monitor.cpu_count()

    def cpu_percent(self, interval: float = 0.5) -> float:
        """Block for ``interval`` seconds and return the share of the cores used meanwhile, in 0..1."""
        return self._monitor.cpu_percent(interval)


class DefaultCPUMonitor(_FixedMonitor):
    """The machine as a whole, whatever its control groups say."""

    def __init__(self) -> None:
        super().__init__(_machine(Path("/"), _usable_cores()))


class CGroupV2CPUMonitor(_FixedMonitor):
    """The control group of version 2 with the tightest quota; the machine where there is none."""

    def __init__(self) -> None:
        super().__init__(_version_2(Path("/"), _usable_cores()))


@dataclass(frozen=True)
class CgroupMemory:
    """The memory of the control group that is nearest to its limit.

    :param used_bytes: without file pages that the kernel can drop at once.
    """

    limit_bytes: int
    used_bytes: int

    @property
    def share(self) -> float:
        """The used share of the limit; 1 and more when there is nothing left."""
        return self.used_bytes / self.limit_bytes


def get_cpu_monitor(root: Path = Path("/")) -> CPUMonitor:
    """Return the monitor that fits: cgroup version 2, version 1, else the machine as a whole."""
    return counter_monitor(root)


def counter_monitor(root: Path = Path("/"), *, machine_cores: float | None = None) -> CounterMonitor:
    """Like :func:`get_cpu_monitor`; ``machine_cores`` stands in for the cores of this machine."""
    cores = machine_cores if machine_cores is not None else _usable_cores()
    mount = root / CGROUP_MOUNT
    if (mount / "cpu.stat").is_file():
        return _version_2(root, cores)
    if accounting := _version_1_folder(root, "cpuacct", "cpuacct.usage"):
        return _version_1(root, accounting, cores)
    return _machine(root, cores)


def cgroup_memory(root: Path = Path("/")) -> CgroupMemory | None:
    """Return limit and use of the group whose use is nearest to its limit; None where there is no limit."""
    found = list(_memory_version_2(root)) or list(_memory_version_1(root))
    return max(found, key=lambda memory: memory.share, default=None)


def _version_2(root: Path, machine_cores: float) -> CounterMonitor:
    mount = root / CGROUP_MOUNT
    folder, cores = mount, machine_cores
    for group in _groups(mount, _own_path(root, "")):
        quota = _quota_version_2(group)
        if quota is not None and quota < cores and (group / "cpu.stat").is_file():
            folder, cores = group, quota
    # Only real root groups lack cgroup.events; their usage counter goes backwards on some kernels.
    if folder == mount and not (mount / "cgroup.events").is_file() and (root / "proc/stat").is_file():
        return _machine(root, machine_cores)
    return CounterMonitor(
        lambda: _scaled(_keyed(folder / "cpu.stat", "usage_usec"), 1e-6), cores=cores, machine_cores=machine_cores
    )


def _version_1(root: Path, accounting: Path, machine_cores: float) -> CounterMonitor:
    """Quota and usage are kept by two controllers, which may be mounted together or apart."""
    cores, path = machine_cores, ""
    if cpu := _version_1_folder(root, "cpu", "cpu.cfs_quota_us"):
        own = _own_path(root, "cpu")
        for group in _groups(cpu, own):
            quota = _quota_version_1(group)
            if quota is not None and quota < cores:
                cores, path = quota, group.relative_to(cpu).as_posix()
    usage = accounting / path / "cpuacct.usage"
    if not usage.is_file():
        usage = accounting / "cpuacct.usage"
    return CounterMonitor(lambda: _scaled(_number(usage), 1e-9), cores=cores, machine_cores=machine_cores)


def _machine(root: Path, machine_cores: float) -> CounterMonitor:
    stat = root / "proc/stat"
    if not stat.is_file():
        return CounterMonitor(_busy_seconds_by_psutil, cores=machine_cores, machine_cores=machine_cores)
    cores = float(sum(line.startswith("cpu") and line[3:4].isdigit() for line in _lines(stat))) or machine_cores
    return CounterMonitor(lambda: _busy_seconds(stat), cores=cores, machine_cores=cores)


def _busy_seconds(stat: Path) -> float | None:
    """Add up user, nice, system, irq, softirq and steal; guest time is counted in user time already."""
    for line in _lines(stat):
        fields = line.split()
        if fields[:1] == ["cpu"]:
            try:
                user, nice, system, _idle, _iowait, *rest = [int(field) for field in fields[1:]]
            except ValueError:
                return None
            return (user + nice + system + sum(rest[:3])) / os.sysconf("SC_CLK_TCK")
    return None


def _busy_seconds_by_psutil() -> float | None:
    import psutil

    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0)


def _usable_cores() -> float:
    if hasattr(os, "sched_getaffinity"):
        return float(len(os.sched_getaffinity(0)))
    return float(os.cpu_count() or 1)


def _quota_version_2(group: Path) -> float | None:
    fields = next(_lines(group / "cpu.max"), "max").split()
    try:
        quota = int(fields[0])
        period = int(fields[1]) if len(fields) > 1 else DEFAULT_PERIOD_MICROSECONDS
    except (ValueError, IndexError):  # "max", or not readable as a quota
        return None
    return quota / period if quota > 0 and period > 0 else None


def _quota_version_1(group: Path) -> float | None:
    quota = _number(group / "cpu.cfs_quota_us")
    period = _number(group / "cpu.cfs_period_us") or DEFAULT_PERIOD_MICROSECONDS
    return quota / period if quota is not None and quota > 0 and period > 0 else None


def _memory_version_2(root: Path) -> Iterator[CgroupMemory]:
    for group in _groups(root / CGROUP_MOUNT, _own_path(root, "")):
        limit, used = _number(group / "memory.max"), _number(group / "memory.current")
        yield from _memory(limit, used, _keyed(group / "memory.stat", "inactive_file"))


def _memory_version_1(root: Path) -> Iterator[CgroupMemory]:
    if mount := _version_1_folder(root, "memory", "memory.limit_in_bytes"):
        for group in _groups(mount, _own_path(root, "memory")):
            limit, used = _number(group / "memory.limit_in_bytes"), _number(group / "memory.usage_in_bytes")
            yield from _memory(limit, used, _keyed(group / "memory.stat", "total_inactive_file"))


def _memory(limit: int | None, used: int | None, droppable: int | None) -> Iterator[CgroupMemory]:
    if limit is not None and 0 < limit < NO_MEMORY_LIMIT_BYTES and used is not None:
        yield CgroupMemory(limit_bytes=limit, used_bytes=max(used - (droppable or 0), 0))


def _own_path(root: Path, controller: str) -> str:
    """Return the path of the process's own group as ``/proc/self/cgroup`` tells it; version 2 has no controller."""
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if (controller in controllers.split(",")) if controller else (number == "0" and not controllers):
            return path
    return "/"


def _groups(mount: Path, own: str) -> Iterator[Path]:
    """Give the own group and all above it down to ``mount``; only ``mount`` where the own path is not to be seen.

    A container without a namespace for control groups is told the host's path, but sees its own group as the mount.
    """
    parts = [part for part in own.split("/") if part]
    if ".." not in parts and (mount.joinpath(*parts)).is_dir():
        for depth in range(len(parts), 0, -1):
            yield mount.joinpath(*parts[:depth])
    yield mount


def _version_1_folder(root: Path, controller: str, needed: str) -> Path | None:
    for name in (controller, "cpu,cpuacct", "cpuacct,cpu"):
        folder = root / CGROUP_MOUNT / name
        if (folder / needed).is_file():
            return folder
    return None


def _lines(path: Path) -> Iterator[str]:
    try:
        yield from path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return  # missing, or gone between two looks: nothing is known


def _number(path: Path) -> int | None:
    try:
        return int(next(_lines(path), ""))
    except ValueError:  # empty, "max", or no number
        return None


def _keyed(path: Path, key: str) -> int | None:
    for line in _lines(path):
        name, _, value = line.partition(" ")
        if name == key:
            return int(value) if value.strip().isdigit() else None
    return None


def _scaled(value: int | None, factor: float) -> float | None:
    return None if value is None else value * factor
