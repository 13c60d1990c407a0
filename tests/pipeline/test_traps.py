"""What agents of the older framework stumbled over: each has a test, here or in the file that is named with it."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

from lk_agents import APIStatusError
from lk_agents.llm import ChatContext, FunctionContext, TypeInfo, ai_callable
from lk_agents.metrics import PipelineEOUMetrics, PipelineLLMMetrics
from lk_agents.pipeline import SessionError, SpeechOutcome
from lk_agents.testing.providers import Answer, Break, Heard, ScriptedLLM, ScriptedTTS, ScriptedVAD, voice
from lk_agents.testing.session import ScriptedCall
from lk_agents.turns import EndOfTurnPredictor

MakeCall = Callable[..., ScriptedCall]
HELLO = Heard("Hello there", 1.0, 2.0)
TESTS = Path(__file__).resolve().parent.parent
HERE = "pipeline/test_traps.py"
TRAPS = {
    "P1": (
        "it could be started twice, and closing it did nothing",
        {HERE: ["test_it_is_started_once_and_closed_for_good"]},
    ),
    "P2": (
        "whoever waited for a speech that was dropped before it was heard waited for ever",
        {HERE: ["test_whoever_waits_for_a_speech_is_told_when_it_is_dropped"]},
    ),
    "P3": (
        "what was said before the first speech was heard came in the wrong order",
        {
            HERE: [
                "test_what_is_said_one_after_the_other_is_heard_in_that_order",
                "test_say_before_the_reply_from_inside_the_callback_goes_first",
            ]
        },
    ),
    "P4": (
        "a callback before the model that raised blocked all that came behind its reply",
        {HERE: ["test_a_failing_callback_costs_one_reply_and_no_word_of_the_user"]},
    ),
    "P5": (
        "functions that all returned nothing were never reported as finished",
        {HERE: ["test_functions_that_return_nothing_are_finished_too"]},
    ),
    "P6": (
        "the shown state stayed initializing until the first speech, and thinking behind a reply without audio",
        {
            HERE: [
                "test_it_listens_before_its_first_speech_and_after_an_empty_answer",
                "test_a_model_that_fails_is_told_of_and_the_agent_listens_again",
                "test_no_reply_is_wanted",
            ]
        },
    ),
    "P7": (
        "the model's answer about functions was not measured",
        {HERE: ["test_the_model_is_measured_when_it_answers_for_functions"]},
    ),
    "P8": (
        "a reply to what was said while a function ran did not know what the function had done",
        {HERE: ["test_a_new_turn_supersedes_the_answer_and_knows_what_the_function_did"]},
    ),
    "P9": (
        "what was said under an uninterruptible speech was lost",
        {HERE: ["test_what_is_refused_under_an_uninterruptible_speech_is_asked_with_the_next_turn"]},
    ),
    "P10": (
        "where the participant who was asked for was not there yet, anybody who came was listened to",
        {
            "media/test_room_session.py": [
                "test_the_one_who_is_asked_for_is_waited_for",
                "test_whoever_is_no_human_is_not_listened_to",
                "test_whoever_comes_back_is_listened_to_again",
            ]
        },
    ),
    "P11": (
        "a reply prepared early that was interrupted was kept as if it were still to come",
        {HERE: ["test_an_early_reply_that_the_program_interrupts_does_not_cost_the_turn_its_answer"]},
    ),
    "P12": (
        "noise was answered, and nobody could say otherwise",
        {HERE: ["test_noise_gets_no_answer", "test_noise_is_answered_where_that_is_wanted"]},
    ),
    "P13": (
        "a speech that was replaced by the next one never came to its end",
        {HERE: ["test_a_speech_that_is_cut_for_the_next_one_comes_to_its_whole_end_first"]},
    ),
    "P14": (
        "a slow turn detector, or one that had no threshold, cost the turn its answer",
        {HERE: ["test_a_turn_detector_that_hangs_does_not_silence_the_agent"]},
    ),
    "P15": (
        "functions that the model called together ran one after the other",
        {
            HERE: [
                "test_functions_run_at_the_same_time_and_their_order_is_kept",
                "test_functions_run_one_after_the_other_where_that_is_wanted",
            ]
        },
    ),
    "P16": (
        "the program was not told that a model had failed",
        {HERE: ["test_a_model_that_fails_is_told_of_and_the_agent_listens_again"]},
    ),
    "P17": (
        "the conversation had a few words more or fewer of a speech that was cut than were heard",
        {
            "pipeline/test_interruptions.py": ["test_a_reply_that_is_interrupted_is_remembered_as_far_as_it_was_heard"],
            "pipeline/test_chance.py": ["test_whatever_happens_the_conversation_is_what_was_said_and_heard"],
        },
    ),
    "P18": (
        "the decision about a turn is measured although the program wants no reply; that is kept",
        {HERE: ["test_the_decision_is_measured_although_no_reply_is_wanted"]},
    ),
    "P19": (
        "a question was taken out of what the user had said by its length, even where that had changed meanwhile",
        {"voice/test_turn_table.py": ["test_what_a_recogniser_hears_anew_survives_the_commit_of_what_it_heard_first"]},
    ),
}
"""Number -> what went wrong there, and the tests that say it does not any more, by file."""
LONG = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen."


class Functions(FunctionContext):
    """Two functions: one that takes its time, one that returns nothing."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.ran: list[str] = []
        self.running = self.most_running = 0
        super().__init__()

    @ai_callable()
    async def weather(self, place: Annotated[str, TypeInfo("where")]) -> str:
        """Look at the weather."""
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        await asyncio.sleep(self.seconds)
        self.running -= 1
        self.ran.append(place)
        return f"sunny in {place}"

    @ai_callable()
    async def note(self) -> None:
        """Write it down."""
        self.ran.append("note")


def weather(*places: str, text: str = "Let me see.") -> Answer:
    return Answer(text, calls=[("weather", {"place": place}) for place in places])


@pytest.mark.parametrize("number", range(1, 20))
def test_every_trap_has_a_test_that_is_there(number: int) -> None:
    _, files = TRAPS[f"P{number}"]

    assert files
    for file, names in files.items():
        code = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        there = {each.name for each in code.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert names
        assert set(names) <= there


# --- its life --------------------------------------------------------------------------------------------------------


async def test_it_is_started_once_and_closed_for_good(lk_session: MakeCall) -> None:
    call = lk_session([HELLO], [LONG])
    call.start()
    with pytest.raises(RuntimeError, match="started already"):
        call.agent.start_with(call.io)
    await call.until(4.0)
    waiting = await call.agent.say("And this is never heard.")

    await asyncio.gather(call.agent.aclose(), call.agent.aclose())
    await call.agent.aclose()

    assert await waiting.join() is SpeechOutcome.CANCELLED
    assert call.io.closed
    assert call.told("closed") == ["closed"]
    with pytest.raises(RuntimeError):
        await call.agent.say("Too late.")
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("lk-")] == []


async def test_whoever_waits_for_a_speech_is_told_when_it_is_dropped(lk_session: MakeCall) -> None:
    call = lk_session()
    call.start()
    first = await call.agent.say(LONG)
    second = await call.agent.say("Never heard.")
    await call.until(1.0)

    call.agent.interrupt()

    assert await first.join() is SpeechOutcome.INTERRUPTED
    assert await second.join() is SpeechOutcome.CANCELLED
    assert call.agent.state == "listening"


async def test_what_is_said_one_after_the_other_is_heard_in_that_order(lk_session: MakeCall) -> None:
    call = lk_session(io=None)
    call.start()
    spoken = [await call.agent.say(text) for text in ("First of all.", "Second.", "Third.")]
    for each in spoken:
        await each
    await call.aclose()

    assert call.heard() == ["First of all.", "Second.", "Third."]


async def test_a_speech_that_is_cut_for_the_next_one_comes_to_its_whole_end_first(lk_session: MakeCall) -> None:
    call = lk_session()
    call.start()
    first = await call.agent.say(LONG)
    await call.until(3.0)
    call.agent.interrupt()
    second = await call.agent.say("And now something else.")
    await call.run(10)

    assert [await first.join(), await second.join()] == [SpeechOutcome.INTERRUPTED, SpeechOutcome.FINISHED]
    kinds = ("agent_started_speaking", "agent_stopped_speaking", "agent_speech_interrupted", "agent_speech_committed")
    assert [each.event for each in call.log if each.event in kinds] == [
        "agent_started_speaking",
        "agent_stopped_speaking",
        "agent_speech_interrupted",
        "agent_started_speaking",
        "agent_stopped_speaking",
        "agent_speech_committed",
    ]
    assert [each.text for each in call.io.text.shown] == [
        call.heard()[0].removesuffix("..."),
        "And now something else.",
    ]


# --- callbacks that fail, models that fail ---------------------------------------------------------------------------


async def test_a_failing_callback_costs_one_reply_and_no_word_of_the_user(lk_session: MakeCall) -> None:
    asked: list[str] = []

    def before(_: object, chat_ctx: ChatContext) -> None:
        asked.append(str(chat_ctx.messages[-1].content))
        if len(asked) == 1:
            raise LookupError("no such customer")

    caller = [HELLO, Heard("are you there", 6.0, 7.0)]
    call = await lk_session(caller, ["I am."], before_llm_cb=before).run()

    assert asked == ["Hello there", "Hello there are you there"]
    assert [type(each.error) for each in call.told("error")] == [LookupError]
    assert call.heard() == ["I am."]
    assert call.told("agent_state_changed")[-1] == "listening"


async def test_a_model_that_fails_is_told_of_and_the_agent_listens_again(lk_session: MakeCall) -> None:
    broken = ScriptedLLM(["Never said."], breaks=[Break(error=APIStatusError("refused", status_code=401))])
    call = await lk_session([HELLO], llm=broken).run(30)

    errors: list[SessionError] = call.told("error")
    assert [each.stage for each in errors] == ["llm"]
    assert call.told("agent_state_changed")[-1] == "listening"
    assert call.said() == ["Hello there"]


async def test_it_listens_before_its_first_speech_and_after_an_empty_answer(lk_session: MakeCall) -> None:
    call = await lk_session([HELLO], [Answer("", first_seconds=1.0)]).run()

    assert call.told("agent_state_changed") == ["initializing", "listening", "thinking", "listening"]
    assert call.heard() == []
    assert call.said() == ["Hello there"]


async def test_no_reply_is_wanted(lk_session: MakeCall) -> None:
    call = await lk_session([HELLO, Heard("anyone", 6, 7)], before_llm_cb=lambda _, __: False).run()

    assert call.said() == []
    assert call.heard() == []
    assert call.told("agent_state_changed")[-1] == "listening"


async def test_the_decision_is_measured_although_no_reply_is_wanted(lk_session: MakeCall) -> None:
    call = await lk_session([HELLO], before_llm_cb=lambda _, __: False).run()

    (measured,) = [each for each in call.told("metrics_collected") if isinstance(each, PipelineEOUMetrics)]
    assert measured.end_of_utterance_delay == pytest.approx(0.5)


# --- functions -------------------------------------------------------------------------------------------------------


async def test_functions_that_return_nothing_are_finished_too(lk_session: MakeCall) -> None:
    call = await lk_session([HELLO], [Answer("Noted.", calls=[("note", {})])], fnc_ctx=Functions()).run()

    assert len(call.at("function_calls_finished")) == 1
    assert [(each.name, each.output) for each in call.called()] == [("note", "")]
    assert call.heard() == ["Noted."]


async def test_the_model_is_measured_when_it_answers_for_functions(lk_session: MakeCall) -> None:
    call = await lk_session([HELLO], [weather("Rome"), "It is sunny."], fnc_ctx=Functions()).run()

    measured = [each.sequence_id for each in call.told("metrics_collected") if isinstance(each, PipelineLLMMetrics)]
    assert len(measured) == 2
    assert len(set(measured)) == 2
    assert call.heard() == ["Let me see.", "It is sunny."]
    assert [each.output for each in call.called()] == ["sunny in Rome"]


async def test_a_new_turn_supersedes_the_answer_and_knows_what_the_function_did(lk_session: MakeCall) -> None:
    functions = Functions(seconds=3.0)
    caller = [HELLO, Heard("and what time is it", 4.0, 5.0)]
    answers = [weather("Rome"), Answer("It is noon.", when="time")]
    call = await lk_session(caller, answers, fnc_ctx=functions).run()

    assert functions.ran == ["Rome"]
    assert call.heard() == ["Let me see.", "It is noon."]
    assert [each.output for each in call.called()] == ["sunny in Rome"]


async def test_functions_run_at_the_same_time_and_their_order_is_kept(lk_session: MakeCall) -> None:
    functions = Functions()
    call = await lk_session([HELLO], [weather("Rome", "Oslo"), "Sunny in both."], fnc_ctx=functions).run()

    assert functions.most_running == 2
    assert [each.output for each in call.called()] == ["sunny in Rome", "sunny in Oslo"]


async def test_functions_run_one_after_the_other_where_that_is_wanted(lk_session: MakeCall) -> None:
    functions = Functions()
    await lk_session([HELLO], [weather("Rome", "Oslo"), "Sunny."], fnc_ctx=functions, serial_tools=True).run()

    assert functions.most_running == 1
    assert functions.ran == ["Rome", "Oslo"]


async def test_an_interrupted_speech_calls_nothing_and_says_so(lk_session: MakeCall) -> None:
    functions = Functions()
    caller = [HELLO, Heard("stop right there please", 5.0, 6.5)]
    answers = [weather("Rome", text=LONG), Answer("Stopped.", when="stop")]
    call = await lk_session(caller, answers, fnc_ctx=functions).run()

    assert functions.ran == []
    assert [each.output for each in call.called()] == ["cancelled"]


async def test_calls_that_are_too_deep_are_cancelled(lk_session: MakeCall) -> None:
    functions = Functions()
    call = await lk_session([HELLO], [weather("Rome")], fnc_ctx=functions, max_nested_fnc_calls=0).run()

    assert functions.ran == []
    assert [each.output for each in call.called()] == ["cancelled"]
    assert call.heard() == ["Let me see."]


# --- turns -----------------------------------------------------------------------------------------------------------


async def test_a_turn_detector_that_hangs_does_not_silence_the_agent(lk_session: MakeCall) -> None:
    class Hangs:
        def unlikely_threshold(self, language: str | None) -> float | None:
            return None

        def supports_language(self, language: str | None) -> bool:
            return True

        async def predict_end_of_turn(self, chat_ctx: ChatContext) -> float:
            await asyncio.sleep(60)
            return 0.0

    detector: EndOfTurnPredictor = Hangs()
    call = await lk_session([HELLO], ["Hello."], turn_detector=detector).run()

    assert call.heard() == ["Hello."]
    assert call.at("agent_started_speaking")[0] < 4.0


async def test_an_early_reply_that_the_program_interrupts_does_not_cost_the_turn_its_answer(
    lk_session: MakeCall,
) -> None:
    llm = ScriptedLLM(["Never heard.", "Hello to you."])
    call = lk_session([HELLO], llm=llm, preemptive_synthesis=True)
    call.start()
    await call.until(2.35)
    assert len(llm.calls) == 1
    call.agent.interrupt()
    await call.run()

    assert call.heard() == ["Hello to you."]
    assert call.said() == ["Hello there"]


async def test_what_is_refused_under_an_uninterruptible_speech_is_asked_with_the_next_turn(
    lk_session: MakeCall,
) -> None:
    caller = [Heard("my name is Ada", 1.0, 2.0), Heard("what is my name", 9.0, 10.0)]
    call = lk_session(caller, ["Ada."])
    call.start()
    await call.agent.say(LONG, allow_interruptions=False)
    await call.run()

    assert call.heard() == [LONG, "Ada."]
    assert call.said() == ["my name is Ada what is my name"]


async def test_noise_gets_no_answer(lk_session: MakeCall) -> None:
    call = lk_session(answers=["Are you there?"], vad=ScriptedVAD([(1.0, 1.5)]))
    call.start()
    call.io.say(voice([], 20.0))
    await call.run(20)

    assert len(call.at("user_started_speaking")) == 1
    assert call.heard() == []
    assert call.told("dead_air") == []


async def test_noise_is_answered_where_that_is_wanted(lk_session: MakeCall) -> None:
    call = lk_session(answers=["Are you there?"], vad=ScriptedVAD([(1.0, 1.5)]), empty_turn_timeout=5.0)
    call.start()
    call.io.say(voice([], 20.0))
    await call.run(20)

    assert call.heard() == ["Are you there?"]
    assert call.said() == []


async def test_an_older_parameter_warns_and_counts(lk_session: MakeCall) -> None:
    with pytest.warns(DeprecationWarning, match="before_llm_cb"):
        call = lk_session([HELLO], will_synthesize_assistant_reply=lambda _, __: False)

    assert (await call.run()).heard() == []


# --- speaking --------------------------------------------------------------------------------------------------------


async def test_what_is_spoken_may_differ_from_what_is_remembered(lk_session: MakeCall) -> None:
    tts = ScriptedTTS()

    def before(_: object, text: Any) -> Any:
        async def louder() -> AsyncIterator[str]:
            async for piece in text:
                yield piece.upper()

        return text.upper() if isinstance(text, str) else louder()

    call = await lk_session([HELLO], ["Hello to you."], tts=tts, before_tts_cb=before).run()

    assert tts.spoken == ["HELLO TO YOU."]
    assert call.heard() == ["Hello to you."]


async def test_say_before_the_reply_from_inside_the_callback_goes_first(lk_session: MakeCall) -> None:
    async def before(agent: Any, _: ChatContext) -> None:
        await agent.say("One moment.")

    call = await lk_session([HELLO], ["Hello."], before_llm_cb=before).run()

    assert call.heard() == ["One moment.", "Hello."]


async def test_say_inside_a_function_is_heard_before_the_answer_and_known_to_the_model(lk_session: MakeCall) -> None:
    class Slow(FunctionContext):
        @ai_callable()
        async def look(self) -> str:
            """Look it up."""
            from lk_agents.pipeline import AgentCallContext

            await AgentCallContext.get_current().agent.say("Still looking.")
            await asyncio.sleep(2.0)
            return "found"

    llm = ScriptedLLM([Answer("Let me look.", calls=[("look", {})]), "I have found it."])
    call = await lk_session([HELLO], llm=llm, fnc_ctx=Slow()).run()

    assert call.heard() == ["Let me look.", "Still looking.", "I have found it."]
    assert "Still looking." in [message.content for message in llm.calls[1].messages]


async def test_a_typed_message_is_answered_at_once(lk_session: MakeCall) -> None:
    call = lk_session(answers=[Answer(LONG, when="count"), Answer("Hello.", when="hello")])
    call.start()
    await call.until(1.0)
    call.io.text.write("please count")
    await call.until(4.0)
    call.io.text.write("hello")
    await call.run(10)

    assert call.said() == ["please count", "hello"]
    assert call.heard()[-1] == "Hello."
    assert call.heard()[0].endswith("...")
