"""Four conversations from the first sound to the last, as the machine sees them.

Each is measured of the older framework with the same script: the detector's START 0.064 s after the first loud sample,
first audio 0.1 s after the model was asked, 0.3 s of audio for each word. The times expected here follow from the
rules; beside each stands what was measured, and where both go by the same rule they agree within 0.1 s.
"""

from __future__ import annotations

import pytest
from tests.voice.turn_driver import Shell, Spoken

from lk_agents.voice import signals as s
from lk_agents.voice.signals import SpeechKind

WORD = 0.3
FIRST_AUDIO = 0.1
START = 0.064
ALIKE = 0.1


def conversation(**words: int) -> Shell:
    """Return one whose speeches have so many words."""
    shell = Shell(reply_after=FIRST_AUDIO, commits_after=1.5)
    for speech, count in words.items():
        shell.script[speech] = Spoken(SpeechKind.REPLY, count * WORD)
    return shell


def as_measured(expected: list[tuple[float, str]], measured: dict[str, float]) -> None:
    """Compare with the older framework, row by row, what goes by the same rule."""
    for what, moment in measured.items():
        ours = next(at for at, line in expected if line == what)
        assert ours == pytest.approx(moment, abs=ALIKE), f"{what}: {ours}, measured {moment}"


def test_walk_a_plain_turn() -> None:
    shell = conversation(r1=8)
    shell.voice((0.30 - START, 1.10))
    shell.final(1.30, "Hello there.")

    shell.run()

    expected = [
        (0.3, "user started"),
        (1.6, "user stopped"),  # measured 1.71: the detector's END, from which the delay counted
        (1.6, "begin r1: Hello there."),
        (1.6, "decided r1"),
        (1.7, "play r1"),
        (4.1, "silent r1"),
    ]
    assert shell.log == expected
    assert shell.states == [(1.7, "speaking"), (4.1, "listening")]
    as_measured(expected, {"user started": 0.30})
    as_measured([(at + 0.11, line) for at, line in expected], {"play r1": 1.82, "silent r1": 4.22})
    (decision,) = shell.decisions
    assert decision.decided_at - (decision.last_speech_at or 0) == pytest.approx(0.5)
    assert (decision.last_final_at or 0) - (decision.last_speech_at or 0) == pytest.approx(0.2)


def test_walk_b_interrupted_turn() -> None:
    shell = conversation(r1=20, r2=2)
    shell.voice((0.2, 0.88))
    shell.final(1.05, "Question one.", key=1)
    shell.voice((4.01 - START, 5.02))
    shell.final(5.21, "wait stop", key=2)

    shell.run()

    expected = [
        (0.264, "user started"),
        (1.38, "user stopped"),
        (1.38, "begin r1: Question one."),
        (1.38, "decided r1"),
        (1.48, "play r1"),
        (4.01, "user started"),
        (4.446, "pause r1"),  # measured 4.52, cut: 0.5 s now count from the first sample
        (5.21, "stop r1"),  # words have come: it was an interruption
        (5.21, "silent r1"),
        (5.52, "user stopped"),  # measured 5.62, END
        (5.52, "begin r2: wait stop"),
        (5.52, "decided r2"),
        (5.62, "play r2"),
        (6.22, "silent r2"),  # measured 6.42, with the 0.19 s that the decision is earlier
    ]
    assert shell.log == expected
    as_measured(expected, {"play r1": 1.48, "user started": 0.3, "pause r1": 4.52})
    as_measured([(at + 0.19, line) for at, line in expected], {"silent r2": 6.42})


def test_walk_b_early_interruption_asks_the_question_again_joined() -> None:
    shell = conversation(r1=20, r2=2)
    shell.voice((0.2, 0.88))
    shell.final(1.05, "Question one.", key=1)
    shell.voice((2.31, 3.4))
    shell.final(3.5, "wait stop", key=2)

    shell.run()

    assert shell.happened("play r1", "pause", "stop", "begin") == [
        (1.38, "begin r1: Question one."),
        (1.48, "play r1"),
        (2.81, "pause r1"),
        (3.5, "stop r1"),
        (3.9, "begin r2: Question one. wait stop"),
    ]


def test_walk_c_function_call_turn() -> None:
    shell = conversation()
    shell.script["r1"] = Spoken(SpeechKind.REPLY, 3 * WORD, functions=1.0, answer=8 * WORD)
    shell.voice((0.2, 0.88))
    shell.final(1.05, "book a table")
    shell.at(1.58, lambda at: s.UserCommitted(at, "r1"))  # a function call was seen

    shell.run()

    expected = [
        (0.264, "user started"),
        (1.38, "user stopped"),
        (1.38, "begin r1: book a table"),
        (1.38, "decided r1"),
        (1.48, "play r1"),
        (2.38, "silent r1"),
        (3.38, "functions of r1 end"),
        (3.48, "play r1.answer"),
        (5.88, "silent r1.answer"),
    ]
    assert shell.log == expected
    as_measured(
        expected,
        {
            "decided r1": 1.38,
            "play r1": 1.48,
            "silent r1": 2.39,
            "functions of r1 end": 3.39,
            "play r1.answer": 3.49,
            "silent r1.answer": 5.90,
        },
    )


def test_walk_c_something_said_in_the_function_is_heard_at_once_and_the_answer_behind_it() -> None:
    shell = conversation()
    shell.script["r1"] = Spoken(SpeechKind.REPLY, 3 * WORD, functions=1.0, answer=8 * WORD)
    shell.voice((0.2, 0.88))
    shell.final(1.05, "book a table")
    shell.say(2.6, "s1", seconds=1.5, parent="r1")

    shell.run()

    assert shell.happened("play") == [(1.48, "play r1"), (2.6, "play s1"), (4.1, "play r1.answer")]


def test_walk_c_the_user_goes_on_while_the_function_runs() -> None:
    """The older framework queues the new reply behind the answer; now the answer that was not heard is superseded."""
    shell = conversation(r2=2)
    shell.script["r1"] = Spoken(SpeechKind.REPLY, 3 * WORD, functions=2.0, answer=8 * WORD)
    shell.voice((0.2, 0.88))
    shell.final(1.05, "book a table", key=1)
    shell.voice((2.6, 3.2))
    shell.final(3.4, "for two", key=2)

    shell.run()

    assert shell.happened("play", "functions", "drop") == [
        (1.48, "play r1"),
        (3.8, "play r2"),
        (4.38, "functions of r1 end"),
        (4.38, "drop r1.answer"),
    ]
    assert shell.asked_texts == ["book a table", "for two"]
    assert shell.at_rest()


def while_the_user_speaks(*, interruptible: bool) -> Shell:
    shell = conversation(r1=4)
    shell.voice((0.30 - START, 1.78))
    shell.say(0.6, "s1", seconds=7 * WORD, interruptible=interruptible)
    shell.final(2.0, "what is this", key=1)
    return shell


def test_walk_d_say_during_user_speech_interruptible() -> None:
    shell = while_the_user_speaks(interruptible=True)

    shell.run()

    expected = [
        (0.3, "user started"),
        (0.6, "play s1"),
        (0.736, "pause s1"),  # measured 0.81, cut
        (2.0, "stop s1"),
        (2.0, "silent s1"),
        (2.28, "user stopped"),
        (2.28, "begin r1: what is this"),
        (2.28, "decided r1"),  # measured 2.38, at the detector's END
        (2.38, "play r1"),
        (3.58, "silent r1"),
    ]
    assert shell.log == expected
    as_measured(expected, {"user started": 0.30, "play s1": 0.60, "pause s1": 0.81})


def test_walk_d_say_during_user_speech_uninterruptible() -> None:
    """The older framework loses the user's words; now they wait for the next turn, and ask for no reply themselves."""
    shell = while_the_user_speaks(interruptible=False)
    shell.voice((10.0, 11.0))
    shell.final(11.2, "hello?", key=2)

    shell.run()

    expected = [
        (0.3, "user started"),
        (0.6, "play s1"),
        (2.38, "user stopped"),  # the detector's END: there was no decision
        (2.7, "silent s1"),
        (10.064, "user started"),
        (11.5, "user stopped"),
        (11.5, "begin r1: what is this hello?"),
        (11.5, "decided r1"),
        (11.6, "play r1"),
        (12.8, "silent r1"),
    ]
    assert shell.log == expected
    as_measured(expected, {"user started": 0.30, "play s1": 0.60, "user stopped": 2.38, "silent s1": 2.71})


def test_walk_d_with_words_wanted_the_cut_waits_for_them() -> None:
    shell = while_the_user_speaks(interruptible=True)
    shell.options = shell.machine.options = type(shell.options)(interrupt_min_words=2)
    shell.interim(1.0, "what")
    shell.interim(1.4, "what is")

    shell.run()

    assert shell.happened("pause", "stop") == [(1.4, "stop s1")]
    assert next(ask.text for _, ask in shell.asked if ask.text) == "what"
