"""The worker's life: running, embedding, closing, reporting ends, simulating and resuming jobs."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import aiohttp
import jwt
import pytest
from livekit.protocol.agent import Job, JobStatus

from lk_agents.foundation.errors import ConfigError, PluginError, RegistrationError, WorkerClosedError, WorkerError
from lk_agents.foundation.settings import Settings
from lk_agents.hooks.markers import hookimpl
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.job.request import JobAcceptArguments, RunningJobInfo
from lk_agents.testing.server import FakeLiveKitServer, Faults
from lk_agents.worker.options import JobExecutorType, WorkerOptions
from lk_agents.worker.worker import Worker


async def entrypoint(ctx: Any) -> None: ...


async def _run_until_registered(rig: Any, worker: Worker) -> asyncio.Task[None]:
    running = asyncio.create_task(worker.run())
    await rig.server.wait_worker()
    await rig.until(lambda: worker.connected)
    return running


async def test_run_ends_when_the_worker_is_closed(rig: Any) -> None:
    worker = rig.make()
    started: list[str] = []
    worker.on("worker_started", lambda: started.append(worker.id))
    running = await _run_until_registered(rig, worker)
    assert (worker.state, worker.active_jobs) == ("running", [])

    await worker.aclose()

    await running
    assert (worker.state, started) == ("closed", ["unregistered"])
    await rig.server.until(lambda: not rig.server.workers)


async def test_cancelling_run_closes_the_worker(rig: Any) -> None:
    worker = rig.make()
    running = await _run_until_registered(rig, worker)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert worker.state == "closed"
    assert rig.pool.closed


async def test_a_worker_runs_once(rig: Any) -> None:
    worker = rig.make()
    running = await _run_until_registered(rig, worker)
    with pytest.raises(WorkerError, match="running already"):
        await worker.run()
    await worker.aclose()
    await running

    with pytest.raises(WorkerClosedError, match="make another one"):
        await worker.run()


async def test_closing_a_worker_that_never_ran_is_harmless(rig: Any) -> None:
    worker = rig.make()
    await worker.drain()

    await worker.aclose()
    await worker.aclose()

    assert worker.state == "closed"


async def test_closing_while_it_starts_ends_run_quietly(rig: Any) -> None:
    worker = rig.make()
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0)

    await worker.aclose()

    await running
    assert worker.state == "closed"


async def test_two_embedded_workers_share_a_loop(rig: Any) -> None:
    async with rig.make(agent_name="a") as first, rig.make(agent_name="b") as second:
        assert {first.id, second.id} == {peer.id for peer in rig.server.workers}
        assert (await rig.server.dispatch("room", agent_name="b")).worker.id == second.id


async def test_a_failure_while_embedded_is_raised_at_the_end_of_the_block(rig: Any) -> None:
    async def embed() -> None:
        async with rig.make() as worker:
            rig.server.faults = Faults(refuse_status=401)
            rig.server.workers[0].drop()
            await rig.until(lambda: worker._engine.serving.done(), seconds=10)

    with pytest.raises(RegistrationError, match="refuses the API key"):
        await embed()


async def test_a_worker_made_for_another_loop_says_so(rig: Any) -> None:
    other = asyncio.new_event_loop()
    worker = Worker(rig.options(), loop=other, registry=rig.registry, pool_factory=rig.make_pool)

    with pytest.raises(WorkerError, match="another event loop"):
        await worker.run()
    other.close()


def test_a_worker_runs_off_the_main_thread() -> None:
    outcomes: list[Any] = []

    async def embed() -> None:
        async with FakeLiveKitServer() as server:
            options = WorkerOptions(entrypoint, ws_url=server.url, api_key=server.api_key, api_secret=server.api_secret)
            registry = PluginRegistry.load(Settings(), entry_points=())
            worker = Worker(options, registry=registry, pool_factory=_pool_factory())
            async with worker:
                outcomes.append((await server.dispatch("room")).outcome)

    thread = threading.Thread(target=lambda: asyncio.run(embed()))
    thread.start()
    thread.join(timeout=15)

    assert outcomes == ["assigned"]


def test_off_the_main_thread_plugins_must_have_been_registered_before() -> None:
    raised: list[BaseException] = []

    class Introduced:
        @hookimpl
        def lk_agents_register_plugin(self) -> Any:
            return None

    async def embed() -> None:
        registry = PluginRegistry.load(Settings(), entry_points=())
        registry.add_own(Introduced(), name="introduced")
        options = WorkerOptions(entrypoint, api_key="k", api_secret="s")
        try:
            await Worker(options, registry=registry, pool_factory=_pool_factory()).run()
        except PluginError as error:
            raised.append(error)

    thread = threading.Thread(target=lambda: asyncio.run(embed()))
    thread.start()
    thread.join(timeout=15)

    assert "introduced" in str(raised[0])
    assert "on the main thread" in str(raised[0])


async def test_x22_a_callback_for_once_gets_what_it_takes_and_can_be_taken_off(rig: Any) -> None:
    heard: list[str] = []

    def first(worker_id: str) -> None:
        heard.append(worker_id)

    def never() -> None:
        heard.append("never")

    worker = rig.make()
    worker.once("worker_registered", first)
    worker.once("worker_registered", never)
    worker.off("worker_registered", never)
    await rig.stack.enter_async_context(worker)
    rig.server.workers[0].drop()
    await rig.server.until(lambda: len(rig.server.connections) == 2, seconds=10)
    await rig.until(lambda: worker.connected)

    assert heard == [rig.server.connections[0].id]


async def test_x23_a_worker_leaves_asyncio_as_it_is(rig: Any) -> None:
    before = asyncio.events.Handle._run

    await rig.start()

    assert asyncio.events.Handle._run is before


async def test_explicit_dispatch_is_said_at_the_start(rig: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="lk_agents")

    await rig.start(agent_name="clerk")

    (record,) = [record for record in caplog.records if record.message.startswith("explicit dispatch")]
    assert vars(record)["agent_name"] == "clerk"


async def test_the_real_pool_runs_a_job_and_tells_its_end(rig: Any) -> None:
    options = rig.options(job_executor_type=JobExecutorType.THREAD)
    async with Worker(options, registry=rig.registry):
        dispatch = await rig.server.dispatch("room")
        await rig.server.until(lambda: rig.server.final_updates(dispatch.job.id), seconds=15)

    *before, last = [update.status for update in rig.server.job_updates(dispatch.job.id)]
    assert last == JobStatus.JS_SUCCESS
    assert set(before) <= {JobStatus.JS_RUNNING}  # of a job that ends at once only the end may be told


def _pool_factory() -> Any:
    import sys

    conftest = next(module for name, module in sys.modules.items() if name.endswith("tests.worker.conftest"))
    return conftest.TaskPool


async def test_a_taken_health_port_stops_the_start_with_the_remedy(rig: Any) -> None:
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]

    with pytest.raises(ConfigError, match=f"{port}"):
        await rig.make(port=port).run()

    taken.close()
    await taken.wait_closed()
    assert rig.server.attempts == []


async def test_the_health_endpoint_follows_registration_and_drain(rig: Any) -> None:
    worker = await rig.start(agent_name="clerk")
    base = f"http://127.0.0.1:{worker.health_port}"
    async with aiohttp.ClientSession() as http:

        async def ready() -> tuple[int, str]:
            async with http.get(f"{base}/ready") as response:
                return response.status, await response.text()

        assert await ready() == (200, "OK")
        rig.pool.breaks("prewarm raises")
        assert await ready() == (503, "pool_broken: prewarm raises")
        rig.pool.breaks(None)
        async with http.get(f"{base}/worker") as response:
            told = await response.json()
        assert (told["id"], told["agent_name"], told["state"]) == (worker.id, "clerk", "running")

        rig.server.faults = Faults(refuse_status=503)
        rig.server.workers[0].drop()
        await rig.until(lambda: not worker.connected)
        assert await ready() == (503, "not_registered")
        rig.server.faults = Faults()
        await rig.until(lambda: worker.connected, seconds=10)
        await worker.drain()
        assert await ready() == (503, "draining")


async def test_a_misspelt_plugin_stops_the_start(rig: Any) -> None:
    with pytest.raises(PluginError, match="no-such-plugin"):
        await rig.make(plugins=["no-such-plugin"]).run()

    assert rig.pools == []


async def test_the_events_of_a_workers_life_reach_plugins_in_order(rig: Any) -> None:
    heard: list[str] = []

    class Listener:
        @hookimpl
        async def lk_agents_worker_starting(self, worker: Any) -> None:
            heard.append(f"starting {len(rig.server.attempts)}")

        @hookimpl
        def lk_agents_worker_registered(self, worker: Any, info: Any) -> None:
            heard.append(f"registered {info.worker_id == worker.id}")

        @hookimpl
        def lk_agents_worker_draining(self, worker: Any) -> None:
            heard.append(f"draining {worker.state}")

        @hookimpl
        def lk_agents_worker_stopped(self, worker: Any) -> None:
            heard.append(f"stopped {rig.pool.closed}")

    async with rig.make(plugins=[Listener()]) as worker:
        await rig.until(lambda: len(heard) == 2)
        await worker.drain()
        await rig.until(lambda: len(heard) == 3)

    assert heard == ["starting 0", "registered True", "draining draining", "stopped True"]


# --- ends of jobs --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("success", "reason", "status", "error"),
    [
        (True, "goodbye", JobStatus.JS_SUCCESS, ""),
        (False, "ValueError: no", JobStatus.JS_FAILED, "ValueError: no"),
    ],
)
async def test_the_true_end_of_a_job_is_told_and_then_its_process_let_go(
    rig: Any, success: bool, reason: str, status: Any, error: str
) -> None:
    await rig.start()
    dispatch = await rig.server.dispatch("room")
    await rig.until(lambda: rig.pool.specs)

    rig.pool.finish(dispatch.job.id, success=success, reason=reason)
    assert rig.pool.reported == []  # not before it has been written

    await rig.server.until(lambda: rig.server.final_updates(dispatch.job.id))
    (update,) = rig.server.final_updates(dispatch.job.id)
    assert (update.status, update.error) == (status, error)
    assert rig.pool.reported == [dispatch.job.id]


async def test_a_lost_job_is_told_to_plugins(rig: Any) -> None:
    lost: list[Any] = []

    class Listener:
        @hookimpl
        async def lk_agents_job_lost(self, record: Any) -> None:
            lost.append(record)

    worker = await rig.start(plugins=[Listener()])
    dispatch = await rig.server.dispatch("room", metadata="order 7")
    await rig.until(lambda: rig.pool.specs)

    rig.pool.finish(dispatch.job.id, success=False, reason="killed by SIGKILL", lost=True)

    await rig.until(lambda: lost)
    (record,) = lost
    assert (record.job_id, record.room_name, record.metadata) == (dispatch.job.id, "room", "order 7")
    assert (record.cause, record.reason, record.stacks) == ("process_lost", "killed by SIGKILL", "stacks")
    assert (record.worker_id, record.pid, record.exit_code) == (worker.id, 4711, -9)


async def test_a_termination_stops_the_job_however_often_it_comes(rig: Any) -> None:
    await rig.start()
    dispatch = await rig.server.dispatch("room")
    await rig.until(lambda: rig.pool.specs)
    rig.pool.callbacks_seconds = 0.1

    for _ in range(3):
        await rig.server.workers[0].terminate(dispatch.job.id)

    await rig.server.until(lambda: rig.server.final_updates(dispatch.job.id))
    await rig.server.workers[0].terminate(dispatch.job.id)
    await rig.until(lambda: len(rig.pool.stopped) == 4)
    assert len(rig.server.final_updates(dispatch.job.id)) == 1


async def test_x21_jobs_that_end_while_the_worker_closes_are_reported(rig: Any) -> None:
    worker = await rig.start()
    jobs = [(await rig.server.dispatch(f"room-{number}")).job.id for number in range(200)]
    await rig.until(lambda: len(rig.pool.specs) == 200)

    async with asyncio.timeout(10):
        await worker.aclose()

    await rig.server.until(lambda: all(rig.server.final_updates(job) for job in jobs))
    assert all(len(rig.server.final_updates(job)) == 1 for job in jobs)
    assert rig.server.broken_rules == []


async def test_x31_closing_does_not_wait_for_a_launch_that_cannot_happen(rig: Any) -> None:
    worker = await rig.start()
    rig.pool.submit_gate.clear()
    dispatch = await rig.server.dispatch("room")
    await rig.until(rig.pool.jobs)

    async with asyncio.timeout(5):
        await worker.aclose()

    (update,) = rig.server.final_updates(dispatch.job.id)
    assert update.status == JobStatus.JS_FAILED
    assert "clos" in update.error


async def test_closing_does_not_wait_for_an_assignment(rig: Any) -> None:
    rig.server.faults = Faults(assignment_delay=None)
    worker = await rig.start()
    dispatch = await rig.server.dispatch("room")

    async with asyncio.timeout(5):
        await worker.aclose()

    assert dispatch.outcome == "not_assigned"
    assert worker.state == "closed"


async def test_a_question_that_is_open_when_the_worker_closes_is_refused(rig: Any) -> None:
    async def request(req: Any) -> None:
        await asyncio.sleep(60)

    worker = await rig.start(request_fnc=request)
    asking = asyncio.create_task(rig.server.dispatch("room"))
    await rig.server.until(lambda: any(status.job_count for status in rig.server.workers[0].statuses))

    await worker.aclose()

    assert (await asking).outcome == "refused"


async def test_a_request_function_that_ignores_its_cancellation_does_not_hold_the_worker(rig: Any) -> None:
    go_on = asyncio.Event()
    waits: list[int] = []

    async def request(req: Any) -> None:
        await req.reject()
        while not go_on.is_set():
            waits.append(1)
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                continue

    worker = await rig.start(request_fnc=request)
    await rig.server.dispatch("room")

    async with asyncio.timeout(10):
        await worker.aclose()

    assert len(waits) == 2
    go_on.set()


async def test_closing_without_a_server_is_bounded(rig: Any, fast: Any) -> None:
    worker = await rig.start(limits=fast)
    dispatch = await rig.server.dispatch("room")
    await rig.until(lambda: rig.pool.specs)
    rig.server.workers[0].stop_reading()

    async with asyncio.timeout(5):
        await worker.aclose()

    assert rig.pool.reported == [dispatch.job.id]


async def test_kill_ends_jobs_at_once(rig: Any) -> None:
    worker = await rig.start()
    dispatch = await rig.server.dispatch("room")
    await rig.until(lambda: rig.pool.specs)
    rig.pool.callbacks_seconds = 3600.0
    closing = asyncio.create_task(worker.aclose())
    await rig.until(lambda: rig.pool.stopped)

    async with asyncio.timeout(5):
        await worker.kill(grace_seconds=0.1)
        await closing

    assert rig.server.final_updates(dispatch.job.id)[0].status == JobStatus.JS_FAILED


# --- jobs of one's own ---------------------------------------------------------------------------


@pytest.mark.parametrize("identity", [None, "caller"])
async def test_a_simulated_job_is_offered_to_the_worker_that_wished_for_it(rig: Any, identity: str | None) -> None:
    worker = await rig.start(agent_name="clerk")

    await worker.simulate_job("my-room", identity)

    await rig.until(lambda: rig.pool.specs)
    job = Job.FromString(rig.pool.specs[0].job)
    assert (job.room.name, job.agent_name, job.participant.identity) == ("my-room", "clerk", identity or "")
    (wish,) = rig.server.workers[0].simulations
    assert wish.room.name == "my-room"
    assert wish.HasField("participant") is (identity is not None)


async def test_a_worker_that_does_not_run_simulates_nothing(rig: Any) -> None:
    with pytest.raises(WorkerError, match="does not run"):
        await rig.make().simulate_job("room")


def _running_job(job_id: str, secret: str) -> RunningJobInfo:
    token = jwt.encode({"sub": job_id, "exp": 1_000, "video": {"room": "r"}}, secret, algorithm="HS256")
    arguments = JobAcceptArguments("Ann", job_id, "m", {"colour": "red"})
    return RunningJobInfo(arguments, Job(id=job_id), "ws://old", token, worker_id="AW_old")


async def test_x17_x27_jobs_are_resumed_whole_and_one_bad_token_stops_no_other(rig: Any) -> None:
    worker = await rig.start(max_jobs=2)
    good, bad, expired = (
        _running_job("AJ_1", rig.server.api_secret),
        _running_job("AJ_2", "another secret of more than 32 characters"),
        _running_job("AJ_3", rig.server.api_secret),
    )

    await worker._reload_jobs([good, bad, expired])

    assert [spec.job_id for spec in rig.pool.specs] == ["AJ_1", "AJ_3"]
    spec = rig.pool.specs[0]
    assert (spec.url, spec.worker_id, spec.accept.attributes) == (rig.server.url, "AW_old", {"colour": "red"})
    claims = jwt.decode(spec.token, rig.server.api_secret, algorithms=["HS256"])
    assert (claims["sub"], claims["video"]) == ("AJ_1", {"room": "r"})
    await rig.server.until(lambda: rig.server.workers[0].full)  # they hold their slots
