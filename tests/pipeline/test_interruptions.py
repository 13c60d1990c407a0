"""Interruptions at every moment: what was heard is remembered, nothing is lost, and what was none is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from tests.pipeline.calls import (
    Functions,
    MakeCall,
    asked,
    happens,
    model_of,
    windows,
    words_heard,
)

from lk_agents.pipeline import SpeechOutcome
from lk_agents.testing.providers import Answer, Heard, ScriptedLLM, ScriptedSTT, ScriptedTTS, ScriptedVAD
from lk_agents.testing.session import ScriptedCall

ENDPOINTING = 0.5
INTERRUPTS = 0.5
WORDS_FOLLOW = 1.0
"""So long behind the last sound words may follow that make it an interruption."""
SILENT = windows(60)
DECISION = SILENT + ENDPOINTING
COUNT = Heard("Count for me", windows(30), SILENT)
LONG = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen."
LENGTH = len(LONG) * 0.06
TENTHS = [round(0.1 * step, 1) for step in range(1, int(LENGTH * 10) + 1)]


def typed(make: MakeCall, *answers: Answer | str, **options: Any) -> ScriptedCall:
    """Return a call without voices that has begun with a typed message."""
    call = make([], answers, **options)
    call.start()
    call.io.text.write("count")
    return call


def sounds(*runs: tuple[float, float]) -> ScriptedVAD:
    """Return a detector that hears the first utterance, and something more."""
    return ScriptedVAD([COUNT, *runs])


# --- at every moment of a reply --------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", TENTHS)
async def test_a_reply_that_is_interrupted_is_remembered_as_far_as_it_was_heard(
    lk_session: MakeCall, after: float
) -> None:
    tts = ScriptedTTS()
    call = typed(lk_session, LONG, tts=tts)
    await call.until(after)
    call.agent.interrupt()
    played = call.io.audio_out.position()
    await call.run(after + 1.0)

    assert played == pytest.approx(after, abs=0.002)
    assert call.io.audio_out.position() == played, "nothing is heard behind the cut"
    if after < call.agent.MIN_TIME_PLAYED_FOR_COMMIT:
        assert call.heard() == []
        assert call.said() == []
    else:
        count = words_heard(tts, LONG, played)
        assert call.said() == ["count"]
        (heard,) = call.heard()
        assert heard.endswith("...")
        assert heard.removesuffix("...").rstrip(".").split() == LONG.rstrip(".").split()[:count]
    assert call.told("turn_finished")[0].outcome.value == "interrupted"


@pytest.mark.parametrize("streaming", [True, False])
async def test_without_times_of_words_it_is_an_estimate_that_says_so(lk_session: MakeCall, streaming: bool) -> None:
    tts = ScriptedTTS(streaming=streaming)
    tts.words_of = lambda text: []  # type: ignore[method-assign]
    call = typed(lk_session, tts=tts)
    speech = await call.agent.say(LONG)
    await call.until(3.0)
    call.agent.interrupt()
    await call.run(4.0)

    assert speech.heard_alignment == "estimate"
    true = words_heard(ScriptedTTS(), LONG, 3.0)
    assert abs(len(call.heard()[0].split()) - true) <= 3


@pytest.mark.parametrize("start", range(90, 190, 7))
async def test_a_user_who_breaks_in_at_any_moment_is_heard_and_the_reply_ends(lk_session: MakeCall, start: int) -> None:
    second = Heard("that is enough now", windows(start), windows(start + 40))
    caller = [COUNT, second]
    call = lk_session(caller, [Answer(LONG, when="Count"), Answer("Well.", when="enough")])
    await call.run(second.end + 2.0)

    assert call.at("agent_stopped_speaking")[0] == pytest.approx(windows(start) + INTERRUPTS, abs=0.001)
    assert call.heard()[-1] == "Well."
    assert " ".join(call.said()) == "Count for me that is enough now"
    assert call.at("agent_started_speaking")[1] == pytest.approx(windows(start + 40) + ENDPOINTING, abs=0.001)


async def test_it_is_interrupted_between_the_last_token_and_the_first_audio(lk_session: MakeCall) -> None:
    tts = ScriptedTTS(first_seconds=0.8)
    call = typed(lk_session, LONG, "Yes.", tts=tts)
    await call.until(0.4)
    assert tts.spoken == [LONG]
    call.agent.interrupt()
    await call.until(1.5)
    assert call.io.audio_out.position() == 0.0
    call.io.text.write("again")
    await call.run(4.0)

    assert call.heard() == ["Yes."]
    assert call.said() == ["count again"]
    assert [each.outcome.value for each in call.told("turn_finished")] == ["dropped", "spoken"]


# --- while functions are called --------------------------------------------------------------------------------------

CHECKS = "Let me check that for you."
CHECKED = len(CHECKS) * 0.06
SUNNY = "It is sunny there now."
STEPS = {
    "before its text ends": (0.5 * CHECKED, ["cancelled"], []),
    "while the function runs": (CHECKED + 0.5, ["sunny in Rome"], [CHECKS]),
    "while the answer is generated": (CHECKED + 1.2, ["sunny in Rome"], [CHECKS]),
    "while the answer is spoken": (CHECKED + 1.4 + 0.5, ["sunny in Rome"], [CHECKS, "It is..."]),
}


@pytest.mark.parametrize("by", ["the program", "the user"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_call_has_exactly_one_output_whenever_it_is_interrupted(
    lk_session: MakeCall, step: str, by: str
) -> None:
    at, outputs, heard = STEPS[step]
    functions = Functions(seconds=1.0)
    answers = [
        Answer(CHECKS, calls=[("weather", {"place": "Rome"})], when="count"),
        Answer("Well.", when="stop"),
        Answer(SUNNY, first_seconds=0.4),
    ]
    call = typed(lk_session, *answers, fnc_ctx=functions)
    await call.until(at)
    if by == "the program":
        call.agent.interrupt()
        await call.until(5.0)
    call.io.text.write("stop")
    await call.run(10.0)

    assert [each.output for each in call.called()] == outputs
    assert functions.ran == ([] if outputs == ["cancelled"] else ["Rome"])
    assert call.heard()[-1] == "Well."
    spoken = [each for each in call.heard()[:-1] if not each.startswith("Let me") or each == CHECKS]
    assert spoken == heard
    assert _pairs_are_whole(call)
    _pairs_of_the_last_request(call)


def _pairs_are_whole(call: ScriptedCall) -> bool:
    """Tell whether behind each message with calls stand their outputs."""
    messages = call.agent.chat_ctx.messages
    return all(
        [each.tool_call_id for each in messages[at + 1 : at + 1 + len(message.tool_calls)]]
        == [call.tool_call_id for call in message.tool_calls]
        for at, message in enumerate(messages)
        if message.tool_calls
    )


def _pairs_of_the_last_request(call: ScriptedCall) -> None:
    """Check that the model, when it is asked again, is shown no call without its output."""
    shown = model_of(call).calls[-1].messages
    wanted = [each.tool_call_id for message in shown for each in message.tool_calls or ()]
    assert [each.tool_call_id for each in shown if each.role == "tool"] == wanted


async def test_a_user_who_speaks_while_a_function_runs_is_answered_with_what_came_of_it(lk_session: MakeCall) -> None:
    caller = [COUNT, Heard("and what about Oslo", windows(130), windows(165))]
    answers = [
        Answer(CHECKS, calls=[("weather", {"place": "Rome"})], when="Count"),
        Answer("Not so there.", when="Oslo"),
        SUNNY,
    ]
    call = await lk_session(caller, answers, fnc_ctx=Functions(seconds=1.0)).run()

    assert CHECKED + DECISION < windows(130) < CHECKED + DECISION + 1.0
    assert call.heard() == [CHECKS, "Not so there."]
    assert [each.output for each in call.called()] == ["sunny in Rome"]
    assert "tool: sunny in Rome" in asked(call)


# --- the user goes on after all --------------------------------------------------------------------------------------


@pytest.mark.parametrize("pause", range(2, 19))
@pytest.mark.parametrize("streaming", [True, False])
async def test_a_user_who_goes_on_after_a_pause_is_answered_once_and_for_all_of_it(
    lk_session: MakeCall, pause: int, streaming: bool
) -> None:
    again = 60 + pause
    caller = [COUNT, Heard("to fifteen", windows(again), windows(again + 30))]
    llm = ScriptedLLM([Answer("Yes.", when="fifteen"), LONG, LONG])
    call = await lk_session(caller, streaming=streaming, llm=llm).run(windows(again + 30) + 2.0)

    assert call.heard() == ["Yes."], f"the user went on {windows(pause)} s after falling silent"
    assert call.said() == ["Count for me to fifteen"]
    assert call.at("agent_started_speaking")[-1] == pytest.approx(windows(again + 30) + ENDPOINTING, abs=0.001)


@pytest.mark.parametrize("late", [0.05, 0.1, 0.2, 0.3, 0.4])
async def test_a_user_who_goes_on_between_the_decision_and_the_first_audio_is_not_talked_over(
    lk_session: MakeCall, late: float
) -> None:
    begins = 60 + round((ENDPOINTING + late) / 0.032)
    caller = [COUNT, Heard("to fifteen", windows(begins), windows(begins + 30))]
    tts = ScriptedTTS(first_seconds=0.6)
    llm = ScriptedLLM([Answer("Yes.", when="fifteen"), LONG, LONG])
    call = await lk_session(caller, llm=llm, tts=tts).run()

    assert call.heard() == ["Yes."]
    assert call.said() == ["Count for me to fifteen"]
    assert call.at("agent_started_speaking") == [pytest.approx(windows(begins + 30) + ENDPOINTING + 0.6, abs=0.001)]


async def test_a_reply_that_was_held_back_for_a_sound_without_words_is_used_after_all(lk_session: MakeCall) -> None:
    tts = ScriptedTTS(first_seconds=0.6)
    cough = (windows(80), windows(90))
    llm = ScriptedLLM([LONG])
    call = await lk_session([COUNT], llm=llm, tts=tts, vad=sounds(cough)).run(20)

    assert len(llm.calls) == 1
    assert call.heard() == [LONG]
    assert call.at("agent_started_speaking") == [pytest.approx(cough[1] + ENDPOINTING, abs=0.001)]


# --- what is no interruption -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("starts", [0.3, 1.0, 2.2, 4.0])
@pytest.mark.parametrize("seconds", [0.3, 0.6, 1.5])
async def test_a_cough_costs_nothing_of_a_reply(lk_session: MakeCall, seconds: float, starts: float) -> None:
    begin = windows(round((DECISION + starts) / 0.032))
    end = begin + windows(round(seconds / 0.032))
    tts = ScriptedTTS()
    call = await lk_session([COUNT], [LONG], tts=tts, vad=sounds((begin, end))).run(DECISION + LENGTH + 4.0)

    assert call.heard() == [LONG]
    assert call.at("agent_speech_interrupted") == []
    assert [record.outcome.value for record in call.told("turn_finished")] == ["spoken"]
    if seconds < INTERRUPTS:
        assert len(call.at("agent_started_speaking")) == 1
        return
    paused, resumed = begin + INTERRUPTS, end + WORDS_FOLLOW
    assert call.at("agent_stopped_speaking")[0] == pytest.approx(paused, abs=0.001)
    assert call.at("agent_started_speaking")[1] == pytest.approx(resumed, abs=0.001)
    position = paused - DECISION
    word = max(each.start_time for each in tts.words_of(LONG) if each.start_time <= position)
    again = position - word  # it goes on with the word in which it fell silent
    assert call.io.audio_out.position() == pytest.approx(LENGTH + again, abs=0.01)
    assert call.at("agent_stopped_speaking")[1] == pytest.approx(resumed + LENGTH - word, abs=0.01)


async def test_two_coughs_one_after_the_other_cost_nothing_either(lk_session: MakeCall) -> None:
    vad = sounds((windows(100), windows(120)), (windows(140), windows(160)))
    tts = ScriptedTTS()
    call = await lk_session([COUNT], [LONG], tts=tts, vad=vad).run(25)

    paused, resumed = windows(100) + INTERRUPTS, windows(160) + WORDS_FOLLOW
    position = paused - DECISION
    word = max(each.start_time for each in tts.words_of(LONG) if each.start_time <= position)
    over = resumed + LENGTH - word
    happens(
        call,
        [
            (windows(32), "user starts"),
            (DECISION, "user stops"),
            (DECISION, "agent starts"),
            (windows(102), "user starts"),
            (paused, "agent stops"),
            (windows(120 + 18), "user stops"),
            (windows(142), "user starts"),
            (windows(160 + 18), "user stops"),
            (resumed, "agent starts"),
            (resumed + 1.5 - word, "user said: Count for me"),
            (over, "agent stops"),
            (over, f"agent said: {LONG}"),
        ],
    )


async def test_words_that_follow_within_a_second_make_it_an_interruption(lk_session: MakeCall) -> None:
    second = Heard("stop it", windows(120), windows(140), final_seconds=0.9)
    caller = [COUNT, second]
    stt = ScriptedSTT(caller, interim_results=False)
    answers = [Answer(LONG, when="Count"), Answer("Well.", when="stop")]
    call = await lk_session(caller, answers, stt=stt).run()

    assert call.at("agent_stopped_speaking")[0] == pytest.approx(windows(120) + INTERRUPTS, abs=0.001)
    assert len(call.at("agent_speech_interrupted")) == 1
    assert call.heard()[-1] == "Well."


async def test_it_is_cut_at_once_where_nothing_is_to_be_resumed(lk_session: MakeCall) -> None:
    vad = sounds((windows(130), windows(150)))
    call = await lk_session([COUNT], [LONG], vad=vad, resume_false_interruption=False).run(20)

    assert call.at("agent_speech_interrupted") == [pytest.approx(windows(130) + INTERRUPTS, abs=0.001)]
    assert len(call.at("agent_started_speaking")) == 1


async def test_what_is_said_while_a_pause_is_decided_about_waits_for_it(lk_session: MakeCall) -> None:
    vad = sounds((windows(100), windows(120)))
    call = lk_session([COUNT], [LONG], vad=vad)
    call.start()
    await call.until(windows(100) + INTERRUPTS + 0.1)
    assert call.agent.state == "listening"
    speech = await call.agent.say("And this, too.")
    await call.run(25)

    assert await speech is SpeechOutcome.FINISHED
    assert call.heard() == [LONG, "And this, too."]


async def test_what_is_said_while_a_pause_is_decided_about_is_dropped_with_an_interrupted_speech(
    lk_session: MakeCall,
) -> None:
    second = Heard("stop it", windows(120), windows(145), final_seconds=0.5)
    caller = [COUNT, second]
    stt = ScriptedSTT(caller, interim_results=False)
    call = lk_session(caller, [Answer(LONG, when="Count"), Answer("Well.", when="stop")], stt=stt)
    call.start()
    await call.until(windows(120) + INTERRUPTS + 0.1)
    speech = await call.agent.say("And this, too.")
    await call.run(25)

    assert await speech is SpeechOutcome.CANCELLED
    assert call.heard()[-1] == "Well."
    assert len(call.heard()) == 2


# --- its own voice ---------------------------------------------------------------------------------------------------


def echo_of(text: str, started_at: float, late: float) -> list[Heard]:
    """Return what a microphone beside the loudspeaker hears of a speech: three words at a time."""
    words = ScriptedTTS().words_of(text)
    parts = [words[at : at + 3] for at in range(0, len(words) - 2, 3)]
    return [
        Heard(
            " ".join(each.text for each in part), started_at + part[0].start_time + late, _end(part, started_at + late)
        )
        for part in parts
    ]


def _end(part: Sequence[Any], begin: float) -> float:
    return float(begin + part[-1].end_time)


@pytest.mark.parametrize("late", [0.05, 0.2])
async def test_its_own_voice_does_not_stop_it(lk_session: MakeCall, late: float) -> None:
    echo = echo_of(LONG, DECISION, late)
    caller = [COUNT, *echo]
    vad = sounds((DECISION + late, DECISION + late + LENGTH))
    call = await lk_session(caller, [LONG], vad=vad).run(30)

    assert call.heard() == [LONG]
    assert call.said() == ["Count for me"]
    assert len(model_of(call).calls) == 1, "its last words are understood behind its end"


async def test_a_user_who_repeats_its_last_words_is_answered_all_the_same(lk_session: MakeCall) -> None:
    text = "One two three or four five six."
    echo = echo_of(text, DECISION, 0.1)
    over = DECISION + len(text) * 0.06
    user = Heard("four five six", over + 0.5, over + 1.5)
    call = await lk_session(
        [COUNT, *echo[:2], user],
        [Answer(text, when="Count"), Answer("Well.", when="six")],
        vad=sounds((DECISION + 0.1, over + 0.1), (user.start, user.end)),
    ).run(15)

    assert call.said() == ["Count for me", "four five six"]
    assert call.heard() == [text, "Well."]


async def test_its_own_voice_does_not_hide_the_users_words(lk_session: MakeCall) -> None:
    echo = echo_of(LONG, DECISION, 0.1)
    user = Heard("please be quiet", echo[3].start, echo[3].end)
    caller = [COUNT, *echo[:3], user]
    vad = sounds((DECISION + 0.1, user.end))
    answers = [Answer(LONG, when="Count"), Answer("Well.", when="quiet")]
    call = await lk_session(caller, answers, vad=vad).run(30)

    assert call.said() == ["Count for me", "please be quiet"]
    assert call.heard()[-1] == "Well."


async def test_whoever_waits_for_an_interrupted_speech_is_told(lk_session: MakeCall) -> None:
    call = typed(lk_session)
    speech = await call.agent.say(LONG)
    await call.until(2.0)
    speech.interrupt()
    async with asyncio.timeout(0.1):
        assert await speech is SpeechOutcome.INTERRUPTED
    await call.aclose()

    assert speech.played_text.split() == LONG.split()[: words_heard(ScriptedTTS(), LONG, 2.0)]
