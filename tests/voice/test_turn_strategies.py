"""Who judges speech under the agent's own, and what comes of it: backchannels, echo, late and lost verdicts."""

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


def test_a_backchannel_said_again_as_a_turn_of_its_own_is_answered() -> None:
    shell = talking(judge=backchannels)
    shell.voice((11.2, 11.4))
    shell.interim(11.5, "mhm")
    shell.voice((20.0, 20.3))
    shell.interim(20.4, "mhm")
    shell.final(20.5, "mhm", key=2)

    shell.run()

    assert shell.asked_texts == ["question one", "mhm"]


def test_late_text_of_the_turn_that_a_reply_answers_is_not_judged_as_an_interruption_of_it() -> None:
    shell = talking(judge=backchannels, commits_after=None)
    shell.final(2.0, "yeah", key=2)

    shell.run()

    assert shell.asked_texts == ["question one", "question one yeah"]
    assert not shell.asked


def test_an_agent_that_hears_itself_is_interrupted_by_words_only() -> None:
    shell = talking(judge=lambda ask: echo(ask) if ask.text == "as I said" else Decision.ACT)
    shell.voice((3.0, 3.05))
    shell.interim(3.06, "as I said")
    shell.voice((4.0, 6.0))
    shell.interim(5.5, "stop")
    shell.final(6.2, "stop", key=2)

    shell.run()

    assert [line for _, line in moves(shell)] == ["stop r1", "silent r1"]
    assert shell.when("stop") == [5.5]
