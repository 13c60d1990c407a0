"""From the server's question to a process that has the job."""

from __future__ import annotations

import asyncio
from typing import Any

import jwt
import pytest
from livekit.protocol.agent import Job, JobStatus, JobType

from lk_agents.foundation.errors import (
    AlreadyAnsweredError,
    AssignmentTimeoutError,
    NoProcessError,
    ProcessStartError,
    WorkerClosedError,
)
from lk_agents.hooks.markers import hookimpl
from lk_agents.hooks.records import Reject
from lk_agents.testing.server import Faults


async def test_a_job_is_offered_accepted_assigned_and_started(rig: Any) -> None:
    worker = await rig.start(agent_name="clerk")

    dispatch = await rig.server.dispatch("room-1", agent_name="clerk", metadata="m")

    assert dispatch.outcome == "assigned"
    await rig.server.until(lambda: rig.server.job_updates(dispatch.job.id))
    assert [update.status for update in rig.server.job_updates(dispatch.job.id)] == [JobStatus.JS_RUNNING]
    (spec,) = rig.pool.specs
    assert (spec.job_id, spec.token, spec.url) == (dispatch.job.id, dispatch.token, rig.server.url)
    assert spec.worker_id == worker.id == dispatch.worker.id
    assert 0 < spec.offered_at <= spec.accepted_at <= spec.assigned_at
    assert Job.FromString(spec.job) == dispatch.job
    (info,) = worker.active_jobs
    assert (info.job.id, info.job.room.name, info.job.metadata) == (dispatch.job.id, "room-1", "m")


async def test_what_the_agent_is_called_travels_to_server_token_and_process(rig: Any) -> None:
    async def request(req: Any) -> None:
        await req.accept(name="Ann", identity="ann", metadata="meta", attributes={"colour": "red"})

    await rig.start(agent_name="clerk", request_fnc=request)

    dispatch = await rig.server.dispatch("room", agent_name="clerk")
    await rig.until(lambda: rig.pool.specs)

    claims = jwt.decode(dispatch.token, rig.server.api_secret, algorithms=["HS256"])
    assert (claims["sub"], claims["name"], claims["metadata"], claims["kind"]) == ("ann", "Ann", "meta", "agent")
    assert claims["attributes"] == {"colour": "red", "lk.agent.name": "clerk", "lk.agent_name": "clerk"}
    accept = rig.pool.specs[0].accept
    assert (accept.name, accept.identity, accept.metadata) == ("Ann", "ann", "meta")
    assert accept.attributes["colour"] == "red"


async def test_the_default_identity_is_unique_for_each_job(rig: Any) -> None:
    await rig.start()

    dispatch = await rig.server.dispatch("room")

    assert dispatch.answer.participant_identity == f"agent-{dispatch.job.id}"


async def test_a_publisher_job_brings_its_participant(rig: Any) -> None:
    seen: list[Any] = []

    async def request(req: Any) -> None:
        seen.append((req.publisher.identity, req.job.type, req.room.name))
        await req.accept()

    await rig.start(request_fnc=request)

    await rig.server.dispatch("room", participant="caller")

    assert seen == [("caller", JobType.JT_PUBLISHER, "room")]


async def test_a_refusal_falls_to_the_next_worker(rig: Any) -> None:
    async def refuse(req: Any) -> None:
        await req.reject()

    first = await rig.start(request_fnc=refuse)
    second = await rig.start()

    dispatch = await rig.server.dispatch("room")

    assert [asked.id for asked in dispatch.asked] == [first.id, second.id]
    assert (dispatch.outcome, dispatch.worker.id) == ("assigned", second.id)


async def test_two_simultaneous_offers_and_one_slot_give_exactly_one_yes(rig: Any) -> None:
    async def slowly(req: Any) -> None:
        await asyncio.sleep(0.05)
        await req.accept()

    await rig.start(max_jobs=1, request_fnc=slowly)
    peer = rig.server.workers[0]
    jobs = [rig.server.make_job(f"room-{number}") for number in range(100)]

    answers = await asyncio.gather(*[peer.ask(job) for job in jobs])

    assert sum(answer.available for answer in answers) == 1


async def test_a_refused_job_frees_its_slot(rig: Any) -> None:
    answers = iter(["reject", "accept"])

    async def request(req: Any) -> None:
        await (req.accept() if next(answers) == "accept" else req.reject())

    await rig.start(max_jobs=1, request_fnc=request)

    assert (await rig.server.dispatch("a")).outcome == "refused"
    assert (await rig.server.dispatch("b")).outcome == "assigned"


async def test_an_ended_job_frees_its_slot(rig: Any) -> None:
    await rig.start(max_jobs=1)
    first = await rig.server.dispatch("a")
    await rig.server.until(lambda: rig.server.workers[0].full)
    assert (await rig.server.dispatch("b")).outcome == "no_worker"
    await rig.until(lambda: rig.pool.specs)

    rig.pool.finish(first.job.id)

    await rig.server.until(lambda: not rig.server.workers[0].full)
    assert (await rig.server.dispatch("c")).outcome == "assigned"


async def test_a_missing_assignment_frees_the_slot_and_raises_in_accept(rig: Any, fast: Any) -> None:
    raised: list[BaseException] = []

    async def request(req: Any) -> None:
        try:
            await req.accept()
        except AssignmentTimeoutError as error:
            raised.append(error)

    rig.server.faults = Faults(assignment_delay=None)
    await rig.start(max_jobs=1, request_fnc=request, limits=fast)

    lost = await rig.server.dispatch("a")
    assert lost.outcome == "not_assigned"
    await rig.until(lambda: raised)
    assert lost.job.id in str(raised[0])

    rig.server.faults = Faults()
    await rig.server.until(lambda: not rig.server.workers[0].full)
    assert (await rig.server.dispatch("b")).outcome == "assigned"


async def test_x19_a_late_assignment_is_reported_as_failed(rig: Any, fast: Any) -> None:
    rig.server.faults = Faults(assignment_delay=0.8)
    await rig.start(max_jobs=1, limits=fast)

    dispatch = await rig.server.dispatch("a")

    await rig.server.until(lambda: rig.server.final_updates(dispatch.job.id))
    (update,) = rig.server.final_updates(dispatch.job.id)
    assert update.status == JobStatus.JS_FAILED
    assert "no longer waited" in update.error
    assert rig.pool.specs == []
    rig.server.faults = Faults()
    await rig.server.until(lambda: not rig.server.workers[0].full)
    assert (await rig.server.dispatch("b")).outcome == "assigned", "nothing of the first job has stayed"


async def test_an_assignment_that_nobody_asked_for_is_reported_as_failed(rig: Any) -> None:
    await rig.start()
    job = rig.server.make_job("room")

    await rig.server.workers[0].assign(job, "token")

    await rig.server.until(lambda: rig.server.final_updates(job.id))
    assert rig.pool.specs == []


async def test_a_second_assignment_of_a_running_job_is_skipped(rig: Any) -> None:
    await rig.start()
    dispatch = await rig.server.dispatch("room")
    await rig.until(lambda: rig.pool.specs)

    await rig.server.workers[0].assign(dispatch.job, dispatch.token)
    await rig.server.dispatch("another")
    await rig.until(lambda: len(rig.pool.specs) == 2)

    assert rig.server.final_updates(dispatch.job.id) == []


async def test_the_url_of_the_assignment_wins(rig: Any) -> None:
    rig.server.faults = Faults(assignment_delay=None)
    await rig.start()
    dispatch = await rig.server.dispatch("room")

    await rig.server.workers[0].assign(dispatch.job, "token", url="wss://elsewhere")

    await rig.until(lambda: rig.pool.specs)
    assert rig.pool.specs[0].url == "wss://elsewhere"


async def test_x20_answering_twice_is_an_error(rig: Any) -> None:
    raised: list[BaseException] = []

    async def request(req: Any) -> None:
        await req.reject()
        for again in (req.reject, req.accept):
            try:
                await again()
            except AlreadyAnsweredError as error:
                raised.append(error)

    await rig.start(request_fnc=request)

    assert (await rig.server.dispatch("room")).outcome == "refused"
    assert len(raised) == 2
    assert len(rig.server.workers[0].answers) == 1


@pytest.mark.parametrize("how", ["returns", "raises"])
async def test_a_request_function_without_an_answer_refuses(rig: Any, how: str) -> None:
    async def request(req: Any) -> None:
        if how == "raises":
            raise RuntimeError("the database is away")

    await rig.start(max_jobs=1, request_fnc=request)

    assert (await rig.server.dispatch("room")).outcome == "refused"
    assert (await rig.server.dispatch("room")).outcome == "refused"  # the slot was freed


async def test_a_request_function_that_takes_too_long_refuses_in_time(rig: Any) -> None:
    cancelled: list[bool] = []

    async def request(req: Any) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    await rig.start(request_fnc=request, request_timeout=0.2)

    assert (await rig.server.dispatch("room")).outcome == "refused"
    await rig.until(lambda: cancelled)


async def test_a_yes_after_the_deadline_is_an_error_and_stays_a_no(rig: Any) -> None:
    raised: list[BaseException] = []

    async def request(req: Any) -> None:
        busy_until = asyncio.get_running_loop().time() + 0.3
        while asyncio.get_running_loop().time() < busy_until:
            pass
        try:
            await req.accept()
        except AlreadyAnsweredError as error:
            raised.append(error)

    await rig.start(request_fnc=request, request_timeout=0.1)

    assert (await rig.server.dispatch("room")).outcome == "refused"
    await rig.until(lambda: raised)


async def test_accept_returns_when_a_process_has_the_job(rig: Any) -> None:
    returned: list[int] = []

    async def request(req: Any) -> None:
        await req.accept()
        returned.append(len(rig.pool.specs))

    await rig.start(request_fnc=request)
    rig.pool.submit_gate.clear()
    await rig.server.dispatch("room")
    await rig.until(rig.pool.jobs)
    assert returned == []

    rig.pool.submit_gate.set()

    await rig.until(lambda: returned == [1])


async def test_a_handler_that_stops_waiting_does_not_take_the_job_with_it(rig: Any) -> None:
    async def request(req: Any) -> None:
        async with asyncio.timeout(0.1):
            await req.accept()

    await rig.start(request_fnc=request)
    rig.pool.submit_gate.clear()
    dispatch = await rig.server.dispatch("room")
    await asyncio.sleep(0.2)

    rig.pool.submit_gate.set()

    await rig.until(lambda: rig.pool.specs)
    assert [spec.job_id for spec in rig.pool.specs] == [dispatch.job.id]


@pytest.mark.parametrize(
    "error", [NoProcessError("no process in 5 s"), ProcessStartError("prewarm raised ValueError: no model")]
)
async def test_a_job_that_cannot_be_started_is_reported_with_the_cause(
    rig: Any, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    await rig.start(max_jobs=1)
    rig.pool.submit_error = error

    dispatch = await rig.server.dispatch("room")

    await rig.server.until(lambda: rig.server.final_updates(dispatch.job.id))
    (update,) = rig.server.final_updates(dispatch.job.id)
    assert (update.status, update.error) == (JobStatus.JS_FAILED, str(error))
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told == ["a job could not be started"], "once, and not as a failure of the user's code"
    rig.pool.submit_error = None
    await rig.server.until(lambda: not rig.server.workers[0].full)
    assert (await rig.server.dispatch("room")).outcome == "assigned"


async def test_offers_are_refused_while_no_process_can_be_started(rig: Any) -> None:
    asked: list[str] = []

    async def request(req: Any) -> None:
        asked.append(req.id)
        await req.accept()

    await rig.start(request_fnc=request)
    rig.pool.breaks("prewarm raises")
    answer = await rig.server.workers[0].ask(rig.server.make_job("room"))
    assert (answer.available, asked) == (False, [])

    rig.pool.breaks(None)

    await rig.server.until(lambda: not rig.server.workers[0].full)
    assert (await rig.server.dispatch("room")).outcome == "assigned"


@pytest.mark.parametrize("state", ["draining", "full by load", "full by slots"])
async def test_x20_a_worker_that_takes_no_jobs_does_not_ask_the_user(rig: Any, state: str) -> None:
    asked: list[str] = []

    async def request(req: Any) -> None:
        asked.append(req.id)
        await req.accept()

    load = 0.9 if state == "full by load" else 0.1
    worker = await rig.start(request_fnc=request, load_fnc=lambda: load, load_threshold=0.8, max_jobs=1)
    if state == "draining":
        await worker.drain()
    elif state == "full by slots":
        await rig.server.dispatch("another")
    await rig.server.until(lambda: rig.server.workers[0].full)
    asked.clear()

    answer = await rig.server.workers[0].ask(rig.server.make_job("room"))

    assert (answer.available, asked) == (False, [])


async def test_a_yes_during_a_drain_becomes_a_no(rig: Any) -> None:
    drained = asyncio.Event()
    raised: list[BaseException] = []

    async def request(req: Any) -> None:
        await drained.wait()
        try:
            await req.accept()
        except WorkerClosedError as error:
            raised.append(error)

    worker = await rig.start(request_fnc=request)
    asking = asyncio.create_task(rig.server.dispatch("room"))
    await rig.server.until(lambda: any(status.job_count for status in rig.server.workers[0].statuses))
    draining = asyncio.create_task(worker.drain())
    await rig.server.until(lambda: rig.server.workers[0].full)
    drained.set()

    assert (await asking).outcome == "refused"
    await draining
    assert len(raised) == 1


async def test_a_filter_refuses_before_the_user_is_asked(rig: Any) -> None:
    asked: list[str] = []

    class Guard:
        @hookimpl
        async def lk_agents_filter_request(self, request: Any) -> Reject | None:
            return Reject("internal") if request.room.name.startswith("internal-") else None

    async def request(req: Any) -> None:
        asked.append(req.room.name)
        await req.accept()

    await rig.start(max_jobs=1, request_fnc=request, plugins=[Guard()])

    assert (await rig.server.dispatch("internal-1")).outcome == "refused"
    assert (await rig.server.dispatch("public")).outcome == "assigned"
    assert asked == ["public"]


async def test_a_filter_that_fails_refuses(rig: Any) -> None:
    class Guard:
        @hookimpl
        def lk_agents_filter_request(self, request: Any) -> Reject | None:
            raise RuntimeError("the list is away")

    await rig.start(plugins=[Guard()])

    assert (await rig.server.dispatch("room")).outcome == "refused"


@pytest.mark.parametrize("wanted", ["inherit", "none"])
async def test_x30_credentials_given_in_code_travel_unless_they_may_not(rig: Any, wanted: Any) -> None:
    await rig.start(job_credentials=wanted)

    await rig.server.dispatch("room")
    await rig.until(lambda: rig.pool.specs)

    (spec,) = rig.pool.specs
    assert spec.job_credentials == wanted
    if wanted == "inherit":
        assert (spec.credentials.api_key, spec.credentials.api_secret) == (rig.server.api_key, rig.server.api_secret)
    else:
        assert spec.credentials is None
