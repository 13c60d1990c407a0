"""Which worker gets which job, with the server's default limits."""

from __future__ import annotations

import asyncio
from collections import Counter

import jwt
import pytest
from tests.e2e import agents
from tests.e2e.callers import Callers
from tests.e2e.stage import Stage

from lk_agents.job.process import JobExecutorType
from lk_agents.worker.options import WorkerType
from lk_agents.worker.worker import Worker

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

THREAD = JobExecutorType.THREAD


async def dispatch_many(stage: Stage, agent: str, count: int, at_once: int = 10) -> Counter[str]:
    """Dispatch so many jobs, a batch at a time, and return how many each worker got."""
    rooms = [stage.office.name() for _ in range(at_once)]
    for done in range(0, count, at_once):
        batch = rooms[: min(at_once, count - done)]
        await asyncio.gather(*[stage.office.dispatch(agent, room) for room in batch])
        await stage.journal.some(done + len(batch), "entered")
    return Counter(entry["worker"] for entry in stage.journal.of("entered"))


async def test_a_dispatch_by_name_reaches_the_agent_with_its_metadata_and_a_token_of_its_own(stage: Stage) -> None:
    agent, room = stage.office.name("agent"), stage.office.name()
    worker = await stage.start(agents.obedient, agent)
    job = await stage.dispatch(agent, room, "entered", metadata="for you")

    assert (job["metadata"], job["worker"]) == ("for you", worker.id)
    server = stage.office.server
    claims = jwt.decode(job["token"], server.api_secret, algorithms=["HS256"], issuer=server.api_key)
    assert claims["sub"] == f"agent-{job['job']}"
    assert claims["kind"] == "agent"
    assert claims["attributes"]["lk.agent_name"] == agent
    assert (claims["video"]["room"], claims["video"]["roomJoin"], claims["video"]["agent"]) == (room, True, True)


async def test_metadata_of_any_size_that_the_server_takes_arrives_whole(stage: Stage) -> None:
    agent = stage.office.name("agent")
    await stage.start(agents.obedient, agent)
    job = await stage.dispatch(agent, event="entered", metadata="é" * 200_000)

    assert job["length"] == 200_000


async def test_a_hundred_jobs_spread_over_the_workers_of_one_name(stage: Stage) -> None:
    agent = stage.office.name("agent")
    workers = [await stage.start(agents.brief, agent, job_executor_type=THREAD) for _ in range(5)]
    taken = await dispatch_many(stage, agent, 100)

    assert sum(taken.values()) == len({entry["job"] for entry in stage.journal.of("entered")}) == 100
    assert set(taken) == {worker.id for worker in workers}
    assert max(taken.values()) < 45  # chance alone gives 20 each, and so many once in a million
    await asyncio.gather(*[stage.end(entry) for entry in stage.journal.of("entered")])


async def test_a_burst_fills_every_slot_and_no_more(stage: Stage) -> None:
    agent = stage.office.name("agent")
    workers = [await stage.start(agents.holding, agent, job_executor_type=THREAD, max_jobs=3) for _ in range(3)]
    taken = await dispatch_many(stage, agent, 9)
    assert taken == {worker.id: 3 for worker in workers}

    await stage.office.dispatch(agent, stage.office.name())
    await stage.nobody_took(agent)
    assert len(stage.journal.of("entered")) == 9


async def test_workers_over_their_threshold_get_no_job_and_those_below_do(stage: Stage) -> None:
    agent = stage.office.name("agent")

    async def start(load: float) -> Worker:
        options = {"job_executor_type": THREAD, "load_threshold": 0.8, "num_idle_processes": 0}
        return await stage.start(agents.brief, agent, devmode=False, load_fnc=lambda: load, **options)

    idle, busy = [await start(0.1), await start(0.1)], [await start(0.9), await start(0.9)]
    for worker in busy:
        await stage.log.one("worker status changed", workerID=worker.id, status="WS_FULL")
    taken = await dispatch_many(stage, agent, 15)

    assert set(taken) == {worker.id for worker in idle}


async def test_a_worker_just_below_its_threshold_still_gets_jobs(stage: Stage) -> None:
    agent = stage.office.name("agent")
    options = {"job_executor_type": THREAD, "load_threshold": 0.99, "num_idle_processes": 0}
    await stage.start(agents.brief, agent, devmode=False, load_fnc=lambda: 0.98, **options)

    assert (await dispatch_many(stage, agent, 3, at_once=1)).total() == 3


async def test_each_room_gets_one_automatic_job_however_many_workers_there_are(stage: Stage) -> None:
    for _ in range(3):
        await stage.start(agents.brief, job_executor_type=THREAD)
    rooms = [stage.office.name() for _ in range(3)]
    for room in rooms:  # the later ones show that the earlier ones had all their jobs
        await stage.office.create(room)
        await stage.journal.one("entered", room=room)

    assert sorted(entry["room"] for entry in stage.journal.of("entered")) == sorted(rooms)


async def test_a_named_worker_gets_no_automatic_job(stage: Stage) -> None:
    agent, room = stage.office.name("agent"), stage.office.name()
    await stage.start(agents.brief, agent, job_executor_type=THREAD)
    await stage.start(agents.brief, job_executor_type=THREAD)
    await stage.office.create(room)
    await stage.journal.one("entered", room=room)
    await stage.dispatch(agent, room, "entered")

    assert len(stage.journal.of("entered")) == 2


async def test_one_job_for_the_room_one_for_each_participant_one_for_each_publisher(
    stage: Stage, callers: Callers
) -> None:
    kinds = {}
    for kind in WorkerType:
        for _ in range(2):
            kinds[(await stage.start(agents.brief, job_executor_type=THREAD, worker_type=kind)).id] = kind
    room = stage.office.name()

    def jobs() -> Counter[tuple[WorkerType, str]]:
        return Counter((kinds[entry["worker"]], entry["participant"]) for entry in stage.journal.of("entered"))

    await callers.join(room, "one")
    await callers.join(room, "two")
    await callers.speak("one", track="first")
    await callers.speak("one", track="second")
    await stage.journal.some(4, "entered")
    expected = Counter([(WorkerType.ROOM, "")])
    expected.update((WorkerType.PARTICIPANT, caller) for caller in ("one", "two"))
    expected[WorkerType.PUBLISHER, "one"] += 1
    assert jobs() == expected

    await callers.show("two")
    await stage.journal.some(5, "entered")
    expected[WorkerType.PUBLISHER, "two"] += 1
    assert jobs() == expected


async def test_a_name_that_no_worker_has_does_no_harm(stage: Stage) -> None:
    agent, room = stage.office.name("agent"), stage.office.name()
    await stage.start(agents.brief, agent, job_executor_type=THREAD)
    await stage.office.create(room, "nobody", agent)
    await stage.journal.one("entered", room=room)
    await stage.dispatch(agent, room, "entered")

    assert len(stage.journal.of("entered")) == 2


async def test_a_simulated_job_runs(stage: Stage) -> None:
    agent, room = stage.office.name("agent"), stage.office.name()
    worker = await stage.start(agents.obedient, agent)
    await worker.simulate_job(room)
    job = await stage.journal.one("connected", room=room)
    await stage.order(job, "shutdown")

    assert await stage.end(job) == ("JS_SUCCESS", "")


async def test_a_job_dispatched_in_the_moment_that_a_worker_is_there_reaches_it(stage: Stage) -> None:
    for _ in range(20):
        agent = stage.office.name("agent")
        worker = await stage.start(agents.brief, agent, job_executor_type=THREAD)
        job = await stage.dispatch(agent, event="entered")
        assert job["worker"] == worker.id
