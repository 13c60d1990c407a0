"""What is measured in a call, what is told of each turn, and in which order."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeVar

import pytest
from tests.pipeline.calls import Functions, MakeCall, windows

from lk_agents.foundation.settings import Settings
from lk_agents.hooks.current import set_registry, use_registry
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.metrics import (
    PipelineEOUMetrics,
    PipelineLLMMetrics,
    PipelineSTTMetrics,
    PipelineTTSMetrics,
    PipelineTurnMetrics,
    PipelineVADMetrics,
)
from lk_agents.pipeline import TurnRecord
from lk_agents.testing.providers import Answer, Heard, ScriptedLLM, ScriptedSTT, ScriptedTTS, ScriptedVAD
from lk_agents.testing.session import ScriptedCall
from lk_agents.voice.records import SessionInfo

T = TypeVar("T")

ENDPOINTING = 0.5
FINAL, FIRST_TOKEN, PIECE, FIRST_AUDIO = windows(6), 0.2, 0.05, 0.3
SILENT = windows(60)
COUNT = Heard("Count for me", windows(30), SILENT, final_seconds=FINAL)
TEXT = "Hello to you."
LENGTH = len(TEXT) * 0.06
LONG = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen."


def measured(call: ScriptedCall, kind: type[T]) -> list[T]:
    return [each for each in call.told("metrics_collected") if isinstance(each, kind)]


def delayed(make: MakeCall, caller: list[Heard], *answers: str, **options: Any) -> ScriptedCall:
    """Return a call whose providers take their fixed times."""
    llm = ScriptedLLM([Answer(text, first_seconds=FIRST_TOKEN, piece_seconds=PIECE) for text in answers])
    return make(caller, llm=llm, **{"tts": ScriptedTTS(first_seconds=FIRST_AUDIO), **options})


# --- the way of a turn -----------------------------------------------------------------------------------------------


async def test_the_stages_of_a_turn_add_up_exactly(lk_session: MakeCall) -> None:
    call = await delayed(lk_session, [COUNT], TEXT).run()

    (record,) = call.told("turn_finished")
    token = ENDPOINTING + FIRST_TOKEN
    complete = token + 2 * PIECE
    heard = complete + FIRST_AUDIO
    expected = {
        "decision": ENDPOINTING,
        "final_text": FINAL,
        "llm_requested": ENDPOINTING,
        "first_token": token,
        "first_sentence": complete,
        "text_complete": complete,
        "first_audio": heard,
        "first_played": heard,
        "ended": heard + LENGTH,
        "heard_seconds": LENGTH,
    }
    assert {name: getattr(record, name) for name in expected} == pytest.approx(expected, abs=0.001)
    assert (record.turn, record.outcome.value, record.from_speech) == (1, "spoken", True)
    assert (record.user_characters, record.agent_characters) == (len(COUNT.text), len(TEXT))
    assert (record.tool_calls, record.dead_air) == (0, ())
    (metrics,) = measured(call, PipelineTurnMetrics)
    assert metrics.sequence_id == record.speech
    assert metrics.first_played == record.first_played


async def test_what_was_done_ahead_lies_before_the_decision(lk_session: MakeCall) -> None:
    call = await delayed(lk_session, [COUNT], TEXT, preemptive_synthesis=True, min_endpointing_delay=1.0).run()

    (record,) = call.told("turn_finished")
    assert record.decision == pytest.approx(1.0)
    assert record.llm_requested == pytest.approx(FINAL)
    assert record.first_audio == pytest.approx(FINAL + FIRST_TOKEN + 2 * PIECE + FIRST_AUDIO)
    assert record.first_played == pytest.approx(1.0, abs=0.001)


async def test_a_typed_turn_counts_from_its_decision(lk_session: MakeCall) -> None:
    call = delayed(lk_session, [], TEXT)
    call.start()
    call.io.text.write("hello")
    await call.run(5.0)

    (record,) = call.told("turn_finished")
    assert not record.from_speech
    assert record.decision == 0.0
    assert record.first_token == pytest.approx(FIRST_TOKEN)
    assert measured(call, PipelineEOUMetrics) == []


async def test_functions_belong_to_the_turn_that_called_them(lk_session: MakeCall) -> None:
    answers = [Answer("Let me see.", calls=[("weather", {"place": place}) for place in ("Rome", "Oslo")]), "Sunny."]
    call = await lk_session([COUNT], answers, fnc_ctx=Functions(seconds=1.5)).run()

    (record,) = call.told("turn_finished")
    assert record.tool_seconds == pytest.approx(1.5)
    assert record.ended == pytest.approx(ENDPOINTING + (len("Let me see.") + len("Sunny.")) * 0.06 + 1.5, abs=0.01)


async def test_each_turn_is_told_once_and_with_its_number(lk_session: MakeCall) -> None:
    caller = [COUNT, Heard("that is enough now", windows(120), windows(160)), Heard("thank you", 14.4, 15.36)]
    answers = [Answer(LONG, when="Count"), Answer("Well.", when="enough"), Answer("Bye.", when="thank")]
    call = await lk_session(caller, answers).run()

    assert [(record.turn, record.outcome.value) for record in call.told("turn_finished")] == [
        (1, "interrupted"),
        (2, "spoken"),
        (3, "spoken"),
    ]


# --- what providers measure ------------------------------------------------------------------------------------------


async def test_records_of_one_reply_have_the_same_id_and_each_speech_has_its_own(lk_session: MakeCall) -> None:
    answers = [Answer("Let me see.", calls=[("weather", {"place": "Rome"})]), "Sunny."]
    call = lk_session([COUNT], answers, fnc_ctx=Functions(seconds=0.5))
    call.start()
    await call.agent.say("Hi.")
    await call.run()

    (eou,) = measured(call, PipelineEOUMetrics)
    thought = [each.sequence_id for each in measured(call, PipelineLLMMetrics)]
    spoken = [each.sequence_id for each in measured(call, PipelineTTSMetrics)]
    greeting, reply, answer = spoken
    assert reply == eou.sequence_id
    assert thought == [reply, answer]
    assert len({greeting, reply, answer}) == 3


async def test_the_end_of_an_utterance_is_measured_from_the_last_sample_of_speech(lk_session: MakeCall) -> None:
    late = Heard("Count for me", windows(30), SILENT, final_seconds=windows(30))
    stt = ScriptedSTT([late], interim_results=False)
    call = await lk_session([late], [TEXT], stt=stt).run()

    (eou,) = measured(call, PipelineEOUMetrics)
    assert eou.end_of_utterance_delay == pytest.approx(windows(30))
    assert eou.transcription_delay == pytest.approx(windows(30))
    assert eou.timestamp == pytest.approx(call.told("turn_finished")[0].timestamp - LENGTH, abs=0.01)


async def test_a_text_that_nobody_was_heard_to_say_has_no_such_delay(lk_session: MakeCall) -> None:
    caller = [COUNT, Heard("speaking very softly", 12.0, 14.0)]
    call = await lk_session(caller, [TEXT, TEXT], vad=ScriptedVAD([COUNT])).run()

    assert len(measured(call, PipelineEOUMetrics)) == 1
    assert [record.from_speech for record in call.told("turn_finished")] == [True, False]


async def test_listening_is_measured_all_the_time(lk_session: MakeCall) -> None:
    call = await lk_session([COUNT], [TEXT]).run()

    detected = measured(call, PipelineVADMetrics)
    assert sum(each.inference_count for each in detected) == pytest.approx((SILENT + 10.0) / 0.032, abs=2)
    assert sum(each.audio_duration for each in measured(call, PipelineSTTMetrics)) == pytest.approx(11.9, abs=0.1)


async def test_recordings_that_were_recognised_are_measured_also_where_it_was_in_vain(lk_session: MakeCall) -> None:
    # The user pauses for 0.3 s: what was recognised at 0.2 s is done again with the rest.
    caller = [COUNT, Heard("to ten", windows(70), windows(95))]
    call = await lk_session(caller, [TEXT], streaming=False).run()

    assert call.said() == ["Count for me to ten"]
    recognised = measured(call, PipelineSTTMetrics)
    assert len(recognised) == 2
    assert not any(each.streamed for each in recognised)


async def test_a_conversation_does_not_report_what_another_one_measures(lk_session: MakeCall) -> None:
    llm, tts = ScriptedLLM([TEXT]), ScriptedTTS()
    asking, listening = (lk_session([], llm=llm, tts=tts) for _ in range(2))
    for call in (asking, listening):
        call.start()
    asking.io.text.write("hello")
    await asking.run(3.0)
    await listening.run(3.0)

    assert len(measured(asking, PipelineLLMMetrics)) == len(measured(asking, PipelineTTSMetrics)) == 1
    assert listening.told("metrics_collected") == []


async def test_nothing_is_reported_behind_the_end(lk_session: MakeCall) -> None:
    tts = ScriptedTTS()
    call = lk_session([], tts=tts)
    call.start()
    await call.agent.say(TEXT)
    await call.run(0.2)
    before = len(call.log)
    stream = tts.synthesize("Somebody else.")
    async for _ in stream:
        pass
    await stream.aclose()

    assert len(call.log) == before


# --- the order of events ---------------------------------------------------------------------------------------------


async def test_at_the_end_of_a_speech_events_come_in_their_order(lk_session: MakeCall) -> None:
    answers = [Answer("Yes.", calls=[("weather", {"place": "Rome"})]), "Sunny."]
    call = await lk_session([COUNT], answers, fnc_ctx=Functions(seconds=0.5), max_nested_fnc_calls=1).run()

    events = [each.event for each in call.log if each.event not in ("metrics_collected", "agent_state_changed")]
    assert events == [
        "user_started_speaking",
        "user_stopped_speaking",
        "user_speech_committed",  # early, since a function is called
        "agent_started_speaking",
        "agent_stopped_speaking",
        "agent_speech_committed",
        "function_calls_collected",
        "function_calls_finished",
        "agent_started_speaking",
        "agent_stopped_speaking",
        "agent_speech_committed",
        "turn_finished",
        "closed",
    ]


async def test_a_short_reply_commits_the_question_behind_its_end_and_before_itself(lk_session: MakeCall) -> None:
    call = await lk_session([COUNT], ["Yes."]).run()

    events = [each.event for each in call.log if each.event not in ("metrics_collected", "agent_state_changed")]
    assert events[3:6] == ["agent_stopped_speaking", "user_speech_committed", "agent_speech_committed"]


async def test_a_listener_that_fails_disturbs_nobody(lk_session: MakeCall, caplog: pytest.LogCaptureFixture) -> None:
    call = lk_session([COUNT], [TEXT])

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    for event in ("user_started_speaking", "metrics_collected", "agent_started_speaking", "turn_finished"):
        call.agent.on(event, fails)
    await call.run()

    assert call.heard() == [TEXT]
    assert len(call.told("turn_finished")) == 1
    assert any(record.exc_info and record.exc_info[0] is ZeroDivisionError for record in caplog.records)


# --- plugins ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def registry() -> Iterator[PluginRegistry]:
    """A registry of this test alone."""
    set_registry(None)
    yield PluginRegistry(Settings())
    set_registry(None)


async def test_plugins_are_told_of_the_session_and_of_each_turn(lk_session: MakeCall, registry: PluginRegistry) -> None:
    sessions: list[SessionInfo] = []
    turns: list[TurnRecord] = []

    async def finished(record: TurnRecord) -> None:
        await asyncio.sleep(0.5)
        turns.append(record)

    registry.add_own({"lk_agents_session_started": sessions.append, "lk_agents_turn_finished": finished}, name="ours")
    with use_registry(registry):
        call = await lk_session([COUNT], [TEXT]).run()

    (session,) = sessions
    assert session.participant == "caller"
    assert [session.stt, session.llm, session.tts, session.vad] == [
        f"lk_agents.testing.providers.{name}"
        for name in ("stt.ScriptedSTT", "llm.ScriptedLLM", "tts.ScriptedTTS", "vad.ScriptedVAD")
    ]
    assert turns == call.told("turn_finished")
    assert COUNT.text not in repr(turns[0])


async def test_plugins_get_every_measurement_once(lk_session: MakeCall, registry: PluginRegistry) -> None:
    records: list[object] = []
    registry.add_own({"lk_agents_metrics": records.append}, name="ours")
    with use_registry(registry):
        await lk_session([COUNT], [TEXT]).run()

    counted = Counter(type(record).__name__ for record in records)
    assert {"STTMetrics", "VADMetrics"} <= set(counted)  # of these there is one every few seconds
    once = ("LLMMetrics", "TTSMetrics", "PipelineEOUMetrics", "PipelineTurnMetrics")
    assert {name: counted[name] for name in once} == dict.fromkeys(once, 1)


async def test_a_plugin_that_fails_does_not_disturb_the_conversation(
    lk_session: MakeCall, registry: PluginRegistry
) -> None:
    def fails(**_: object) -> None:
        raise ZeroDivisionError

    def session(session: SessionInfo) -> None:
        fails(session=session)

    def turn(record: TurnRecord) -> None:
        fails(record=record)

    registry.add_own({"lk_agents_session_started": session, "lk_agents_turn_finished": turn}, name="broken")
    with use_registry(registry):
        call = await lk_session([COUNT], [TEXT]).run()

    assert call.heard() == [TEXT]
