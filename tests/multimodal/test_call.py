"""Whole calls in virtual time."""

from __future__ import annotations

import pytest
from tests.multimodal.calls import DECIDED, LONG, QUESTION, Call

from lk_agents.llm import ChatContext
from lk_agents.media.session_io import EndPolicy
from lk_agents.testing import VirtualClock
from lk_agents.testing.providers import Heard, RealtimeAnswer, ScriptedRealtime, voice
from lk_agents.testing.session_io import MemorySessionIO

pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")


async def test_a_question_is_answered_and_a_reply_is_cut_where_the_user_speaks() -> None:
    caller = [QUESTION, Heard("stop it now", 4.0, 5.0)]
    answers: list[RealtimeAnswer | str] = [RealtimeAnswer(text=LONG, first_seconds=0.3), "I stop."]

    call = await Call(answers, caller=caller).run(10)

    assert call.conversation() == [
        ("user", "Hello there"),
        ("assistant", "One two three four..."),
        ("user", "stop it now"),
        ("assistant", "I stop."),
    ]
    assert call.outcomes() == ["interrupted", "spoken"]
    assert call.at("agent_started_speaking") == [pytest.approx(2.8), pytest.approx(5.5, abs=0.02)]
    assert [ms for _, ms in call.session.truncated] == [pytest.approx(1200, abs=20)]


async def test_what_both_sides_say_is_shown() -> None:
    call = await Call(["Good day."]).run(6)

    assert call.shown("caller") == [("Hello there", True)]
    assert call.shown("agent") == [("Good day.", True)]


async def test_a_microphone_of_another_rate_is_heard_as_well() -> None:
    io = MemorySessionIO(voice_rate=24_000)
    call = Call(["Good day."], io=io)
    call.start()
    io.open_voice(sample_rate=48_000, num_channels=2)
    await call.run(1)

    assert {(frame.sample_rate, frame.num_channels) for frame in call.session.heard} <= {(24_000, 1)}


async def test_the_program_lets_it_greet_before_anybody_has_spoken() -> None:
    call = Call(["Welcome."], caller=None)
    call.start()
    call.agent.generate_reply()
    await call.run(3)

    assert call.told("agent_speech_committed") == ["Welcome."]
    assert call.at("agent_started_speaking") == [pytest.approx(0.0, abs=0.01)]
    (record,) = call.told("turn_finished")
    assert (record.from_speech, record.outcome) == (False, "spoken")


async def test_nothing_is_said_before_somebody_listens() -> None:
    call = Call(["Welcome."], caller=None, io=MemorySessionIO(voice_rate=24_000, listener_seconds=2.0))
    call.start()
    call.agent.generate_reply()
    await call.run(5)

    assert call.at("agent_started_speaking") == [pytest.approx(2.0, abs=0.01)]
    assert not call.told("dead_air")


async def test_without_a_server_that_hears_it_the_program_ends_the_turn() -> None:
    call = Call(["Good day.", "And good night."], caller=None)
    call.start()
    call.io.say(voice([QUESTION], 2.0, sample_rate=24_000))
    await call.until(2.1)
    call.agent.generate_reply()
    await call.until(4.0)
    call.agent.generate_reply()  # nothing was said since then
    await call.run(6)

    assert call.session.committed == 1
    assert call.told("agent_speech_committed") == ["Good day.", "And good night."]


async def test_where_the_server_hears_it_the_program_does_not_end_the_turn() -> None:
    call = Call(["Good day.", "Hello to you."])
    call.start()
    call.agent.generate_reply()
    await call.run(6)

    assert call.session.committed == 1  # the one that the caller has ended
    assert call.told("agent_speech_committed") == ["Good day.", "Hello to you."]


@pytest.mark.parametrize(
    ("on_duplicate", "said", "cut"),
    [
        ("cancel_existing", ["Anything else?"], [LONG]),
        ("keep_both", [LONG, "Anything else?"], []),
    ],
)
async def test_a_reply_beside_another_one_does_as_it_is_told(
    on_duplicate: str, said: list[str], cut: list[str]
) -> None:
    call = Call([LONG, "Anything else?"], caller=None)
    call.start()
    call.agent.generate_reply()
    await call.until(1)
    call.agent.generate_reply(on_duplicate)  # type: ignore[arg-type]
    await call.run(9)

    assert call.told("agent_speech_committed") == said
    assert len(call.told("agent_speech_interrupted")) == len(cut)
    assert call.events().count("agent_started_speaking") == call.events().count("agent_stopped_speaking") == 2


async def test_a_reply_that_is_not_to_be_given_beside_another_one_is_not() -> None:
    call = Call([RealtimeAnswer(text=LONG, pace=1.0), "Anything else?"], caller=None)
    call.start()
    call.agent.generate_reply()
    await call.until(1)
    call.agent.generate_reply("cancel_new")
    await call.run(9)

    assert call.told("agent_speech_committed") == [LONG]
    assert call.outcomes() == ["spoken"]


async def test_what_is_typed_is_answered_at_once() -> None:
    call = Call([LONG, "You wrote to me."], caller=None)
    call.start()
    call.agent.generate_reply()
    await call.until(1)
    call.io.text.write("  Hello in writing ")
    await call.run(6)

    assert ("user", "Hello in writing") in call.conversation()
    assert call.told("agent_speech_committed") == ["You wrote to me."]
    assert len(call.told("agent_speech_interrupted")) == 1
    assert call.told("user_message_received")[0].text == "  Hello in writing "


async def test_the_model_begins_with_the_conversation_that_it_is_given() -> None:
    context = ChatContext().append(text="Be kind.", role="system")
    call = await Call(["Good day."], chat_ctx=context).run(6)

    assert call.conversation()[0] == ("system", "Be kind.")
    assert [each.content for each in context.messages] == ["Be kind."]


async def test_the_conversation_can_be_exchanged() -> None:
    call = Call([], caller=None)
    before = ChatContext().append(text="before the start", role="user")
    await call.agent.set_chat_ctx(before)
    assert call.conversation() == [("user", "before the start")]

    await call.until(1)
    assert call.conversation() == [("user", "before the start")]
    await call.agent.set_chat_ctx(ChatContext().append(text="anew", role="user"))
    assert call.conversation() == [("user", "anew")]
    await call.run(1)


async def test_a_model_that_keeps_no_items_tells_itself_what_was_said() -> None:
    from lk_agents.realtime import RealtimeTranscription

    model = ScriptedRealtime([RealtimeAnswer(text="")], supports_truncate=False, caller=[QUESTION])
    call = Call(model=model, caller=[QUESTION])
    await call.until(3.0)
    call.session.emit("agent_speech_transcription_completed", RealtimeTranscription("item", "Good day."))
    await call.run(4)

    assert call.told("agent_speech_committed") == ["Good day."]
    assert call.shown("agent") == [("Good day.", True)]
    assert call.told("user_speech_committed") == ["Hello there"]
    assert ("user", None) in call.conversation()  # it is left alone


async def test_what_is_shown_while_it_is_heard_is_not_shown_again() -> None:
    from lk_agents.realtime import RealtimeTranscription

    model = ScriptedRealtime(["Good day."], supports_truncate=False, caller=[QUESTION])
    call = Call(model=model, caller=[QUESTION])
    await call.until(5.0)
    item = call.conversation()[-1]
    assert item == ("assistant", "Good day.")
    message = call.agent.chat_ctx_copy().messages[-1]
    call.session.emit("agent_speech_transcription_completed", RealtimeTranscription(message.id or "", "Good day."))
    await call.run(6)

    assert call.told("agent_speech_committed") == ["Good day."]
    assert call.shown("agent") == [("Good day.", True)]


async def test_a_model_that_keeps_no_items_is_neither_cut_nor_stopped() -> None:
    model = ScriptedRealtime([LONG], supports_truncate=False, caller=[QUESTION])
    call = Call(model=model, caller=[QUESTION])
    await call.until(3.5)
    call.session.emit("agent_speech_stopped")
    await call.run(6)

    assert (call.session.truncated, call.session.cancelled) == ([], 0)
    assert call.at("agent_stopped_speaking") == [pytest.approx(3.5)]
    assert not call.told("agent_speech_committed")
    assert not call.told("agent_speech_interrupted")
    assert "user_started_speaking" not in call.events()[3:]


async def test_it_is_over_when_its_surroundings_are() -> None:
    call = Call([LONG], end_policy=EndPolicy.LINKED_LEAVES)
    await call.until(3.0)
    call.io.end("the user has left")
    await call.until(3.5)

    assert call.told("closed") == ["the user has left"]
    assert call.outcomes() == ["interrupted"]
    with pytest.raises(RuntimeError, match="the conversation has ended"):
        call.agent.generate_reply()
    call.agent.interrupt()


async def test_thinking_is_shown_after_a_while_only(lk_clock: VirtualClock) -> None:
    slow = await Call([RealtimeAnswer(text="Well.", first_seconds=1.0)]).run(6)
    quick = await Call([RealtimeAnswer(text="Well.", first_seconds=0.1)]).run(6)

    assert [state for _, state in slow.states()] == ["initializing", "listening", "thinking", "speaking", "listening"]
    assert slow.states()[2][0] == pytest.approx(DECIDED + 0.2, abs=0.02)
    assert [state for _, state in quick.states()] == ["initializing", "listening", "speaking", "listening"]
