"""Every way in which a job ends, and what the server is told of it."""

from __future__ import annotations

import psutil
import pytest
from tests.e2e import agents
from tests.e2e.callers import Callers
from tests.e2e.stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

SUCCESS, FAILED = "JS_SUCCESS", "JS_FAILED"
KICKED_SECONDS = 3.0
"""After a dispatch was deleted the server itself throws the agent out."""


async def test_a_job_that_shuts_itself_down_succeeds_and_its_callbacks_still_have_the_room(stage: Stage) -> None:
    job = await stage.begin(agents.obedient)
    await stage.order(job, "shutdown")

    assert await stage.end(job) == (SUCCESS, "")
    callback = stage.journal.of("callback")[0]
    assert (callback["reason"], callback["in_room"]) == ("as told", True)
    await stage.room_empties(job)


async def test_an_entrypoint_that_raises_in_the_room_fails_with_its_text(stage: Stage) -> None:
    job = await stage.begin(agents.obedient)
    await stage.order(job, "raise")

    assert await stage.end(job) == (FAILED, "ValueError: raised as told")
    assert stage.journal.of("callback")[0]["in_room"]
    await stage.room_empties(job)


async def test_an_entrypoint_that_raises_before_it_joins_fails_with_its_text(stage: Stage) -> None:
    job = await stage.begin(agents.raising, "entered")

    assert await stage.end(job) == (FAILED, "ValueError: it failed before it joined")


async def test_an_entrypoint_that_returns_without_joining_succeeds(stage: Stage) -> None:
    job = await stage.begin(agents.returning, "entered")

    assert await stage.end(job) == (SUCCESS, "")


async def test_an_entrypoint_that_joined_and_returned_goes_on_until_its_room_ends(stage: Stage) -> None:
    job = await stage.begin(agents.obedient)
    await stage.order(job, "return")
    assert [one.identity for one in await stage.office.participants(job["room"])] == [job["identity"]]
    assert not stage.log.of("job ended", jobID=job["job"])

    await stage.office.delete(job["room"])

    await stage.journal.one("callback")
    await stage.end(job)


async def test_deleting_the_dispatch_ends_the_job_with_success(stage: Stage) -> None:
    job = await stage.begin(agents.obedient)
    await stage.office.api.agent_dispatch.delete_dispatch(job["dispatch"], job["room"])

    assert await stage.end(job) == (SUCCESS, "")
    assert (await stage.journal.one("callback"))["in_room"]
    await stage.room_empties(job, KICKED_SECONDS)


async def test_an_agent_that_is_thrown_out_ends_its_job(stage: Stage) -> None:
    job = await stage.begin(agents.obedient)
    await stage.office.remove(job["room"], job["identity"])

    await stage.end(job)  # who is first to say so, server or worker, is chance
    assert (await stage.journal.one("callback"))["reason"] == "room disconnected: PARTICIPANT_REMOVED"


async def test_deleting_the_room_ends_the_job(stage: Stage) -> None:
    job = await stage.begin(agents.obedient)
    await stage.office.delete(job["room"])

    await stage.end(job)
    assert (await stage.journal.one("callback"))["reason"] == "room disconnected: ROOM_DELETED"


async def test_the_room_that_everybody_left_closes_and_ends_the_job(stage: Stage, callers: Callers) -> None:
    agent, room = stage.office.name("agent"), stage.office.name()
    await stage.start(agents.obedient, agent)
    await callers.join(room)
    job = await stage.dispatch(agent, room)
    await callers.leave()

    await stage.end(job)
    assert (await stage.journal.one("callback"))["reason"] == "room disconnected: ROOM_CLOSED"


async def test_a_full_reconnect_of_the_agent_does_not_end_the_job(stage: Stage) -> None:
    job = await stage.begin(agents.obedient)
    await stage.order(job, "reconnect")
    await stage.journal.one("reconnected")
    await stage.order(job, "are you there?")
    assert not stage.journal.of("callback")
    assert [one.identity for one in await stage.office.participants(job["room"])] == [job["identity"]]

    await stage.order(job, "shutdown")
    assert (await stage.journal.one("callback"))["reason"] == "as told"
    assert await stage.end(job) == (SUCCESS, "")


async def test_a_resumed_connection_does_not_end_the_job(stage: Stage) -> None:
    job = await stage.begin(agents.obedient)
    await stage.order(job, "resume")
    await stage.order(job, "are you there?")
    await stage.order(job, "shutdown")

    assert await stage.end(job) == (SUCCESS, "")
    assert (await stage.journal.one("callback"))["reason"] == "as told"


async def test_deleting_the_dispatch_ends_a_job_that_has_not_joined_too(stage: Stage) -> None:
    job = await stage.begin(agents.holding, "entered")
    await stage.office.api.agent_dispatch.delete_dispatch(job["dispatch"], job["room"])

    assert await stage.end(job) == (SUCCESS, "")


async def test_the_others_in_the_room_are_told_that_the_agent_failed(stage: Stage, callers: Callers) -> None:
    agent, room = stage.office.name("agent"), stage.office.name()
    await stage.start(agents.obedient, agent)
    await callers.join(room)
    good, bad = await stage.dispatch(agent, room), await stage.dispatch(agent, room)
    for job in (good, bad):
        await callers.wait_seen(job["identity"])
    await stage.order(good, "shutdown")
    await stage.order(bad, "raise")

    assert await callers.wait_left(good["identity"]) == "CLIENT_INITIATED"
    assert await callers.wait_left(bad["identity"]) == "AGENT_ERROR"


async def test_a_job_that_blocks_its_own_end_is_ended_for_it(stage: Stage) -> None:
    job = await stage.begin(agents.stubborn, shutdown_process_timeout=1.0)
    await stage.office.remove(job["room"], job["identity"])
    await stage.journal.one("callback")

    await stage.bench.aclose()
    assert not psutil.pid_exists(job["pid"])


async def test_an_agent_that_waits_in_vain_ends_with_its_room_and_without_an_outcry(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    job = await stage.begin(agents.greeting)
    await stage.office.delete(job["room"])

    await stage.end(job)
    await stage.bench.aclose()
    assert not [record for record in caplog.records if record.name == "lk_agents" and record.levelname == "WARNING"]
