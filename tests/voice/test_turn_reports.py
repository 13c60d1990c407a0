"""What is told: that the user speaks, and what the agent does; and turns in which nothing is understood."""

from __future__ import annotations

import pytest
from tests.voice.turn_driver import Shell, Spoken

from lk_agents.turns.evidence import Decision
from lk_agents.voice import signals as s
from lk_agents.voice.options import TurnOptions
from lk_agents.voice.signals import SpeechKind


def asked(shell: Shell) -> Shell:
    shell.voice((0.0, 1.0))
    shell.final(1.2, "question one")
    return shell


# --- that the user speaks --------------------------------------------------------------------------------------------


def test_the_detector_says_when_the_user_starts_and_stops() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))

    shell.run()

    assert shell.happened("user") == [(0.064, "user started"), (1.6, "user stopped")]


def test_the_decision_says_that_the_user_has_stopped_where_it_comes_first() -> None:
    shell = asked(Shell())

    shell.run()

    assert shell.happened("user", "begin", "decided") == [
        (0.064, "user started"),
        (1.5, "user stopped"),
        (1.5, "begin r1: question one"),
        (1.5, "decided r1"),
    ]


def test_a_run_between_the_decision_and_the_detectors_end_is_told_as_a_start() -> None:
    shell = Shell(reply_after=2.0)
    shell.voice((0.0, 1.0), (1.52, 2.0))
    shell.final(1.2, "question one")

    shell.run()

    assert shell.happened("user") == [
        (0.064, "user started"),
        (1.5, "user stopped"),
        (1.536, "user started"),
        (2.5, "user stopped"),
    ]


def test_sounds_too_short_for_the_detector_are_not_told() -> None:
    shell = Shell()
    shell.voice((0.0, 0.02))

    shell.run()

    assert not shell.log


# --- what the agent does ---------------------------------------------------------------------------------------------


def test_a_fast_reply_never_shows_thinking() -> None:
    shell = asked(Shell(reply_after=0.15))

    shell.run()

    assert shell.states == [(1.65, "speaking"), (4.65, "listening")]


def test_a_slow_reply_shows_thinking_after_a_moment() -> None:
    shell = asked(Shell(reply_after=1.0))

    shell.run()

    assert shell.states == [(1.7, "thinking"), (2.5, "speaking"), (5.5, "listening")]


def test_a_reply_prepared_while_the_user_speaks_shows_no_thinking() -> None:
    shell = Shell(TurnOptions(preemptive_synthesis=True), reply_after=3.0)
    shell.voice((0.0, 2.0))
    shell.final(1.0, "question")

    shell.run()

    assert shell.states[0] == (2.7, "thinking")


def test_a_user_who_goes_on_ends_the_thinking() -> None:
    shell = asked(Shell(reply_after=2.0))
    shell.voice((2.0, 2.5))

    shell.run()

    assert shell.states[:3] == [(1.7, "thinking"), (2.032, "listening"), (3.2, "thinking")]


def test_a_reply_that_fails_ends_the_thinking() -> None:
    shell = asked(Shell(reply_after=None))
    shell.at(3.0, lambda at: s.SpeechSilent(at, "r1"))
    shell.at(3.0, lambda at: s.SpeechClosed(at, "r1"))

    shell.run()

    assert shell.states == [(1.7, "thinking"), (3.0, "listening")]


def test_a_reply_that_only_calls_functions_shows_thinking_until_the_answer() -> None:
    shell = Shell(reply_after=0.5)
    shell.script["r1"] = Spoken(SpeechKind.REPLY, 0.0, functions=2.0, answer=1.0)
    asked(shell)

    shell.run()

    assert shell.states == [(1.7, "thinking"), (4.5, "speaking"), (5.5, "listening")]


def test_an_answer_shows_thinking_while_it_is_prepared() -> None:
    shell = Shell(reply_after=0.5)
    shell.script["r1"] = Spoken(SpeechKind.REPLY, 1.0, functions=1.0, answer=1.0)
    asked(shell)

    shell.run()

    assert shell.states == [
        (1.7, "thinking"),
        (2.0, "speaking"),
        (3.0, "listening"),
        (4.2, "thinking"),
        (4.5, "speaking"),
        (5.5, "listening"),
    ]


def test_an_answer_prepared_while_something_is_said_shows_no_thinking() -> None:
    shell = Shell(reply_after=0.5)
    shell.script["r1"] = Spoken(SpeechKind.REPLY, 1.0, functions=1.0, answer=1.0)
    asked(shell)
    shell.say(3.5, "s1", seconds=3.0, parent="r1")

    shell.run()

    assert shell.states[-4:] == [(3.5, "speaking"), (6.5, "listening"), (6.5, "speaking"), (7.5, "listening")]


def test_a_reply_prepared_early_and_not_wanted_ends_the_thinking() -> None:
    shell = Shell(TurnOptions(preemptive_synthesis=True, min_endpointing_delay=2.0), reply_after=None)
    shell.voice((0.0, 1.0))
    shell.final(1.2, "noise", key=1)
    shell.final(2.0, "", key=1)

    shell.run()

    assert shell.states == [(1.4, "thinking"), (2.0, "listening")]
    assert shell.at_rest()


def test_a_speech_that_is_closed_without_having_been_silent_is_silent() -> None:
    shell = Shell()
    shell.say(0.0, "s1", seconds=50.0)
    shell.at(1.0, lambda at: s.SpeechClosed(at, "s1"))

    shell.run(until=2.0)

    assert shell.states == [(0.0, "speaking"), (1.0, "listening")]
    assert not len(shell.machine.floor)


# --- turns without words ---------------------------------------------------------------------------------------------


def test_a_turn_without_words_gets_no_reply() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))

    shell.run()

    assert not shell.decisions
    assert shell.at_rest()


def test_a_turn_without_words_is_answered_after_its_timeout_where_that_is_wanted() -> None:
    shell = Shell(TurnOptions(empty_turn_timeout=5.0))
    shell.voice((0.0, 1.0))

    shell.run()

    assert shell.happened("begin", "decided") == [(6.6, "begin r1: "), (6.6, "decided r1")]
    assert shell.decisions == [s.TurnDecided(1, "r1", last_speech_at=1.0, last_final_at=None, decided_at=6.6)]


@pytest.mark.parametrize("moment", [1.3, 1.8, 4.0], ids=["before the end", "behind the end", "late"])
def test_a_turn_with_words_is_answered_once_where_empty_ones_are_answered_too(moment: float) -> None:
    shell = Shell(TurnOptions(empty_turn_timeout=5.0), reply_seconds=1.0)
    shell.voice((0.0, 1.0))
    shell.final(moment, "hello")

    shell.run()

    assert shell.asked_texts == ["hello"]
    assert shell.at_rest()


@pytest.mark.parametrize("timeout", [1.0, 4.0], ids=["while it speaks", "behind it"])
def test_noise_under_the_agents_speech_is_no_turn_without_words(timeout: float) -> None:
    shell = asked(Shell(TurnOptions(empty_turn_timeout=timeout), reply_seconds=6.0))
    shell.voice((4.0, 4.3))

    shell.run()

    assert shell.asked_texts == ["question one"]


def test_noise_behind_words_is_no_turn_without_words() -> None:
    shell = Shell(TurnOptions(empty_turn_timeout=5.0), reply_seconds=1.0)
    shell.voice((0.0, 1.0), (1.3, 1.4))
    shell.final(1.1, "hello")

    shell.run()

    assert shell.asked_texts == ["hello"]


@pytest.mark.parametrize("after", [0.0, 5.0], ids=["said", "prepared"])
def test_what_the_agent_says_meanwhile_takes_the_place_of_the_reply_to_nothing(after: float) -> None:
    shell = Shell(TurnOptions(empty_turn_timeout=5.0))
    shell.voice((0.0, 1.0))
    shell.say(3.0, "s1", seconds=1.0, after=after)

    shell.run()

    assert not shell.decisions


def test_a_reply_to_nothing_that_was_not_heard_is_dropped_when_the_user_speaks() -> None:
    shell = Shell(TurnOptions(empty_turn_timeout=5.0), reply_after=1.0)
    shell.voice((0.0, 1.0))
    shell.voice((7.0, 8.0))
    shell.final(8.2, "hello")

    shell.run()

    assert shell.asked_texts == ["", "hello"]
    assert shell.happened("drop", "play") == [(7.032, "drop r1"), (9.5, "play r2")]


def test_a_refused_turn_is_no_turn_without_words() -> None:
    shell = Shell(TurnOptions(empty_turn_timeout=3.0), judge=lambda _: Decision.WAIT)
    shell.say(0.0, "s1", seconds=2.0, interruptible=False)
    shell.voice((0.5, 1.0))
    shell.final(1.2, "hello")

    shell.run()

    assert not shell.decisions
    assert shell.machine.turn.text == "hello"


def test_a_run_that_goes_on_behind_its_words_is_no_turn_without_words() -> None:
    shell = Shell(TurnOptions(empty_turn_timeout=0.3, min_endpointing_delay=2.0))
    shell.voice((0.0, 2.0))
    shell.final(1.0, "hello")

    shell.run()

    assert shell.happened("decided") == [(4.0, "decided r1")]


def test_a_message_typed_while_speaking_shows_no_thinking() -> None:
    shell = Shell(reply_after=3.0)
    shell.voice((0.0, 2.0))
    shell.at(1.0, lambda at: s.Typed(at, "by hand"))

    shell.run(until=2.4)

    assert not shell.states
