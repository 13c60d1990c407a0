"""An agent and its callers: who is waited for, who is greeted, what is heard."""

from __future__ import annotations

import pytest
from tests.e2e import agents
from tests.e2e.callers import Callers
from tests.e2e.stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]


async def test_participants_are_waited_for_and_greeted_whether_they_were_there_or_come(
    stage: Stage, callers: Callers
) -> None:
    agent, room = stage.office.name("agent"), stage.office.name()
    await stage.start(agents.greeting, agent)
    await callers.join(room, "first")
    await callers.speak("first")
    await stage.dispatch(agent, room)
    await stage.journal.one("first", identity="first")
    await stage.journal.one("greeted", identity="first")
    assert not stage.journal.of("named")

    await callers.join(room, "second")
    await stage.journal.one("named", identity="second")
    await stage.journal.one("greeted", identity="second")

    assert len(stage.journal.of("greeted")) == 2  # nobody twice, and not the agent itself


async def test_agents_are_nobody_to_wait_for(stage: Stage, callers: Callers) -> None:
    other, agent, room = stage.office.name("agent"), stage.office.name("agent"), stage.office.name()
    await stage.start(agents.obedient, other)
    await stage.start(agents.greeting, agent)
    await stage.dispatch(other, room)
    await stage.dispatch(agent, room)
    await callers.join(room, "first")

    await stage.journal.one("first", identity="first")
    await stage.journal.one("greeted", identity="first")
    assert len(stage.journal.of("greeted")) == 1


async def test_an_agent_that_wants_audio_only_hears_it_and_receives_no_video(stage: Stage, callers: Callers) -> None:
    agent, room = stage.office.name("agent"), stage.office.name()
    await stage.start(agents.listening, agent)
    await callers.join(room, "early")
    await callers.show("early")
    await callers.speak("early")
    await stage.dispatch(agent, room)
    await stage.journal.one("sound")
    await callers.join(room, "later")
    await callers.show("later", track="later-camera")
    await callers.speak("later", track="later-voice")
    await stage.journal.one("published", track_name="later-camera")
    await stage.journal.some(2, "sound")

    told = sorted((entry["identity"], entry["kind"]) for entry in stage.journal.of("subscribed"))
    assert told == [("early", "KIND_AUDIO"), ("later", "KIND_AUDIO")]
