"""Turns by a detector of ours, where the model's server does not hear when the user's turn is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.multimodal.calls import LONG, RATE, Call

from lk_agents.testing.providers import Heard, RealtimeAnswer, ScriptedRealtime, ScriptedVAD, voice
from lk_agents.testing.session_io import MemorySessionIO
from lk_agents.turns import Decision, Evidence, InterruptionStrategy

pytestmark = pytest.mark.usefixtures("lk_no_leaks", "lk_clock")

Span = tuple[float, float]
WINDOW = 0.032
QUESTION: Span = (0.992, 1.984)
REPLY_AT = 1.984 + 0.5


def talk(spoken: Sequence[Span], answers: Sequence[RealtimeAnswer | str], **options: Any) -> Call:
    """Return a call in which the detector hears speech at these times."""
    io = MemorySessionIO(voice_rate=RATE)
    call = Call(model=ScriptedRealtime(answers), caller=None, io=io, vad=ScriptedVAD(spoken), **options)
    call.start()
    said = [Heard("sound", begin, end) for begin, end in spoken]
    io.say(voice(said, (spoken[-1][1] if spoken else 0.0) + 12.0, sample_rate=RATE, frame_seconds=WINDOW))
    return call


async def test_a_turn_is_over_half_a_second_after_the_last_sample_of_speech() -> None:
    call = await talk([QUESTION], ["Good day."]).run(8.0)

    assert call.session.committed == 1
    assert call.at("agent_started_speaking") == [pytest.approx(REPLY_AT, abs=0.04)]
    assert call.told("agent_speech_committed") == ["Good day."]
    (record,) = call.told("turn_finished")
    assert (record.outcome, record.from_speech) == ("spoken", True)
    assert record.decision == pytest.approx(0.5, abs=0.02)
    assert [event for event in call.events() if event.startswith("user_st")] == [
        "user_started_speaking",
        "user_stopped_speaking",
    ]


async def test_how_long_that_takes_can_be_said() -> None:
    call = await talk([QUESTION], ["Good day."], min_endpointing_delay=1.5).run(8.0)

    assert call.at("agent_started_speaking") == [pytest.approx(REPLY_AT + 1.0, abs=0.04)]


async def test_the_model_hears_all_of_it_at_its_own_rate() -> None:
    call = await talk([QUESTION], ["Good day."]).run(5.0)

    assert {frame.sample_rate for frame in call.session.heard} == {RATE}
    assert sum(frame.duration for frame in call.session.heard) == pytest.approx(5.0, abs=0.1)


async def test_a_pause_within_a_turn_is_no_end_of_it() -> None:
    call = await talk([QUESTION, (2.304, 2.976)], ["Good day."]).run(8.0)

    assert call.session.committed == 1
    assert call.at("agent_started_speaking") == [pytest.approx(2.976 + 0.5, abs=0.04)]


async def test_half_a_second_of_speech_stops_the_agent_and_is_answered() -> None:
    call = await talk([QUESTION, (4.0, 5.6)], [LONG, "I stop."]).run(10.0)

    (cut,) = call.told("agent_speech_interrupted")
    assert LONG.startswith(cut.removesuffix("..."))
    assert call.at("agent_stopped_speaking")[0] == pytest.approx(4.5, abs=0.04)
    ((_, milliseconds),) = call.session.truncated
    assert milliseconds == pytest.approx((4.5 - REPLY_AT) * 1000, abs=60)
    assert call.told("agent_speech_committed") == ["I stop."]
    assert call.outcomes() == ["interrupted", "spoken"]
    assert call.session.committed == 2


async def test_a_short_sound_under_its_speech_changes_nothing() -> None:
    call = await talk([QUESTION, (4.0, 4.256)], [LONG]).run(10.0)

    assert call.told("agent_speech_committed") == [LONG]
    assert call.at("agent_stopped_speaking") == [pytest.approx(REPLY_AT + 63 * 0.06, abs=0.06)]
    assert call.session.truncated == []


async def test_where_interruptions_are_not_allowed_the_agent_speaks_on_and_answers_later() -> None:
    call = await talk([QUESTION, (4.0, 5.6)], [LONG, "Yes?"], allow_interruptions=False).run(14.0)

    assert call.told("agent_speech_committed")[0] == LONG
    assert call.session.truncated == []


class Never(InterruptionStrategy):
    """Lets nobody interrupt."""

    async def judge(self, evidence: Evidence) -> Decision:
        assert evidence.playout_text
        assert evidence.playout_seconds
        return Decision.IGNORE


async def test_a_strategy_of_ones_own_judges() -> None:
    call = await talk([QUESTION, (4.0, 5.6)], [LONG, "Yes?"], interruption=Never()).run(14.0)

    assert call.told("agent_speech_committed")[0] == LONG


@pytest.mark.parametrize(("seconds", "stopped"), [(1.0, (0, [0])), (3.0, (1, []))])
async def test_who_goes_on_before_the_reply_is_heard_gets_one_reply_to_both(
    seconds: float, stopped: tuple[int, list[int]]
) -> None:
    slow = RealtimeAnswer(text="Too early.", first_seconds=seconds)
    call = await talk([QUESTION, (2.72, 3.52)], [slow, "To both."]).run(10.0)

    assert call.told("agent_speech_committed") == ["To both."]
    assert call.session.committed == 2
    assert (call.session.cancelled, [milliseconds for _, milliseconds in call.session.truncated]) == stopped
    assert [record.outcome for record in call.told("turn_finished")] == ["dropped", "spoken"]


async def test_a_reply_that_the_program_asks_for_needs_no_speech() -> None:
    call = talk([], ["Welcome."])
    call.agent.generate_reply()
    await call.run(4.0)

    assert call.told("agent_speech_committed") == ["Welcome."]
    assert call.session.committed == 0


async def test_a_microphone_that_falls_mute_ends_the_turn() -> None:
    io = MemorySessionIO(voice_rate=RATE)
    call = Call(model=ScriptedRealtime(["Good day."]), caller=None, io=io, vad=ScriptedVAD([QUESTION]))
    call.start()
    io.say(voice([Heard("sound", *QUESTION)], 1.984, sample_rate=RATE, frame_seconds=WINDOW))
    await call.run(8.0)

    assert call.told("agent_speech_committed") == ["Good day."]


async def test_a_model_that_never_answers_is_asked_again_and_given_up() -> None:
    never = RealtimeAnswer(text="Never.", stall_at=0.0)
    call = await talk([QUESTION], [never, never]).run(14.0)

    assert [each.stage for each in call.told("dead_air")] == ["llm_first_token"] * 2
    assert call.outcomes() == ["failed"]
    assert call.states()[-1][1] == "listening"


async def test_a_server_that_decides_itself_is_left_to_it() -> None:
    caller = [Heard("Hello there", 1.0, 2.0)]
    call = Call(["Good day."], caller=caller, vad=ScriptedVAD([(1.0, 2.0)]))
    await call.run(8.0)

    assert call.session.committed == 1
    assert call.told("agent_speech_committed") == ["Good day."]
    assert call.events().count("user_started_speaking") == 1
