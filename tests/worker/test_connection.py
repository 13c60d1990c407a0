"""Registering, losing the server, finding it again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.protocol.agent import JobStatus, JobType

from lk_agents.foundation.clock import SystemClock, monotonic, use_clock
from lk_agents.foundation.errors import ConfigError, RegistrationError
from lk_agents.hooks.markers import hookimpl
from lk_agents.testing.server import FakeLiveKitServer, Faults
from lk_agents.worker.options import WorkerType


class LeapingClock(SystemClock):
    """Half a minute passes at every look."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        self._now += 30.0
        return self._now


async def test_a_worker_registers_with_token_name_and_type(rig: Any) -> None:
    worker = await rig.start(agent_name="clerk", worker_type=WorkerType.PUBLISHER)

    (peer,) = rig.server.workers
    assert worker.id == peer.id
    assert peer.registration.agent_name == "clerk"
    assert peer.registration.type == JobType.JT_PUBLISHER
    assert peer.claims["iss"] == rig.server.api_key
    assert peer.claims["video"] == {"agent": True}


async def test_x05_a_server_below_a_path_is_found(rig: Any) -> None:
    async with FakeLiveKitServer(base_path="/livekit") as server:
        worker = rig.make(ws_url=server.url, max_jobs=1)
        async with worker:
            assert server.workers[0].id == worker.id
            assert (await server.dispatch("room")).outcome == "assigned"


async def test_the_first_status_comes_right_after_the_registration(rig: Any) -> None:
    await rig.start()

    await rig.server.until(lambda: rig.server.workers[0].statuses, seconds=1)
    assert rig.server.workers[0].said[:2] == ["register", "update_worker"]


async def test_x03_a_server_that_accepts_and_closes_is_not_hammered(rig: Any) -> None:
    rig.server.faults = Faults(close_after="opened")
    worker = rig.make()
    running = asyncio.create_task(worker.run())

    await asyncio.sleep(1.5)

    assert 1 <= len(rig.server.attempts) <= 3
    rig.server.faults = Faults()
    await rig.server.wait_worker(seconds=10)
    await worker.aclose()
    await running


async def test_x03_a_server_that_registers_and_closes_is_not_hammered(rig: Any) -> None:
    rig.server.faults = Faults(close_after="registered")
    worker = rig.make()
    running = asyncio.create_task(worker.run())

    await asyncio.sleep(1.5)

    assert 1 <= len(rig.server.attempts) <= 3
    await worker.aclose()
    await running


async def test_a_wrong_key_is_named_and_not_tried_again(rig: Any) -> None:
    worker = rig.make(api_secret="another secret of more than 32 characters")

    with pytest.raises(RegistrationError) as raised:
        async with worker:
            pass

    assert repr(rig.server.api_key) in str(raised.value)
    assert "LIVEKIT_API_SECRET" in str(raised.value)
    assert "another secret" not in str(raised.value)
    assert len(rig.server.attempts) == 1
    assert worker.state == "closed"


async def test_a_refusal_of_the_key_with_a_job_running_is_borne(rig: Any, fast: Any) -> None:
    worker = await rig.start(limits=fast)
    dispatch = await rig.server.dispatch("room")
    await rig.until(lambda: rig.pool.specs)
    rig.server.faults = Faults(refuse_status=401)
    rig.server.workers[0].drop()
    await rig.server.until(lambda: len(rig.server.attempts) >= 2, seconds=10)
    assert worker.state == "running"

    rig.server.faults = Faults()

    peer = await rig.server.wait_worker(seconds=15)
    await rig.server.until(lambda: peer.migrations)
    assert peer.migrations == [[dispatch.job.id]]


async def test_a_server_that_is_no_livekit_server_is_named(rig: Any) -> None:
    rig.server.faults = Faults(refuse_status=404)
    with use_clock(LeapingClock()), pytest.raises(RegistrationError, match="HTTP 404"):
        await rig.make(max_retry=0).run()


async def test_a_worker_that_cannot_reach_its_server_gives_up_at_last(rig: Any) -> None:
    await rig.server.aclose()
    with use_clock(LeapingClock()), pytest.raises(RegistrationError, match="could not be reached in 2 attempts"):
        await rig.make(max_retry=0).run()


async def test_within_the_first_minute_nobody_gives_up(rig: Any) -> None:
    await rig.server.aclose()
    worker = rig.make(max_retry=0)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.8)
    assert not running.done()

    await rig.server.start()

    await rig.server.wait_worker(seconds=15)
    await worker.aclose()
    await running


async def test_a_server_that_never_answers_register_is_left(rig: Any, fast: Any) -> None:
    rig.server.faults = Faults(ignore_register=True)
    worker = rig.make(limits=fast)
    running = asyncio.create_task(worker.run())

    await rig.server.until(lambda: len(rig.server.attempts) >= 2, seconds=10)

    assert worker.id == "unregistered"
    await worker.aclose()
    await running


async def test_a_half_open_socket_is_found_and_replaced(rig: Any, fast: Any) -> None:
    worker = await rig.start(limits=fast)
    first = rig.server.workers[0]
    first.stop_reading()

    await rig.server.until(lambda: len(rig.server.connections) == 2, seconds=10)
    second = await rig.server.wait_worker()
    await rig.until(lambda: worker.connected)
    assert worker.id == rig.server.connections[1].id != first.id
    assert second.registered


async def test_a_quiet_server_that_answers_is_kept(rig: Any, fast: Any) -> None:
    await rig.start(limits=fast)

    await asyncio.sleep(1.5)

    assert len(rig.server.connections) == 1
    assert "ping" in rig.server.workers[0].said
    assert rig.server.broken_rules == []


async def test_a_worker_is_ready_when_the_server_has_answered_a_ping_which_it_does_after_its_registration(
    rig: Any,
) -> None:
    await rig.start()

    assert rig.server.workers[0].said.count("ping") == 1


async def test_garbage_and_unknown_messages_are_skipped(rig: Any) -> None:
    await rig.start()
    peer = rig.server.workers[0]

    await peer.send_bytes(b"\xff\xff\xff garbage")
    await peer.send_bytes(b"\xfa\x06\x00")
    await peer.send_bytes(b"")
    await peer.send_text('{"pong": {}}')
    await peer.terminate("AJ_unknown")

    assert (await rig.server.dispatch("room")).outcome == "assigned"
    assert rig.server.workers == [peer]


async def test_after_a_reconnect_id_status_and_running_jobs_are_told_anew(rig: Any) -> None:
    registered: list[str] = []
    worker = rig.make(max_jobs=1)
    worker.on("worker_registered", lambda worker_id, server_info: registered.append(worker_id))
    await rig.stack.enter_async_context(worker)
    dispatch = await rig.server.dispatch("room")
    await rig.until(lambda: rig.pool.specs)
    rig.server.workers[0].drop()

    await rig.server.until(lambda: len(rig.server.connections) == 2, seconds=10)
    peer = await rig.server.wait_worker()
    await rig.server.until(lambda: peer.statuses and peer.migrations)

    assert peer.full
    assert peer.migrations == [[dispatch.job.id]]
    assert peer.said[:3] == ["register", "migrate_job", "update_worker"]
    assert registered == [connection.id for connection in rig.server.connections]
    assert worker.id == peer.id


async def test_a_final_status_survives_a_reconnect_exactly_once(rig: Any) -> None:
    worker = await rig.start()
    dispatch = await rig.server.dispatch("room")
    await rig.until(lambda: rig.pool.specs)
    await rig.server.aclose()
    await rig.until(lambda: not worker.connected)
    rig.pool.finish(dispatch.job.id, success=False, reason="ValueError: no")
    assert rig.pool.reported == [dispatch.job.id]  # nobody to write it to: the process is let go at once

    await rig.server.start()

    await rig.server.until(lambda: rig.server.final_updates(dispatch.job.id), seconds=15)
    rig.server.workers[-1].drop()
    await rig.server.until(lambda: len(rig.server.workers) == 1, seconds=15)
    await rig.server.dispatch("another")
    (update,) = rig.server.final_updates(dispatch.job.id)
    assert (update.status, update.error) == (JobStatus.JS_FAILED, "ValueError: no")
    assert rig.pool.reported == [dispatch.job.id]


async def test_an_accepted_job_whose_socket_is_lost_frees_its_slot_at_once(rig: Any) -> None:
    rig.server.faults = Faults(assignment_delay=None)
    await rig.start(max_jobs=1)
    await rig.server.dispatch("room")
    before = monotonic()

    rig.server.workers[0].drop()
    await rig.server.until(lambda: len(rig.server.connections) == 2, seconds=10)
    peer = await rig.server.wait_worker()
    await rig.server.until(lambda: peer.statuses)

    assert not peer.full
    assert monotonic() - before < 7  # the deadline of assignments is 7.5 s
    assert peer.migrations == []


async def test_an_answer_to_a_question_of_the_lost_socket_is_dropped(rig: Any) -> None:
    lost = asyncio.Event()

    async def request(req: Any) -> None:
        await lost.wait()
        await req.accept()

    await rig.start(max_jobs=1, request_fnc=request)
    asking = asyncio.create_task(rig.server.dispatch("room"))
    await rig.server.until(lambda: rig.server.workers[0].full)
    rig.server.workers[0].drop()
    assert (await asking).outcome == "no_worker"
    await rig.server.wait_worker(seconds=10)

    lost.set()

    await rig.server.until(lambda: not rig.server.workers[0].full)
    assert rig.server.workers[0].answers == []
    assert rig.server.broken_rules == []


async def test_plugins_hear_of_each_registration(rig: Any) -> None:
    heard: list[tuple[str, bool]] = []

    class Listener:
        @hookimpl
        def lk_agents_worker_registered(self, worker: Any, info: Any) -> None:
            heard.append((info.worker_id, info.reconnected))

    await rig.start(plugins=[Listener()])
    rig.server.workers[0].drop()
    await rig.server.until(lambda: len(rig.server.connections) == 2, seconds=10)

    await rig.until(lambda: len(heard) == 2)
    assert heard == [(rig.server.connections[0].id, False), (rig.server.connections[1].id, True)]


async def test_a_callback_that_does_not_fit_does_not_cost_the_connection(rig: Any) -> None:
    worker = rig.make()

    def wrong(a: Any, b: Any, c: Any) -> None: ...

    worker.on("worker_registered", wrong)
    await rig.stack.enter_async_context(worker)

    assert (await rig.server.dispatch("room")).outcome == "assigned"


async def test_a_callback_of_an_event_that_does_not_exist_is_refused(rig: Any) -> None:
    with pytest.raises(ConfigError, match=r"Worker has no event 'started'; it has worker_registered, worker_started$"):
        rig.make().on("started", print)
