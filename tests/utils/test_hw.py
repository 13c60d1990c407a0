"""CPU share and memory, replayed from recorded trees of control groups."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.foundation.clock import use_clock
from lk_agents.testing import VirtualClock
from lk_agents.utils import hw

GROUP = "sys/fs/cgroup"
MACHINE_CORES = 4.0
TICKS = os.sysconf("SC_CLK_TCK")


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def stat_2(seconds: float) -> dict[str, str]:
    usage = round(seconds * 1e6)
    return {f"{GROUP}/cpu.stat": f"usage_usec {usage}\nuser_usec {usage // 2}\nsystem_usec {usage - usage // 2}\n"}


def usage_1(seconds: float, folder: str = "cpuacct") -> dict[str, str]:
    return {f"{GROUP}/{folder}/cpuacct.usage": f"{round(seconds * 1e9)}\n"}


def machine(user: float, idle: float) -> dict[str, str]:
    """Return /proc/stat of two cores; guest and iowait times are there to be left out."""
    total = f"{round(user * TICKS)} 0 0 {round(idle * TICKS)} {9 * TICKS} 0 0 0 {7 * TICKS} 0"
    return {"proc/stat": f"cpu  {total}\ncpu0 {total}\ncpu1 {total}\nintr 1 2 3\n"}


CONTAINER_2 = {f"{GROUP}/cgroup.events": "populated 1\nfrozen 0\n", "proc/self/cgroup": "0::/\n"}
SERVICE_2 = {"proc/self/cgroup": "0::/system.slice/agent.service\n", **machine(0, 0), **stat_2(0)}
SLICE, SERVICE = f"{GROUP}/system.slice", f"{GROUP}/system.slice/agent.service"
VERSION_1 = {"proc/self/cgroup": "4:memory:/jobs/1\n2:cpuacct:/\n1:cpu:/\n0::/\n"}


@dataclass
class Replay:
    """A tree, what changes in it each second, and what the monitor must say after each change."""

    name: str
    files: dict[str, str]
    seconds: list[dict[str, str]]
    shares: list[float | None]
    cores: float = MACHINE_CORES
    missing: list[str] = field(default_factory=list)


REPLAYS = [
    Replay(
        "version 2, quota of two cores",
        {**CONTAINER_2, f"{GROUP}/cpu.max": "200000 100000\n", **stat_2(10)},
        [stat_2(11), stat_2(13), stat_2(13)],
        [0.5, 1.0, 0.0],
        cores=2.0,
    ),
    Replay(
        "version 2, a fraction of a core, over its quota for a moment",
        {**CONTAINER_2, f"{GROUP}/cpu.max": "25000 50000\n", **stat_2(0)},
        [stat_2(0.25), stat_2(0.85)],
        [0.5, 1.0],
        cores=0.5,
    ),
    Replay(
        "version 2, period left out",
        {**CONTAINER_2, f"{GROUP}/cpu.max": "150000\n", **stat_2(0)},
        [stat_2(0.75)],
        [0.5],
        cores=1.5,
    ),
    Replay(
        "version 2, no quota",
        {**CONTAINER_2, f"{GROUP}/cpu.max": "max 100000\n", **stat_2(0)},
        [stat_2(1), stat_2(5)],
        [0.25, 1.0],
    ),
    Replay("version 2, cpu.max missing is not one core", {**CONTAINER_2, **stat_2(0)}, [stat_2(1)], [0.25]),
    Replay(
        "version 2, a quota above the machine",
        {**CONTAINER_2, f"{GROUP}/cpu.max": "9900000 100000", **stat_2(0)},
        [stat_2(1)],
        [0.25],
    ),
    Replay(
        "version 2, the counter goes backwards and jumps",
        {**CONTAINER_2, **stat_2(100)},
        [stat_2(101), stat_2(7), stat_2(8), stat_2(9000), stat_2(9001)],
        [0.25, None, 0.25, None, 0.25],
    ),
    Replay(
        "version 2, the counter cannot be read for a while",
        {**CONTAINER_2, **stat_2(0)},
        [{f"{GROUP}/cpu.stat": ""}, {f"{GROUP}/cpu.stat": "usage_usec many\n"}, stat_2(3), stat_2(4)],
        [None, None, None, 0.25],
    ),
    Replay(
        "version 2, the host's root group: its counter is not used",
        {"proc/self/cgroup": "0::/\n", **stat_2(1000), **machine(10, 0)},
        [{**stat_2(3), **machine(11, 1)}, {**stat_2(2), **machine(11, 3)}],
        [0.5, 0.0],
        cores=2.0,
    ),
    Replay(
        "version 2, a service under a slice with the tighter quota",
        {
            **SERVICE_2,
            f"{SLICE}/cpu.max": "100000 100000\n",
            f"{SLICE}/cpu.stat": "usage_usec 0\n",
            f"{SERVICE}/cpu.max": "max 100000\n",
            f"{SERVICE}/cpu.stat": "usage_usec 0\n",
        },
        [{f"{SLICE}/cpu.stat": "usage_usec 250000\n", f"{SERVICE}/cpu.stat": "usage_usec 1\n"}],
        [0.25],
        cores=1.0,
    ),
    Replay(
        "version 2, a service without a quota is as busy as its machine",
        {**SERVICE_2, f"{SERVICE}/cpu.stat": "usage_usec 0\n"},
        [machine(2, 0)],
        [1.0],
        cores=2.0,
    ),
    Replay(
        "version 1, controllers apart, no quota",
        {**VERSION_1, f"{GROUP}/cpu/cpu.cfs_quota_us": "-1\n", **usage_1(5)},
        [usage_1(7), usage_1(6), usage_1(8)],
        [0.5, None, 0.5],
    ),
    Replay(
        "version 1, controllers together, three quarters of a core",
        {
            **VERSION_1,
            f"{GROUP}/cpu,cpuacct/cpu.cfs_quota_us": "75000\n",
            f"{GROUP}/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            **usage_1(0, "cpu,cpuacct"),
        },
        [usage_1(0.375, "cpu,cpuacct")],
        [0.5],
        cores=0.75,
    ),
    Replay(
        "version 1, a container that is told the host's path",
        {
            "proc/self/cgroup": "2:cpuacct:/docker/abc\n1:cpu:/docker/abc\n",
            f"{GROUP}/cpu/cpu.cfs_quota_us": "200000\n",
            **usage_1(0),
        },
        [usage_1(1)],
        [0.5],
        cores=2.0,
    ),
    Replay("nothing but the machine", machine(0, 0), [machine(1, 1), machine(3, 1)], [0.5, 1.0], cores=2.0),
    Replay("a machine whose counters go backwards", machine(9, 9), [machine(3, 9)], [None], cores=2.0),
    Replay(
        "a machine whose counters are no numbers", machine(0, 0), [{"proc/stat": "cpu a b c d\n"}], [None], cores=2.0
    ),
]


@pytest.mark.parametrize("replay", REPLAYS, ids=lambda replay: replay.name)
def test_recorded_trees(replay: Replay, tmp_path: Path) -> None:
    time = VirtualClock()
    monitor = hw.counter_monitor(write(tmp_path, replay.files), machine_cores=MACHINE_CORES)
    shares = []

    with use_clock(time):
        assert monitor.sample() is None
        for changes in replay.seconds:
            time.advance(1)
            write(tmp_path, changes)
            shares.append(monitor.sample())

    assert monitor.cpu_count() == replay.cores
    assert shares == [share if share is None else pytest.approx(share) for share in replay.shares]


def test_without_files_the_system_is_asked(tmp_path: Path) -> None:
    monitor = hw.get_cpu_monitor(tmp_path)

    assert monitor.cpu_count() >= 1
    assert 0.0 <= monitor.cpu_percent(0.01) <= 1.0


@pytest.mark.parametrize("make", [hw.get_cpu_monitor, hw.DefaultCPUMonitor, hw.CGroupV2CPUMonitor])
def test_this_machine_has_a_cpu(make: Callable[[], hw.CPUMonitor]) -> None:
    monitor = make()

    assert 0.0 < monitor.cpu_count() <= (os.cpu_count() or 1)
    assert 0.0 <= monitor.cpu_percent(0.02) <= 1.0


def test_cpu_percent_keeps_the_last_share_over_an_untrue_reading() -> None:
    readings = iter([0.0, 0.0, 1000.0, 0.0])
    monitor = hw.CounterMonitor(lambda: next(readings), cores=1.0, machine_cores=1.0)

    assert monitor.cpu_percent(0.001) == 0.0
    assert monitor.cpu_percent(0.001) == 0.0


FLOATS = st.floats(allow_nan=True, allow_infinity=True)


@given(used=st.tuples(FLOATS, FLOATS), at=st.tuples(FLOATS, FLOATS), cores=FLOATS, machine_cores=FLOATS)
def test_the_share_is_finite_and_in_range_or_none(
    used: tuple[float, float], at: tuple[float, float], cores: float, machine_cores: float
) -> None:
    before, after = hw.Usage(used[0], at[0]), hw.Usage(used[1], at[1])

    share = hw.cpu_share(before, after, cores=cores, machine_cores=machine_cores)

    assert share is None or (math.isfinite(share) and 0.0 <= share <= 1.0)


MEMORY = "sys/fs/cgroup/memory"
MEMORY_1 = {
    **VERSION_1,
    f"{MEMORY}/memory.limit_in_bytes": "9223372036854771712\n",
    f"{MEMORY}/memory.usage_in_bytes": "560594944\n",
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, None, id="no control groups"),
        pytest.param(
            {
                f"{GROUP}/memory.max": "1000\n",
                f"{GROUP}/memory.current": "900\n",
                f"{GROUP}/memory.stat": "anon 1\nfile 400\ninactive_file 300\n",
            },
            (1000, 600),
            id="version 2",
        ),
        pytest.param({f"{GROUP}/memory.max": "max\n", f"{GROUP}/memory.current": "9\n"}, None, id="version 2, none"),
        pytest.param({f"{GROUP}/memory.max": "1000\n"}, None, id="version 2, use unknown"),
        pytest.param(
            {
                **SERVICE_2,
                f"{SLICE}/memory.max": "2000\n",
                f"{SLICE}/memory.current": "1900\n",
                f"{SERVICE}/memory.max": "1000\n",
                f"{SERVICE}/memory.current": "100\n",
            },
            (2000, 1900),
            id="version 2, the slice is nearer to its limit",
        ),
        pytest.param(MEMORY_1, None, id="version 1, no limit"),
        pytest.param(
            {
                **MEMORY_1,
                f"{MEMORY}/jobs/1/memory.limit_in_bytes": "1000\n",
                f"{MEMORY}/jobs/1/memory.usage_in_bytes": "800\n",
                f"{MEMORY}/jobs/1/memory.stat": "inactive_file 1\ntotal_inactive_file 900\n",
            },
            (1000, 0),
            id="version 1, own group",
        ),
        pytest.param({f"{GROUP}/memory.max": "0\n", f"{GROUP}/memory.current": "1\n"}, None, id="a limit of nothing"),
    ],
)
def test_memory_of_control_groups(files: dict[str, str], expected: tuple[int, int] | None, tmp_path: Path) -> None:
    memory = hw.cgroup_memory(write(tmp_path, files))

    assert (memory and (memory.limit_bytes, memory.used_bytes)) == expected
    assert memory is None or memory.share == expected[1] / expected[0]  # type: ignore[index]
