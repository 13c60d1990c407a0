"""The worker's load: what is reported, which signal counts, and what becomes of signals that fail."""

import asyncio
import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.foundation.clock import use_clock
from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.settings import Settings
from lk_agents.hooks.records import Load
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.testing.clock import VirtualClock
from lk_agents.worker import machine_load
from lk_agents.worker.load import LoadReading, LoadSampler, reported_load
from lk_agents.worker.machine_load import MachineSampler, ShareAlarm, descriptor_share, memory_share

WORKER = object()


def registry(**hooks: Callable[..., Any]) -> PluginRegistry:
    """Return a registry with one plugin for each given load function."""
    found = PluginRegistry(Settings())
    for name, function in hooks.items():
        found.add_own({"lk_agents_compute_load": function}, name=name)
    return found


def idle_machine(*, cpu: float = 0.0, memory: float | None = None, descriptors: float | None = None) -> MachineSampler:
    machine = MachineSampler(cpu=lambda: cpu, memory=lambda: memory, descriptors=lambda: descriptors)
    machine.look()
    return machine


@pytest.mark.parametrize(
    ("load", "threshold", "expected"),
    [
        (0.0, 0.75, 0.0),
        (0.375, 0.75, 0.345),
        (0.75, 0.75, 0.69),
        (1.0, 0.75, 0.69),
        (1.0, 1.0, 0.69),
        (0.0, math.inf, 0.0),
        (1.0, math.inf, 0.0),
        (-0.5, 0.75, 0.0),
        (math.nan, 0.75, 0.69),
        (math.inf, 0.75, 0.69),
    ],
)
def test_the_load_is_reported_below_what_the_server_refuses(load: float, threshold: float, expected: float) -> None:
    assert reported_load(load, threshold) == pytest.approx(expected)


@given(load=st.floats(), threshold=st.floats(min_value=0, exclude_min=True, allow_nan=False))
def test_whatever_the_load_the_server_keeps_offering_jobs(load: float, threshold: float) -> None:
    assert 0.0 <= reported_load(load, threshold) < 0.7


async def test_without_any_sample_the_worker_is_idle() -> None:
    sampler = LoadSampler(registry())

    assert await sampler.sample(WORKER) == LoadReading(0.0, "cpu")
    assert sampler.cpu_load == 0.0


async def test_the_cpu_is_sampled_in_a_thread_and_averaged() -> None:
    shares, seen = iter([0.2, None, math.nan, 0.4]), set[str]()
    sampled = threading.Event()

    def cpu() -> float | None:
        seen.add(threading.current_thread().name)
        sampled.set()
        return next(shares, 0.9)

    sampler = LoadSampler(registry(), cpu=cpu)
    sampler.start()
    sampler.start()
    assert await asyncio.to_thread(sampled.wait, 10)
    async with asyncio.timeout(10):
        while sampler.cpu_load == 0.0:
            await asyncio.sleep(0.01)
    await sampler.aclose()
    await sampler.aclose()

    assert sampler.cpu_load == pytest.approx(0.2)
    assert seen == {"lk_agents_machine_load"}
    assert await sampler.sample(WORKER) == LoadReading(sampler.cpu_load, "cpu")


def test_the_average_spans_the_last_two_and_a_half_seconds() -> None:
    assert machine_load.INTERVAL_SECONDS * machine_load.AVERAGED_SAMPLES == 2.5
    shares = iter([1.0, 0.1, 0.1])
    machine = MachineSampler(cpu=lambda: next(shares), memory=lambda: None, descriptors=lambda: None)

    for _ in range(3):
        machine.look()

    assert machine.values()["cpu"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("share", "looks"),
    [
        (None, 3),  # at 0, 30 and 60 s
        (0.3, 25),  # every 2.5 s
        (0.8, 49),  # every time
    ],
)
def test_memory_is_looked_at_the_more_often_the_less_there_is_left(share: float | None, looks: int) -> None:
    read: list[float | None] = []
    told: list[float] = []
    clock = VirtualClock()

    def memory() -> float | None:
        read.append(share)
        return share

    machine = MachineSampler(cpu=lambda: 0.0, memory=memory, descriptors=lambda: None, on_memory=told.append)
    with use_clock(clock):
        for _ in range(int(60 / machine_load.INTERVAL_SECONDS) + 1):
            machine.look()
            clock.advance(machine_load.INTERVAL_SECONDS)

    assert len(read) == looks
    assert told == [one for one in read if one is not None]


async def test_load_fnc_takes_the_place_of_the_cpu_and_of_nothing_else() -> None:
    calm = LoadSampler(registry(), load_fnc=lambda: 0.25, machine=idle_machine(cpu=1.0))
    short = LoadSampler(registry(), load_fnc=lambda: 0.25, machine=idle_machine(memory=0.95))

    assert await calm.sample(WORKER) == LoadReading(0.25, "load_fnc")
    assert await short.sample(WORKER) == LoadReading(1.0, "memory")


class CallableLoad:
    def __call__(self, worker: object) -> float:
        return 0.5 if worker is WORKER else 0.0

    def method(self) -> float:
        return 0.6


@pytest.mark.parametrize(
    ("load_fnc", "expected"),
    [
        (lambda: 0.3, 0.3),
        (lambda worker: 0.4 if worker is WORKER else 0.0, 0.4),
        (lambda worker, factor=0.1: factor if worker is WORKER else 0.0, 0.1),
        (lambda *args: len(args) / 10, 0.1),
        (CallableLoad(), 0.5),
        (CallableLoad().method, 0.6),
        (lambda: 1, 1.0),
    ],
)
async def test_load_fnc_is_called_with_what_it_takes(load_fnc: Callable[..., float], expected: float) -> None:
    assert (await LoadSampler(registry(), load_fnc=load_fnc).sample(WORKER)).value == expected


async def _async_load() -> float:
    return 0.0


@pytest.mark.parametrize("load_fnc", [_async_load, lambda one, two: 0.0])
def test_a_load_fnc_that_cannot_be_called_is_refused_at_the_start(load_fnc: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="load_fnc is"):
        LoadSampler(registry(), load_fnc=load_fnc)


async def test_load_fnc_does_not_block_the_loop() -> None:
    threads: list[threading.Thread] = []

    def load() -> float:
        threads.append(threading.current_thread())
        return 0.1

    await LoadSampler(registry(), load_fnc=load).sample(WORKER)

    assert threads[0] is not threading.main_thread()


async def test_x04_a_failing_load_fnc_keeps_its_value_for_three_rounds_and_then_counts_as_full(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers: Iterator[float | None] = iter([0.4, None, None, None, None, None, 0.2, None])

    def load() -> float:
        if (answer := next(answers)) is None:
            raise KeyError("no figure")
        return answer

    sampler = LoadSampler(registry(), load_fnc=load)
    readings = [await sampler.sample(WORKER) for _ in range(8)]

    assert [reading.value for reading in readings] == [0.4, 0.4, 0.4, 0.4, 1.0, 1.0, 0.2, 0.2]
    assert [reading.failing for reading in readings] == [False] * 4 + [True] * 2 + [False] * 2
    assert {reading.name for reading in readings} == {"load_fnc"}
    assert len(caplog.records) == 3, "a failure is told once, then when it makes the worker full"


@pytest.mark.parametrize("answer", [math.nan, math.inf, -math.inf, "0.5", None, True])
async def test_what_is_no_load_is_an_error_of_its_function(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    sampler = LoadSampler(registry(), load_fnc=lambda: cast("float", answer))

    readings = [await sampler.sample(WORKER) for _ in range(4)]

    assert [reading.value for reading in readings] == [0.0, 0.0, 0.0, 1.0]
    assert caplog.records[0].exc_info is not None
    assert "finite number from 0 to 1" in str(caplog.records[0].exc_info[1])


async def test_a_load_out_of_range_is_clamped_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([-3.0, -3.0, 0.5, 40.0])
    sampler = LoadSampler(registry(), load_fnc=lambda: next(answers))

    assert [(await sampler.sample(WORKER)).value for _ in range(4)] == [0.0, 0.0, 0.5, 1.0]
    assert [getattr(record, "load", None) for record in caplog.records] == [-3.0, 40.0]


async def test_a_load_fnc_that_hangs_is_given_up_and_not_called_a_second_time() -> None:
    go, calls = threading.Event(), list[int]()

    def load() -> float:
        calls.append(1)
        go.wait(10)
        return 0.3

    sampler = LoadSampler(registry(), load_fnc=load, signal_timeout_seconds=0.05)
    readings = [await sampler.sample(WORKER) for _ in range(4)]

    assert [reading.value for reading in readings] == [0.0, 0.0, 0.0, 1.0]
    assert len(calls) == 1
    go.set()
    async with asyncio.timeout(10):
        while (reading := await sampler.sample(WORKER)).failing:
            pass
    assert reading == LoadReading(0.3, "load_fnc")
    await sampler.aclose()


async def test_a_sampler_closes_while_its_load_fnc_hangs() -> None:
    go = threading.Event()
    sampler = LoadSampler(registry(), load_fnc=lambda: float(go.wait(10)), signal_timeout_seconds=0.02)
    await sampler.sample(WORKER)

    async with asyncio.timeout(1):
        await sampler.aclose()
    go.set()

    assert sampler.cpu_load == 0.0


async def test_hook_compute_load() -> None:
    sampler = LoadSampler(
        registry(
            gpu=lambda worker: Load(0.8, "gpu") if worker is WORKER else None,
            seats=lambda: Load(0.6, "seats"),
            silent=lambda: None,
        ),
        machine=idle_machine(cpu=0.5),
    )

    assert await sampler.sample(WORKER) == LoadReading(0.8, "gpu")


async def test_a_plugin_may_give_several_loads_and_nothing_else() -> None:
    several = LoadSampler(registry(gpus=lambda: [Load(0.3, "gpu 0"), Load(0.8, "gpu 1")]), machine=idle_machine())
    wrong = LoadSampler(registry(gpu=lambda: 0.5), machine=idle_machine(cpu=0.1))

    assert await several.sample(WORKER) == LoadReading(0.8, "gpu 1")
    assert [(await wrong.sample(WORKER)).value for _ in range(4)] == [0.1, 0.1, 0.1, 1.0]


async def test_a_plugin_that_hangs_keeps_no_other_signal_from_being_heard() -> None:
    go = threading.Event()
    sampler = LoadSampler(
        registry(hung=lambda: go.wait(10), seats=lambda: Load(0.6, "seats")),
        machine=idle_machine(cpu=0.1),
        signal_timeout_seconds=0.05,
    )

    assert await sampler.sample(WORKER) == LoadReading(0.6, "seats")
    go.set()


async def test_a_plugin_that_fails_keeps_its_own_last_value_and_name() -> None:
    answers = iter([0.7])
    sampler = LoadSampler(
        registry(gpu=lambda: Load(next(answers), "gpu"), seats=lambda: Load(0.6, "seats")), machine=idle_machine()
    )

    readings = [await sampler.sample(WORKER) for _ in range(5)]

    assert readings == [LoadReading(0.7, "gpu")] * 4 + [LoadReading(1.0, "gpu", failing=True)]


async def test_a_plugin_that_never_said_anything_counts_as_full_only_after_three_failures() -> None:
    def broken() -> Load:
        raise OSError("no device")

    sampler = LoadSampler(registry(gpu=broken), machine=idle_machine(cpu=0.1))

    readings = [await sampler.sample(WORKER) for _ in range(4)]

    assert readings == [LoadReading(0.1, "cpu")] * 3 + [LoadReading(1.0, "plugin gpu", failing=True)]


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0.0, 0.89, 0.9, 1.2], [0, 0, 1, 1]),
        ([0.9, 0.86, 0.849, 0.86], [1, 1, 0, 0]),
        ([0.95, None, 0.88], [1, 0, 0]),
    ],
)
def test_a_shortage_counts_from_ninety_percent_until_it_is_over(
    shares: list[float | None], expected: list[float]
) -> None:
    alarm = ShareAlarm()

    assert [alarm.update(share) for share in shares] == expected


async def test_a_shortage_of_descriptors_makes_the_worker_full() -> None:
    sampler = LoadSampler(registry(), machine=idle_machine(cpu=0.2, descriptors=0.97))

    assert await sampler.sample(WORKER) == LoadReading(1.0, "descriptors")


def test_a_reader_that_fails_is_told_once_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> float:
        raise PermissionError("not yours")

    machine = MachineSampler(cpu=lambda: 0.5, memory=broken, descriptors=lambda: 0.95)
    clock = VirtualClock()
    with use_clock(clock):
        for _ in range(2):
            machine.look()
            clock.advance(machine_load.UNLIMITED_SECONDS)

    assert machine.values() == {"cpu": 0.5, "memory": 0.0, "descriptors": 1.0}
    assert len(caplog.records) == 1


def test_memory_and_descriptors_are_read_from_the_system(tmp_path: Path) -> None:
    assert memory_share(tmp_path) is None
    assert descriptor_share(tmp_path) is None
    if Path("/proc/self/fd").is_dir():
        share = descriptor_share()
        assert share is None or 0.0 < share < 1.0
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("100\n")
    (tmp_path / "sys/fs/cgroup/memory.current").write_text("91\n")
    assert memory_share(tmp_path) == 0.91


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not tell")
def test_that_no_file_is_left_to_look_with_is_a_full_share() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))  # the standard ones are open
    try:
        share = descriptor_share()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    assert share == 1.0
