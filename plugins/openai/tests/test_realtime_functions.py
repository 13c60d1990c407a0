"""The functions that a session calls for its model: each call gets an output, and the model is asked once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import pytest
from realtime_bench import RULES, VAD, Desk, held
from realtime_fake import World

from lk_agents.llm import FunctionContext, TypeInfo, ai_callable
from lk_agents.testing.providers.realtime import RealtimeAnswer
from lk_agents.testing.providers.speech import Heard

pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")

AFTER = RealtimeAnswer(text="It is done.")


class Harbour(FunctionContext):
    """What the model may call."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []
        self.ended: list[str] = []

    @ai_callable(description="Looks for a parcel.")
    async def find(self, number: Annotated[int, TypeInfo(description="on its label")], seconds: int = 0) -> str:
        self.asked.append(number)
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        return f"parcel {number} is here"

    @ai_callable(description="Fails.")
    async def fail(self) -> str:
        raise RuntimeError("the crane is broken")

    @ai_callable(description="Notes something.")
    async def note(self) -> None:
        self.asked.append("note")

    @ai_callable(description="Counts.")
    async def count(self) -> dict[str, int]:
        return {"parcels": 2}


def calling(*calls: tuple[str, dict[str, Any]], text: str = "") -> RealtimeAnswer:
    return RealtimeAnswer(text=text, calls=calls)


def outputs(desk: Desk) -> Sequence[Any]:
    return [each.content for each in desk.session.chat_ctx_copy().messages if each.role == "tool"]


async def test_a_call_gets_its_output_behind_it_and_the_model_tells_about_it() -> None:
    async with held(World([calling(("find", {"number": 7})), AFTER]), functions=Harbour()) as desk:
        desk.session.create_response()
        await desk.answered(2)

        call, output, answer = desk.world.line.items
        assert (call["type"], output["type"], answer["type"]) == ("function_call", "function_call_output", "message")
        assert (output["call_id"], output["output"]) == (call["call_id"], "parcel 7 is here")
        assert desk.spoken() == ["It is done."]
        made, done, _ = desk.session.chat_ctx_copy().messages
        assert [each.tool_call_id for each in made.tool_calls or ()] == [call["call_id"]]
        assert (done.name, done.tool_call_id) == ("find", call["call_id"])


async def test_the_model_is_asked_once_about_several_calls() -> None:
    both = calling(("find", {"number": 7, "seconds": 2}), ("find", {"number": 8}))
    async with held(World([both, AFTER]), functions=Harbour()) as desk:
        desk.session.create_response()
        await desk.answered(2)
        await asyncio.sleep(5.0)

        assert sorted(outputs(desk)) == ["parcel 7 is here", "parcel 8 is here"]
        assert len(desk.vendor.sent("response.create")) == 2
        assert len(desk.watch.told("function_calls_finished")) == 2


@pytest.mark.parametrize(
    ("call", "output"),
    [
        (("fail", {}), "Error: the crane is broken"),
        (("find", {}), "Error: argument 'number' of 'find' is missing, and has no default"),
        (("find", {"number": "seven"}), "Error: argument 'number' of 'find' should be an integer and is a string"),
        (("count", {}), '{"parcels": 2}'),
    ],
)
async def test_a_tool_that_raises_or_returns_no_text_gets_an_output(call: tuple[str, Any], output: str) -> None:
    """Before, it ended the run: no output, no event, and the model waited for ever."""
    async with held(World([calling(call), AFTER]), functions=Harbour()) as desk:
        desk.session.create_response()
        await desk.answered(2)

        assert outputs(desk) == [output]
        assert len(desk.watch.told("function_calls_collected")) == len(desk.watch.told("function_calls_finished"))


@pytest.mark.parametrize("functions", [None, Harbour()])
async def test_a_call_of_what_is_not_there_gets_an_output(functions: FunctionContext | None) -> None:
    """Before, without any functions, the call stayed open."""
    async with held(World([calling(("fly", {})), AFTER]), functions=functions) as desk:
        desk.session.create_response()
        await desk.answered(2)

        (output,) = outputs(desk)
        assert output.startswith("Error: the model called 'fly'")


async def test_a_tool_that_tells_nothing_gets_an_empty_output_and_asks_for_no_answer() -> None:
    async with held(World([calling(("note", {}))]), functions=Harbour()) as desk:
        desk.session.create_response()
        await desk.watch.until("function_calls_finished")
        await asyncio.sleep(2.0)

        assert outputs(desk) == [""]
        assert len(desk.vendor.sent("response.create")) == 1


async def test_a_tool_that_takes_too_long_is_an_error_that_the_model_gets() -> None:
    harbour = Harbour()
    rules = replace(RULES, tool_timeout=3.0)
    world = World([calling(("find", {"number": 7, "seconds": 50})), AFTER])
    async with held(world, functions=harbour, rules=rules) as desk:
        desk.session.create_response()
        await desk.answered(2)

        assert outputs(desk) == ["Error: it took longer than 3 s"]
        assert harbour.ended == ["cancelled"]


async def test_an_output_waits_until_the_agent_was_heard() -> None:
    async with held(World([calling(("find", {"number": 7}), text="Let me look."), AFTER]), functions=Harbour()) as desk:
        assert desk.session.playout_complete is not None
        desk.session.playout_complete.clear()
        desk.session.create_response()
        await asyncio.sleep(5.0)
        assert outputs(desk) == []

        desk.session.playout_complete.set()
        await desk.answered(2)
        assert outputs(desk) == ["parcel 7 is here"]


async def test_other_functions_are_told_to_the_server_when_they_are_set() -> None:
    """Before, with the next change of the session only."""
    async with held() as desk:
        desk.session.fnc_ctx = Harbour()
        desk.session.create_response()
        await desk.answered()

        assert desk.world.functions == [[], ["count", "fail", "find", "note"]]
        update = desk.vendor.sent("session.update")[-1]["session"]
        assert set(update) == {"type", "tools"}


async def test_a_call_that_was_not_written_to_its_end_is_no_call() -> None:
    async with held(World([calling(("find", {"number": 7})), AFTER]), functions=Harbour()) as desk:
        harbour = desk.session.fnc_ctx
        assert isinstance(harbour, Harbour)
        desk.session.create_response()
        await desk.watch.until("response_created")
        desk.session.cancel_response()
        await desk.watch.until("response_done")
        await asyncio.sleep(1.0)

        assert harbour.asked == []
        assert desk.world.line.items == []
        assert desk.conversation() == []


async def test_a_user_who_speaks_is_answered_once_although_a_function_has_an_output() -> None:
    caller = (Heard("never mind", 0.2, 1.2),)
    world = World([calling(("find", {"number": 7, "seconds": 1})), AFTER], caller=caller)
    async with held(world, VAD, functions=Harbour()) as desk:
        desk.session.create_response()
        await desk.say(caller, 4.0)
        await desk.answered(2)
        await asyncio.sleep(3.0)

        assert outputs(desk) == ["parcel 7 is here"]
        assert desk.spoken() == ["It is done."]


async def test_functions_end_with_the_session() -> None:
    harbour = Harbour()
    async with held(World([calling(("find", {"number": 7, "seconds": 50}))]), functions=harbour) as desk:
        desk.session.create_response()
        await desk.watch.until("function_calls_collected")
        await asyncio.sleep(0.1)
        await desk.session.aclose()

    assert harbour.ended == ["cancelled"]


async def test_a_function_may_close_its_own_session() -> None:
    class Closing(FunctionContext):
        @ai_callable(description="Hangs up.")
        async def hang_up(self) -> str:
            await desk.session.aclose()
            closed.append("closed")
            return "bye"

    closed: list[str] = []
    async with held(World([calling(("hang_up", {}))]), functions=Closing()) as desk:
        desk.session.create_response()
        await desk.watch.until("closed")
        await asyncio.sleep(1.0)

        assert closed == ["closed"]
