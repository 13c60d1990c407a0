"""How the agent stands in the room: what it was given when the job was accepted, and only once."""

from __future__ import annotations

from pathlib import Path

import pytest
from livekit.protocol.models import ParticipantInfo
from tests.e2e import agents
from tests.e2e.callers import Callers
from tests.e2e.stage import Stage

from lk_agents.job.request import JobRequest
from lk_agents.worker.options import WorkerPermissions

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]


async def introduce(request: JobRequest) -> None:
    await request.accept(
        name="Ada", identity=f"ada-{request.room.name}", metadata="of the house", attributes={"mood": "good"}
    )


async def the_agent(stage: Stage, room: str) -> ParticipantInfo:
    """Return the one agent of the room when it is there for good."""
    found = await stage.office.until_participants(
        room, lambda found: [one.state for one in found] == [ParticipantInfo.State.ACTIVE]
    )
    assert found[0].kind == ParticipantInfo.Kind.AGENT
    return found[0]


async def test_what_was_given_at_accept_arrives_in_the_room(stage: Stage) -> None:
    job = await stage.begin(agents.obedient, request_fnc=introduce)
    agent = await the_agent(stage, job["room"])

    assert (agent.name, agent.identity, agent.metadata) == ("Ada", f"ada-{job['room']}", "of the house")
    assert agent.attributes["mood"] == "good"
    names = {agent.attributes["lk.agent_name"], agent.attributes["lk.agent.name"]}
    assert len(names) == 1
    assert names.pop().startswith("agent-")


async def test_by_default_an_agent_may_do_everything_and_is_named_after_its_job(stage: Stage) -> None:
    job = await stage.begin(agents.obedient)
    agent = await the_agent(stage, job["room"])

    assert agent.identity == f"agent-{job['job']}"
    may = agent.permission
    assert (may.can_publish, may.can_subscribe, may.can_publish_data, may.can_update_metadata) == (True,) * 4
    assert not may.hidden


async def test_the_permissions_of_the_options_arrive_in_the_room(stage: Stage) -> None:
    permissions = WorkerPermissions(can_publish=False, can_publish_data=False, can_update_metadata=False)
    job = await stage.begin(agents.obedient, permissions=permissions)
    may = (await the_agent(stage, job["room"])).permission

    assert (may.can_publish, may.can_subscribe, may.can_publish_data, may.can_update_metadata) == (
        False,
        True,
        False,
        False,
    )


async def test_a_hidden_agent_is_there_and_nobody_sees_it(stage: Stage, callers: Callers) -> None:
    agent, shown, room = stage.office.name("agent"), stage.office.name("agent"), stage.office.name()
    await stage.start(agents.obedient, agent, permissions=WorkerPermissions(hidden=True))
    await stage.start(agents.obedient, shown)
    hidden = await stage.dispatch(agent, room)
    seen = await stage.dispatch(shown, room)
    await stage.order(hidden, "are you there?")
    await callers.join(room)

    assert await callers.sees(seen["identity"])
    assert not await callers.sees(hidden["identity"])


async def test_the_token_of_a_job_is_joined_once(stage: Stage) -> None:
    job = await stage.begin(agents.obedient)
    await stage.order(job, "are you there?")

    assert len(await stage.office.participants(job["room"])) == 1
    assert len(stage.log.of("starting RTC session", room=job["room"], participant=job["identity"])) == 1
    assert not stage.log.of("removing duplicate participant", room=job["room"])


async def test_a_job_whose_room_was_closed_and_made_anew_does_not_stay_in_the_other_one(
    stage: Stage, tmp_path: Path
) -> None:
    agent, room, door = stage.office.name("agent"), stage.office.name(), tmp_path / "door"
    await stage.start(agents.late, agent)
    job = await stage.dispatch(agent, room, "entered", metadata=str(door))
    await stage.office.delete(room)
    new = await stage.office.create(room)
    door.touch()

    status, error = await stage.end(job)
    assert status == "JS_FAILED"
    assert new.sid in error
    await stage.room_empties(job)
