"""What happens to people in calls: they type, leave and come back, are muted, take another microphone, hang up.

The calls take place at the same time, for they take long; each has its test.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from benchmarks.server_log import JobEnd
from benchmarks.talk.script import PART_SECONDS, PARTS, tone_of
from tests.e2e.conversations import HANGS_UP, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PHRASE = 3
"""Of two seconds."""
MIDDLE_SECONDS = 0.9
LISTENING_SECONDS = 2.0
"""What was heard of for so long is remembered."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is known of a call that is over.

    :param heard: how long each of the agent's tones was heard, in seconds, since the caller joined.
    :param agent: what the agent told when its job ended.
    """

    heard: Mapping[int, float]
    agent: Mapping[str, Any]
    end: JobEnd

    @property
    def roles(self) -> list[str]:
        """Who spoke, as the agent remembers it."""
        return [role for role, _ in self.agent["messages"]]


async def heard_by(site: Site, caller: str) -> dict[int, float]:
    seconds: dict[int, float] = {}
    for each in await site.talkers.do(caller, "heard"):
        seconds[each["tone"]] = seconds.get(each["tone"], 0.0) + each["last"] - each["first"]
    return seconds


async def typing(site: Site) -> Told:
    """Somebody types, listens a little, and leaves, while somebody else stays."""
    room = await site.call(HANGS_UP)
    caller = await site.join(room)
    await site.join(room, "witness")
    await site.talkers.do(caller, "write", "are you there?")
    assert await site.talkers.do(caller, "hears")
    await asyncio.sleep(LISTENING_SECONDS)
    heard = await heard_by(site, caller)
    await site.talkers.do(caller, "leave")
    return Told(heard=heard, end=await site.job_end(room), agent=await site.history(room))


async def leaving(site: Site) -> Told:
    """Somebody leaves as soon as the agent replies, comes back and says something else."""
    room = await site.call(json.dumps({"end_policy": "grace"}))
    caller = await site.join(room)
    await site.talkers.do(caller, "say", PHRASE)
    assert await site.talkers.do(caller, "hears")
    await site.talkers.do(caller, "leave")
    await site.join(room)
    await site.talkers.do(caller, "hears_nothing")
    await site.talkers.do(caller, "say", PHRASE)
    assert await site.talkers.do(caller, "hears")
    heard = await heard_by(site, caller)
    await site.ground.delete_room(room)
    return Told(heard=heard, end=await site.job_end(room), agent=await site.history(room))


async def fumbling(site: Site) -> Told:
    """Somebody is muted in the middle of a phrase, and takes another microphone in the middle of the next one."""
    room = await site.call(HANGS_UP)
    caller = await site.join(room)
    await site.talkers.do(caller, "say_and_mute", PHRASE, MIDDLE_SECONDS)
    assert await site.talkers.do(caller, "hears")
    await site.talkers.do(caller, "hears_nothing")
    await site.talkers.do(caller, "unmute")
    await site.talkers.do(caller, "say_and_replace", PHRASE, MIDDLE_SECONDS)
    assert await site.talkers.do(caller, "hears")
    await asyncio.sleep(LISTENING_SECONDS)
    heard = await heard_by(site, caller)
    await site.talkers.do(caller, "leave")
    return Told(heard=heard, end=await site.job_end(room), agent=await site.history(room))


Scene = Callable[[Site], Awaitable[Told]]
SCENES: tuple[Scene, ...] = (typing, leaving, fumbling)


@pytest.fixture(scope="module")
def calls() -> Mapping[Scene, Told | BaseException]:
    """The calls, when all are over."""

    async def hold() -> list[Told | BaseException]:
        async with Site.open() as site:
            return await asyncio.gather(*[scene(site) for scene in SCENES], return_exceptions=True)

    return dict(zip(SCENES, asyncio.run(hold()), strict=True))


@pytest.fixture
def call(calls: Mapping[Scene, Told | BaseException]) -> Callable[[Scene], Told]:
    """Give a call; what went wrong in it fails the test that asks for it."""

    def give(scene: Scene) -> Told:
        told = calls[scene]
        if isinstance(told, BaseException):
            raise told
        return told

    return give


def test_a_typed_message_is_answered_by_voice(call: Callable[[Scene], Told]) -> None:
    told = call(typing)

    assert told.heard.keys() == {tone_of(1)}
    assert told.roles == ["user", "assistant"]
    assert told.agent["messages"][0][1] == "are you there?"


def test_the_job_ends_well_when_the_one_who_is_listened_to_leaves_though_others_stay(
    call: Callable[[Scene], Told],
) -> None:
    told = call(typing)

    assert str(told.end) == "JS_SUCCESS without a word"
    assert told.agent["reason"] == "the participant has left"


def test_who_leaves_in_the_middle_of_a_reply_and_comes_back_is_listened_to_again(call: Callable[[Scene], Told]) -> None:
    told = call(leaving)

    assert tone_of(2) in told.heard
    assert told.agent["outcomes"][0] == "spoken"
    assert told.agent["problems"] == []


def test_who_is_muted_or_takes_another_microphone_in_the_middle_of_a_phrase_is_answered_once(
    call: Callable[[Scene], Told],
) -> None:
    told = call(fumbling)

    assert told.heard.keys() == {tone_of(1), tone_of(2)}
    assert told.heard[tone_of(1)] == pytest.approx(PARTS * PART_SECONDS, abs=0.3)
    assert told.roles == ["user", "assistant"] * 2
    assert told.agent["outcomes"] == ["spoken", "interrupted"]
    assert told.agent["problems"] == []
