"""What comes beside the user's voice: replies prepared early, typed messages, and a program that wants silence."""

from __future__ import annotations

import pytest
from tests.voice.turn_driver import Shell, Spoken

from lk_agents.voice import signals as s
from lk_agents.voice.options import TurnOptions
from lk_agents.voice.signals import SpeechKind


def asked(shell: Shell, text: str = "question one") -> Shell:
    """Let the user ask something; it is decided at 1.5."""
    shell.voice((0.0, 1.0))
    shell.final(1.2, text)
    return shell


def calling(*, seconds: float = 1.0, functions: float = 1.0, **given: object) -> Shell:
    """Return a conversation whose first reply, heard from 1.6, calls functions behind its audio."""
    shell = Shell(**given)  # type: ignore[arg-type]
    shell.script["r1"] = Spoken(SpeechKind.REPLY, seconds, functions=functions)
    return asked(shell, "book it")


# --- prepared early --------------------------------------------------------------------------------------------------


def test_a_reply_prepared_early_is_heard_at_the_decision() -> None:
    shell = asked(Shell(TurnOptions(preemptive_synthesis=True), reply_after=0.1))

    shell.run()

    assert shell.happened("begin", "decided", "play") == [
        (1.2, "begin r1: question one"),
        (1.5, "decided r1"),
        (1.5, "play r1"),
    ]


def test_each_final_prepares_a_reply_anew() -> None:
    shell = Shell(TurnOptions(preemptive_synthesis=True))
    shell.voice((0.0, 2.0))
    shell.final(0.8, "one", key=1)
    shell.final(2.1, "two", key=2)

    shell.run()

    assert shell.happened("begin", "drop") == [(0.8, "begin r1: one"), (2.1, "drop r1"), (2.1, "begin r2: one two")]


def test_no_reply_is_prepared_under_what_may_not_be_interrupted() -> None:
    shell = asked(Shell(TurnOptions(preemptive_synthesis=True)))
    shell.say(0.0, "s1", seconds=5.0, interruptible=False)

    shell.run()

    assert not shell.when("begin")


def test_a_reply_prepared_early_that_is_refused_is_dropped() -> None:
    shell = Shell(TurnOptions(preemptive_synthesis=True, interrupt_min_words=3))
    shell.say(0.0, "s1", seconds=5.0)
    shell.voice((1.0, 1.3))
    shell.final(1.4, "well", key=1)

    shell.run()

    assert shell.happened("begin", "drop") == [(1.4, "begin r1: well"), (1.8, "drop r1")]
    assert shell.at_rest()


def test_a_reply_prepared_early_that_fails_is_begun_anew() -> None:
    shell = asked(Shell(TurnOptions(preemptive_synthesis=True), reply_after=None))
    shell.at(1.3, lambda at: s.SpeechSilent(at, "r1"))
    shell.at(1.3, lambda at: s.SpeechClosed(at, "r1"))

    shell.run(until=2.0)

    assert shell.happened("begin", "decided") == [
        (1.2, "begin r1: question one"),
        (1.5, "begin r2: question one"),
        (1.5, "decided r2"),
    ]


# --- typed -----------------------------------------------------------------------------------------------------------


def test_a_typed_message_is_decided_at_once() -> None:
    shell = Shell()
    shell.at(3.0, lambda at: s.Typed(at, "  hello "))

    shell.run()

    assert shell.decisions == [s.TurnDecided(1, "r1", last_speech_at=None, last_final_at=3.0, decided_at=3.0)]
    assert shell.asked_texts == ["hello"]


def test_a_typed_message_after_a_spoken_turn_tells_of_no_speech() -> None:
    shell = asked(Shell())
    shell.at(20.0, lambda at: s.Typed(at, "hello"))

    shell.run()

    assert shell.decisions[1].last_speech_at is None


@pytest.mark.parametrize("kind", list(SpeechKind))
def test_a_typed_message_stops_what_is_heard_once(kind: SpeechKind) -> None:
    shell = Shell()
    if kind is SpeechKind.REPLY:
        asked(shell)
    else:
        shell.say(1.6, "s1", seconds=5.0)
    if kind is SpeechKind.ANSWER:
        shell = calling(functions=0.0)
    shell.at(4.0, lambda at: s.Typed(at, "stop that"))

    shell.run()

    assert len(shell.when("stop")) == 1
    assert shell.asked_texts[-1].endswith("stop that")


def test_a_typed_message_waits_behind_what_may_not_be_interrupted() -> None:
    shell = Shell()
    shell.say(0.0, "s1", seconds=5.0, interruptible=False)
    shell.at(1.0, lambda at: s.Typed(at, "hello"))

    shell.run()

    assert shell.happened("play") == [(0.0, "play s1"), (5.0, "play r1")]


def test_a_typed_message_is_not_joined_to_a_question_that_is_being_answered_without_interruption() -> None:
    shell = asked(Shell(TurnOptions(allow_interruptions=False)))
    shell.at(2.0, lambda at: s.Typed(at, "typed"))

    shell.run()

    assert shell.asked_texts == ["question one", "typed"]
    assert shell.played == ["r1", "r2"]


def test_typed_messages_before_the_first_reply_is_heard_are_answered_together() -> None:
    shell = Shell(TurnOptions(allow_interruptions=False), reply_after=1.0)
    shell.at(1.0, lambda at: s.Typed(at, "one"))
    shell.at(1.5, lambda at: s.Typed(at, "two"))

    shell.run()

    assert shell.asked_texts == ["one", "one two"]
    assert shell.played == ["r2"]


def test_a_message_typed_while_speaking_does_not_end_the_speech() -> None:
    shell = Shell()
    shell.voice((0.0, 2.0))
    shell.at(1.0, lambda at: s.Typed(at, "by hand"))
    shell.final(2.2, "by mouth", key=2)

    shell.run()

    assert shell.happened("user") == [(0.064, "user started"), (2.5, "user stopped")]
    assert shell.replies[shell.played[0]] == "by hand by mouth"
    assert len(shell.played) == 1


def test_an_empty_message_is_none() -> None:
    shell = Shell()
    shell.at(1.0, lambda at: s.Typed(at, "  "))

    shell.run()

    assert not shell.log


# --- the program wants silence ---------------------------------------------------------------------------------------


def test_interrupting_all_ends_what_is_heard_and_what_waits() -> None:
    shell = Shell()
    shell.say(0.0, "s1", seconds=5.0, interruptible=False)
    shell.say(0.1, "s2")
    shell.say(0.2, "s3", parent="s1")
    shell.at(1.0, s.InterruptAll)

    shell.run()

    assert shell.happened("stop", "drop") == [(1.0, "stop s1"), (1.0, "drop s3"), (1.0, "drop s2")]
    assert shell.at_rest()


def test_interrupting_what_is_heard_leaves_what_waits() -> None:
    shell = Shell(TurnOptions(preemptive_synthesis=True))
    shell.voice((0.5, 0.9))
    shell.final(0.95, "hello")
    shell.say(0.0, "s1", seconds=5.0)
    shell.say(0.1, "s2", seconds=1.0)
    shell.at(1.0, lambda at: s.InterruptAll(at, everything=False))

    shell.run()

    assert shell.happened("stop", "drop", "play") == [
        (0.0, "play s1"),
        (1.0, "stop s1"),
        (1.0, "play s2"),
        (2.0, "play r1"),
    ]


def test_interrupting_all_ends_a_reply_that_was_taken_back() -> None:
    shell = asked(Shell(reply_after=1.0))
    shell.voice((1.6, 2.0))
    shell.at(1.8, s.InterruptAll)

    shell.run()

    assert shell.happened("drop", "play") == [(1.8, "drop r1")]
    assert shell.at_rest()


def test_interrupting_all_while_a_filler_is_heard_stops_it_and_drops_its_reply() -> None:
    shell = asked(Shell(reply_after=3.0))
    shell.say(1.6, "s1", seconds=1.0, parent="r1", first=True)
    shell.at(2.0, s.InterruptAll)

    shell.run()

    assert shell.happened("stop", "drop") == [(2.0, "stop s1"), (2.0, "drop r1")]
    assert shell.at_rest()


def test_interrupting_all_ends_the_answer_of_functions_that_run() -> None:
    shell = calling(functions=3.0)
    shell.at(3.0, s.InterruptAll)

    shell.run()

    assert shell.happened("drop") == [(5.6, "drop r1.answer")]


def test_interrupting_a_paused_speech_stops_it() -> None:
    shell = asked(Shell(reply_seconds=10.0))
    shell.voice((4.0, 4.7))
    shell.at(4.8, s.InterruptAll)

    shell.run()

    assert shell.happened("pause", "resume", "stop") == [(4.5, "pause r1"), (4.8, "stop r1")]
    assert shell.at_rest()


def test_interrupting_twice_stops_once() -> None:
    shell = asked(Shell(reply_seconds=10.0))
    shell.at(4.0, s.InterruptAll)
    shell.at(4.0, s.InterruptAll)

    shell.run()

    assert shell.when("stop") == [4.0]


@pytest.mark.parametrize("moment", [1.3, 1.55, 1.7, 3.0, 7.0, 20.0])
def test_cancelling_one_speech_ends_it_wherever_it_is(moment: float) -> None:
    shell = asked(Shell(TurnOptions(preemptive_synthesis=True), reply_after=0.4, reply_seconds=5.0))
    shell.at(moment, lambda at: s.SpeechCancelled(at, "r1"))

    shell.run()

    ends = [line for _, line in shell.happened("drop r1", "stop r1", "silent r1")]
    assert ends == {
        1.3: ["drop r1"],
        1.55: ["drop r1"],
        1.7: ["stop r1", "silent r1"],
        3.0: ["stop r1", "silent r1"],
    }.get(moment, ["silent r1"])
    assert shell.at_rest()


def test_cancelling_a_speech_that_is_over_with_all_under_it_ends_its_answer() -> None:
    shell = calling(functions=3.0)
    shell.say(3.0, "s1", seconds=5.0, parent="r1")
    shell.say(3.1, "s2", seconds=5.0, parent="r1")
    shell.at(4.0, lambda at: s.SpeechCancelled(at, "r1", nested=True))

    shell.run()

    assert shell.happened("stop", "drop") == [(4.0, "stop s1"), (4.0, "drop s2"), (5.6, "drop r1.answer")]
    assert shell.at_rest()


def test_cancelling_a_reply_leaves_the_filler_that_is_heard() -> None:
    shell = asked(Shell(reply_after=3.0))
    shell.say(1.6, "s1", seconds=1.0, parent="r1", first=True)
    shell.at(2.0, lambda at: s.SpeechCancelled(at, "r1"))

    shell.run()

    assert shell.happened("drop", "stop", "silent") == [(2.0, "drop r1"), (2.6, "silent s1")]


def test_cancelling_a_reply_with_all_under_it_stops_the_filler_that_is_heard() -> None:
    shell = asked(Shell(reply_after=3.0))
    shell.say(1.6, "s1", seconds=1.0, parent="r1", first=True)
    shell.at(2.0, lambda at: s.SpeechCancelled(at, "r1", nested=True))

    shell.run()

    assert shell.happened("drop", "stop") == [(2.0, "stop s1"), (2.0, "drop r1")]


def test_cancelling_a_reply_that_was_taken_back_begins_no_other() -> None:
    shell = asked(Shell(reply_after=1.0))
    shell.voice((1.6, 2.0))
    shell.at(1.8, lambda at: s.SpeechCancelled(at, "r1"))

    shell.run()

    assert shell.happened("begin", "drop") == [(1.5, "begin r1: question one"), (1.8, "drop r1")]
    assert shell.at_rest()


@pytest.mark.parametrize("early", [True, False])
def test_a_question_that_is_settled_without_a_reply_is_not_asked_again(early: bool) -> None:
    shell = asked(Shell(TurnOptions(preemptive_synthesis=early), reply_after=None))
    settled = 1.25 if early else 1.55
    shell.at(settled, lambda at: s.UserCommitted(at, "r1"))
    shell.at(settled, lambda at: s.SpeechSilent(at, "r1"))
    shell.at(settled, lambda at: s.SpeechClosed(at, "r1"))

    shell.run()

    assert shell.when("begin") == [1.2 if early else 1.5]
    assert shell.machine.turn.text == ""
    assert shell.at_rest()
