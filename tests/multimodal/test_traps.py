"""What went wrong in the older framework, and in others, one test each."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from livekit import rtc
from tests.multimodal.calls import DECIDED, LONG, QUESTION, RATE, Call, Functions

from lk_agents.llm import ChatContext
from lk_agents.multimodal import AgentTranscriptionOptions
from lk_agents.realtime import RealtimeCapabilities
from lk_agents.testing.providers import Break, Heard, RealtimeAnswer, ScriptedContent, ScriptedRealtime, voice
from lk_agents.testing.session_io import MemorySessionIO

pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")


async def test_an_agent_can_be_closed_once_it_is_started_and_starts_once() -> None:
    call = Call(["Good day."])
    await call.until(1.0)
    with pytest.raises(RuntimeError, match="started already"):
        call.agent.start_with(call.io)

    await call.agent.aclose()
    await call.agent.aclose()

    assert call.told("closed") == ["closed"]
    call.session.emit("input_speech_started")
    assert "user_started_speaking" not in call.events()
    with pytest.raises(RuntimeError, match="started already"):
        call.agent.start_with(MemorySessionIO())


async def test_who_comes_late_is_heard_and_replaces_nobody() -> None:
    io = MemorySessionIO(user=None, voice_rate=RATE)
    call = Call(["Good day."], io=io, model=ScriptedRealtime(["Good day."], caller=[QUESTION]), caller=None)
    await call.until(3.0)
    io.open_voice("late").feed(voice([QUESTION], 6.0, sample_rate=RATE))
    await call.run(8.0)

    assert call.told("agent_speech_committed") == ["Good day."]
    assert call.shown("late") == [("Hello there", True)]


@pytest.mark.parametrize("user", [True, False])
@pytest.mark.parametrize("agent", [True, False])
async def test_transcripts_that_are_not_wanted_are_not_shown(user: bool, agent: bool) -> None:
    options = AgentTranscriptionOptions(user_transcription=user, agent_transcription=agent)
    call = await Call(["Good day."], transcription=options).run(6)

    assert bool(call.shown("caller")) is user
    assert bool(call.shown("agent")) is agent
    assert call.told("agent_speech_committed") == ["Good day."]


async def test_what_the_model_says_before_the_agent_can_be_heard_waits() -> None:
    class Slow(MemorySessionIO):
        async def start(self, *, sample_rate: int, num_channels: int) -> None:
            await asyncio.sleep(2.0)
            await super().start(sample_rate=sample_rate, num_channels=num_channels)

    call = Call(["Welcome."], caller=None, io=Slow(voice_rate=RATE))
    call.start()
    call.agent.generate_reply()
    await call.run(5.0)

    assert call.at("agent_started_speaking") == [pytest.approx(2.0)]
    assert call.told("agent_speech_committed") == ["Welcome."]


async def test_audio_from_before_the_model_could_hear_is_not_given_in_a_burst() -> None:
    call = Call(model=ScriptedRealtime(sync_seconds=5.0, caller=[QUESTION]), caller=[Heard("far too early", 0.5, 1.0)])
    await call.until(5.01)

    given = sum(frame.duration for frame in call.session.heard)
    assert given == pytest.approx(1.0, abs=0.05)
    await call.run(5.5)


async def test_a_second_part_of_a_response_is_heard_behind_the_first_and_each_is_written_to_its_own_item() -> None:
    def part(text: str) -> ScriptedContent:
        content = ScriptedContent(text, response_id="one")
        content.text_stream.send_nowait(text)
        content.text_stream.close()
        content.audio_stream.send_nowait(rtc.AudioFrame(bytes(RATE * 2), RATE, 1, RATE))
        content.audio_stream.close()
        return content

    call = Call(caller=None)
    await call.until(1.0)
    first, second = part("The first."), part("The second.")
    for each in (first, second):
        call.session.emit("response_content_added", each)
    context = ChatContext()
    for each in (first, second):
        context.append(text=each.text, role="assistant").messages[-1].id = each.item_id
    await call.agent.set_chat_ctx(context)
    await call.until(2.5)
    call.agent.interrupt()
    await call.run(4.0)

    assert call.at("agent_started_speaking") == [pytest.approx(1.0), pytest.approx(2.0, abs=0.02)]
    assert call.at("agent_stopped_speaking") == [pytest.approx(2.0, abs=0.02), pytest.approx(2.5)]
    assert call.told("agent_speech_committed") == ["The first."]
    (cut,) = call.told("agent_speech_interrupted")
    ((item, milliseconds),) = call.session.truncated
    assert item == second.item_id
    assert milliseconds == pytest.approx(500, abs=20)
    assert call.conversation() == [("assistant", "The first."), ("assistant", cut)]
    assert len(call.told("turn_finished")) == 1


async def test_a_part_that_is_text_does_not_wait_to_be_heard() -> None:
    call = Call(caller=None)
    await call.until(1.0)
    content = ScriptedContent("never closed", content_type="text")
    call.session.emit("response_content_added", content)
    await call.until(30.0)

    assert not call.told("dead_air")
    assert call.states()[-1][1] == "listening"
    await call.run(30.0)


async def test_a_model_that_keeps_writing_is_an_error_that_the_program_gets() -> None:
    text = RealtimeAnswer(text="I write.", as_text=True)
    call = await Call([text], max_text_response_retries=0).run(6)

    (error,) = call.told("error")
    assert error.stage == "realtime"
    assert "text" in str(error.error)
    assert "I write" not in str(error.error)


@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
async def test_the_model_is_given_pieces_of_equal_length_at_its_own_rate(rate: int) -> None:
    class Other(ScriptedRealtime):
        @property
        def capabilities(self) -> RealtimeCapabilities:
            return replace(super().capabilities, input_audio_sample_rate=rate)

    call = Call(model=Other(), caller=None)
    call.start()
    call.io.say(voice([QUESTION], 1.0, sample_rate=RATE))
    await call.run(1.2)

    assert {(frame.sample_rate, frame.samples_per_channel) for frame in call.session.heard} == {(rate, rate // 50)}
    assert sum(frame.duration for frame in call.session.heard) == pytest.approx(1.0, abs=0.1)


async def test_a_context_that_does_not_reach_the_model_is_an_error_and_the_end() -> None:
    call = Call(model=ScriptedRealtime(breaks=[Break(0, times=3)]), caller=None)
    await call.until(2.0)

    assert [each.stage for each in call.told("error")] == ["realtime"]
    assert len(call.told("closed")) == 1
    assert [state for _, state in call.states()] == ["initializing"]


async def test_what_was_said_is_told_as_text() -> None:
    caller = [QUESTION, Heard("stop it now", 6.0, 7.0)]
    call = await Call(["Good day.", LONG], caller=caller).run(9.0)

    kinds = ("user_speech_committed", "agent_speech_committed", "agent_speech_interrupted")
    assert all(isinstance(each, str) for kind in kinds for each in call.told(kind))


@pytest.mark.parametrize("asked", ["fail", "unknown"])
async def test_a_call_that_cannot_be_made_gets_an_output_and_an_answer(asked: str) -> None:
    call = await Call([RealtimeAnswer(calls=[(asked, {})]), "Sorry."], fnc_ctx=Functions()).run(8)

    assert [role for role, _ in call.conversation()].count("tool") == 1
    assert call.told("agent_speech_committed") == ["Sorry."]


async def test_an_agent_without_functions_answers_a_call_as_well() -> None:
    call = await Call([RealtimeAnswer(calls=[("weather", {"place": "Rome"})]), "Sorry."]).run(8)

    assert call.told("agent_speech_committed") == ["Sorry."]


async def test_a_user_who_falls_mute_in_the_middle_of_a_word_is_answered() -> None:
    call = Call(["Good day."], caller=None, model=ScriptedRealtime(["Good day."], caller=[QUESTION]))
    call.start()
    call.io.say(voice([QUESTION], 2.0, sample_rate=RATE))  # and no frame behind that
    await call.run(8.0)

    assert call.told("user_speech_committed") == ["Hello there"]
    assert call.told("agent_speech_committed") == ["Good day."]


async def test_a_track_that_is_replaced_in_the_middle_of_a_sentence_costs_nothing() -> None:
    call = Call(["Good day."], caller=None, model=ScriptedRealtime(["Good day."], caller=[QUESTION]))
    call.start()
    frames = voice([QUESTION], 4.0, sample_rate=RATE)
    call.io.say(frames[:75])
    await call.until(1.5)
    call.io.open_voice().feed(frames[75:])
    await call.run(8.0)

    assert call.told("agent_speech_committed") == ["Good day."]


async def test_an_event_that_carries_more_than_it_should_is_taken_all_the_same() -> None:
    call = Call(["Good day."])
    await call.until(0.5)
    call.session.emit("input_speech_started", {"item": "item_1"})
    call.session.emit("input_speech_committed", "item_1", "item_0")
    await call.run(6.0)

    assert call.told("agent_speech_committed") == ["Good day."]


async def test_a_reply_without_a_word_heard_is_cut_and_not_told() -> None:
    call = Call([LONG], caller=None)
    call.start()
    call.agent.generate_reply()
    await call.until(0.01)
    call.agent.interrupt()
    await call.run(2.0)

    assert not call.told("agent_speech_interrupted")
    assert [milliseconds for _, milliseconds in call.session.truncated] == [10]
    assert call.outcomes() == ["interrupted"]


async def test_what_was_not_understood_does_not_hold_its_place_for_ever() -> None:
    model = ScriptedRealtime(["Good day."], caller=[QUESTION], transcript_seconds=None)
    call = await Call(model=model).run(6)

    assert call.shown("caller") == [("", True)]
    assert not call.told("user_speech_committed")


async def test_a_server_that_hears_but_does_not_answer_by_itself_is_not_waited_for() -> None:
    call = Call(model=ScriptedRealtime(["Good day."], caller=[QUESTION], creates_responses=False))
    await call.until(DECIDED + 10.0)
    assert not call.told("dead_air")
    assert not call.told("turn_finished")

    call.agent.generate_reply()
    await call.run(DECIDED + 13.0)

    assert call.told("agent_speech_committed") == ["Good day."]
    assert [record.turn for record in call.told("turn_finished")] == [1]
