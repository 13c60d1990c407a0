"""What the server, and the network before it, do to a worker and its jobs."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from livekit.protocol import agent
from tests.e2e.doomed import Doomed
from tests.e2e.journal import Journal
from tests.e2e.stage import Stage
from tests.faults.bench import FaultBench
from tests.faults.network import behind_a_gate, lost, outlived, registered_again
from tests.faults.statement import WARNING, Said, Statement

from lk_agents.testing.fixtures_worker import WorkerBench

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

OUTAGE_SECONDS = 3.0
NEXT_JOB_SECONDS = 3.0


async def test_jobs_outlive_a_server_that_is_killed_and_the_next_job_comes_within_three_seconds_of_its_return(
    journal: Journal, tmp_path: Path
) -> None:
    becomes = Statement(said=(lost(r"the server closed the connection \(code 1006\)"), lost(".*Cannot connect to.*")))
    doomed, clock = Doomed(), asyncio.get_running_loop().time
    workers = WorkerBench(doomed.info)
    async with AsyncExitStack() as stack:
        async with doomed.life() as office:
            bench = FaultBench(Stage(office, journal, workers), tmp_path)
            run = await stack.enter_async_context(bench.start())
            jobs = [await run.job(do="wait"), await run.job("connected", do="wait", join=True)]
        await asyncio.sleep(OUTAGE_SECONDS)
        office = await stack.enter_async_context(doomed.life())
        returned, run.stage = clock(), Stage(office, journal, workers)
        await registered_again(run, jobs[0]["worker"])
        following = await run.job(do="end")
        assert clock() - returned < NEXT_JOB_SECONDS

        assert await run.stage.end(following) == ("JS_SUCCESS", "")
        for job in jobs:
            await outlived(run, job)
        await run.stop(becomes)


def frame(kind: int, payload: bytes) -> bytes:
    """Return a websocket's frame, as servers send them."""
    return bytes([0x80 | kind, len(payload)]) + payload


async def test_what_cannot_be_read_from_the_server_is_skipped_and_the_connection_stays(bench: FaultBench) -> None:
    skipped = "a frame of the server is skipped"
    becomes = Statement(
        said=(
            Said(WARNING, skipped, {"cause": "the server sent 9 bytes that are no ServerMessage: .*"}),
            Said(WARNING, skipped, {"cause": "it is text, not binary"}),
        ),
        status="JS_SUCCESS",
        callback="told to end",
    )
    unknown = b"\xfa\x3e\x03new"  # field 1007, which no server has yet
    assert agent.ServerMessage.FromString(unknown).WhichOneof("message") is None
    async with behind_a_gate(bench, "--log-level", "debug") as (gate, run):
        job = await run.job(do="wait")
        for sent in (frame(2, b"\xff garbage"), frame(1, b"hello"), frame(2, unknown)):
            gate.inject(sent)
        await run.until_said("a message of the server is skipped", kind="None")
        following = await run.job(do="end")
        assert following["worker"] == job["worker"]
        run.tell(job)
        await run.becomes(job, becomes)
        await run.stop(becomes)


@pytest.mark.parametrize("to_server", [False, True], ids=["to the worker", "to the server"])
async def test_a_connection_that_carries_nonsense_is_replaced_and_jobs_go_on(
    bench: FaultBench, to_server: bool
) -> None:
    becomes = Statement(said=(lost(r"the server closed the connection \(code .*\)"),))
    async with behind_a_gate(bench) as (gate, run):
        job = await run.job(do="wait")
        gate.inject(b"\xff" * 64, to_server=to_server)
        await registered_again(run, job["worker"])
        await run.serves()
        await outlived(run, job)
        await run.stop(becomes)
