"""Functions that the model calls: the session makes the calls, the agent tells of them and keeps the turn open."""

from __future__ import annotations

import pytest
from tests.multimodal.calls import DECIDED, LONG, QUESTION, Call, Functions

from lk_agents.testing.providers import RealtimeAnswer

pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")

ASKS = RealtimeAnswer(calls=[("weather", {"place": "Rome"})])


async def test_the_answer_to_a_function_belongs_to_the_turn_that_asked_for_it() -> None:
    call = await Call([ASKS, "It is sunny."], fnc_ctx=Functions(seconds=1.0)).run(8)

    (record,) = call.told("turn_finished")
    assert (record.outcome, record.tool_calls, record.tool_seconds) == ("spoken", 1, pytest.approx(1.0))
    assert call.at("agent_started_speaking") == [pytest.approx(DECIDED + 1.0, abs=0.02)]
    assert [len(each) for each in call.told("function_calls_collected")] == [1]
    (called,) = call.told("function_calls_finished")
    assert (called[0].call_info.function_info.name, called[0].result) == ("weather", "sunny in Rome")


async def test_a_function_that_says_nothing_ends_the_turn_in_silence() -> None:
    call = await Call([RealtimeAnswer(calls=[("note", {"text": "milk"})])], fnc_ctx=Functions()).run(6)

    assert call.outcomes() == ["silent"]
    assert not call.told("dead_air")
    assert call.states()[-1][1] == "listening"


async def test_what_is_said_before_a_function_is_heard_before_what_is_said_about_it() -> None:
    answers: list[RealtimeAnswer | str] = [
        RealtimeAnswer(text="One moment.", calls=[("weather", {"place": "Rome"})]),
        "It is sunny.",
    ]
    functions = Functions(seconds=0.1)
    call = await Call(answers, fnc_ctx=functions).run(8)

    assert call.told("agent_speech_committed") == ["One moment.", "It is sunny."]
    (record,) = call.told("turn_finished")
    assert (record.outcome, record.tool_calls) == ("spoken", 1)


async def test_a_function_ends_only_when_what_the_agent_says_was_heard() -> None:
    answers: list[RealtimeAnswer | str] = [
        RealtimeAnswer(text=LONG, calls=[("weather", {"place": "Rome"})]),
        "It is sunny.",
    ]
    call = await Call(answers, fnc_ctx=Functions()).run(12)

    (stopped, _) = call.at("agent_stopped_speaking")
    assert call.at("function_calls_finished") == [pytest.approx(stopped, abs=0.001)]


async def test_several_functions_are_one_turn() -> None:
    calls = [("weather", {"place": "Rome"}), ("weather", {"place": "Oslo"})]
    answers: list[RealtimeAnswer | str] = [RealtimeAnswer(calls=calls), "In Rome it is sunny.", "In Oslo, too."]
    functions = Functions(seconds=0.5)
    call = await Call(answers, fnc_ctx=functions).run(12)

    assert sorted(functions.asked) == ["Oslo", "Rome"]
    assert len(call.told("function_calls_finished")) == 2
    assert call.told("agent_speech_committed") == ["In Rome it is sunny.", "In Oslo, too."]


@pytest.mark.parametrize("asked", ["fail", "unknown"])
async def test_a_function_that_fails_or_is_unknown_does_not_silence_the_agent(asked: str) -> None:
    call = await Call([RealtimeAnswer(calls=[(asked, {})]), "That does not work."], fnc_ctx=Functions()).run(8)

    assert call.told("agent_speech_committed") == ["That does not work."]
    assert call.outcomes()[-1] == "spoken"
    (output,) = [content for role, content in call.conversation() if role == "tool"]
    assert output.startswith("Error: ")


async def test_calls_that_the_server_takes_back_are_not_waited_for() -> None:
    call = Call([ASKS], fnc_ctx=Functions(seconds=60.0))
    await call.until(DECIDED + 1.0)
    call.session.emit("function_calls_cancelled", ["call"])
    await call.until(DECIDED + 2.0)

    assert call.outcomes() == ["silent"]
    await call.run(DECIDED + 2.0)


async def test_an_interruption_during_a_function_ends_the_turn_and_keeps_its_output() -> None:
    call = Call([ASKS, "It is sunny."], fnc_ctx=Functions(seconds=1.0))
    await call.until(DECIDED + 0.5)
    call.agent.interrupt()
    await call.run(8)

    assert call.outcomes()[0] == "dropped"
    assert [content for role, content in call.conversation() if role == "tool"] == ["sunny in Rome"]


async def test_other_functions_reach_the_model() -> None:
    call = Call(caller=[QUESTION], answers=["Good day."])
    first, second = Functions(), Functions()
    call.agent.fnc_ctx = first
    assert call.agent.fnc_ctx is first

    await call.until(0.5)
    assert call.session.fnc_ctx is first
    call.agent.fnc_ctx = second
    assert call.agent.fnc_ctx is second
    await call.run(6)

    assert call.session.functions == [["fail", "note", "weather"]] * 2
