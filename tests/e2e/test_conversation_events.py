"""What happens to people in calls: they type, leave and come back, are muted, take another microphone, hang up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from benchmarks.talk.script import PART_SECONDS, PARTS, tone_of
from tests.e2e.conversations import HANGS_UP, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

PHRASE = 3
"""Of two seconds."""
MIDDLE_SECONDS = 0.9
LISTENING_SECONDS = 2.0
"""What was heard of for so long is remembered."""


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A server, a worker and people."""
    async with Site.open() as site:
        yield site


async def answers(site: Site, caller: str) -> dict[float, float]:
    """Return the sounds that the caller has heard since joining, and how long each lasted."""
    seconds: dict[float, float] = {}
    for each in await site.talkers.do(caller, "heard"):
        seconds[each["tone"]] = seconds.get(each["tone"], 0.0) + each["last"] - each["first"]
    return seconds


async def test_a_typed_message_is_answered_by_voice_and_the_job_ends_with_who_wrote_it_though_others_stay(
    site: Site,
) -> None:
    room = await site.call(HANGS_UP)
    caller = await site.join(room)
    await site.join(room, "witness")
    await site.talkers.do(caller, "write", "are you there?")
    assert await site.talkers.do(caller, "hears")
    await asyncio.sleep(LISTENING_SECONDS)
    await site.talkers.do(caller, "leave")

    assert str(await site.job_end(room)) == "JS_SUCCESS without a word"
    told = await site.history(room)
    assert told["reason"] == "the participant has left"
    assert [role for role, _ in told["messages"]] == ["user", "assistant"]
    assert told["messages"][0][1] == "are you there?"


async def test_who_leaves_in_the_middle_of_a_reply_and_comes_back_is_listened_to_and_answered(site: Site) -> None:
    room = await site.call(json.dumps({"end_policy": "grace"}))
    caller = await site.join(room)
    await site.talkers.do(caller, "say", PHRASE)
    assert await site.talkers.do(caller, "hears")
    await site.talkers.do(caller, "leave")
    await site.join(room)
    await site.talkers.do(caller, "hears_nothing")
    await site.talkers.do(caller, "say", PHRASE)
    assert await site.talkers.do(caller, "hears")
    assert tone_of(2) in await answers(site, caller)

    await site.ground.delete_room(room)
    await site.job_end(room)
    told = await site.history(room)
    assert told["outcomes"][0] == "spoken"
    assert told["problems"] == []


async def test_who_is_muted_or_takes_another_microphone_in_the_middle_of_a_phrase_is_answered_once(site: Site) -> None:
    room = await site.call(HANGS_UP)
    caller = await site.join(room)
    await site.talkers.do(caller, "say_and_mute", PHRASE, MIDDLE_SECONDS)
    assert await site.talkers.do(caller, "hears")
    await site.talkers.do(caller, "hears_nothing")
    await site.talkers.do(caller, "unmute")
    await site.talkers.do(caller, "say_and_replace", PHRASE, MIDDLE_SECONDS)
    assert await site.talkers.do(caller, "hears")
    await asyncio.sleep(LISTENING_SECONDS)
    heard = await answers(site, caller)
    await site.talkers.do(caller, "leave")

    assert heard.keys() == {tone_of(1), tone_of(2)}
    assert heard[tone_of(1)] == pytest.approx(PARTS * PART_SECONDS, abs=0.3)
    await site.job_end(room)
    told = await site.history(room)
    assert [role for role, _ in told["messages"]] == ["user", "assistant"] * 2
    assert told["outcomes"] == ["spoken", "interrupted"]
    assert told["problems"] == []
