"""What the server is told of load and fullness."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytest


async def test_a_load_below_the_threshold_is_reported_below_what_the_server_shuns(rig: Any) -> None:
    await rig.start(load_fnc=lambda worker: 0.74, load_threshold=0.75)
    peer = rig.server.workers[0]

    await rig.server.until(lambda: peer.load > 0)

    assert not peer.full
    assert 0.6 < peer.load < 0.7
    assert (await rig.server.dispatch("room")).outcome == "assigned"


async def test_a_load_at_the_threshold_is_full(rig: Any) -> None:
    await rig.start(load_fnc=lambda: 0.75, load_threshold=0.75)

    await rig.server.until(lambda: rig.server.workers[0].full)

    assert rig.server.workers[0].load == pytest.approx(0.75)
    assert (await rig.server.dispatch("room")).outcome == "no_worker"


@pytest.mark.parametrize("load", [1.0, 5.0])
async def test_an_unlimited_threshold_reports_no_load(rig: Any, load: float) -> None:
    await rig.start(load_fnc=lambda: load, devmode=True)
    peer = rig.server.workers[0]

    await rig.server.until(lambda: len(peer.statuses) >= 3)

    assert all(status.load == 0 for status in peer.statuses)
    assert not peer.full


async def test_the_load_follows_its_function_in_both_directions(rig: Any) -> None:
    load = [0.1]
    await rig.start(load_fnc=lambda: load[0], load_threshold=0.8)
    peer = rig.server.workers[0]
    await rig.server.until(lambda: peer.load > 0)

    load[0] = 0.9
    await rig.server.until(lambda: peer.full)
    load[0] = 0.1
    await rig.server.until(lambda: not peer.full)

    assert all(0 <= status.load <= 1 and math.isfinite(status.load) for status in peer.statuses)


async def test_x04_a_load_function_that_fails_keeps_the_last_value_and_then_means_full(rig: Any) -> None:
    calls: list[int] = []

    def load() -> float:
        calls.append(len(calls))
        if len(calls) > 2:
            raise RuntimeError("the sensor is away")
        return 0.4

    await rig.start(load_fnc=load, load_threshold=0.8)
    peer = rig.server.workers[0]

    await rig.server.until(lambda: peer.full)

    assert len(calls) >= 6
    assert [status.load for status in peer.statuses if not status.status][-1] == pytest.approx(0.4 / 0.8 * 0.69)
    assert len(rig.server.connections) == 1


async def test_x29_a_change_is_logged_once_with_load_and_threshold(rig: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="lk_agents")
    load = [0.2]
    await rig.start(load_fnc=lambda: load[0], devmode=False, num_idle_processes=0)
    peer = rig.server.workers[0]
    await rig.server.until(lambda: len(peer.statuses) >= 3)

    load[0] = 0.8
    await rig.server.until(lambda: peer.full)
    await rig.server.until(lambda: len(peer.statuses) >= 8)

    (record,) = [record for record in caplog.records if record.message == "the worker is full"]
    told = vars(record)
    assert (told["load"], told["load_signal"], told["threshold"]) == (0.8, "load_fnc", 0.75)


async def test_taken_slots_are_told(rig: Any) -> None:
    await rig.start(max_jobs=2)
    peer = rig.server.workers[0]

    await rig.server.dispatch("a")
    await rig.server.until(lambda: peer.statuses[-1].job_count == 1)
    assert not peer.full
    await rig.server.dispatch("b")
    await rig.server.until(lambda: peer.statuses[-1].job_count == 2)

    assert peer.full


async def test_the_answer_to_a_job_comes_before_the_news_that_there_is_one_more(rig: Any) -> None:
    await rig.start(devmode=True)
    peer = rig.server.workers[0]
    await rig.server.until(lambda: peer.statuses)

    assert (await rig.server.dispatch("room")).outcome == "assigned"
    await rig.server.until(lambda: peer.statuses[-1].job_count == 1)

    before = peer.said[: peer.said.index("availability")].count("update_worker")
    assert before > 0
    assert all(status.job_count == 0 for status in peer.statuses[:before])


async def test_that_the_last_slot_is_taken_is_told_at_once(rig: Any) -> None:
    await rig.start(devmode=True, max_jobs=1)
    peer = rig.server.workers[0]

    assert (await rig.server.dispatch("one")).outcome == "assigned"

    await rig.server.until(lambda: peer.full)
    assert (await rig.server.dispatch("two")).outcome == "no_worker"
