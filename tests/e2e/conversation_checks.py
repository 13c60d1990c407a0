"""What must be true of conversations that are over, however many there were and however long: a class of tests."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Final

import pytest
from benchmarks.talk.script import PART_SECONDS, PARTS, answer, tone_of
from tests.e2e.conversations import Call, Held

__all__ = ["ConversationChecks"]

CUT_SECONDS: Final = 1.5
"""From the caller's first sound: 0.5 s are the rule, the rest is what a machine with much else to do may take."""
GAP_SECONDS: Final = 0.5
LOST_SECONDS: Final = 0.5
"""So much less of a phrase may be recorded than it lasts: silence at its ends, and a packet that is lost."""
SILENCE_SECONDS: Final = 1.2
"""So much more: silence before and behind it, in each of two recordings if it was cut."""
WORDS: Final = 4
"""By so much an answer may have been heard further, or less far, than is remembered: what is on its way, and on a busy
machine waits for the caller's ear, takes its time; a word takes 0.12 s."""
WHOLE_SECONDS: Final = 0.3
WORD_SECONDS: Final = PART_SECONDS * PARTS / len(answer(1).split())


class ConversationChecks:
    """A subclass has a fixture ``held``."""

    def test_every_turn_is_answered_once_and_by_its_own_answer(self, held: Held) -> None:
        for call in held.calls:
            assert [turn.tone for turn in call.talk.turns] == [tone_of(number) for number in call.answered()]
            assert [role for role, _ in call.messages] == ["user", "assistant"] * len(call.interruptions)
            assert call.talk.strange < 0.1

    def test_every_phrase_is_understood_whole(self, held: Held) -> None:
        for call in held.calls:
            for text, seconds in zip(call.texts("user"), call.phrase_seconds, strict=True):
                recorded = sum(float(each) for each in re.findall(r"([\d.]+) seconds", text))
                assert seconds - LOST_SECONDS < recorded < seconds + SILENCE_SECONDS + call.talk.late

    def test_who_is_interrupted_falls_silent_and_who_is_not_speaks_to_the_end(self, held: Held) -> None:
        for call in held.calls:
            for turn, interrupts, cut in zip(call.talk.turns, call.interruptions, call.cut, strict=True):
                assert (turn.silencing is not None) == interrupts
                assert turn.silencing is None or turn.silencing < CUT_SECONDS
                assert cut or turn.answer_seconds == pytest.approx(PARTS * PART_SECONDS, abs=WHOLE_SECONDS)
                assert not turn.spoken_over
            assert call.outcomes == ["interrupted" if cut else "spoken" for cut in call.cut]

    def test_answers_have_no_gaps(self, held: Held) -> None:
        assert max((gap for call in held.calls for gap in call.talk.gaps), default=0.0) < GAP_SECONDS

    def test_the_agent_remembers_what_was_heard_of_it(self, held: Held) -> None:
        for call in held.calls:
            for turn, number, text, cut in zip(
                call.talk.turns, call.answered(), call.texts("assistant"), call.cut, strict=True
            ):
                words = answer(number).split()
                if not cut:
                    assert text == " ".join(words)
                    continue
                assert text.endswith("...")
                remembered = text.removesuffix("...").split()
                assert remembered == words[: len(remembered)]
                assert len(remembered) == pytest.approx(turn.answer_seconds / WORD_SECONDS, abs=WORDS)

    def test_what_both_said_is_shown_in_the_room(self, held: Held) -> None:
        for call in held.calls:
            assert call.transcript("caller") == " ".join(call.texts("user"))
            whole = [text for text, cut in zip(call.texts("assistant"), call.cut, strict=True) if not cut]
            assert _finals_of_whole_answers(call) == " ".join(whole)

    def test_what_the_agent_does_is_shown_in_the_room(self, held: Held) -> None:
        for call in held.calls:
            states = [state for state, _ in groupby(call.states) if state != "thinking"]
            assert states == [*["listening", "speaking"] * len(call.interruptions), "listening"]

    def test_nothing_failed_and_nothing_stalled(self, held: Held) -> None:
        assert [problem for call in held.calls for problem in call.problems] == []

    def test_the_jobs_end_well_when_the_callers_hang_up(self, held: Held) -> None:
        assert {str(call.end) for call in held.calls} == {"JS_SUCCESS without a word"}
        assert {call.reason for call in held.calls} == {"the participant has left"}

    def test_nothing_of_the_worker_is_left(self, held: Held) -> None:
        assert held.exit_status == 0
        assert held.left == []


def _finals_of_whole_answers(call: Call) -> str:
    """Return what was shown as final of the answers that were not interrupted."""
    numbers = [number for number, cut in zip(call.answered(), call.cut, strict=True) if not cut]
    return " ".join(
        each["text"]
        for each in call.shown
        if each["who"] == call.agent and each["final"] and int(re.findall(r"answer (\d+)", each["text"])[0]) in numbers
    )
