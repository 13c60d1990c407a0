"""A model that fails: the program is told, the agent listens again or ends, and nothing is left."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit import rtc
from tests.multimodal.calls import DECIDED, LONG, QUESTION, RATE, Call, Functions

from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, APITimeoutError, DeadAirError
from lk_agents.llm import ChatContext
from lk_agents.testing.providers import Break, BreakKind, Heard, RealtimeAnswer, ScriptedRealtime
from lk_agents.testing.providers.speech import tone

pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")

REFUSED = Break(0, error=lambda: APIStatusError("the key is not valid", status_code=401))
SILENT = Break(0, BreakKind.STALL)
TEXT = RealtimeAnswer(text="I write instead.", as_text=True)
FILLER = [tone(RATE // 2, RATE)]


def errors(call: Call) -> list[tuple[str, type[BaseException]]]:
    """Return what has failed, and how."""
    return [(each.stage, type(each.error)) for each in call.told("error")]


# --- the session cannot begin ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("broken", "kind"), [(REFUSED, APIStatusError), (SILENT, APITimeoutError)])
async def test_a_session_that_cannot_begin_ends_the_conversation(broken: Break, kind: type[APIError]) -> None:
    call = Call(model=ScriptedRealtime(["Good day."], breaks=[broken]), caller=None)
    await call.until(12.0)

    assert errors(call)[0] == ("realtime", kind)
    assert len(call.told("closed")) == 1
    assert call.io.closed


async def test_a_session_that_never_says_whether_it_has_begun_is_given_up() -> None:
    call = Call(model=ScriptedRealtime(sync_seconds=1_000.0), caller=None)
    await call.until(29.0)
    assert not call.told("closed")

    await call.until(31.0)

    assert errors(call) == [("realtime", APITimeoutError)]
    assert len(call.told("closed")) == 1


async def test_closing_while_the_session_begins_is_quick() -> None:
    call = Call(model=ScriptedRealtime(sync_seconds=1_000.0), caller=None)
    await call.until(1.0)
    await call.agent.aclose()

    assert call.now == pytest.approx(1.0, abs=0.01)
    assert call.told("closed") == ["closed"]
    assert not call.told("error")


# --- the session ends ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0.5, 1.5, DECIDED + 0.1, DECIDED + 1.0, 9.0])
async def test_a_session_that_dies_ends_the_conversation_whatever_was_going_on(at: float) -> None:
    call = Call([RealtimeAnswer(text=LONG, first_seconds=0.5, pace=1.0)])
    await call.until(at)
    call.session.die(APIConnectionError("gone", retryable=False))
    await call.until(at + 1.0)

    assert errors(call) == [("realtime", APIConnectionError)]
    assert len(call.told("closed")) == 1
    started, stopped = call.at("agent_started_speaking"), call.at("agent_stopped_speaking")
    assert len(started) == len(stopped)


async def test_what_the_session_takes_badly_ends_the_conversation() -> None:
    class Deaf(ScriptedRealtime):
        def session(self, **about: Any) -> Any:
            session = super().session(**about)
            setattr(session, "_push_audio", refuse)  # noqa: B010  a part of the protocol
            return session

    def refuse(frame: rtc.AudioFrame) -> None:
        raise RuntimeError("no audio, please")

    call = Call(model=Deaf(caller=[QUESTION]))
    await call.until(2.0)

    assert call.told("closed") == ["lk-ear failed: RuntimeError"]


# --- the connection is lost ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [1.5, DECIDED + 0.2])
async def test_a_lost_connection_costs_no_question(at: float) -> None:
    answers = [RealtimeAnswer(text="Good day.", first_seconds=0.5)] * 2
    call = Call(answers)
    await call.until(at)
    call.session.lose_connection(APIConnectionError())
    await call.run(8.0)

    assert call.told("agent_speech_committed") == ["Good day."]
    assert call.outcomes() == ["spoken"]
    assert len(call.told("reconnecting")) == len(call.at("reconnected")) == 1
    assert isinstance(call.told("reconnecting")[0], APIError)
    assert call.events().count("user_started_speaking") == call.events().count("user_stopped_speaking") == 1
    assert not call.told("error")


async def test_what_is_said_while_there_is_no_connection_is_heard_afterwards() -> None:
    call = Call(["Good day."])
    await call.until(0.9)
    call.session.lose_connection(seconds=2.1)
    await call.until(2.99)
    assert not call.at("user_started_speaking")
    await call.run(8.0)

    assert call.told("user_speech_committed") == ["Hello there"]
    assert call.told("agent_speech_committed") == ["Good day."]
    assert call.told("reconnecting") == [None]


async def test_a_reply_that_the_lost_connection_cut_is_heard_as_far_as_it_came() -> None:
    model = ScriptedRealtime([RealtimeAnswer(text=LONG, pace=2.0)], caller=[QUESTION])
    call = Call(model=model)
    await call.until(DECIDED + 1.0)
    call.session.lose_connection()
    await call.run(8.0)

    (started,), (stopped,) = call.at("agent_started_speaking"), call.at("agent_stopped_speaking")
    assert stopped - started == pytest.approx(2.0, abs=0.1)
    assert call.outcomes() == ["spoken"]


async def test_a_reply_that_waits_for_a_function_is_not_asked_for_again() -> None:
    asks = RealtimeAnswer(calls=[("weather", {"place": "Rome"})])
    call = Call([asks, "It is sunny."], fnc_ctx=Functions(seconds=1.5))
    await call.until(DECIDED + 0.5)
    call.session.lose_connection(seconds=0.2)
    await call.run(8.0)

    assert call.told("agent_speech_committed") == ["It is sunny."]
    assert call.session.asked == 0
    assert call.outcomes() == ["spoken"]


async def test_a_connection_that_cannot_be_made_again_ends_the_conversation() -> None:
    call = Call(["Good day."])
    await call.until(0.5)
    call.session.lose_connection(seconds=1.0, for_good=True)
    await call.until(3.0)

    assert errors(call) == [("realtime", APIConnectionError)]
    assert len(call.told("closed")) == 1


# --- the model does not answer ---------------------------------------------------------------------------------------


async def test_a_model_that_never_answers_is_asked_again_and_given_up() -> None:
    never = RealtimeAnswer(text="Never.", stall_at=0.0)
    call = await Call([never, never], filler=FILLER).run(16.0)

    assert [each.count for each in call.told("dead_air")] == [1, 2]
    assert [each.stage for each in call.told("dead_air")] == ["llm_first_token"] * 2
    assert call.session.asked == 1
    assert call.outcomes() == ["failed"]
    assert call.states()[-1][1] == "listening"
    (record,) = call.told("turn_finished")
    assert record.dead_air == ("llm_first_token", "llm_first_token")


async def test_a_second_question_is_answered_after_a_first_one_was_given_up() -> None:
    never = RealtimeAnswer(text="Never.", stall_at=0.0)
    caller = [QUESTION, Heard("are you there", 14.0, 15.0)]
    call = await Call([never, never, "Here I am."], caller=caller).run(20.0)

    assert call.outcomes() == ["failed", "spoken"]
    assert call.told("agent_speech_committed") == ["Here I am."]


async def test_a_model_that_answers_the_second_time_is_heard() -> None:
    call = await Call([RealtimeAnswer(text="Never.", stall_at=0.0), "Good day."]).run(12.0)

    assert call.told("agent_speech_committed") == ["Good day."]
    assert call.outcomes() == ["spoken"]


async def test_three_replies_in_a_row_that_do_not_come_end_the_conversation_with_a_goodbye() -> None:
    never = RealtimeAnswer(text="Never.", stall_at=0.0)
    caller = [Heard("one", 1.0, 1.5), Heard("two", 14.0, 14.5), Heard("three", 28.0, 28.5)]
    call = Call([never] * 6, caller=caller, goodbye=FILLER)
    await call.until(45.0)

    assert len(call.told("closed")) == 1
    assert "nothing was heard" in call.told("closed")[0]
    assert call.io.audio_out.played_audio == bytes(FILLER[0].data.cast("B"))


async def test_audio_that_stops_coming_is_given_up_and_cut_where_it_was_heard() -> None:
    call = await Call([RealtimeAnswer(text=LONG, stall_at=1.0)]).run(16.0)

    assert call.outcomes() == ["failed"]
    assert [milliseconds for _, milliseconds in call.session.truncated] == [1000]
    (said,) = call.told("agent_speech_interrupted")
    assert LONG.startswith(said.removesuffix("..."))
    assert call.events().count("agent_stopped_speaking") == 1


async def test_audio_without_end_is_heard_until_somebody_speaks_and_not_gathered() -> None:
    endless = RealtimeAnswer(text="On and on.", seconds=600.0, pace=4.0)
    caller = [QUESTION, Heard("enough of that", 60.0, 61.0)]
    call = Call([endless, "I stop."], caller=caller)
    await call.until(59.0)
    assert call.events().count("agent_started_speaking") == 1

    await call.run(66.0)

    assert call.told("agent_speech_committed") == ["I stop."]
    assert [milliseconds for _, milliseconds in call.session.truncated] == [pytest.approx(57_500, abs=100)]


async def test_a_response_that_fails_is_told_and_the_next_turn_goes_well() -> None:
    caller = [QUESTION, Heard("and now", 5.0, 6.0)]
    call = await Call([RealtimeAnswer(status="failed"), "Good day."], caller=caller).run(10.0)

    assert errors(call) == [("realtime", APIError)]
    assert call.outcomes() == ["failed", "spoken"]


async def test_a_response_without_anything_is_a_silent_turn() -> None:
    call = await Call([RealtimeAnswer()]).run(8.0)

    assert call.outcomes() == ["silent"]
    assert not call.told("dead_air")


async def test_a_response_that_is_cancelled_elsewhere_ends_its_turn() -> None:
    call = Call([RealtimeAnswer(text=LONG, first_seconds=1.0)])
    await call.until(DECIDED + 0.5)
    call.session.cancel_response()
    await call.run(8.0)

    assert call.outcomes() == ["dropped"]


# --- the model writes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("texts", [1, 5])
async def test_a_model_that_writes_is_brought_back_to_speaking(texts: int) -> None:
    call = await Call([*[TEXT] * texts, "Now I speak."]).run(8.0)

    assert call.session.recovered == texts
    assert call.told("agent_speech_committed") == ["Now I speak."]
    assert call.outcomes() == ["spoken"]
    assert not call.told("error")
    assert ("assistant", TEXT.text) not in call.conversation()


async def test_a_model_that_keeps_writing_is_given_up_for_this_turn() -> None:
    call = await Call([TEXT] * 6).run(8.0)

    assert call.session.recovered == 5
    assert errors(call) == [("realtime", RuntimeError)]
    assert call.outcomes() == ["failed"]
    assert not call.told("dead_air")


async def test_how_often_it_is_brought_back_can_be_said() -> None:
    call = await Call([TEXT], max_text_response_retries=0).run(8.0)

    assert call.session.recovered == 0
    assert errors(call) == [("realtime", RuntimeError)]


async def test_speech_makes_good_for_all_texts_before() -> None:
    caller = [QUESTION, Heard("once more", 6.0, 7.0)]
    answers: list[RealtimeAnswer | str] = [*[TEXT] * 5, "Now I speak.", *[TEXT] * 5, "I speak again."]
    call = await Call(answers, caller=caller).run(12.0)

    assert call.session.recovered == 10
    assert call.told("agent_speech_committed") == ["Now I speak.", "I speak again."]


# --- other faults ----------------------------------------------------------------------------------------------------


async def test_an_error_that_the_session_reports_is_told_and_ends_nothing() -> None:
    class Record:
        message, code = "too many tokens", "rate_limit"

    call = Call(["Good day."])
    await call.until(0.5)
    call.session.emit("error", Record())
    call.session.emit("error", APITimeoutError())
    await call.run(8.0)

    assert errors(call) == [("realtime", APIError), ("realtime", APITimeoutError)]
    assert call.told("error")[0].error.code == "rate_limit"
    assert call.told("agent_speech_committed") == ["Good day."]


async def test_a_message_that_the_model_does_not_take_is_told() -> None:
    call = Call(caller=None)
    await call.until(0.5)

    async def refuse(ctx: ChatContext) -> None:
        raise APIConnectionError

    call.session.set_chat_ctx = refuse  # type: ignore[method-assign]
    call.io.text.write("Hello")
    await call.run(1.0)

    assert errors(call) == [("realtime", APIConnectionError)]


async def test_a_sink_that_fails_ends_the_reply_only() -> None:
    call = Call([LONG])
    await call.until(DECIDED + 1.0)

    async def fail(frame: rtc.AudioFrame) -> None:
        raise OSError("the device is gone")

    call.io.audio_out.capture_frame = fail  # type: ignore[method-assign]
    await call.run(8.0)

    assert [stage for stage, _ in errors(call)] == ["playout"]
    assert call.outcomes() == ["failed"]
    assert len(call.session.truncated) == 1


async def test_a_callback_that_fails_stops_nothing() -> None:
    call = Call(["Good day."])

    def takes_too_much(first: object, second: object) -> None:
        raise AssertionError("never reached")

    call.agent.on("agent_started_speaking", takes_too_much)
    await call.run(8.0)

    assert call.outcomes() == ["spoken"]


async def test_a_session_that_does_not_close_is_left_after_a_while() -> None:
    call = Call(["Good day."])
    await call.until(1.0)
    closing = call.session.aclose

    async def hang() -> None:
        try:
            await asyncio.sleep(1_000.0)
        finally:
            await closing()

    call.session.aclose = hang  # type: ignore[method-assign]
    await call.agent.aclose()

    assert call.now == pytest.approx(6.0, abs=0.1)
    assert call.told("closed") == ["closed"]


async def test_a_function_that_hangs_is_watched() -> None:
    asks = RealtimeAnswer(calls=[("weather", {"place": "Rome"})])
    call = Call([asks], fnc_ctx=Functions(seconds=600.0), filler=FILLER)
    await call.run(DECIDED + 5.0)

    assert [each.stage for each in call.told("dead_air")] == ["tool"]
    assert issubclass(DeadAirError, RuntimeError)
    assert call.io.audio_out.played_audio
