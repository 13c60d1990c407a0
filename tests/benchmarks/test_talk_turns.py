"""From moments to turns, and from turns to figures; and that nothing counts that was not what was planned."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks.failure import MeasurementError
from benchmarks.frameworks import FRAMEWORKS, OURS
from benchmarks.ground import Ground
from benchmarks.question import FULL, QUICK, Setting
from benchmarks.questions import turns as turns_question
from benchmarks.talk.callers import Callers
from benchmarks.talk.conversation import Talk, floor_ms, hold
from benchmarks.talk.heard import Stretch
from benchmarks.talk.proof import Conversation, Requests, check
from benchmarks.talk.script import REPLY_SECONDS, tone_of
from benchmarks.talk.turns import Said, Turn, gaps, turns

ONE, TWO, THREE = tone_of(1), tone_of(2), tone_of(3)


def stretch(begin: float, end: float, tone: int) -> Stretch:
    return Stretch(begin, end, tone, first=begin - 100, last=end - 100)


def became(said: Sequence[Said], *heard: tuple[float, float, int]) -> list[Turn]:
    return [rounded(turn) for turn in turns(said, [stretch(*each) for each in heard])]


def rounded(turn: Turn) -> Turn:
    found = {name: round(value, 3) for name, value in asdict(turn).items() if isinstance(value, float)}
    return replace(turn, **found)  # type: ignore[arg-type]  # only numbers are among them


def test_a_response_counts_from_the_last_loud_sample_to_the_first_one_of_the_answer() -> None:
    first, second = became([Said(1, 3), Said(9, 10)], (3.7, 7.3, ONE), (10.6, 14.2, TWO))

    assert first == Turn(0.7, ONE, 3.6, None, spoken_over=False)
    assert second == Turn(0.6, TWO, 3.6, None, spoken_over=False)


def test_a_turn_without_an_answer_has_no_response() -> None:
    first, second = became([Said(1, 3), Said(9, 10)], (10.6, 14.2, ONE))

    assert (first.response, first.answer_seconds) == (None, 0)
    assert second.response == 0.6


def test_an_answer_with_a_gap_is_one_answer() -> None:
    [turn] = became([Said(1, 3)], (3.7, 5, ONE), (5.2, 7, ONE))

    assert turn.response == 0.7
    assert turn.answer_seconds == 3.1


def test_silencing_counts_from_the_first_loud_sample_to_the_last_one_of_the_agent() -> None:
    _, second = became([Said(1, 3), Said(5, 7, interrupts=True)], (3.7, 5.62, ONE), (7.6, 9, TWO))

    assert second == Turn(0.6, TWO, 1.4, 0.62, spoken_over=False)


def test_an_answer_that_goes_on_after_a_pause_was_not_silenced_before() -> None:
    said = [Said(1, 3), Said(5, 7, interrupts=True)]
    _, within = became(said, (3.7, 5.62, ONE), (6, 6.3, ONE), (7.6, 9, TWO))
    _, after = became(said, (3.7, 5.62, ONE), (7.2, 7.4, ONE), (7.6, 9, TWO))

    assert within.silencing == 1.3
    assert after.silencing == 2.4
    assert after.response == 0.6  # the old answer is none


def test_with_nothing_to_interrupt_nothing_is_silenced() -> None:
    _, second = became([Said(1, 3), Said(9, 10, interrupts=True)], (3.7, 7.3, ONE), (10.6, 14.2, TWO))

    assert second.silencing is None


@pytest.mark.parametrize(
    ("heard", "over"),
    [
        ([(8.5, 8.99, TWO)], False),  # before the phrase
        ([(9.5, 9.8, TWO)], True),  # within it
        ([(8.5, 9.2, TWO)], True),
        ([(9.9, 10.4, TWO)], True),
        ([(10.01, 10.4, TWO)], False),  # after it
    ],
)
def test_whoever_speaks_while_the_caller_does_speaks_over_him(heard: list[Any], over: bool) -> None:
    assert [turn.spoken_over for turn in became([Said(1, 3), Said(9, 10)], *heard)] == [False, over]


@pytest.mark.parametrize(
    ("end", "also", "over"),
    [(5.7, [], False), (7.1, [], True), (5.7, [(6.5, 6.6, TWO)], True)],
)
def test_an_interrupted_agent_may_speak_on_but_neither_to_the_end_nor_again(
    end: float, also: list[Any], over: bool
) -> None:
    _, second = became([Said(1, 3), Said(5, 7, interrupts=True)], (3.7, end, ONE), *also, (7.6, 9, THREE))

    assert second.spoken_over is over


def test_gaps_are_between_parts_of_one_answer_by_their_places_in_the_stream() -> None:
    late = Stretch(5.9, 7, ONE, first=-94.8, last=-93.7)  # it came later than its place says
    heard = [stretch(3, 5, ONE), late, stretch(9, 10, TWO), stretch(10.05, 11, TWO)]

    assert gaps(heard) == pytest.approx([0.2, 0.05])


def test_the_agents_own_time_is_what_remains_of_each_turn() -> None:
    answered = Turn(1.2, ONE, REPLY_SECONDS, None, spoken_over=False)
    found = [answered, replace(answered, response=1.15), replace(answered, response=1.3)]

    assert turns_question.own_ms(found, [1050, 1000], 100) == pytest.approx(50)
    assert turns_question.own_ms(found, [1050, 1000], 160) == 0
    with pytest.raises(MeasurementError, match="turn 2 was not answered"):
        turns_question.own_ms([answered, replace(answered, response=None)], [1050], 100)


@pytest.mark.parametrize(("effort", "count"), [(FULL, 12), (QUICK, 4)])
def test_all_but_three_phrases_interrupt(effort: Any, count: int) -> None:
    assert turns_question.plan(effort) == [False, False, *[True] * (count - 3), False]


def test_what_each_framework_waits_for_is_known() -> None:
    timers = [turns_question.TIMERS[framework.dialect] for framework in FRAMEWORKS]

    assert [wait(640) for wait in timers] == [500, 1140, 640]
    assert [wait(430) for wait in timers] == [500, 930, 500]


def test_figures_of_several_conversations_are_those_of_all_their_turns() -> None:
    answered = Turn(0.7, ONE, REPLY_SECONDS, None, spoken_over=False)
    talk = Talk(
        [Conversation("a", [answered], [0.1]), Conversation("b", [replace(answered, response=None), answered], [0.3])],
        cpu_percent=1,
        uss_mb=1,
    )

    assert talk.responses_ms == pytest.approx([700, 700])
    assert (len(talk.turns), talk.gaps) == (3, [0.1, 0.3])


PLAN = [False, False, True, False]
WHOLE = Turn(0.7, ONE, REPLY_SECONDS, None, spoken_over=False)
TOLD = Conversation(
    "room",
    [
        WHOLE,
        replace(WHOLE, tone=TWO, answer_seconds=1.9),
        replace(WHOLE, tone=THREE, silencing=0.65),
        replace(WHOLE, tone=tone_of(4)),
    ],
)
REQUESTS = Requests(recognised=4, asked=[1, 2, 3, 4])


def with_turn(index: int, **changes: Any) -> Conversation:
    return replace(TOLD, turns=[*TOLD.turns[:index], replace(TOLD.turns[index], **changes), *TOLD.turns[index + 1 :]])


@pytest.mark.parametrize(
    ("told", "requests", "problem"),
    [
        (replace(TOLD, turns=TOLD.turns[:3]), REQUESTS, "3 turns instead of 4"),
        (replace(TOLD, late=0.3), REQUESTS, "300 ms late"),
        (replace(TOLD, strange=0.2), REQUESTS, r"0\.20 s of sound was no answer's"),
        (with_turn(1, response=None, tone=0), REQUESTS, "turn 2 had no answer"),
        (with_turn(3, spoken_over=True), REQUESTS, "spoke over the caller in turn 4"),
        (with_turn(2, silencing=None), REQUESTS, "no answer that turn 3 could interrupt"),
        (with_turn(0, answer_seconds=2.4), REQUESTS, r"of answer 1 2\.40 s were heard instead of 3\.6"),
        (TOLD, replace(REQUESTS, recognised=5), "5 recordings were recognised in 4 turns"),
        (TOLD, replace(REQUESTS, recognised=3), "3 recordings were recognised, and 4 turns answered"),
        (TOLD, replace(REQUESTS, asked=[1, 2, 3]), "never asked for"),
    ],
)
def test_a_conversation_that_went_otherwise_is_no_figure(told: Conversation, requests: Requests, problem: str) -> None:
    check(TOLD, REQUESTS, PLAN)

    with pytest.raises(MeasurementError, match=problem):
        check(told, requests, PLAN)


def test_what_is_recognised_on_suspicion_as_well_may_be_more_but_not_less() -> None:
    check(TOLD, replace(REQUESTS, recognised=6), PLAN, once=False)

    with pytest.raises(MeasurementError, match="3 recordings were recognised"):
        check(TOLD, replace(REQUESTS, recognised=3), PLAN, once=False)


def test_of_many_conversations_at_once_a_few_turns_may_go_wrong() -> None:
    wrong, missed = replace(WHOLE, spoken_over=True, answer_seconds=2), replace(WHOLE, response=None, tone=0)
    requests = replace(REQUESTS, recognised=14)

    check(replace(TOLD, turns=[wrong] * 9 + [missed] * 3), requests, [False] * 12, alone=False)
    with pytest.raises(MeasurementError, match="4 of 12 turns had no answer"):
        check(replace(TOLD, turns=[wrong] * 8 + [missed] * 4), requests, [False] * 12, alone=False)


@pytest.mark.e2e
@pytest.mark.timeout(120)
async def test_a_sound_comes_back_from_the_same_room() -> None:
    async with Ground.open() as ground:
        assert 20 < await floor_ms(ground, 2) < 1000


@pytest.mark.e2e
@pytest.mark.timeout(120)
async def test_a_conversation_is_held_and_every_turn_of_it_is_answered() -> None:
    here = replace(OURS, interpreter=Path(sys.executable))
    async with Ground.open() as ground:
        talk = await hold(Setting(here, ground, QUICK), 1, [False, True])

    assert len(talk.responses_ms) == 2
    assert all(response > 400 for response in talk.responses_ms)
    assert [turn.silencing is None for turn in talk.turns] == [True, False]
    assert talk.cpu_percent > 0
    assert talk.uss_mb > 0


@pytest.mark.e2e
async def test_callers_who_cannot_come_say_why() -> None:
    async with Ground.open() as ground:
        parameters = {"callers": ["no token"], "interruptions": [False]}
        with pytest.raises(MeasurementError, match=r"(?s)the callers gave up; their last lines:.*ConnectError"):
            async with Callers.ready(ground, parameters):
                pass
