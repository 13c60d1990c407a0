"""A connection is renewed before the server ends it: in a pause, with the conversation, and without a second answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from openai_fake import event
from realtime_bench import CALLER, RATE, RULES, VAD, Vendor, held
from realtime_fake import World

from lk_agents.foundation.errors import APIStatusError
from lk_agents.llm import ChatContext, FunctionContext, ai_callable
from lk_agents.testing.clock import VirtualClock
from lk_agents.testing.providers.realtime import RealtimeAnswer
from lk_agents.testing.providers.speech import Heard, voice

pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")

HOUR = 3_600.0
RENEWED = 3_000.0
GIVEN = ChatContext().append(text="Be kind.", role="system")
LONG = RealtimeAnswer(text="One two three four five six seven.", seconds=60.0, pace=1.0)


async def test_a_connection_is_renewed_after_fifty_minutes_with_the_conversation(lk_clock: VirtualClock) -> None:
    async with held(chat_ctx=GIVEN, seconds=HOUR) as desk:
        desk.session.create_response()
        await desk.answered()
        renewed = await desk.watch.until("reconnecting")

        assert renewed is None
        assert lk_clock.monotonic() == pytest.approx(RENEWED + 1.0, abs=0.5)
        assert desk.watch.names("reconnecting", "reconnected") == ["reconnecting", "reconnected"]
        assert desk.world.line.texts() == [("system", "Be kind."), ("assistant", "Good day.")]
        await asyncio.sleep(2.0)
        assert desk.vendor.sockets[0].is_gone
        desk.session.create_response()
        await desk.answered(2)
        assert desk.spoken() == ["Good day.", "Good day."]


async def test_the_next_one_is_renewed_as_well() -> None:
    async with held(seconds=4 * HOUR) as desk:
        await desk.watch.until("reconnected", 3)

        assert len(desk.vendor.sockets) == 4


async def test_the_new_connection_is_there_before_the_old_one_is_left() -> None:
    async with held(seconds=HOUR) as desk:
        desk.vendor.connect_seconds = 2.0
        at: list[float] = []
        for event in ("reconnecting", "reconnected"):
            desk.session.on(event, lambda *_: at.append(asyncio.get_running_loop().time()))
        await desk.watch.until("reconnected")

        assert at[0] == at[1]


async def test_what_the_old_connection_says_when_it_is_left_is_not_heard() -> None:
    async with held(seconds=HOUR) as desk:
        old = desk.vendor.socket
        late = event("response.created", response={"id": "late", "status": "in_progress"})
        desk.session.on("reconnecting", lambda _: old.say(late))
        await desk.watch.until("reconnected")
        await asyncio.sleep(1.0)

        assert not desk.watch.told("response_created")
        assert not desk.session._requests.are_under_way


async def test_nothing_is_renewed_while_the_model_speaks(lk_clock: VirtualClock) -> None:
    async with held(World([LONG]), seconds=HOUR) as desk:
        await asyncio.sleep(RENEWED - 20.0)
        desk.session.create_response()
        await desk.answered()
        over_at = lk_clock.monotonic()
        await desk.watch.until("reconnected")

        assert RENEWED < over_at <= lk_clock.monotonic() - 1.0
        assert [each.status for each in desk.watch.told("response_done")] == ["completed"]


async def test_nothing_is_renewed_while_the_agent_is_heard(lk_clock: VirtualClock) -> None:
    async with held(seconds=HOUR) as desk:
        assert desk.session.playout_complete is not None
        desk.session.playout_complete.clear()
        await asyncio.sleep(RENEWED + 100.0)
        assert not desk.watch.told("reconnecting")

        desk.session.playout_complete.set()
        await desk.watch.until("reconnected")
        assert lk_clock.monotonic() == pytest.approx(RENEWED + 100.0, abs=8.0)


async def test_nothing_is_renewed_while_the_user_speaks_and_the_turn_is_answered_once() -> None:
    caller = (Heard("this is a long story", 1.0, 21.0),)
    world = World([RealtimeAnswer(text="I see.", first_seconds=1.5)], caller=caller)
    async with held(world, VAD, seconds=HOUR) as desk:
        await asyncio.sleep(RENEWED - 10.0)
        await desk.say(caller, 30.0)
        await desk.watch.until("reconnected")
        await asyncio.sleep(10.0)

        assert desk.watch.names("response_created", "reconnecting") == ["response_created", "reconnecting"]
        assert desk.world.line.texts() == [("user", "this is a long story"), ("assistant", "I see.")]


async def test_nothing_is_renewed_while_a_function_runs() -> None:
    class Slow(FunctionContext):
        @ai_callable(description="Takes its time.")
        async def wait(self) -> str:
            await asyncio.sleep(50.0)
            return "done"

    world = World([RealtimeAnswer(calls=[("wait", {})]), RealtimeAnswer(text="It is done.")])
    async with held(world, functions=Slow(), seconds=HOUR) as desk:
        await asyncio.sleep(RENEWED - 10.0)
        desk.session.create_response()
        await desk.watch.until("reconnected")

        assert desk.watch.names("function_calls_finished", "reconnecting") == [
            "function_calls_finished",
            "reconnecting",
        ]
        assert desk.spoken() == ["It is done."]


async def test_what_is_said_while_the_new_connection_is_made_is_on_both_or_it_is_made_anew() -> None:
    async with held(seconds=HOUR) as desk:
        desk.vendor.connect_seconds = 5.0
        await asyncio.sleep(RENEWED + 3.0)
        desk.session.create_response()  # the new one is being made, and does not know of this
        await desk.watch.until("reconnected")

        assert len(desk.vendor.sockets) == 3
        assert desk.world.line.texts() == [("assistant", "Good day.")]


async def test_a_connection_that_cannot_be_renewed_yet_is_kept() -> None:
    async with held(seconds=HOUR) as desk:
        desk.vendor.refusals += [APIStatusError("busy", status_code=503) for _ in range(3)]
        await asyncio.sleep(RENEWED + 60.0)
        assert not desk.watch.told("reconnecting")
        desk.session.create_response()
        await desk.answered()
        await desk.watch.until("reconnected")

        assert desk.spoken() == ["Good day."]


async def test_without_any_pause_it_is_renewed_at_the_last_moment(lk_clock: VirtualClock) -> None:
    async with held(World([replace(LONG, seconds=590.0)]), seconds=HOUR) as desk:
        await asyncio.sleep(RENEWED - 10.0)
        desk.session.create_response()
        renewed = await desk.watch.until("reconnecting")

        assert renewed is None
        assert lk_clock.monotonic() == pytest.approx(RENEWED + 480.0, abs=1.0)
        await desk.watch.until("reconnected")
        assert desk.world.line.texts()[0][1].startswith("One two")


async def test_a_server_that_ends_sessions_sooner_is_renewed_sooner(lk_clock: VirtualClock) -> None:
    class Brief(World):
        def expires_at(self) -> float:
            return lk_clock.wall_seconds() + 1_800.0

    async with held(Brief(), seconds=HOUR) as desk:
        await desk.watch.until("reconnected")

        assert lk_clock.monotonic() == pytest.approx(1_501.0, abs=1.0)


async def test_what_has_changed_of_the_session_is_told_to_the_new_connection() -> None:
    async with held(seconds=HOUR) as desk:
        desk.session.session_update(instructions="Be brief.")
        await desk.watch.until("reconnected")

        assert desk.world.line.session["instructions"] == "Be brief."


async def test_the_renewal_can_be_set(lk_clock: VirtualClock) -> None:
    async with held(rules=replace(RULES, renew_seconds=100.0), seconds=HOUR) as desk:
        await desk.watch.until("reconnected")

        assert lk_clock.monotonic() == pytest.approx(101.0, abs=0.5)


async def test_a_new_connection_that_nobody_needs_any_more_is_closed() -> None:
    vendor = Vendor()
    async with held(vendor=vendor, seconds=HOUR) as desk:
        vendor.connect_seconds = 5.0
        await asyncio.sleep(RENEWED + 3.0)
        await desk.session.aclose()

    assert len(vendor.sockets) == 1


async def test_what_the_user_says_right_behind_a_renewal_is_heard() -> None:
    async with held(World(caller=CALLER), VAD, seconds=HOUR) as desk:
        await desk.watch.until("reconnecting")
        for frame in voice(CALLER, 2.0, sample_rate=RATE):
            desk.session._push_audio(frame)
        await desk.answered()

        assert desk.conversation() == [("user", "hello there"), ("assistant", "Good day.")]
