"""Turns whose end somebody else sees: the recogniser, or a turn detector."""

from __future__ import annotations

from tests.voice.turn_driver import Shell, Spoken

from lk_agents.turns.evidence import Decision
from lk_agents.voice import signals as s
from lk_agents.voice.options import TurnOptions
from lk_agents.voice.signals import SpeechKind


def decided_at(shell: Shell) -> list[float]:
    return [round(each.decided_at, 6) for each in shell.decisions]


def test_an_end_of_turn_decides_without_delay() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.final(1.1, "hello")
    shell.at(1.15, s.EndOfTurn)

    shell.run()

    assert decided_at(shell) == [1.15]


def test_an_end_of_turn_that_comes_before_its_text_decides_with_the_text() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.at(1.15, s.EndOfTurn)
    shell.final(1.25, "hello")

    shell.run()

    assert decided_at(shell) == [1.25]


def test_an_end_of_turn_with_the_run_open_decides_and_the_reply_waits_for_the_end_of_the_run() -> None:
    shell = Shell(reply_after=0.01)
    shell.voice((0.0, 1.0))
    shell.final(1.0, "hello")
    shell.at(1.0, s.EndOfTurn)

    shell.run()

    assert shell.happened("user", "decided", "play") == [
        (0.064, "user started"),
        (1.0, "user stopped"),
        (1.0, "decided r1"),
        (1.088, "play r1"),
    ]


def test_a_run_that_goes_on_past_an_end_of_turn_takes_the_reply_back() -> None:
    shell = Shell(reply_after=0.01)
    shell.voice((0.0, 2.0))
    shell.final(1.0, "hello", key=1)
    shell.at(1.0, s.EndOfTurn)
    shell.final(2.2, "and more", key=2)

    shell.run()

    assert shell.played == ["r2"]
    assert shell.replies["r2"] == "hello and more"
    assert shell.happened("user") == [
        (0.064, "user started"),
        (1.0, "user stopped"),
        (1.024, "user started"),
        (2.5, "user stopped"),
    ]


def test_an_end_of_turn_with_only_an_interim_waits_for_its_final_at_most_the_transcript_timeout() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.interim(0.9, "hello")
    shell.at(1.1, s.EndOfTurn)

    shell.run()

    assert decided_at(shell) == [3.1]


def test_an_end_of_turn_after_the_decision_says_nothing_about_the_next_turn() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.final(1.2, "hello", key=1)
    shell.at(1.6, s.EndOfTurn)
    shell.interim(20.0, "next")
    shell.final(20.5, "next one", key=2)

    shell.run()

    assert shell.asked_texts == ["hello", "next one"]


def test_a_turn_detector_is_asked_once_the_user_is_silent_and_its_yes_changes_nothing() -> None:
    questions: list[s.AskTurnDetector] = []

    def detect(question: s.AskTurnDetector) -> Decision:
        questions.append(question)
        return Decision.ACT

    shell = Shell(TurnOptions(turn_detector=True), detect=detect)
    shell.voice((0.0, 1.0))
    shell.final(0.8, "hello", language="en")

    shell.run()

    assert questions == [s.AskTurnDetector(questions[0].serial, 1, "hello", "en", 1.0)]
    assert decided_at(shell) == [1.5]


def test_a_turn_detector_that_says_wait_gives_the_user_the_longest_delay() -> None:
    shell = Shell(TurnOptions(turn_detector=True, max_endpointing_delay=6.0), detect=lambda _: Decision.WAIT)
    shell.voice((0.0, 1.0))
    shell.final(1.2, "I would like")

    shell.run()

    assert decided_at(shell) == [7.0]


def test_a_turn_detector_that_never_answers_delays_the_decision_by_seconds_only() -> None:
    shell = Shell(TurnOptions(turn_detector=True), detect=lambda _: None)
    shell.voice((0.0, 1.0))
    shell.final(1.2, "hello")

    shell.run()

    assert decided_at(shell) == [4.2]


def test_a_verdict_about_what_was_said_before_is_void() -> None:
    serials: list[int] = []

    def detect(question: s.AskTurnDetector) -> None:
        serials.append(question.serial)

    shell = Shell(TurnOptions(turn_detector=True), detect=detect)
    shell.voice((0.0, 1.0))
    shell.final(1.2, "I would like", key=1)
    shell.final(1.4, "a pizza", key=2)
    shell.at(1.45, lambda at: s.TurnVerdict(at, serials[0], Decision.WAIT))
    shell.at(1.6, lambda at: s.TurnVerdict(at, serials[1], Decision.ACT))

    shell.run()

    assert decided_at(shell) == [1.6]


def test_a_user_who_goes_on_while_the_detector_thinks_is_judged_anew() -> None:
    serials: list[int] = []

    def detect(question: s.AskTurnDetector) -> None:
        serials.append(question.serial)

    shell = Shell(TurnOptions(turn_detector=True), detect=detect)
    shell.voice((0.0, 1.0), (1.3, 2.0))
    shell.final(1.2, "I would like", key=1)
    shell.at(1.4, lambda at: s.TurnVerdict(at, serials[0], Decision.ACT))
    shell.at(2.2, lambda at: s.TurnVerdict(at, serials[-1], Decision.ACT))

    shell.run()

    assert len(serials) == 2
    assert decided_at(shell) == [2.5]


def test_functions_and_says_do_not_count_as_turns() -> None:
    shell = Shell()
    shell.script["r1"] = Spoken(SpeechKind.REPLY, 1.0, functions=0.5)
    shell.voice((0.0, 1.0))
    shell.final(1.2, "book it")
    shell.say(10.0, "s1")

    shell.run()

    assert [each.turn for each in shell.decisions] == [1]


def test_a_run_that_goes_on_past_an_end_of_turn_before_any_text_takes_it_back() -> None:
    shell = Shell()
    shell.voice((0.0, 3.0))
    shell.at(1.0, s.EndOfTurn)
    shell.final(2.0, "hello")

    shell.run()

    assert decided_at(shell) == [3.5]


def test_an_end_of_turn_makes_a_turn_detector_needless() -> None:
    questions: list[s.AskTurnDetector] = []
    shell = Shell(TurnOptions(turn_detector=True), detect=questions.append)
    shell.voice((0.0, 1.0))
    shell.at(1.15, s.EndOfTurn)
    shell.final(1.25, "hello")

    shell.run()

    assert decided_at(shell) == [1.25]
    assert not questions


def test_an_end_of_turn_after_the_decision_spares_no_question_about_the_next_turn() -> None:
    questions: list[str] = []

    def detect(question: s.AskTurnDetector) -> Decision:
        questions.append(question.text)
        return Decision.ACT

    shell = Shell(TurnOptions(turn_detector=True), detect=detect)
    shell.voice((0.0, 1.0))
    shell.final(1.2, "hello", key=1)
    shell.at(1.6, s.EndOfTurn)
    shell.final(20.5, "next one", key=2)

    shell.run()

    assert questions == ["hello", "next one"]


def test_a_wait_of_the_detector_is_void_when_the_user_goes_on() -> None:
    answers = [Decision.WAIT]
    shell = Shell(TurnOptions(turn_detector=True), detect=lambda _: answers.pop() if answers else None)
    shell.voice((0.0, 1.0), (2.0, 3.0))
    shell.final(1.2, "I would like", key=1)
    shell.final(3.2, "a pizza", key=2)

    shell.run()

    assert decided_at(shell) == [6.2]  # later questions are never answered
