"""When the user's turn is over, and what becomes of it: every row of the table of transitions, and the rules behind."""

from __future__ import annotations

import pytest
from tests.voice.turn_driver import Shell

from lk_agents.foundation.errors import ConfigError
from lk_agents.voice import signals as s
from lk_agents.voice.options import TurnOptions


def decided_at(shell: Shell) -> list[float]:
    return [round(each.decided_at, 6) for each in shell.decisions]


# --- the decision ----------------------------------------------------------------------------------------------------


def test_a_turn_is_decided_a_delay_after_the_last_sample_of_speech() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.final(1.3, "hello")

    shell.run()

    assert decided_at(shell) == [1.5]
    assert shell.asked_texts == ["hello"]
    assert shell.at_rest()


def test_a_final_that_comes_behind_the_delay_is_decided_at_once() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.final(1.8, "hello")

    shell.run()

    assert decided_at(shell) == [1.8]


def test_a_turn_tells_when_its_last_sample_and_its_last_text_came() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.final(1.2, "hello")

    shell.run()

    assert shell.decisions == [s.TurnDecided(1, "r1", last_speech_at=1.0, last_final_at=1.2, decided_at=1.5)]


def test_several_finals_make_one_turn() -> None:
    shell = Shell()
    shell.voice((0.0, 2.0))
    shell.final(0.8, "one", key=1)
    shell.final(1.4, "two", key=2)
    shell.final(2.2, "three", key=3)

    shell.run()

    assert shell.asked_texts == ["one two three"]
    assert decided_at(shell) == [2.5]


@pytest.mark.parametrize("hangover", [0.0, 0.08])
@pytest.mark.parametrize("pause", range(10, 580, 10))
def test_a_user_who_resumes_within_the_detectors_silence_is_answered_once(pause: int, hangover: float) -> None:
    resumes = 1.0 + pause / 1000
    shell = Shell()
    shell.voice((0.0, 1.0), (resumes, resumes + 1.0), hangover=hangover)
    shell.final(1.1, "one", key=1)
    shell.final(resumes + 1.2, "two", key=2)

    shell.run()

    assert shell.asked_texts[-1] == "one two"
    assert len(shell.played) == 1
    assert shell.replies[shell.played[0]] == "one two"
    assert decided_at(shell)[-1] == pytest.approx(resumes + 1.5)
    assert shell.at_rest()


def test_an_empty_final_says_nothing() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.final(1.2, "  ")

    shell.run()

    assert not shell.decisions
    assert shell.at_rest()


def test_an_empty_final_takes_back_what_was_understood_under_its_key() -> None:
    shell = Shell(TurnOptions(preemptive_synthesis=True))
    shell.voice((0.0, 1.0))
    shell.final(1.2, "noise")
    shell.final(1.3, "")

    shell.run()

    assert not shell.decisions
    assert shell.happened("begin", "drop") == [(1.2, "begin r1: noise"), (1.3, "drop r1")]
    assert shell.at_rest()


def test_a_final_under_the_same_key_replaces_the_one_before() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.final(1.2, "I want a pizza", key=7)
    shell.final(1.4, "I want a pizza with cheese", key=7)

    shell.run()

    assert shell.asked_texts == ["I want a pizza with cheese"]


def test_text_without_any_speech_is_decided_at_once() -> None:
    shell = Shell()
    shell.final(5.0, "whispered")

    shell.run()

    assert shell.decisions == [s.TurnDecided(1, "r1", last_speech_at=None, last_final_at=5.0, decided_at=5.0)]


def test_punctuation_shortens_the_delay_by_its_factor() -> None:
    shell = Shell(TurnOptions(punctuation_factor=0.5))
    shell.voice((0.0, 1.0))
    shell.final(1.1, "Is it?")

    shell.run()

    assert decided_at(shell) == [1.25]


def test_punctuation_changes_nothing_by_default() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.final(1.1, "Is it?")

    shell.run()

    assert decided_at(shell) == [1.5]


def test_new_options_count_from_now_on() -> None:
    shell = Shell()
    shell.machine.options = TurnOptions(min_endpointing_delay=0.8)
    shell.voice((0.0, 1.0))
    shell.final(1.1, "hello")

    shell.run()

    assert decided_at(shell) == [1.8]
    assert shell.machine.options.min_endpointing_delay == 0.8


def test_options_refuse_a_negative_time() -> None:
    with pytest.raises(ConfigError, match="min_endpointing_delay is -1"):
        TurnOptions(min_endpointing_delay=-1)


# --- what is not final -----------------------------------------------------------------------------------------------


def test_an_interim_newer_than_the_last_final_holds_the_decision_until_its_final() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.final(0.9, "one", key=1)
    shell.interim(1.2, "two")
    shell.final(2.1, "two", key=2)

    shell.run()

    assert decided_at(shell) == [2.1]
    assert shell.asked_texts == ["one two"]


def test_an_interim_never_finalised_counts_after_the_transcript_timeout() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.interim(0.9, "hello")

    shell.run()

    assert decided_at(shell) == [3.5]
    assert shell.asked_texts == ["hello"]


def test_an_interim_that_is_withdrawn_holds_nothing() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.final(0.8, "one")
    shell.interim(1.2, "two")
    shell.interim(2.0, "")

    shell.run()

    assert decided_at(shell) == [2.0]
    assert shell.asked_texts == ["one"]


@pytest.mark.parametrize("final", ["Hello there.", "hello there"])
def test_the_final_of_an_interim_that_counted_replaces_it_silently_if_its_words_are_the_same(final: str) -> None:
    shell = Shell(reply_seconds=10.0)
    shell.voice((0.0, 1.0))
    shell.interim(0.9, "hello there")
    shell.final(4.0, final, key=9)

    shell.run()

    assert len(shell.decisions) == 1
    assert shell.at_rest()
    assert shell.machine.turn.text == ""


def test_the_final_of_an_interim_that_counted_is_no_news_once_it_is_part_of_the_conversation() -> None:
    shell = Shell(reply_seconds=10.0, commits_after=1.5)
    shell.voice((0.0, 1.0))
    shell.interim(0.9, "hello there")
    shell.final(6.0, "Hello there.", key=9)

    shell.run()

    assert len(shell.decisions) == 1


def test_the_final_of_an_interim_that_counted_and_was_refused_is_not_said_twice() -> None:
    shell = Shell()
    shell.say(0.0, "s1", seconds=5.0, interruptible=False)
    shell.voice((0.5, 1.0))
    shell.interim(0.9, "hello there")
    shell.final(4.0, "Hello there.", key=9)
    shell.final(8.0, "again", key=10)

    shell.run()

    assert shell.asked_texts == ["Hello there. again"]


@pytest.mark.parametrize("final", ["hello there", "yellow there"], ids=["more", "others"])
def test_the_final_of_an_interim_that_counted_asks_again_if_its_words_are_others(final: str) -> None:
    shell = Shell(reply_seconds=10.0)
    shell.voice((0.0, 1.0))
    shell.interim(0.9, "hello")
    shell.final(4.0, final, key=9)

    shell.run()

    assert shell.asked_texts == ["hello", final]
    assert shell.happened("stop") == [(4.0, "stop r1")]


def test_an_interim_that_counted_and_is_never_finalised_is_kept_beside_what_is_said_next() -> None:
    shell = Shell(reply_after=None)
    shell.voice((0.0, 1.0))
    shell.interim(0.9, "hello there")
    shell.voice((4.0, 5.0))
    shell.final(5.2, "how are you", key=9)

    shell.run()

    assert shell.asked_texts[-1] == "hello there how are you"


def test_interims_that_go_on_without_an_end_replace_each_other() -> None:
    shell = Shell(reply_after=None)
    shell.voice((0.0, 1.0))
    shell.interim(0.9, "hello")
    shell.interim(5.0, "hello there")

    shell.run()

    assert shell.asked_texts == ["hello", "hello there"]
    assert decided_at(shell) == [3.5, 7.0]


def test_interims_of_a_voice_that_the_detector_misses_wait_for_their_final() -> None:
    shell = Shell(commits_after=0.5)
    shell.voice((0.0, 1.0))
    shell.final(1.2, "first", key=1)
    for i, text in enumerate(["sec", "second", "second one"]):
        shell.interim(60.0 + i, text)
    shell.final(63.5, "second one", key=2)

    shell.run()

    assert shell.asked_texts == ["first", "second one"]
    assert decided_at(shell)[1] == 63.5


def test_interims_of_a_voice_that_the_detector_misses_wait_for_their_final_behind_refused_words_too() -> None:
    shell = Shell()
    shell.say(0.0, "s1", seconds=3.0, interruptible=False)
    shell.voice((0.5, 1.0))
    shell.final(1.2, "first", key=1)
    shell.interim(60.0, "second")
    shell.final(60.5, "second one", key=2)

    shell.run()

    assert shell.asked_texts == ["first second one"]


# --- recognitions ----------------------------------------------------------------------------------------------------


def test_an_open_recognition_holds_the_decision() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.final(0.7, "one", key=1)
    shell.recognition(1.2, 1.9, "two", key=2)

    shell.run()

    assert decided_at(shell) == [1.9]
    assert shell.asked_texts == ["one two"]


def test_a_recognition_that_never_ends_holds_the_decision_no_longer_than_the_transcript_timeout() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.final(1.1, "one", key=1)
    shell.at(1.2, lambda at: s.RecognitionOpened(at, 2))

    shell.run()

    assert decided_at(shell) == [3.5]


def test_a_recognition_that_finds_nothing_asks_for_nothing() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.recognition(1.2, 1.6, None)

    shell.run()

    assert not shell.decisions
    assert shell.at_rest()


# --- a final after the decision --------------------------------------------------------------------------------------


def test_a_final_after_the_decision_replaces_a_reply_that_was_not_heard() -> None:
    shell = Shell(reply_after=1.0)
    shell.voice((0.0, 1.0))
    shell.final(1.2, "one", key=1)
    shell.final(1.8, "two", key=2)

    shell.run()

    assert shell.asked_texts == ["one", "one two"]
    assert shell.happened("drop", "play") == [(1.8, "drop r1"), (2.8, "play r2")]


def test_a_final_after_the_decision_interrupts_a_reply_that_is_heard() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.final(1.2, "one", key=1)
    shell.final(2.2, "two", key=2)

    shell.run()

    assert shell.asked_texts == ["one", "one two"]
    assert shell.happened("stop", "play") == [(1.6, "play r1"), (2.2, "stop r1"), (2.3, "play r2")]


def test_a_final_after_the_decision_is_asked_alone_once_the_first_is_part_of_the_conversation() -> None:
    shell = Shell(commits_after=1.5)
    shell.voice((0.0, 1.0))
    shell.final(1.2, "one", key=1)
    shell.final(3.2, "two", key=2)

    shell.run()

    assert shell.asked_texts == ["one", "two"]


def test_what_a_recogniser_hears_anew_survives_the_commit_of_what_it_heard_first() -> None:
    shell = Shell(TurnOptions(allow_interruptions=False), commits_after=1.5)
    shell.voice((0.0, 1.0))
    shell.final(1.2, "I want", key=1)
    shell.final(2.0, "I want a pizza", key=1)
    shell.final(20.0, "please", key=2)

    shell.run()

    assert shell.asked_texts == ["I want", "I want a pizza please"]


def test_a_final_of_the_same_words_after_the_decision_changes_nothing() -> None:
    shell = Shell()
    shell.voice((0.0, 1.0))
    shell.final(1.2, "one two", key=1)
    shell.final(2.2, "One, two.", key=1)

    shell.run()

    assert len(shell.decisions) == 1
    assert not shell.when("stop")
