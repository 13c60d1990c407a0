"""Every provider hangs, fails or is cut at every stage: the agent says so, listens again, answers the next turn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from livekit import rtc
from tests.pipeline.calls import Functions, MakeCall, lines, windows

from lk_agents.foundation.errors import DeadAirError
from lk_agents.metrics import DeadAirMetrics, PipelineEOUMetrics
from lk_agents.pipeline import Action, DeadAir, DeadAirPolicy, SpeechOutcome
from lk_agents.testing.providers import (
    Answer,
    Break,
    BreakKind,
    Heard,
    ScriptedLLM,
    ScriptedSTT,
    ScriptedTTS,
    ScriptedVAD,
)
from lk_agents.testing.providers.script import Breaks
from lk_agents.testing.providers.speech import tone
from lk_agents.testing.session import ScriptedCall
from lk_agents.voice.watchdog import Stage

DEAD_AIR = 4.0
LIMIT = 2 * DEAD_AIR + 1.0
"""So soon after the last sound at which a fault shows, the agent listens again."""
SILENT = windows(62)
DECISION = SILENT + 0.5
ASKED = 1.0
"""When the first message is typed, where it does not matter how the user is understood."""
FIRST = Heard("how are you", windows(25), SILENT)
SECOND = Heard("and who are you", windows(375), windows(412))
LATER = Heard("and who are you", windows(775), windows(812))
"""The same when a recogniser of recordings that hangs for ever has been given up."""
TEXT = "I am very well today. It is kind of you to ask me."
SENTENCE = len("I am very well today.") * 0.06
WHOLE = len(TEXT) * 0.06
LAST = "I am the agent."

HANGS, FAILS, ENDS = BreakKind.STALL, BreakKind.ERROR, BreakKind.END
FOR_EVER = 99


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    :param part: whose fault it is; ``recorder`` is a recogniser of recordings.
    :param at: where: seconds of audio, or pieces of text.
    :param shows: from when on the user notices it.
    :param times: how often it strikes; at the limit whatever is left of it is mended.
    :param said: what must tell of it: an ``error``, ``dead_air``, either of them, or a line of the ``log``; nothing
        where nobody can know: a model that ends early has said what it wanted to say.
    """

    part: str
    kind: BreakKind
    at: float
    shows: float = ASKED
    times: int = 1
    said: str = "either"

    def __str__(self) -> str:
        often = "" if self.times == 1 else " for ever"
        return f"{self.part} {self.kind.value}s{often} at {self.at:g}"


def of_hearing() -> list[Fault]:
    """Return faults before the user speaks, in the middle, behind it, and while the agent speaks."""
    faults: list[Fault] = []
    for kind in (HANGS, FAILS, ENDS):
        # A detector that is silent is noticed after 2 s of audio.
        faults += [Fault("detector", kind, at, DECISION, said="error") for at in (0.0, 1.5, 2.3, 3.0)]
        # A recogniser that hangs is known by what it does not say; one that breaks has begun anew by itself.
        said = "dead_air" if kind is HANGS else "log"
        faults += [Fault("recogniser", kind, at, DECISION, said=said) for at in (0.0, 1.5, 2.1)]
    for times in (1, FOR_EVER):
        faults += [Fault("recorder", kind, 0.0, DECISION, times, "log") for kind in (HANGS, FAILS)]
    return faults


def of_speaking() -> list[Fault]:
    """Return faults before the first of it, in the middle, and when all was given."""
    heard_one, heard_all = ASKED + SENTENCE, ASKED + WHOLE
    faults = []
    for times in (1, FOR_EVER):
        for kind in (HANGS, FAILS):
            faults += [
                Fault("model", kind, 0, times=times, said="log"),
                Fault("model", kind, 8, heard_one, times),
                Fault("model", kind, 13, heard_all, times),
                Fault("voice", kind, 0.0, times=times, said="log"),
                Fault("voice", kind, 0.6, ASKED + 0.6, times),
                Fault("voice", kind, WHOLE, heard_all, times),
            ]
    faults += [Fault("model", ENDS, at, said="nothing") for at in (0, 8, 13)]
    faults += [Fault("voice", ENDS, at, said="log") for at in (0.0, 0.6)]
    return faults


def faulty(make: MakeCall, fault: Fault) -> tuple[ScriptedCall, Any]:
    """Return a call, and the provider that does not work in it."""
    caller = [FIRST, LATER if fault.part == "recorder" else SECOND]
    struck = [Break(fault.at, fault.kind, times=fault.times)]
    breaks = {name: struck if name == fault.part else [] for name in ("detector", "recogniser", "model", "voice")}
    replies = [Answer(TEXT, when="how") for _ in range(4)]
    parts: dict[str, Any] = {
        "vad": ScriptedVAD(breaks=breaks["detector"]),
        "stt": ScriptedSTT(caller, by_sound=True, breaks=breaks["recogniser"]),
        "llm": ScriptedLLM([Answer(LAST, when="who are you"), *replies], breaks=breaks["model"]),
        "tts": ScriptedTTS(streaming=fault.part != "model", breaks=breaks["voice"]),
    }
    if fault.part == "recorder":
        parts["stt"] = ScriptedSTT(caller, streaming=False, breaks=struck)
    which = {"detector": "vad", "recogniser": "stt", "recorder": "stt", "model": "llm", "voice": "tts"}
    return make(caller if fault.shows == DECISION else [], **parts), parts[which[fault.part]]


@pytest.mark.parametrize("fault", of_hearing(), ids=str)
async def test_whatever_fails_that_listens_the_agent_says_so_listens_again_and_answers_the_next_turn(
    lk_session: MakeCall, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    call, provider = faulty(lk_session, fault)
    call.start()
    await call.until(DECISION + LIMIT)

    assert call.agent.state == "listening"
    assert _was_said(call, caplog) >= _WANTED[fault.said]

    provider.breaks = Breaks(())
    await call.run(call.caller[-1].end + 4.0)

    assert call.heard()[-1] == LAST
    assert "and who are you" in call.said()[-1]
    _every_reply_has_ended_once(call)


@pytest.mark.parametrize("fault", of_speaking(), ids=str)
async def test_whatever_fails_that_speaks_the_agent_says_so_listens_again_and_answers_the_next_turn(
    lk_session: MakeCall, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    call, provider = faulty(lk_session, fault)
    call.start()
    await call.until(ASKED)
    call.io.text.write("how are you")
    await call.until(fault.shows + LIMIT)

    assert call.agent.state == "listening"
    assert _was_said(call, caplog) >= _WANTED[fault.said]

    provider.breaks = Breaks(())
    call.io.text.write("and who are you")
    await call.run(fault.shows + LIMIT + 3.0)

    assert call.heard()[-1] == LAST
    assert "and who are you" in call.said()[-1]
    _every_reply_has_ended_once(call)


_WANTED: dict[str, set[str]] = {
    "error": {"error", "log"},
    "dead_air": {"dead_air", "log"},
    "either": {"told", "log"},
    "log": {"log"},
    "nothing": set(),
}


def _was_said(call: ScriptedCall, caplog: pytest.LogCaptureFixture) -> set[str]:
    said = {event for event in ("error", "dead_air") if call.told(event)}
    if any(record.levelno >= logging.WARNING for record in caplog.records):
        said.add("log")
    return said | {"told"} if said & {"error", "dead_air"} else said


def _every_reply_has_ended_once(call: ScriptedCall) -> None:
    decided = [each.sequence_id for each in call.told("metrics_collected") if isinstance(each, PipelineEOUMetrics)]
    ended = [record.speech for record in call.told("turn_finished")]
    assert len(set(ended)) == len(ended)
    assert set(decided) <= set(ended)


async def test_a_recogniser_that_hangs_while_nobody_speaks_costs_the_next_turn_one_alarm(lk_session: MakeCall) -> None:
    call, _ = faulty(lk_session, Fault("recogniser", HANGS, 4.0, DECISION))
    await call.run(20)

    assert call.heard() == [TEXT, LAST]
    assert [alarm.stage for alarm in call.told("dead_air")] == [Stage.STT_FINAL]
    assert call.at("dead_air") == [pytest.approx(SECOND.end + DEAD_AIR)]


async def test_a_recogniser_that_hears_more_than_the_detector_is_not_begun_anew_in_mid_sentence(
    lk_session: MakeCall,
) -> None:
    caller = [FIRST, Heard("speaking very softly for quite a while now", 12.0, 15.0)]
    call = await lk_session(caller, ["Yes.", "I hear you."], vad=ScriptedVAD([FIRST])).run()

    assert call.told("dead_air") == []
    assert call.said() == ["how are you", "speaking very softly for quite a while now"]


async def test_the_stage_that_stalls_is_named_whenever_the_detector_says_end(lk_session: MakeCall) -> None:
    llm = ScriptedLLM([TEXT, TEXT], breaks=[Break(0, HANGS)])
    early = ScriptedVAD([FIRST], min_silence_duration=0.2)
    call = await lk_session([FIRST], llm=llm, vad=early, min_endpointing_delay=1.0).run()

    assert [alarm.stage for alarm in call.told("dead_air")] == [Stage.LLM_FIRST_TOKEN]
    assert call.heard() == [TEXT]


# --- what is done about it -------------------------------------------------------------------------------------------


def recording(seconds: float) -> list[rtc.AudioFrame]:
    """Return something that was recorded; at another rate than the agent's."""
    return [tone(480, 48_000) for _ in range(round(seconds * 100))]


def stalled(make: MakeCall, answers: Sequence[Answer | str], *, times: int = 1, **options: Any) -> ScriptedCall:
    """Return a call in which the model hangs at first."""
    llm = ScriptedLLM(answers, breaks=[Break(0, HANGS, times=times)])
    return make([FIRST], llm=llm, **options)


async def test_the_filler_is_heard_when_the_agent_cannot_answer_in_time_and_the_answer_behind_it(
    lk_session: MakeCall,
) -> None:
    call = await stalled(lk_session, [TEXT, TEXT], filler=recording(0.5)).run()

    alarm = SILENT + DEAD_AIR
    assert call.at("dead_air") == [pytest.approx(alarm)]
    assert call.at("agent_started_speaking") == [pytest.approx(alarm), pytest.approx(alarm + 0.5, abs=0.01)]
    assert call.heard() == [TEXT]
    assert call.io.audio_out.position() == pytest.approx(0.5 + WHOLE, abs=0.01)


async def test_a_function_that_takes_long_is_bridged_again_and_again_and_not_given_up(lk_session: MakeCall) -> None:
    answers = [Answer("Let me see.", calls=[("weather", {"place": "Rome"})]), "Sunny."]
    functions = Functions(seconds=10.0)
    call = await lk_session([FIRST], answers, fnc_ctx=functions, filler=recording(0.5)).run(25)

    silent = DECISION + len("Let me see.") * 0.06
    alarms = [silent + DEAD_AIR, silent + 2 * DEAD_AIR]
    assert call.at("dead_air") == [pytest.approx(at, abs=0.01) for at in alarms]
    assert {alarm.stage for alarm in call.told("dead_air")} == {Stage.TOOL}
    assert call.at("agent_started_speaking")[1:3] == [pytest.approx(at, abs=0.01) for at in alarms]
    assert call.heard() == ["Let me see.", "Sunny."]


async def test_without_a_recording_the_answer_is_only_generated_again(lk_session: MakeCall) -> None:
    call = await stalled(lk_session, [TEXT, TEXT]).run()

    assert call.at("agent_started_speaking") == [pytest.approx(SILENT + DEAD_AIR)]


async def test_a_caller_who_is_not_answered_again_and_again_hears_the_goodbye_and_the_conversation_ends(
    lk_session: MakeCall,
) -> None:
    call = stalled(
        lk_session,
        [TEXT] * 4,
        times=FOR_EVER,
        goodbye=recording(1.0),
        dead_air_policy=DeadAirPolicy(end_after=2),
    )
    call.start()
    await call.until(SILENT + LIMIT)
    assert call.agent.state == "listening"
    call.io.text.write("hello?")
    await call.until(30.0)

    assert call.io.closed
    assert call.io.audio_out.position() == pytest.approx(1.0, abs=0.01)
    given_up_at = SILENT + LIMIT + 2 * DEAD_AIR
    assert call.at("closed") == [pytest.approx(given_up_at + 1.0, abs=0.05)]
    assert call.told("closed") == ["nothing was heard for 8.0 s: llm_first_token did not come"]


async def test_without_a_recorded_goodbye_it_ends_at_once(lk_session: MakeCall) -> None:
    call = stalled(lk_session, [TEXT] * 2, times=FOR_EVER, dead_air_policy=DeadAirPolicy(end_after=1))
    call.start()
    await call.until(SILENT + LIMIT)

    assert call.at("closed") == [pytest.approx(SILENT + 2 * DEAD_AIR, abs=0.01)]
    assert [record.outcome.value for record in call.told("turn_finished")] == ["failed"]


async def test_a_reply_that_is_heard_in_between_begins_the_count_anew(lk_session: MakeCall) -> None:
    answers: list[Answer | str] = [Answer(TEXT, when="fine"), Answer(LAST, when="how are you again"), *[TEXT] * 4]
    broken = [Break(0, HANGS, times=2)]
    llm = ScriptedLLM(answers, breaks=broken)
    call = lk_session([FIRST], llm=llm, dead_air_policy=DeadAirPolicy(end_after=2))
    call.start()
    await call.until(12.0)  # given up once
    call.io.text.write("fine")
    await call.until(16.0)
    llm.breaks = Breaks([Break(0, HANGS, times=2)])
    call.io.text.write("and now")
    await call.until(30.0)

    assert len([alarm for alarm in call.told("dead_air") if alarm.count == 2]) == 2
    assert not call.io.closed


async def test_a_policy_of_ones_own_is_asked_and_may_do_nothing(lk_session: MakeCall) -> None:
    asked: list[DeadAir] = []

    def patient(alarm: DeadAir) -> Action:
        asked.append(alarm)
        return Action.REPORT

    answers = [Answer(TEXT, first_seconds=9.0)]
    call = await lk_session([FIRST], answers, dead_air_policy=patient).run(20)

    assert [(alarm.stage, alarm.count) for alarm in asked] == [
        (Stage.LLM_FIRST_TOKEN, 1),
        (Stage.LLM_FIRST_TOKEN, 2),
    ]
    assert asked == call.told("dead_air")
    assert call.heard() == [TEXT]


async def test_a_policy_that_fails_or_answers_nonsense_is_replaced_by_the_default(
    lk_session: MakeCall, caplog: pytest.LogCaptureFixture
) -> None:
    def nonsense(alarm: DeadAir) -> Any:
        if alarm.count == 1:
            raise LookupError("no such stage")
        return "wait and see"

    call = await stalled(lk_session, [TEXT] * 2, times=FOR_EVER, dead_air_policy=nonsense).run()

    assert [record.outcome.value for record in call.told("turn_finished")] == ["failed"]
    assert call.at("dead_air") == [pytest.approx(SILENT + DEAD_AIR), pytest.approx(SILENT + 2 * DEAD_AIR)]
    assert "a policy for dead air failed; the default is used" in caplog.messages


async def test_a_policy_may_give_up_at_once(lk_session: MakeCall) -> None:
    policy = DeadAirPolicy(steps={Stage.LLM_FIRST_TOKEN: ((Action.GIVE_UP,),)})
    call = await stalled(lk_session, [TEXT], dead_air_policy=policy).run()

    (record,) = call.told("turn_finished")
    assert record.ended == pytest.approx(DEAD_AIR)
    assert record.dead_air == ("llm_first_token",)


async def test_nothing_is_watched_where_that_is_wanted(lk_session: MakeCall) -> None:
    call = await lk_session([FIRST], [Answer(TEXT, first_seconds=9.0)], dead_air_timeout=None).run(20)

    assert call.told("dead_air") == []
    assert call.heard() == [TEXT]


async def test_an_alarm_is_measured_and_the_speech_that_is_given_up_says_why(lk_session: MakeCall) -> None:
    call = lk_session([], tts=ScriptedTTS(breaks=[Break(0.0, HANGS, times=FOR_EVER)]))
    call.start()
    speech = await call.agent.say("Never heard.")
    async with asyncio.timeout(LIMIT):
        assert await speech is SpeechOutcome.FAILED
    await call.aclose()

    assert isinstance(speech.error, DeadAirError)
    measured = [each.stage for each in call.told("metrics_collected") if isinstance(each, DeadAirMetrics)]
    assert measured == ["tts_first_byte", "tts_first_byte"]
    assert [what for _, what in lines(call)] == ["dead air: tts_first_byte", "dead air: tts_first_byte"]


# --- the loudspeaker -------------------------------------------------------------------------------------------------


async def test_a_loudspeaker_that_breaks_costs_one_speech(lk_session: MakeCall) -> None:
    call = lk_session([], ["One two three four five six.", LAST])
    call.start()
    call.io.text.write("hello")
    await call.until(0.5)
    capture = call.io.audio_out.capture_frame

    async def broken(frame: rtc.AudioFrame) -> None:
        raise OSError("the loudspeaker is gone")

    call.io.audio_out.capture_frame = broken  # type: ignore[method-assign]
    await call.until(2.0)
    call.io.audio_out.capture_frame = capture  # type: ignore[method-assign]
    assert call.agent.state == "listening"
    assert [error.stage for error in call.told("error")] == ["playout"]
    call.io.text.write("and now")
    await call.run(6.0)

    assert call.heard()[-1] == LAST
    _every_reply_has_ended_once(call)
