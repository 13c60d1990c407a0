"""Where the time of a turn goes: exact figures for fixed delays, and what is told of them."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from lk_agents.foundation import clock
from lk_agents.testing import VirtualClock
from lk_agents.voice.records import Mark, Outcome, TurnRecord
from lk_agents.voice.watchdog import DeadAir, Stage
from lk_agents.voice.waterfall import Row, Waterfall, dead_air_metrics, log_turn, rows, turn_metrics

STAGES: dict[str, Any] = {
    "decision": 0.5,
    "final_text": 0.2,
    "llm_requested": 0.5,
    "first_token": 0.8,
    "first_sentence": 0.95,
    "first_audio": 1.2,
    "first_played": 1.22,
}
RECORD = TurnRecord(
    turn=3,
    speech="SP_1",
    timestamp=1000.0,
    outcome=Outcome.SPOKEN,
    user_characters=14,
    agent_characters=52,
    heard_seconds=4.2,
    tool_calls=1,
    tool_seconds=0.25,
    dead_air=("llm_first_token",),
    **STAGES,
)
ALARM = DeadAir(stage=Stage.TTS_FIRST_BYTE, since=1.0, seconds=4.0000001, turn=3, speech="SP_1", count=2)


def fall() -> Waterfall:
    return Waterfall(turn=3, speech="SP_1", user_characters=14)


def filled() -> Waterfall:
    """A turn that was decided at 100.5, half a second after the user's last sample."""
    made = fall()
    made.decided(100.5, last_speech_at=100.0, last_final_at=100.2)
    return made


async def _answer(waterfall: Waterfall) -> None:
    """Answer with fixed delays, as a recogniser, a model and a synthesis would that do nothing but wait."""
    last_speech_at = clock.monotonic()
    await asyncio.sleep(0.2)
    last_final_at = clock.monotonic()
    await asyncio.sleep(0.3)
    waterfall.decided(clock.monotonic(), last_speech_at=last_speech_at, last_final_at=last_final_at)
    waterfall.mark(Mark.LLM_REQUESTED, clock.monotonic())
    for mark, seconds in (
        (Mark.FIRST_TOKEN, 0.3),
        (Mark.FIRST_SENTENCE, 0.15),
        (Mark.FIRST_AUDIO, 0.25),
        (Mark.FIRST_PLAYED, 0.02),
    ):
        await asyncio.sleep(seconds)
        waterfall.mark(mark, clock.monotonic())


async def test_fixed_delays_give_exact_stages(lk_clock: VirtualClock) -> None:
    await asyncio.sleep(77.7)  # so that nothing counts from zero
    waterfall = fall()
    await _answer(waterfall)
    record = waterfall.finish(clock.monotonic(), Outcome.SPOKEN, agent_characters=52, heard_seconds=4.2)

    assert {name: getattr(record, name) for name in STAGES} == STAGES
    assert (record.turn, record.speech, record.user_characters, record.agent_characters) == (3, "SP_1", 14, 52)
    assert (record.timestamp, record.ended) == (lk_clock.wall_seconds(), 1.22)


def test_the_rows_of_a_table_add_up_to_the_first_frame() -> None:
    table = rows(RECORD)

    assert table == [
        Row(Mark.DECISION, 0.5, 0.5),
        Row(Mark.FINAL_TEXT, 0.2, 0.0),
        Row(Mark.LLM_REQUESTED, 0.5, 0.0),
        Row(Mark.FIRST_TOKEN, 0.8, 0.3),
        Row(Mark.FIRST_SENTENCE, 0.95, 0.15),
        Row(Mark.FIRST_AUDIO, 1.2, 0.25),
        Row(Mark.FIRST_PLAYED, 1.22, 0.02),
    ]
    assert sum(row.took_seconds for row in table) == pytest.approx(1.22)


def test_a_stage_that_was_not_reached_has_no_row() -> None:
    record = filled().finish(101.0, Outcome.FAILED)

    assert [row.stage for row in rows(record)] == [Mark.DECISION, Mark.FINAL_TEXT]
    assert record.first_played is None


def test_what_is_done_ahead_of_the_decision_takes_no_time_in_the_table() -> None:
    waterfall = fall()
    waterfall.mark(Mark.LLM_REQUESTED, 100.2)
    waterfall.mark(Mark.FIRST_TOKEN, 100.45)
    waterfall.decided(100.5, last_speech_at=100.0, last_final_at=100.2)
    waterfall.mark(Mark.FIRST_AUDIO, 100.6)
    record = waterfall.finish(101.0, Outcome.SPOKEN)

    assert (record.llm_requested, record.first_token) == (0.2, 0.45)
    assert [row.took_seconds for row in rows(record)] == [0.5, 0.0, 0.0, 0.0, 0.1]


def test_a_turn_without_speech_counts_from_its_decision() -> None:
    waterfall = fall()
    waterfall.decided(50.0, last_speech_at=None, last_final_at=None)
    waterfall.mark(Mark.FIRST_PLAYED, 50.7)
    record = waterfall.finish(60.0, Outcome.SPOKEN)

    assert (record.from_speech, record.decision, record.first_played) == (False, 0.0, 0.7)


def test_a_reply_that_was_never_decided_counts_from_its_first_stage() -> None:
    waterfall = fall()
    waterfall.mark(Mark.LLM_REQUESTED, 50.0)
    waterfall.mark(Mark.FIRST_TOKEN, 50.3)

    record = waterfall.finish(51.0, Outcome.DROPPED)
    assert (record.decision, record.llm_requested, record.first_token) == (None, 0.0, 0.3)


def test_a_stage_counts_when_it_is_first_reached_and_the_text_when_it_is_last_complete() -> None:
    waterfall = filled()
    for at in (101.0, 102.0):
        waterfall.mark(Mark.FIRST_PLAYED, at)
        waterfall.mark(Mark.TEXT_COMPLETE, at)

    record = waterfall.finish(103.0, Outcome.SPOKEN)
    assert (record.first_played, record.text_complete) == (1.0, 2.0)


def test_a_reply_that_is_generated_again_counts_its_stages_again() -> None:
    waterfall = filled()
    for mark in (Mark.LLM_REQUESTED, Mark.FIRST_TOKEN, Mark.FIRST_SENTENCE):
        waterfall.mark(mark, 100.6)
    waterfall.restarted()
    waterfall.mark(Mark.LLM_REQUESTED, 104.0)

    record = waterfall.finish(105.0, Outcome.FAILED)
    assert (record.decision, record.llm_requested, record.first_token) == (0.5, 4.0, None)


def test_a_turn_that_is_decided_again_counts_from_the_later_speech() -> None:
    waterfall = filled()
    waterfall.decided(103.5, last_speech_at=103.0, last_final_at=None)

    record = waterfall.finish(104.0, Outcome.FAILED)
    assert (record.decision, record.final_text) == (0.5, None)


def test_functions_count_while_at_least_one_of_them_runs() -> None:
    waterfall = filled()
    waterfall.tool_started(101.0)
    waterfall.tool_started(101.5)
    waterfall.tool_finished(102.0)
    waterfall.tool_finished(103.0)
    waterfall.tool_started(105.0)

    record = waterfall.finish(105.5, Outcome.INTERRUPTED)
    assert (record.tool_calls, record.tool_seconds) == (3, 2.5)


def test_an_end_without_a_beginning_changes_nothing() -> None:
    waterfall = filled()
    waterfall.tool_finished(102.0)

    assert waterfall.finish(103.0, Outcome.SPOKEN).tool_seconds == 0.0


def test_alarms_are_part_of_the_record() -> None:
    waterfall = filled()
    waterfall.dead_air(ALARM)

    assert waterfall.finish(110.0, Outcome.FAILED).dead_air == ("tts_first_byte",)


# --- what is told ----------------------------------------------------------------------------------------------------


def test_a_record_survives_json() -> None:
    assert TurnRecord.from_dict(json.loads(json.dumps(RECORD.to_dict()))) == RECORD


@pytest.mark.parametrize(("outcome", "interrupted"), [(Outcome.INTERRUPTED, True), (Outcome.SPOKEN, False)])
def test_a_record_says_whether_it_was_interrupted(outcome: Outcome, interrupted: bool) -> None:
    record = filled().finish(101.0, outcome)

    assert record.interrupted is interrupted
    assert record.to_dict()["interrupted"] is interrupted


@pytest.mark.parametrize("told", [{}, {"turn": 1, "speech": "S", "timestamp": 0.0, "outcome": "sung"}])
def test_what_is_no_record_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no record of a turn|not a valid Outcome"):
        TurnRecord.from_dict(told)


def test_the_line_of_the_log_carries_the_stages(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "lk_agents"):
        log_turn(RECORD)

    (line,) = caplog.records
    assert (line.getMessage(), line.levelname) == ("turn finished", "INFO")
    assert {name: line.__dict__[name] for name in STAGES} == STAGES
    assert (line.__dict__["outcome"], line.__dict__["dead_air"]) == ("spoken", ["llm_first_token"])
    assert "text_complete" not in line.__dict__


def test_a_turn_is_a_measurement() -> None:
    metrics = turn_metrics(RECORD)

    assert {name: getattr(metrics, name) for name in STAGES} == STAGES
    assert (metrics.sequence_id, metrics.turn, metrics.outcome) == ("SP_1", 3, "spoken")
    assert (metrics.timestamp, metrics.tool_seconds, metrics.heard_seconds) == (1000.0, 0.25, 4.2)


async def test_an_alarm_is_a_measurement(lk_clock: VirtualClock) -> None:
    metrics = dead_air_metrics(ALARM)

    assert (metrics.sequence_id, metrics.turn, metrics.stage) == ("SP_1", 3, "tts_first_byte")
    assert (metrics.seconds, metrics.count, metrics.timestamp) == (4.0, 2, lk_clock.wall_seconds())
