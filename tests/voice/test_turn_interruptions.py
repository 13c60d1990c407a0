"""Speech of the user under the agent's own: stopped, paused and resumed, or nothing of it."""

from __future__ import annotations

import pytest
from tests.voice.turn_driver import Shell

from lk_agents.turns.evidence import Decision
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
    assert (4.5 in [moment for moment, _ in shell.asked]) is bool(paused)
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


@pytest.mark.parametrize("speech", ["r1", "s1"])
def test_words_under_a_pause_whose_judge_is_lost_stop_it_at_the_decision(speech: str) -> None:
    shell = Shell(judge=lambda ask: None if ask.text else Decision.ACT, reply_seconds=10.0)
    if speech == "r1":
        shell = talking(judge=lambda ask: None if ask.text else Decision.ACT)
    else:
        shell.say(3.0, "s1", seconds=10.0)
    shell.voice((4.0, 4.7))
    shell.final(5.0, "wait", key=2)

    shell.run()

    assert shell.happened("pause", "stop") == [(4.16, f"pause {speech}"), (8.0, f"stop {speech}")]
    assert shell.asked_texts[-1] == "wait"


def test_words_under_a_pause_stop_it_whatever_the_judge_cannot_say_of_them() -> None:
    shell = talking(judge=lambda ask: Decision.WAIT if ask.text else Decision.ACT)
    shell.voice((4.0, 4.7))
    shell.interim(4.9, "wait")
    shell.final(5.1, "wait", key=2)

    shell.run()

    assert moves(shell)[:2] == [(4.16, "pause r1"), (4.9, "stop r1")]


def test_a_run_begun_before_the_decision_counts_from_the_decision() -> None:
    shell = Shell(TurnOptions(preemptive_synthesis=True), reply_after=0.1)
    shell.voice((0.0, 1.0))
    shell.final(1.2, "question one")
    shell.at(1.504, lambda at: s.VoiceRunBegan(at, 1.49))
    for k in range(1, 30):
        shell.at(1.504 + 0.032 * k, lambda at: s.VoiceWindow(at, is_speech=True, last_speech_at=at))

    shell.run(until=2.3)

    assert shell.happened("play", "pause") == [(1.5, "play r1"), (2.0, "pause r1")]


def test_a_sentence_of_too_few_words_interrupts_nothing() -> None:
    shell = talking(TurnOptions(interrupt_min_words=5))
    shell.voice((4.0, 4.3))
    shell.final(4.6, "stop it now", key=2)

    shell.run()

    assert moves(shell) == [(11.6, "silent r1")]


def test_nobody_is_asked_about_a_speech_that_is_falling_silent() -> None:
    shell = talking(TurnOptions(resume_false_interruption=False), stop_seconds=0.5)
    shell.voice((4.0, 5.5))
    shell.final(4.6, "stop it now", key=2)
    shell.at(4.7, lambda at: s.Typed(at, "really"))

    shell.run()

    assert moves(shell) == [(4.5, "stop r1"), (5.0, "silent r1")]
    assert max(moment for moment, _ in shell.asked) == 4.5


def test_a_reply_that_waits_behind_one_that_may_not_be_interrupted_stops_nothing_when_it_is_decided_again() -> None:
    shell = talking(TurnOptions(allow_interruptions=False))
    shell.at(3.0, lambda at: s.Typed(at, "typed"))
    shell.voice((4.0, 4.4))

    shell.run()

    assert moves(shell) == [(11.6, "silent r1")]
    assert shell.happened("begin r2", "decided r2", "play r2") == [
        (3.0, "begin r2: typed"),
        (3.0, "decided r2"),
        (4.9, "decided r2"),
        (11.6, "play r2"),
    ]


@pytest.mark.parametrize("tenth", range(101))
def test_an_interruption_at_any_moment_of_a_reply_ends_it_and_is_answered(tenth: int) -> None:
    shell = talking()
    begins = 1.6 + tenth / 10
    shell.voice((begins, begins + 1.0))
    shell.interim(begins + 0.7, "no wait")
    shell.final(begins + 1.2, "no wait", key=2)

    shell.run()

    assert shell.asked_texts[-1].endswith("no wait")
    assert shell.when(f"decided {shell.decisions[-1].speech}") == [pytest.approx(begins + 1.5)]
    silent = begins + 0.7 if begins + 0.5 < 11.6 else 11.6
    assert moves(shell)[-1] == (round(silent, 6), "silent r1")
    assert shell.at_rest()


def test_an_utterance_without_silence_behind_it_is_a_turn() -> None:
    shell = Shell()
    shell.at(0.1, lambda at: s.VoiceRunBegan(at, 0.0))
    shell.at(0.1, s.SpeechStarted)
    shell.at(0.5, lambda at: s.VoiceWindow(at, is_speech=True, last_speech_at=0.5))
    shell.at(0.6, lambda at: s.VoiceRunEnded(at, 0.0, 0.5))  # the microphone was muted
    shell.at(0.6, s.SpeechStopped)
    shell.final(0.7, "hello")

    shell.run()

    assert shell.happened("user", "decided") == [
        (0.1, "user started"),
        (0.6, "user stopped"),
        (1.0, "decided r1"),
    ]
