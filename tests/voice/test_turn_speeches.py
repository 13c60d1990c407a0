"""Which speech is heard when: the line, what belongs to what, and what ends before its time."""

from __future__ import annotations

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


# --- the line --------------------------------------------------------------------------------------------------------


def test_what_is_said_before_the_first_is_heard_is_heard_in_its_order() -> None:
    shell = Shell()
    shell.say(0.0, "s1", after=0.5, seconds=1.0)
    shell.say(0.1, "s2", after=0.1, seconds=1.0)
    shell.say(0.2, "s3", after=0.0, seconds=1.0)

    shell.run()

    assert shell.happened("play") == [(0.5, "play s1"), (1.5, "play s2"), (2.5, "play s3")]


def test_what_is_said_from_within_the_preparation_of_a_reply_is_heard_before_it() -> None:
    shell = asked(Shell(reply_after=0.3))
    shell.say(1.6, "s1", seconds=1.0, parent="r1", first=True)

    shell.run()

    assert shell.happened("play") == [(1.6, "play s1"), (2.6, "play r1")]


def test_what_is_said_within_the_early_preparation_of_a_reply_waits_for_the_decision() -> None:
    shell = asked(Shell(TurnOptions(preemptive_synthesis=True), reply_after=0.1))
    shell.say(1.25, "s1", seconds=1.0, parent="r1", first=True)

    shell.run()

    assert shell.happened("play") == [(1.5, "play s1"), (2.5, "play r1")]


def test_what_is_said_within_an_early_preparation_that_is_dropped_is_dropped_with_it() -> None:
    shell = Shell(TurnOptions(preemptive_synthesis=True))
    shell.voice((0.0, 1.0))
    shell.final(0.6, "one", key=1)
    shell.say(0.7, "s1", parent="r1", first=True)
    shell.final(1.2, "two", key=2)

    shell.run()

    assert shell.happened("drop") == [(1.2, "drop s1"), (1.2, "drop r1")]
    assert shell.played == ["r2"]
    assert shell.at_rest()


def test_what_is_said_under_a_reply_that_was_heard_goes_before_what_waits() -> None:
    shell = asked(Shell(reply_seconds=2.0))
    shell.say(1.7, "s1", seconds=1.0)
    shell.say(1.8, "s2", seconds=1.0, parent="r1")

    shell.run()

    assert shell.played == ["r1", "s2", "s1"]


def test_what_is_said_for_a_speech_that_is_gone_goes_to_the_end_of_the_line() -> None:
    shell = Shell()
    shell.say(0.0, "s1", seconds=1.0, parent="nobody")

    shell.run()

    assert shell.played == ["s1"]


def test_a_speech_that_fails_before_it_is_heard_lets_the_next_one_go_on() -> None:
    shell = Shell(reply_after=None)
    asked(shell)
    shell.say(1.7, "s1", seconds=1.0)
    shell.at(3.0, lambda at: s.SpeechSilent(at, "r1"))
    shell.at(3.0, lambda at: s.SpeechClosed(at, "r1"))

    shell.run()

    assert shell.happened("play") == [(3.0, "play s1")]
    assert shell.at_rest()


def test_replies_do_not_begin_while_the_user_speaks_but_what_the_program_says_does() -> None:
    shell = Shell(reply_after=0.1)
    shell.voice((2.0, 4.0))
    shell.at(2.5, lambda at: s.Typed(at, "typed"))
    shell.run(until=2.5)
    shell.say(3.0, "s1", seconds=0.5)
    shell.at(3.2, lambda at: s.SpeechCancelled(at, "r1"))
    shell.at(3.3, lambda at: s.Typed(at, "again"))
    shell.final(4.1, "spoken", key=2)

    shell.run()

    assert shell.happened("play") == [(3.0, "play s1"), (4.6, "play r3")]
    assert shell.asked_texts[-1] == "typed again spoken"


def test_a_reply_without_anything_to_hear_passes_silently() -> None:
    shell = asked(Shell(reply_after=0.5, reply_seconds=0.0))
    shell.say(1.6, "s1", seconds=1.0)

    shell.run()

    assert shell.happened("play") == [(2.0, "play r1"), (2.0, "play s1")]
    assert shell.states == [(1.7, "thinking"), (2.0, "speaking"), (3.0, "listening")]


# --- functions and answers -------------------------------------------------------------------------------------------


def test_an_answer_is_heard_behind_its_functions() -> None:
    shell = calling()

    shell.run()

    assert shell.happened("play") == [(1.6, "play r1"), (3.7, "play r1.answer")]
    assert shell.at_rest()


def test_what_is_said_within_a_function_is_heard_before_its_answer() -> None:
    shell = calling()
    shell.say(2.8, "s1", seconds=2.0, parent="r1")

    shell.run()

    assert shell.happened("play") == [(1.6, "play r1"), (2.8, "play s1"), (4.8, "play r1.answer")]


def test_a_reply_supersedes_the_answer_that_was_not_heard() -> None:
    shell = calling(functions=3.0)
    shell.voice((3.0, 4.0))
    shell.final(4.2, "or rather not", key=2)

    shell.run()

    assert shell.happened("play") == [(1.6, "play r1"), (4.6, "play r2")]
    assert shell.happened("drop") == [(5.6, "drop r1.answer")]
    assert shell.at_rest()


def test_an_answer_that_is_ready_when_the_user_speaks_waits_for_what_is_said() -> None:
    shell = calling(functions=1.0)
    shell.voice((3.4, 4.4))
    shell.interim(4.0, "or rather")
    shell.final(4.7, "or rather not", key=2)

    shell.run()

    assert shell.happened("play", "drop") == [(1.6, "play r1"), (4.9, "drop r1.answer"), (5.0, "play r2")]


def test_an_answer_is_heard_after_all_if_the_user_says_nothing() -> None:
    shell = calling(functions=1.0)
    shell.voice((3.4, 4.4))

    shell.run()

    assert shell.when("play r1.answer") == [4.488]


def test_an_answer_that_may_not_be_interrupted_is_heard_before_the_next_reply() -> None:
    shell = Shell(TurnOptions(allow_interruptions=False))
    shell.script["r1"] = Spoken(SpeechKind.REPLY, 1.0, functions=3.0, interruptible=False)
    asked(shell, "book it")
    shell.voice((3.0, 4.0))
    shell.final(4.2, "hello?", key=2)

    shell.run()

    assert shell.played == ["r1", "r1.answer", "r2"]


def test_an_interrupted_reply_ends_its_answer_and_what_was_said_under_it() -> None:
    shell = Shell(reply_seconds=10.0)
    asked(shell)
    shell.say(1.7, "s1", parent="r1")
    shell.voice((4.0, 6.0))
    shell.final(5.0, "stop", key=2)
    shell.at(5.1, lambda at: s.SpeechAdded(at, "late", SpeechKind.ANSWER, True, parent="r1"))

    shell.run()

    assert shell.happened("stop", "drop") == [(5.0, "stop r1"), (5.0, "drop s1"), (5.1, "drop late")]
    assert shell.at_rest()


def test_an_interruption_drops_nothing_that_was_heard() -> None:
    shell = Shell(reply_seconds=10.0, reply_after=0.5)
    asked(shell)
    shell.say(1.6, "s1", seconds=1.0, parent="r1", first=True)
    shell.voice((4.0, 6.0))
    shell.final(5.0, "stop", key=2)

    shell.run()

    assert shell.happened("drop", "stop") == [(5.0, "stop r1")]


def test_an_answer_that_is_heard_is_not_stopped_by_a_turn_without_an_interruption() -> None:
    shell = calling()
    shell.voice((4.0, 4.3))
    shell.final(4.6, "okay", key=2)

    shell.run()

    assert shell.happened("stop", "play")[1:] == [(3.7, "play r1.answer"), (5.7, "play r2")]


# --- taken back ------------------------------------------------------------------------------------------------------


def test_a_reply_not_heard_yet_is_used_after_all_if_nothing_more_was_said() -> None:
    shell = asked(Shell(reply_after=1.0))
    shell.voice((1.6, 2.0))

    shell.run()

    assert shell.happened("begin", "decided", "play", "drop") == [
        (1.5, "begin r1: question one"),
        (1.5, "decided r1"),
        (2.5, "decided r1"),
        (2.5, "play r1"),
    ]
    assert shell.decisions[1].last_speech_at == 2.0


def test_a_filler_that_is_heard_goes_on_when_its_reply_is_taken_back() -> None:
    shell = asked(Shell(reply_after=3.0))
    shell.say(1.6, "s1", seconds=1.0, parent="r1", first=True)
    shell.voice((1.8, 2.2))

    shell.run()

    assert shell.happened("play", "silent", "drop", "stop") == [
        (1.6, "play s1"),
        (2.6, "silent s1"),
        (4.5, "play r1"),
        (7.5, "silent r1"),
    ]


def test_all_that_was_said_within_a_reply_ends_with_it() -> None:
    shell = asked(Shell(reply_after=3.0))
    for i in (1, 2, 3):
        shell.at(1.6, lambda at, i=i: s.SpeechAdded(at, f"s{i}", SpeechKind.SAY, True, parent="r1", first=True))  # type: ignore[misc]
    shell.voice((1.8, 2.8))
    shell.final(3.0, "and more", key=2)

    shell.run()

    assert sorted(line for _, line in shell.happened("drop")) == ["drop r1", "drop s1", "drop s2", "drop s3"]
    assert shell.at_rest()


def test_a_reply_that_waits_behind_something_said_is_taken_back_without_a_change_of_state() -> None:
    shell = Shell(reply_after=0.1)
    shell.say(0.0, "s1", seconds=5.0, interruptible=False)
    shell.machine.options = TurnOptions()
    shell.at(1.0, lambda at: s.Typed(at, "typed"))
    shell.voice((2.0, 2.4))

    shell.run()

    assert shell.states == [(0.0, "speaking"), (5.0, "listening"), (5.0, "speaking"), (8.0, "listening")]
    assert shell.happened("play") == [(0.0, "play s1"), (5.0, "play r1")]


def test_noise_under_what_is_said_stops_it_no_more_if_a_reply_waits_behind_it() -> None:
    shell = Shell()
    shell.say(0.0, "s1", seconds=10.0)
    shell.voice((1.0, 1.3))
    shell.final(1.5, "okay", key=1)
    shell.voice((4.0, 4.7))

    shell.run()

    assert shell.happened("pause", "resume", "stop", "play", "drop") == [
        (0.0, "play s1"),
        (4.5, "pause s1"),
        (5.7, "resume s1"),
        (11.2, "play r1"),
    ]
    assert [each.speech for each in shell.decisions] == ["r1", "r1"]


def test_a_reply_taken_back_that_fails_is_begun_anew() -> None:
    shell = asked(Shell(reply_after=None))
    shell.voice((1.6, 2.6))
    shell.at(2.0, lambda at: s.SpeechSilent(at, "r1"))
    shell.at(2.0, lambda at: s.SpeechClosed(at, "r1"))

    shell.run()

    assert shell.when("begin r2: question one") == [3.1]


# --- what rarely meets -----------------------------------------------------------------------------------------------


def test_an_answer_to_functions_of_a_turn_that_is_over_is_dropped_while_something_else_is_said() -> None:
    shell = calling(functions=3.0)
    shell.say(2.8, "s1", seconds=5.0, parent="r1")
    shell.voice((3.5, 3.8))
    shell.final(4.0, "okay", key=2)

    shell.run()

    assert shell.happened("drop", "play") == [
        (1.6, "play r1"),
        (2.8, "play s1"),
        (5.6, "drop r1.answer"),
        (7.8, "play r2"),
    ]


def test_an_answer_to_functions_of_an_answer_is_dropped_when_all_of_it_is_cancelled() -> None:
    shell = calling(functions=1.0, stop_seconds=1.5)
    shell.script["r1.answer"] = Spoken(SpeechKind.ANSWER, 1.0, functions=2.0)  # heard from 3.7 to 4.7
    shell.say(5.0, "s1", seconds=9.0, parent="r1.answer")
    shell.at(6.0, lambda at: s.SpeechCancelled(at, "r1", nested=True))

    shell.run()

    assert shell.happened("stop", "functions", "drop") == [
        (3.6, "functions of r1 end"),
        (6.0, "stop s1"),
        (6.7, "functions of r1.answer end"),
        (6.7, "drop r1.answer.answer"),
    ]
    assert shell.at_rest()


def test_an_uninterruptible_answer_that_waits_is_heard_before_the_reply_to_what_is_said_meanwhile() -> None:
    shell = Shell(TurnOptions(allow_interruptions=False))
    shell.script["r1"] = Spoken(SpeechKind.REPLY, 1.0, functions=1.0, interruptible=False)
    asked(shell, "book it")
    shell.voice((3.4, 4.4))
    shell.interim(4.0, "hello")
    shell.final(4.6, "hello?", key=2)

    shell.run()

    assert shell.happened("play", "drop") == [(1.6, "play r1"), (4.9, "play r1.answer"), (6.9, "play r2")]


def test_audio_that_is_announced_twice_is_played_once() -> None:
    shell = asked(Shell())
    shell.at(2.0, lambda at: s.AudioReady(at, "r1"))
    shell.at(6.0, lambda at: s.AudioReady(at, "r1"))

    shell.run()

    assert shell.played == ["r1"]


def test_a_filler_that_was_heard_is_not_dropped_with_its_reply() -> None:
    shell = asked(Shell(reply_after=3.0))
    shell.say(1.6, "s1", seconds=0.3, parent="r1", first=True)
    shell.script["s1"].functions = 9.0  # so that it is still there
    shell.voice((2.0, 3.0))
    shell.final(3.2, "and more", key=2)

    shell.run()

    assert shell.happened("drop") == [(3.5, "drop r1"), (10.9, "drop s1.answer")]


def test_what_comes_first_under_a_reply_that_was_heard_keeps_its_place() -> None:
    shell = asked(Shell(reply_seconds=2.0))
    shell.say(1.7, "s1", seconds=1.0, parent="r1")
    shell.say(1.8, "s2", seconds=1.0, parent="r1", first=True)

    shell.run()

    assert shell.played == ["r1", "s1", "s2"]


def test_what_is_said_under_a_filler_follows_it_when_its_reply_is_taken_back() -> None:
    shell = asked(Shell(reply_after=3.0))
    shell.say(1.6, "s1", seconds=1.0, parent="r1", first=True)
    shell.say(1.7, "s2", seconds=1.0)
    shell.voice((1.8, 2.2))
    shell.say(2.0, "s3", seconds=1.0, parent="s1")

    shell.run()

    assert shell.played == ["s1", "s3", "s2", "r1"]
