"""Dead air: when it is noticed, whom it is put down to, and when silence is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.voice.records import Mark
from lk_agents.voice.watchdog import DeadAir, Stage, UserState, Watchdog

T = 4.0
SAID = UserState(turn=1, last_speech_at=10.0, speech_seconds=1.5)
"""The user has spoken until 10.0, and nothing is understood yet."""


@pytest.fixture
def dog() -> Watchdog:
    return Watchdog(timeout_seconds=T, stall_seconds=1.0)


def spoke(dog: Watchdog, state: UserState = SAID) -> None:
    """The user has spoken, and is silent since 10.0; that was noticed at 10.1."""
    dog.user(9.0, replace(state, speaking=True))
    dog.user(10.1, state)


def decided(dog: Watchdog, *marks: Mark, at: float = 10.5) -> None:
    """The turn is decided, and the reply ``S`` has come so far."""
    spoke(dog)
    dog.user(at, replace(SAID, speech_seconds=0.0))
    dog.turn_decided(at, turn=1, speech="S", last_speech_at=10.0)
    for mark in marks:
        dog.mark(at, "S", mark)


def speaking(dog: Watchdog, *, since: float = 11.0) -> None:
    """The reply is heard."""
    decided(dog, Mark.LLM_REQUESTED, Mark.FIRST_TOKEN, Mark.FIRST_SENTENCE, Mark.FIRST_AUDIO)
    dog.mark(since, "S", Mark.FIRST_PLAYED)


def due(dog: Watchdog) -> float:
    """Return when to look next; there must be something to look for."""
    assert dog.next_deadline is not None
    return dog.next_deadline


def alarm(dog: Watchdog, at: float | None = None) -> DeadAir:
    """Look when the dog wants to, or at another time; there must be an alarm."""
    found = dog.check(due(dog) if at is None else at)
    assert found is not None
    return found


# --- the stages ------------------------------------------------------------------------------------------------------


def test_nothing_is_to_be_heard_where_nobody_has_said_anything(dog: Watchdog) -> None:
    dog.user(5.0, UserState())

    assert dog.next_deadline is None
    assert dog.check(1000.0) is None


def test_speech_that_is_never_understood_is_the_recognisers_fault(dog: Watchdog) -> None:
    spoke(dog)

    assert alarm(dog) == DeadAir(stage=Stage.STT_FINAL, since=10.0, seconds=T, turn=1)


def test_a_sound_too_short_for_a_word_is_no_dead_air(dog: Watchdog) -> None:
    spoke(dog, replace(SAID, speech_seconds=0.9))

    assert dog.next_deadline is None


def test_noise_that_the_recogniser_has_answered_with_nothing_is_no_dead_air(dog: Watchdog) -> None:
    spoke(dog)
    dog.user(10.6, replace(SAID, speech_seconds=0.0))

    assert dog.next_deadline is None


def test_a_short_sound_is_waited_for_while_its_recognition_is_open(dog: Watchdog) -> None:
    spoke(dog, replace(SAID, speech_seconds=0.2, recognizing=True))

    assert alarm(dog).stage is Stage.STT_FINAL


def test_understood_and_not_decided_is_our_own_fault(dog: Watchdog) -> None:
    spoke(dog, replace(SAID, understood=True))

    found = alarm(dog)
    assert (found.stage, found.speech, found.since) == (Stage.ENDPOINTING, "", 10.0)


def test_a_turn_detector_that_waits_is_given_its_time(dog: Watchdog) -> None:
    spoke(dog, replace(SAID, understood=True, waits_until=16.0))

    assert due(dog) == 16.0 + T


def test_after_such_a_wait_the_reply_is_waited_for_from_its_end(dog: Watchdog) -> None:
    spoke(dog, replace(SAID, understood=True, waits_until=16.0))
    dog.turn_decided(16.0, turn=1, speech="S", last_speech_at=10.0)
    dog.user(16.0, replace(SAID, speech_seconds=0.0))

    assert due(dog) == 16.0 + T


@pytest.mark.parametrize(
    ("marks", "stage"),
    [
        ((), Stage.LLM_FIRST_TOKEN),
        ((Mark.LLM_REQUESTED,), Stage.LLM_FIRST_TOKEN),
        ((Mark.LLM_REQUESTED, Mark.FIRST_TOKEN), Stage.LLM_FIRST_TOKEN),
        ((Mark.LLM_REQUESTED, Mark.FIRST_TOKEN, Mark.TEXT_COMPLETE), Stage.TTS_FIRST_BYTE),
        ((Mark.LLM_REQUESTED, Mark.FIRST_TOKEN, Mark.FIRST_SENTENCE), Stage.TTS_FIRST_BYTE),
        ((Mark.FIRST_SENTENCE, Mark.FIRST_AUDIO), Stage.PLAYOUT),
    ],
)
def test_the_stage_is_the_first_that_a_reply_has_not_reached(
    dog: Watchdog, marks: tuple[Mark, ...], stage: Stage
) -> None:
    decided(dog, *marks)

    assert alarm(dog) == DeadAir(stage=stage, since=10.0, seconds=T, turn=1, speech="S")


def test_a_reply_to_what_was_typed_is_waited_for_since_its_decision(dog: Watchdog) -> None:
    dog.turn_decided(20.0, turn=1, speech="S", last_speech_at=None)

    assert due(dog) == 20.0 + T


def test_a_reply_that_is_only_prepared_is_not_waited_for(dog: Watchdog) -> None:
    dog.mark(5.0, "S", Mark.LLM_REQUESTED)

    assert dog.next_deadline is None


def test_work_done_ahead_counts_once_the_turn_is_decided(dog: Watchdog) -> None:
    dog.mark(9.9, "S", Mark.FIRST_SENTENCE)
    decided(dog)

    assert alarm(dog).stage is Stage.TTS_FIRST_BYTE


def test_what_the_program_wants_to_say_is_waited_for_as_well(dog: Watchdog) -> None:
    dog.speech_due(3.0, turn=0, speech="S")

    assert alarm(dog) == DeadAir(stage=Stage.LLM_FIRST_TOKEN, since=3.0, seconds=T, turn=0, speech="S")


# --- functions -------------------------------------------------------------------------------------------------------


def test_a_function_that_runs_is_the_stage_again_and_again(dog: Watchdog) -> None:
    decided(dog, Mark.LLM_REQUESTED, Mark.FIRST_TOKEN, Mark.TEXT_COMPLETE)
    dog.silent(11.0, "S")
    dog.tool_started("S")

    assert [(each.stage, each.count) for each in (alarm(dog), alarm(dog), alarm(dog))] == [
        (Stage.TOOL, 1),
        (Stage.TOOL, 2),
        (Stage.TOOL, 3),
    ]


def test_what_is_said_about_a_function_is_waited_for_from_its_end(dog: Watchdog) -> None:
    decided(dog, Mark.LLM_REQUESTED, Mark.TEXT_COMPLETE)
    dog.silent(11.0, "S")
    dog.tool_started("S")
    alarm(dog)
    dog.tool_finished(20.0, "S")

    assert alarm(dog) == DeadAir(stage=Stage.LLM_FIRST_TOKEN, since=20.0, seconds=T, turn=1, speech="S")


def test_the_answer_is_waited_for_in_the_place_of_the_speech_that_called(dog: Watchdog) -> None:
    decided(dog, Mark.TEXT_COMPLETE)
    dog.silent(11.0, "S")
    dog.tool_started("S")
    dog.tool_finished(12.0, "S")
    dog.speech_due(12.5, turn=1, speech="ANSWER")

    assert (due(dog), alarm(dog).speech) == (12.5 + T, "ANSWER")


def test_a_function_runs_until_the_last_of_them_has_ended(dog: Watchdog) -> None:
    decided(dog)
    dog.silent(11.0, "S")
    dog.tool_started("S")
    dog.tool_started("S")
    dog.tool_finished(12.0, "S")

    assert alarm(dog).stage is Stage.TOOL


# --- while the agent speaks ------------------------------------------------------------------------------------------


def test_a_reply_that_is_heard_is_looked_at_every_second(dog: Watchdog) -> None:
    speaking(dog)

    for second in range(1, 6):
        assert due(dog) == 10.0 + second + 1
        dog.position(11.0 + second, "S", float(second), has_audio=True)
        assert dog.check(11.0 + second) is None


def test_audio_that_does_not_leave_is_noticed_after_a_second_and_then_every_timeout(dog: Watchdog) -> None:
    speaking(dog)
    dog.position(12.0, "S", 1.0, has_audio=True)
    dog.position(13.0, "S", 1.0, has_audio=True)

    assert alarm(dog, 13.0) == DeadAir(stage=Stage.PLAYOUT, since=12.0, seconds=1.0, turn=1, speech="S")
    assert due(dog) == 13.0 + T
    assert alarm(dog).count == 2


def test_once_it_leaves_again_alarms_count_anew(dog: Watchdog) -> None:
    speaking(dog)
    alarm(dog, 12.0)
    dog.position(12.5, "S", 0.5, has_audio=True)

    assert alarm(dog, 13.5).count == 1


@pytest.mark.parametrize(("complete", "stage"), [(True, Stage.TTS_FIRST_BYTE), (False, Stage.LLM_FIRST_TOKEN)])
def test_a_reply_that_runs_dry_has_the_whole_timeout(dog: Watchdog, complete: bool, stage: Stage) -> None:
    speaking(dog)
    if complete:
        dog.mark(11.5, "S", Mark.TEXT_COMPLETE)
    dog.position(12.0, "S", 1.0, has_audio=False)

    assert due(dog) == 12.0 + T
    assert alarm(dog).stage is stage


def test_audio_that_comes_after_that_has_its_second(dog: Watchdog) -> None:
    speaking(dog)
    dog.position(12.0, "S", 1.0, has_audio=False)
    dog.position(14.0, "S", 1.0, has_audio=True)

    assert due(dog) == 15.0


def test_a_speech_that_was_heard_and_does_not_end_is_noticed(dog: Watchdog) -> None:
    speaking(dog)
    dog.silent(13.0, "S")

    assert alarm(dog) == DeadAir(stage=Stage.PLAYOUT, since=13.0, seconds=T, turn=1, speech="S")


def test_a_paused_speech_is_no_dead_air(dog: Watchdog) -> None:
    speaking(dog)
    dog.paused("S")

    assert dog.next_deadline is None


def test_a_speech_that_goes_on_is_looked_at_again(dog: Watchdog) -> None:
    speaking(dog)
    dog.paused("S")
    dog.resumed(20.0, "S")

    assert due(dog) == 21.0


def test_what_waits_behind_a_speech_is_waited_for_from_its_end(dog: Watchdog) -> None:
    speaking(dog)
    dog.speech_due(11.5, turn=1, speech="NEXT")
    dog.silent(14.0, "S")
    dog.closed("S")

    assert (due(dog), alarm(dog).speech) == (14.0 + T, "NEXT")


# --- the end of silence ----------------------------------------------------------------------------------------------


def test_a_speech_that_is_over_is_not_waited_for(dog: Watchdog) -> None:
    decided(dog)
    dog.closed("S")

    assert dog.next_deadline is None


def test_what_comes_late_for_a_speech_that_is_over_means_nothing(dog: Watchdog) -> None:
    speaking(dog)
    dog.silent(13.0, "S")
    dog.closed("S")
    dog.position(14.0, "S", 3.0, has_audio=True)
    dog.turn_decided(14.0, turn=1, speech="S", last_speech_at=10.0)

    assert dog.next_deadline is None


def test_while_the_user_speaks_nothing_is_to_be_heard(dog: Watchdog) -> None:
    decided(dog)
    dog.user(11.0, replace(SAID, turn=2, speaking=True))

    assert dog.next_deadline is None
    assert dog.check(100.0) is None


def test_after_a_sound_of_the_user_an_overdue_alarm_waits_a_second_for_what_follows(dog: Watchdog) -> None:
    decided(dog)
    dog.user(13.0, replace(SAID, turn=2, speaking=True))
    dog.user(15.0, replace(SAID, turn=2, last_speech_at=14.9, speech_seconds=0.0))

    assert due(dog) == 16.0
    assert alarm(dog).since == 10.0


def test_a_sound_that_is_being_recognised_comes_before_the_reply_that_waits(dog: Watchdog) -> None:
    decided(dog)
    dog.user(15.0, replace(SAID, turn=2, last_speech_at=14.9, recognizing=True))

    assert (due(dog), alarm(dog).stage) == (14.9 + T, Stage.STT_FINAL)


def test_the_same_reply_decided_again_is_waited_for_since_the_first_time(dog: Watchdog) -> None:
    decided(dog)
    dog.user(12.0, replace(SAID, turn=2, last_speech_at=12.0, speech_seconds=0.0))
    dog.turn_decided(12.5, turn=2, speech="S", last_speech_at=12.0)

    assert due(dog) == 10.0 + T


def test_where_nobody_listens_nothing_is_waited_for(dog: Watchdog) -> None:
    dog.audience(0.0, present=False)
    dog.speech_due(1.0, turn=0, speech="S")
    assert dog.next_deadline is None

    dog.audience(60.0, present=True)
    assert due(dog) == 60.0 + T


# --- counting --------------------------------------------------------------------------------------------------------


def test_alarms_about_one_silence_come_every_timeout_and_are_counted(dog: Watchdog) -> None:
    decided(dog)

    found = [alarm(dog) for _ in range(3)]
    assert [(each.count, each.since, each.seconds) for each in found] == [
        (1, 10.0, T),
        (2, 10.0, 2 * T),
        (3, 10.0, 3 * T),
    ]


def test_a_look_that_comes_late_leaves_the_remedy_its_time(dog: Watchdog) -> None:
    decided(dog)
    alarm(dog, 30.0)

    assert due(dog) == 30.0 + T


def test_a_look_that_comes_early_finds_nothing(dog: Watchdog) -> None:
    decided(dog)

    assert dog.check(13.9) is None
    assert due(dog) == 14.0


def test_a_reply_that_is_made_anew_is_counted_on(dog: Watchdog) -> None:
    decided(dog, Mark.LLM_REQUESTED, Mark.FIRST_SENTENCE)
    assert alarm(dog).stage is Stage.TTS_FIRST_BYTE
    dog.restarted("S")

    found = alarm(dog)
    assert (found.stage, found.count) == (Stage.LLM_FIRST_TOKEN, 2)


def test_a_turn_that_is_decided_late_is_counted_on(dog: Watchdog) -> None:
    spoke(dog, replace(SAID, understood=True))
    assert alarm(dog).stage is Stage.ENDPOINTING
    dog.turn_decided(16.0, turn=1, speech="S", last_speech_at=10.0)
    dog.user(16.0, replace(SAID, speech_seconds=0.0))

    found = alarm(dog)
    assert (found.stage, found.count, found.seconds) == (Stage.LLM_FIRST_TOKEN, 2, 2 * T)


def test_what_waits_behind_something_given_up_has_its_own_time(dog: Watchdog) -> None:
    decided(dog)
    dog.speech_due(11.0, turn=1, speech="NEXT")
    dog.gave_up(alarm(dog, 14.0))

    found = alarm(dog)
    assert (found.speech, found.count, found.since) == ("NEXT", 1, 14.0)


def test_what_is_given_up_is_not_waited_for(dog: Watchdog) -> None:
    decided(dog)
    dog.gave_up(alarm(dog))

    assert dog.next_deadline is None


def test_a_turn_that_is_given_up_is_waited_for_again_once_the_user_says_more(dog: Watchdog) -> None:
    spoke(dog)
    dog.gave_up(alarm(dog))
    assert dog.next_deadline is None

    dog.user(20.0, replace(SAID, last_speech_at=20.0))
    assert due(dog) == 20.0 + T


def test_replies_that_are_given_up_in_a_row_are_counted_until_one_is_heard(dog: Watchdog) -> None:
    for number, speech in enumerate("ABC"):
        dog.speech_due(number * 10.0, turn=number, speech=speech)
        found = alarm(dog)
        assert found.given_up == number
        dog.gave_up(found)
    dog.mark(50.0, "D", Mark.FIRST_PLAYED)
    dog.silent(51.0, "D")
    dog.closed("D")
    dog.speech_due(60.0, turn=5, speech="E")

    assert alarm(dog).given_up == 0


def test_a_turn_without_an_answer_is_no_reply_that_was_given_up(dog: Watchdog) -> None:
    spoke(dog)
    dog.gave_up(alarm(dog))
    dog.speech_due(20.0, turn=1, speech="S")

    assert alarm(dog).given_up == 0


# --- options ---------------------------------------------------------------------------------------------------------


def test_without_a_timeout_nothing_is_watched() -> None:
    dog = Watchdog(timeout_seconds=None)
    decided(dog)

    assert dog.next_deadline is None
    assert dog.check(1000.0) is None


@pytest.mark.parametrize(
    ("options", "name"), [({"timeout_seconds": 0.0}, "dead_air_timeout"), ({"stall_seconds": -1.0}, "stall_seconds")]
)
def test_times_that_are_not_above_0_are_refused(options: dict[str, float], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Watchdog(**options)
