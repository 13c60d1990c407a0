"""The three fates of messages: with their socket, latest wins, kept until written."""

from __future__ import annotations

import asyncio

import pytest
from livekit.protocol.agent import JobStatus, WorkerMessage

from lk_agents.testing import VirtualClock
from lk_agents.worker import protocol
from lk_agents.worker.outbox import CAPACITY, JOB_CAPACITY, Outbox

FULL = protocol.worker_status(full=True, load=0.5, job_count=1)
FREE = protocol.worker_status(full=False, load=0.1, job_count=0)


def running(job_id: str) -> WorkerMessage:
    return protocol.job_status(job_id, JobStatus.JS_RUNNING)


def ended(job_id: str) -> WorkerMessage:
    return protocol.job_status(job_id, JobStatus.JS_SUCCESS)


def answer(job_id: str) -> WorkerMessage:
    return protocol.availability(job_id, None)


async def write_all(outbox: Outbox) -> list[WorkerMessage]:
    """Take out what waits, as the writer does."""
    out: list[WorkerMessage] = []
    while True:
        try:
            async with asyncio.timeout(0.01):
                outgoing = await outbox.next()
        except TimeoutError:
            return out
        out.append(outgoing.message)
        outbox.written(outgoing)


async def test_answers_go_before_states() -> None:
    outbox = Outbox()
    session = outbox.open_session([protocol.migrate(["AJ_0"])])
    outbox.put_job_status("AJ_1", running("AJ_1"))
    outbox.put_worker_status(FREE)
    outbox.put_for_session(session, answer("AJ_2"))

    assert await write_all(outbox) == [protocol.migrate(["AJ_0"]), answer("AJ_2"), FREE, running("AJ_1")]


async def test_only_the_latest_worker_status_is_written() -> None:
    outbox = Outbox()
    outbox.open_session()
    outbox.put_worker_status(FREE)
    outbox.put_worker_status(FULL)

    assert await write_all(outbox) == [FULL]


async def test_the_worker_status_is_told_again_on_each_socket() -> None:
    outbox = Outbox()
    outbox.put_worker_status(FULL)

    for _ in range(2):
        outbox.open_session()
        assert await write_all(outbox) == [FULL]
        outbox.close_session()


async def test_an_answer_dies_with_its_socket() -> None:
    outbox = Outbox()
    old = outbox.open_session()
    assert outbox.put_for_session(old, answer("AJ_1"))
    outbox.close_session()

    assert not outbox.put_for_session(old, answer("AJ_1"))
    outbox.open_session()
    assert not outbox.put_for_session(old, answer("AJ_1"))

    assert await write_all(outbox) == []


async def test_a_job_status_waits_for_the_next_socket() -> None:
    outbox = Outbox()
    outbox.put_job_status("AJ_1", ended("AJ_1"))
    outbox.open_session()

    assert await write_all(outbox) == [ended("AJ_1")]
    outbox.close_session()
    outbox.open_session()
    assert await write_all(outbox) == []


async def test_a_job_status_whose_writing_failed_is_written_again() -> None:
    outbox = Outbox()
    outbox.open_session()
    outbox.put_job_status("AJ_1", ended("AJ_1"))
    await outbox.next()  # taken, but the socket broke before written()
    outbox.close_session()
    outbox.open_session()

    assert await write_all(outbox) == [ended("AJ_1")]


async def test_an_end_replaces_a_beginning_that_was_not_written() -> None:
    outbox = Outbox()
    outbox.put_job_status("AJ_1", running("AJ_1"))
    outbox.put_job_status("AJ_1", ended("AJ_1"))
    outbox.open_session()

    assert await write_all(outbox) == [ended("AJ_1")]


async def test_an_end_that_comes_while_the_beginning_is_written_stays() -> None:
    outbox = Outbox()
    outbox.open_session()
    outbox.put_job_status("AJ_1", running("AJ_1"))
    in_flight = await outbox.next()
    outbox.put_job_status("AJ_1", ended("AJ_1"))
    outbox.written(in_flight)

    assert await write_all(outbox) == [ended("AJ_1")]


@pytest.mark.parametrize("how", ["written", "no socket", "socket lost"])
async def test_an_end_is_settled_once(how: str) -> None:
    settled: list[str] = []
    outbox = Outbox()
    if how != "no socket":
        outbox.open_session()
    outbox.put_job_status("AJ_1", ended("AJ_1"), lambda: settled.append(how))
    assert settled == ([how] if how == "no socket" else [])

    if how == "socket lost":
        outbox.close_session()
        assert settled == [how]
    if how != "written":
        outbox.open_session()
    await write_all(outbox)
    outbox.close_session()

    assert settled == [how]


async def test_too_many_job_statuses_drop_the_oldest_and_settle_it() -> None:
    outbox = Outbox()
    for number in range(JOB_CAPACITY + 1):
        outbox.put_job_status(f"AJ_{number}", ended(f"AJ_{number}"))
    outbox.open_session()

    written = await write_all(outbox)

    assert len(written) == JOB_CAPACITY
    assert written[0] == ended("AJ_1")


async def test_too_many_answers_drop_the_oldest() -> None:
    outbox = Outbox()
    session = outbox.open_session()
    for number in range(CAPACITY + 1):
        outbox.put_for_session(session, answer(f"AJ_{number}"))

    assert (await write_all(outbox))[0] == answer("AJ_1")


async def test_wait_empty_returns_when_all_is_written_or_nothing_can_be() -> None:
    outbox = Outbox()
    outbox.put_job_status("AJ_1", ended("AJ_1"))
    async with asyncio.timeout(1):
        await outbox.wait_empty()  # no socket
    outbox.open_session()
    waiting = asyncio.create_task(outbox.wait_empty())
    await asyncio.sleep(0)
    assert not waiting.done()

    await write_all(outbox)

    async with asyncio.timeout(1):
        await waiting


async def test_a_status_that_is_not_due_yet_is_written_when_it_is_and_waited_for(lk_clock: VirtualClock) -> None:
    outbox = Outbox()
    outbox.open_session()
    begun = lk_clock.monotonic()
    outbox.put_job_status("late", ended("late"), due=begun + 0.2)
    empty = asyncio.create_task(outbox.wait_empty())

    outgoing = await outbox.next()
    assert lk_clock.monotonic() == pytest.approx(begun + 0.2)
    assert not empty.done()

    outbox.written(outgoing)
    await empty
