"""The scripted model: which answer it gives to what, and what is recorded."""

from __future__ import annotations

from typing import Any

import pytest

from lk_agents.foundation.errors import APIConnectionError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.llm import ChatContext, FunctionContext, ai_callable
from lk_agents.testing import VirtualClock
from lk_agents.testing.providers import Answer, Break, BreakKind, ScriptedLLM, ScriptError

ONCE = APIConnectOptions(max_retry=0)


class Clock(FunctionContext):
    @ai_callable(description="Tells the time.")
    async def time(self) -> str:
        return "noon"


def asked(text: str) -> ChatContext:
    return ChatContext().append(text=text, role="user")


async def answer(llm: ScriptedLLM, text: str, **request: Any) -> str:
    async with llm.chat(chat_ctx=asked(text), **request) as stream:
        return "".join([choice.delta.content or "" async for chunk in stream for choice in chunk.choices])


async def test_answers_without_a_condition_are_given_in_order() -> None:
    async with ScriptedLLM(["one", "two"]) as llm:
        assert [await answer(llm, "?"), await answer(llm, "?")] == ["one", "two"]


async def test_an_answer_that_fits_goes_before_one_that_fits_everything() -> None:
    async with ScriptedLLM(["hm", Answer("sunny", when="weather")]) as llm:
        assert await answer(llm, "how is the weather?") == "sunny"
        assert await answer(llm, "and now?") == "hm"


async def test_a_condition_may_look_at_the_whole_conversation() -> None:
    async with ScriptedLLM([Answer("short", when=lambda context: len(context.messages) == 1)]) as llm:
        assert await answer(llm, "?") == "short"


async def test_pieces_come_when_the_script_says(lk_clock: VirtualClock) -> None:
    llm = ScriptedLLM([Answer("one two three", first_seconds=1.0, piece_seconds=0.5)])

    async with llm.chat(chat_ctx=asked("?")) as stream:
        moments = [(choice.delta.content, lk_clock.monotonic()) async for chunk in stream for choice in chunk.choices]

    assert moments == [("one", 1.0), (" two", 1.5), (" three", 2.0)]


async def test_a_text_in_pieces_of_ones_own_is_said_so() -> None:
    llm = ScriptedLLM([Answer(["Hel", "lo"])])

    async with llm.chat(chat_ctx=asked("?")) as stream:
        pieces = [choice.delta.content async for chunk in stream for choice in chunk.choices]

    assert pieces == ["Hel", "lo"]


async def test_requests_are_recorded_as_they_were() -> None:
    llm = ScriptedLLM(["one"])

    await answer(llm, "what?", fnc_ctx=Clock(), temperature=0.3, tool_choice="auto")

    assert [message.content for message in llm.calls[0].messages] == ["what?"]
    assert (llm.calls[0].functions, llm.calls[0].temperature, llm.calls[0].tool_choice) == (("time",), 0.3, "auto")


async def test_calls_come_behind_the_text() -> None:
    llm = ScriptedLLM([Answer("let me see", calls=[("time", {})])])

    async with llm.chat(chat_ctx=asked("?"), fnc_ctx=Clock()) as stream:
        async for _ in stream:
            pass
        called = stream.execute_functions()
        assert [await each.task for each in called] == ["noon"]


async def test_a_call_without_functions_is_an_error_of_the_script() -> None:
    llm = ScriptedLLM([Answer(calls=[("time", {})])])

    with pytest.raises(ScriptError, match="'time'"):
        await answer(llm, "?")


async def test_a_request_that_has_no_answer_is_an_error_at_once_and_at_the_end() -> None:
    llm = ScriptedLLM([Answer("sunny", when="weather")])

    with pytest.raises(ScriptError, match="'anything else'"):
        await answer(llm, "anything else")
    with pytest.raises(ScriptError, match=r"'sunny' was never given; .*'anything else'"):
        llm.assert_done()


async def test_an_answer_that_was_never_given_is_an_error_at_the_end() -> None:
    with pytest.raises(ScriptError, match="'two' was never given"):
        async with ScriptedLLM(["one", "two"]) as llm:
            await answer(llm, "?")


async def test_an_error_before_the_first_piece_is_made_good_with_the_same_answer(lk_clock: VirtualClock) -> None:
    async with ScriptedLLM(["one two"], breaks=[Break(at=0)]) as llm:
        assert await answer(llm, "?") == "one two"

    assert (len(llm.calls), llm.breaks.attempts) == (1, 2)


async def test_an_error_after_pieces_ends_the_answer() -> None:
    llm = ScriptedLLM(["one two three"], breaks=[Break(at=2)])

    with pytest.raises(APIConnectionError):
        await answer(llm, "?", conn_options=ONCE)


async def test_an_end_cuts_the_answer() -> None:
    assert await answer(ScriptedLLM(["one two three"], breaks=[Break(at=2, kind=BreakKind.END)]), "?") == "one two"


async def test_an_empty_piece_changes_nothing() -> None:
    async with ScriptedLLM(["one two"], breaks=[Break(at=1, kind=BreakKind.EMPTY)]) as llm:
        assert await answer(llm, "?") == "one two"
