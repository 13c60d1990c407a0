"""Draining: no new jobs, the accepted ones end in peace."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest


async def _with_jobs(rig: Any, count: int) -> tuple[Any, list[str]]:
    worker = await rig.start()
    jobs = [(await rig.server.dispatch(f"room-{number}")).job.id for number in range(count)]
    await rig.until(lambda: len(rig.pool.specs) == count)
    return worker, jobs


async def test_an_idle_worker_is_drained_at_once(rig: Any) -> None:
    worker = await rig.start()

    async with asyncio.timeout(1):
        await worker.drain()

    await rig.server.until(lambda: rig.server.workers[0].full)
    assert (await rig.server.dispatch("room")).outcome == "no_worker"
    assert worker.state == "draining"


async def test_x01_drain_waits_for_every_job(rig: Any) -> None:
    worker, jobs = await _with_jobs(rig, 5)
    draining = asyncio.create_task(worker.drain())

    for job in jobs:
        await asyncio.sleep(0.01)
        assert not draining.done()
        rig.pool.finish(job)

    await draining
    await rig.server.until(lambda: all(rig.server.final_updates(job) for job in jobs))


async def test_x01_drain_waits_for_a_job_that_was_accepted_but_not_launched(rig: Any) -> None:
    worker = await rig.start()
    rig.pool.submit_gate.clear()
    dispatch = await rig.server.dispatch("room")
    draining = asyncio.create_task(worker.drain())
    await asyncio.sleep(0.1)
    assert not draining.done()

    rig.pool.submit_gate.set()
    await rig.until(lambda: rig.pool.specs)
    assert not draining.done()
    rig.pool.finish(dispatch.job.id)

    await draining


async def test_x01_drain_waits_for_a_job_that_is_not_yet_assigned(rig: Any) -> None:
    worker = await rig.start()
    rig.server.faults.assignment_delay = 0.3
    dispatching = asyncio.create_task(rig.server.dispatch("room"))
    await rig.server.until(lambda: rig.server.workers[0].answers)
    draining = asyncio.create_task(worker.drain())
    dispatch = await dispatching

    await rig.until(lambda: rig.pool.specs)
    assert not draining.done()
    rig.pool.finish(dispatch.job.id)

    await draining


async def test_a_second_drain_waits_as_well(rig: Any) -> None:
    worker, (job,) = await _with_jobs(rig, 1)
    both = [asyncio.create_task(worker.drain()) for _ in range(2)]
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in both)

    rig.pool.finish(job)

    async with asyncio.timeout(1):
        await asyncio.gather(*both)


async def test_a_drain_that_takes_too_long_raises_and_goes_on(rig: Any) -> None:
    worker, (job,) = await _with_jobs(rig, 1)

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.create_task(worker.drain(timeout=1))

    assert worker.state == "draining"
    assert rig.pool.jobs()
    rig.pool.finish(job)
    await worker.drain()


async def test_while_draining_full_is_told_with_a_load(rig: Any) -> None:
    worker = await rig.start(load_fnc=lambda: 0.5, load_threshold=0.75)
    await rig.server.until(lambda: rig.server.workers[0].load > 0)

    await worker.drain()

    await rig.server.until(lambda: rig.server.workers[0].full)
    status = rig.server.workers[0].statuses[-1]
    assert status.load == pytest.approx(0.5)
    assert status.draining


async def test_while_draining_terminations_and_ends_still_travel(rig: Any) -> None:
    worker, (job,) = await _with_jobs(rig, 1)
    draining = asyncio.create_task(worker.drain())
    await rig.server.until(lambda: rig.server.workers[0].full)

    await rig.server.workers[0].terminate(job)

    await draining
    await rig.server.until(lambda: rig.server.final_updates(job))
    assert rig.pool.stopped == [(job, "the server ended the job")]


async def test_draining_survives_a_reconnect(rig: Any) -> None:
    worker, (job,) = await _with_jobs(rig, 1)
    draining = asyncio.create_task(worker.drain())
    await rig.server.until(lambda: rig.server.workers[0].full)
    rig.server.workers[0].drop()

    await rig.server.until(lambda: len(rig.server.connections) == 2, seconds=10)
    peer = await rig.server.wait_worker()
    await rig.server.until(lambda: peer.statuses)

    assert peer.full
    rig.pool.finish(job)
    await draining
