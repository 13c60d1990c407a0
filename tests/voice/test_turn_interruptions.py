"""Speech of the user under the agent's own: stopped, paused and resumed, or nothing of it."""

from __future__ import annotations

import pytest
from tests.voice.turn_driver import Shell

from lk_agents.turns.evidence import Decision
from lk_agents.turns.words import count_words
from lk_agents.voice import signals as s
from lk_agents.voice.options import TurnOptions


def talking(options: TurnOptions | None = None, **given: object) -> Shell:
    """Return a conversation whose agent replies from 1.6 to 11.6."""
    shell = Shell(options, **{"reply_seconds": 10.0, "commits_after": 1.5, **given})  # type: ignore[arg-type]
    shell.voice((0.0, 1.0))
    shell.final(1.2, "question one")
    return shell


def moves(shell: Shell) -> list[tuple[float, str]]:
    """Return what becomes of the first reply once it is heard."""
    return [each for each in shell.happened("pause", "resume", "stop", "silent") if each[1].endswith("r1")]


# --- how long, how many words ----------------------------------------------------------------------------------------


def test_speech_interrupts_at_its_deadline_between_two_windows() -> None:
    shell = talking()
    shell.voice((4.0, 6.0))
    shell.final(6.2, "wait", key=2)

    shell.run()

    assert moves(shell)[0] == (4.5, "pause r1")


@pytest.mark.parametrize(
    ("silent_after", "paused"),
    [(0.44, []), (0.447, []), (0.49, [4.5]), (0.51, [4.5])],
    ids=["long before", "a window before", "just before", "just behind"],
)
def test_speech_interrupts_if_the_last_window_before_its_deadline_is_speech(
    silent_after: float, paused: list[float]
) -> None:
    shell = talking()
    shell.voice((4.0, 4.0 + silent_after))

    shell.run()

    assert shell.when("pause") == paused
    assert len(shell.when("resume")) == len(paused)
    assert shell.at_rest()


def test_a_reply_begun_before_the_detectors_end_is_not_cut_by_the_tail_of_its_own_turn() -> None:
    shell = Shell(TurnOptions(min_endpointing_delay=0.1), reply_after=0.0)
    shell.voice((0.0, 3.0), hangover=0.08)
    shell.final(2.9, "question")

    shell.run()

    assert shell.when("play") == [3.168]  # the run has ended by then; the detector says END half a second later
    assert not shell.asked
    assert not shell.when("pause")


def test_a_strategy_is_asked_every_tenth_of_a_second_as_speech_goes_on_and_at_its_deadline() -> None:
    shell = talking()
    shell.voice((4.0, 4.6))

    shell.run()

    times = [moment for moment, ask in shell.asked if ask.speaking]
    assert times[:4] == [4.16, 4.288, 4.416, 4.5]
    assert [ask.speech_seconds for _, ask in shell.asked][:4] == [0.16, 0.288, 0.416, 0.5]


def test_a_strategy_is_told_the_length_without_the_silence_behind() -> None:
    shell = talking()
    shell.voice((4.0, 4.2))
    shell.interim(4.6, "mhm")

    shell.run()

    ask = shell.asked[-1][1]
    assert (ask.text, ask.final, ask.speaking) == ("mhm", False, False)
    assert (ask.speech_seconds, ask.silence_seconds) == (0.2, 0.4)


def test_speech_without_enough_words_does_not_interrupt() -> None:
    shell = talking(TurnOptions(interrupt_min_words=2))
    shell.voice((4.0, 6.0))
    shell.interim(4.8, "wait")
    shell.interim(5.2, "wait a")

    shell.run()

    assert moves(shell)[0] == (5.2, "stop r1")


def test_words_that_the_reply_answers_do_not_count_among_those_that_interrupt() -> None:
    shell = Shell(TurnOptions(interrupt_min_words=2), reply_seconds=10.0)
    shell.voice((0.0, 1.0))
    shell.final(1.2, "a question of many words", key=1)
    shell.voice((2.0, 3.0))
    shell.final(3.2, "mhm", key=2)

    shell.run()

    assert [ask.text for _, ask in shell.asked if ask.text] == ["mhm"]
    assert not shell.when("stop")


def test_a_final_of_three_words_interrupts_however_short_it_was() -> None:
    shell = talking()
    shell.voice((4.0, 4.3))
    shell.final(4.6, "stop it now", key=2)

    shell.run()

    assert moves(shell) == [(4.6, "stop r1"), (4.6, "silent r1")]


def test_a_short_final_interrupts_a_reply_when_the_turn_is_decided() -> None:
    shell = talking()
    shell.voice((4.0, 4.3))
    shell.final(4.6, "stop", key=2)

    shell.run()

    assert moves(shell)[0] == (4.8, "stop r1")
    assert shell.asked_texts == ["question one", "stop"]


def test_a_short_final_does_not_interrupt_what_the_program_says() -> None:
    shell = Shell()
    shell.say(0.0, "s1", seconds=5.0)
    shell.voice((1.0, 1.3))
    shell.final(1.6, "okay", key=2)

    shell.run()

    assert shell.happened("stop", "pause") == []
    assert shell.happened("play", "decided") == [(0.0, "play s1"), (1.8, "decided r1"), (5.0, "play r1")]


def test_the_same_run_going_on_counts_from_the_beginning_of_what_the_program_says() -> None:
    shell = Shell()
    shell.voice((0.0, 2.0))
    shell.say(0.3, "s1", seconds=5.0)
    shell.final(2.2, "hello", key=1)

    shell.run()

    assert shell.when("pause") == [0.5]


def test_something_said_under_a_run_that_is_long_enough_is_judged_at_once() -> None:
    shell = Shell()
    shell.voice((0.0, 2.0))
    shell.say(1.0, "s1", seconds=5.0)
    shell.final(2.2, "hello", key=1)

    shell.run()

    assert shell.when("pause") == [1.0]


def test_speech_under_an_uninterruptible_reply_changes_nothing() -> None:
    shell = talking(TurnOptions(allow_interruptions=False))
    shell.voice((4.0, 6.0))
    shell.final(6.2, "stop it now", key=2)

    shell.run()

    assert moves(shell) == [(11.6, "silent r1")]
    assert not shell.asked
    assert shell.machine.turn.text == "stop it now"


def test_text_refused_under_an_uninterruptible_speech_is_part_of_the_next_turn() -> None:
    shell = talking(TurnOptions(allow_interruptions=False))
    shell.voice((4.0, 6.0))
    shell.final(6.2, "one moment", key=2)
    shell.voice((20.0, 21.0))
    shell.final(21.2, "are you there", key=3)

    shell.run()

    assert shell.asked_texts == ["question one", "one moment are you there"]


def test_text_of_too_few_words_is_part_of_the_next_turn() -> None:
    shell = talking(TurnOptions(interrupt_min_words=3))
    shell.voice((4.0, 4.3))
    shell.final(4.6, "well", key=2)
    shell.voice((20.0, 21.0))
    shell.final(21.2, "go on", key=3)

    shell.run()

    assert shell.asked_texts == ["question one", "well go on"]


# --- paused, resumed, stopped ----------------------------------------------------------------------------------------


def test_a_pause_without_words_is_resumed_after_the_timeout_from_the_last_sample() -> None:
    shell = talking()
    shell.voice((4.0, 4.7))

    shell.run()

    assert moves(shell) == [(4.5, "pause r1"), (5.7, "resume r1"), (12.8, "silent r1")]
    assert shell.states == [
        (1.6, "speaking"),
        (4.5, "listening"),
        (5.7, "speaking"),
        (12.8, "listening"),
    ]


def test_a_pause_is_not_resumed_while_the_user_goes_on() -> None:
    shell = talking()
    shell.voice((4.0, 8.0))

    shell.run()

    assert moves(shell)[:2] == [(4.5, "pause r1"), (9.0, "resume r1")]


def test_a_pause_is_resumed_at_once_when_a_recognition_finds_nothing() -> None:
    shell = talking()
    shell.voice((4.0, 4.7))
    shell.recognition(4.9, 5.1, None, key=2)

    shell.run()

    assert moves(shell)[:2] == [(4.5, "pause r1"), (5.1, "resume r1")]


def test_a_pause_waits_longer_while_a_recognition_is_open() -> None:
    shell = talking()
    shell.voice((4.0, 4.7))
    shell.at(4.9, lambda at: s.RecognitionOpened(at, 2))

    shell.run()

    assert moves(shell)[:2] == [(4.5, "pause r1"), (7.7, "resume r1")]


def test_a_recognition_dropped_since_the_user_goes_on_resumes_nothing() -> None:
    shell = talking()
    shell.voice((4.0, 4.7), (5.0, 6.0))
    shell.recognition(4.9, 5.1, None, key=2)
    shell.final(6.2, "go on", key=2)

    shell.run()

    assert moves(shell)[:2] == [(4.5, "pause r1"), (6.2, "stop r1")]


@pytest.mark.parametrize("make", [s.Interim, lambda at, text: s.Final(at, 2, text)], ids=["interim", "final"])
def test_a_pause_with_words_is_an_interruption(make: object) -> None:
    shell = talking()
    shell.voice((4.0, 4.7))
    shell.at(5.0, lambda at: make(at, "wait"))  # type: ignore[operator]
    shell.final(5.1, "wait", key=2)

    shell.run()

    assert moves(shell)[:2] == [(4.5, "pause r1"), (5.0, "stop r1")]
    assert shell.asked_texts == ["question one", "wait"]


def test_words_known_at_the_deadline_stop_without_a_pause() -> None:
    shell = talking()
    shell.voice((4.0, 6.0))
    shell.interim(4.3, "wait")
    shell.final(6.2, "wait please", key=2)

    shell.run()

    assert moves(shell) == [(4.5, "stop r1"), (4.5, "silent r1")]


def test_without_resuming_speech_stops_at_once() -> None:
    shell = talking(TurnOptions(resume_false_interruption=False))
    shell.voice((4.0, 4.7))

    shell.run()

    assert moves(shell) == [(4.5, "stop r1"), (4.5, "silent r1")]
    assert shell.at_rest()


def test_a_pause_that_nobody_ends_is_an_interruption() -> None:
    shell = talking()
    shell.voice((4.0, 40.0))

    shell.run()

    assert moves(shell)[:2] == [(4.5, "pause r1"), (34.5, "stop r1")]


def test_a_resumed_speech_can_be_interrupted_again() -> None:
    shell = talking()
    shell.voice((4.0, 4.7))
    shell.voice((6.0, 8.0))
    shell.final(8.1, "now really", key=2)

    shell.run()

    assert [line for _, line in moves(shell)] == ["pause r1", "resume r1", "pause r1", "stop r1", "silent r1"]


def test_what_is_said_while_a_pause_is_decided_waits_for_the_paused_speech() -> None:
    shell = talking()
    shell.voice((4.0, 4.7))
    shell.say(5.0, "s1", seconds=1.0)

    shell.run()

    assert shell.happened("resume", "play s1") == [(5.7, "resume r1"), (12.8, "play s1")]


def test_words_under_a_pause_whose_judge_is_lost_stop_it_at_the_decision() -> None:
    shell = talking(judge=lambda ask: None if ask.text else Decision.ACT)
    shell.voice((4.0, 4.7))
    shell.final(5.0, "wait", key=2)

    shell.run()

    assert moves(shell)[:2] == [(4.288 - 0.128, "pause r1"), (8.0, "stop r1")]
    assert shell.asked_texts == ["question one", "wait"]


# --- strategies ------------------------------------------------------------------------------------------------------


def backchannels(ask: s.AskInterruption) -> Decision:
    if ask.text:
        return Decision.IGNORE if set(ask.text.lower().strip(".").split()) <= {"mhm", "yeah"} else Decision.ACT
    return Decision.ACT if ask.speech_seconds >= 0.5 else Decision.WAIT


@pytest.mark.parametrize("when", [4.35, 4.6, 4.9, 5.4], ids=["at once", "before", "behind", "late"])
def test_a_backchannel_stops_nothing_and_asks_for_nothing(when: float) -> None:
    shell = talking(judge=backchannels)
    shell.voice((4.0, 4.3))
    shell.final(when, "Mhm.", key=2)

    shell.run()

    assert moves(shell) == [(11.6, "silent r1")]
    assert shell.asked_texts == ["question one"]
    assert shell.at_rest()


def test_a_backchannel_is_part_of_the_next_turn() -> None:
    shell = talking(judge=backchannels)
    shell.voice((4.0, 4.3))
    shell.final(4.6, "mhm", key=2)
    shell.voice((20.0, 21.0))
    shell.final(21.2, "go on", key=3)

    shell.run()

    assert shell.asked_texts == ["question one", "mhm go on"]


def test_a_backchannel_that_becomes_final_behind_the_agents_speech_asks_for_nothing() -> None:
    shell = talking(judge=backchannels)
    shell.voice((11.2, 11.4))
    shell.interim(11.5, "mhm")
    shell.interim(11.7, "mhm")
    shell.final(11.8, "Mhm.", key=2)

    shell.run()

    assert shell.asked_texts == ["question one"]
    assert shell.at_rest()


def test_a_backchannel_that_goes_on_is_none() -> None:
    shell = talking(judge=backchannels)
    shell.voice((4.0, 5.0))
    shell.interim(4.3, "yeah")
    shell.interim(4.6, "yeah but")
    shell.final(5.2, "yeah but", key=2)

    shell.run()

    assert moves(shell)[0] == (4.5, "pause r1")
    assert moves(shell)[1] == (4.6, "stop r1")
    assert shell.asked_texts == ["question one", "yeah but"]


def test_a_paused_speech_goes_on_at_once_when_what_was_said_is_a_backchannel() -> None:
    shell = talking(judge=backchannels)
    shell.voice((4.0, 4.7))
    shell.final(4.9, "mhm", key=2)

    shell.run()

    assert moves(shell)[:2] == [(4.5, "pause r1"), (4.9, "resume r1")]


def test_a_reply_prepared_for_a_backchannel_is_dropped() -> None:
    shell = talking(TurnOptions(preemptive_synthesis=True), judge=backchannels)
    shell.voice((4.0, 4.3))
    shell.final(4.6, "mhm", key=2)

    shell.run()

    assert shell.at_rest()
    assert shell.asked_texts == ["question one"]


def echo(ask: s.AskInterruption) -> tuple[Decision, bool] | Decision:
    return (Decision.IGNORE, True) if ask.text == "as I said" else Decision.WAIT


def test_the_agents_own_voice_is_said_by_nobody() -> None:
    shell = talking(judge=echo)
    shell.voice((4.0, 4.3))
    shell.interim(4.4, "as I said")
    shell.final(4.6, "as I said", key=2)

    shell.run()

    assert moves(shell) == [(11.6, "silent r1")]
    assert shell.machine.turn.text == ""
    assert shell.at_rest()


def test_the_agents_own_voice_that_becomes_final_behind_its_speech_is_said_by_nobody() -> None:
    shell = talking(judge=echo)
    shell.voice((11.2, 11.4))
    shell.interim(11.5, "as I said")
    shell.final(11.8, "As I said.", key=2)

    shell.run()

    assert shell.asked_texts == ["question one"]
    assert shell.machine.turn.text == ""


def test_the_agents_own_voice_takes_nothing_away_that_the_user_said_before() -> None:
    shell = talking(TurnOptions(allow_interruptions=True), judge=echo)
    shell.voice((4.0, 4.3))
    shell.final(4.4, "as I said", key=2)
    shell.voice((20.0, 21.0))
    shell.final(21.2, "question two", key=3)

    shell.run()

    assert shell.asked_texts == ["question one", "question two"]


def test_a_verdict_out_of_date_is_void() -> None:
    shell = talking(judge=lambda _: None)
    shell.voice((4.0, 6.0))
    shell.do_at(4.7, lambda: shell.post(s.InterruptionVerdict(4.7, shell.asked[0][1].serial, Decision.ACT)))

    shell.run()

    assert not shell.when("pause")


def test_a_verdict_about_a_speech_that_is_over_does_not_touch_the_next_one() -> None:
    shell = Shell(judge=lambda _: Decision.ACT, judge_after=0.5)
    shell.say(0.0, "s1", seconds=1.4)
    shell.say(0.0, "s2", seconds=2.0)
    shell.voice((1.0, 1.3))

    shell.run()

    assert shell.asked
    assert not shell.when("pause")
    assert not shell.when("stop")


def test_the_decision_waits_for_a_judge_who_is_still_thinking_about_the_words() -> None:
    shell = talking(judge=lambda ask: backchannels(ask), judge_after=0.7)
    shell.voice((4.0, 4.3))
    shell.final(4.6, "mhm", key=2)

    shell.run()

    assert moves(shell) == [(11.6, "silent r1")]
    assert shell.asked_texts == ["question one"]


def test_the_decision_does_not_wait_for_a_judge_without_an_end() -> None:
    shell = talking(judge=lambda _: None)
    shell.voice((4.0, 4.3))
    shell.final(4.6, "stop", key=2)

    shell.run()

    assert shell.when("decided r2") == [7.6]


def test_words_are_counted_in_scripts_without_spaces() -> None:
    shell = talking(TurnOptions(interrupt_min_words=2))
    shell.voice((4.0, 4.3))
    shell.final(4.6, "等一下", key=2)

    shell.run()

    assert count_words("等一下") == 2
    assert shell.asked_texts == ["question one", "等一下"]
