"""Strategies combined with each other, those that need no time and those that do."""

from __future__ import annotations

import asyncio
from itertools import product

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.testing import VirtualClock
from lk_agents.turns import (
    Decision,
    Evidence,
    InstantInterruption,
    InterruptionStrategy,
    MinWords,
    SpeechLength,
    all_of,
    any_of,
    by_state,
    first_of,
    words_or_length,
)

ACT, IGNORE, WAIT = Decision.ACT, Decision.IGNORE, Decision.WAIT
SOMETHING = Evidence(turn=1, speech_seconds=1.0, text="something", agent_state="speaking")


class Says(InstantInterruption):
    """Says one thing, and knows how often it was asked and whether it was closed."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.asked = 0
        self.closed = 0

    def judge_now(self, evidence: Evidence) -> Decision:
        self.asked += 1
        return self.decision

    async def aclose(self) -> None:
        self.closed += 1


class Thinks(InterruptionStrategy):
    """The same after a while; an exception is raised instead."""

    def __init__(self, decision: Decision | Exception, seconds: float = 0.0) -> None:
        self.decision = decision
        self.seconds = seconds
        self.asked = 0
        self.cancelled = False
        self.closed = 0

    async def judge(self, evidence: Evidence) -> Decision:
        self.asked += 1
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if isinstance(self.decision, Exception):
            raise self.decision
        return self.decision

    async def aclose(self) -> None:
        self.closed += 1
        if isinstance(self.decision, Exception):
            raise self.decision


@pytest.mark.parametrize(("first", "second"), list(product(Decision, repeat=2)))
def test_any_acts_if_one_does_and_ignores_only_if_all_do(first: Decision, second: Decision) -> None:
    found = any_of(Says(first), Says(second)).judge_now(SOMETHING)

    expected = ACT if ACT in {first, second} else WAIT if WAIT in {first, second} else IGNORE
    assert found is expected


@pytest.mark.parametrize(("first", "second"), list(product(Decision, repeat=2)))
def test_all_act_only_together_and_one_is_enough_to_ignore(first: Decision, second: Decision) -> None:
    found = all_of(Says(first), Says(second)).judge_now(SOMETHING)

    expected = IGNORE if IGNORE in {first, second} else WAIT if WAIT in {first, second} else ACT
    assert found is expected


@pytest.mark.parametrize(("first", "second"), list(product(Decision, repeat=2)))
def test_the_first_that_does_not_wait_decides(first: Decision, second: Decision) -> None:
    assert first_of(Says(first), Says(second)).judge_now(SOMETHING) is (second if first is WAIT else first)


@pytest.mark.parametrize("combine", [any_of, all_of, first_of])
@pytest.mark.parametrize(("first", "second", "third"), list(product(Decision, repeat=3)))
async def test_strategies_that_need_time_count_as_those_that_need_none(
    combine: object, first: Decision, second: Decision, third: Decision
) -> None:
    assert callable(combine)
    slow = combine(Thinks(first), Says(second), Thinks(third))
    quick = combine(Says(first), Says(second), Says(third))

    assert not isinstance(slow, InstantInterruption)
    assert await slow.judge(SOMETHING) is quick.judge_now(SOMETHING)


def test_the_first_that_decides_is_the_last_that_is_asked() -> None:
    first, second, third = Says(WAIT), Says(IGNORE), Says(ACT)

    first_of(first, second, third).judge_now(SOMETHING)

    assert [first.asked, second.asked, third.asked] == [1, 1, 0]


async def test_nobody_who_needs_time_is_asked_where_an_instant_one_has_settled_it() -> None:
    slow = Thinks(WAIT, 60.0)

    assert await any_of(slow, Says(ACT)).judge(SOMETHING) is ACT
    assert slow.asked == 0


async def test_those_who_need_time_are_asked_at_the_same_time(lk_clock: VirtualClock) -> None:
    assert await all_of(Thinks(ACT, 0.3), Thinks(ACT, 0.4)).judge(SOMETHING) is ACT
    assert lk_clock.monotonic() == pytest.approx(0.4)


@pytest.mark.usefixtures("lk_clock")
async def test_an_error_ends_what_else_is_asked_and_is_raised_as_it_is() -> None:
    slow = Thinks(ACT, 60.0)

    with pytest.raises(ZeroDivisionError):
        await any_of(slow, Thinks(ZeroDivisionError())).judge(SOMETHING)
    assert slow.cancelled


def test_each_state_of_the_agent_has_its_own_strategy() -> None:
    strategy = by_state({"speaking": MinWords(2), "thinking": SpeechLength(0.2)})

    assert strategy.judge_now(SOMETHING) is WAIT
    assert strategy.judge_now(Evidence(turn=1, speech_seconds=0.3, agent_state="thinking")) is ACT


def test_a_state_without_one_has_the_default() -> None:
    assert by_state({"speaking": MinWords(9)}).judge_now(Evidence(turn=1, speech_seconds=0.5)) is ACT
    assert by_state({}, otherwise=Says(IGNORE)).judge_now(SOMETHING) is IGNORE


async def test_by_state_takes_strategies_that_need_time() -> None:
    strategy = by_state({"speaking": Thinks(IGNORE)})

    assert await strategy.judge(SOMETHING) is IGNORE
    assert await strategy.judge(Evidence(turn=1, speech_seconds=0.6)) is ACT


def test_combinations_can_be_combined() -> None:
    strategy = any_of(first_of(Says(WAIT), Says(IGNORE)), all_of(Says(ACT), Says(ACT)))

    assert strategy.judge_now(SOMETHING) is ACT


async def test_closing_closes_each_strategy_once() -> None:
    twice, slow = Says(ACT), Thinks(ACT)

    await first_of(twice, any_of(twice), slow).aclose()

    assert slow.closed == 1
    assert twice.closed == 2, "once for each combination that holds it"


async def test_one_that_cannot_be_closed_does_not_keep_the_others_open() -> None:
    other = Says(ACT)

    with pytest.raises(ZeroDivisionError):
        await any_of(Thinks(ZeroDivisionError()), other).aclose()
    assert other.closed == 1


@pytest.mark.parametrize("combine", [any_of, all_of, first_of])
def test_a_combination_of_nothing_is_refused(combine: object) -> None:
    assert callable(combine)
    with pytest.raises(ConfigError, match="was given no strategy"):
        combine()


def test_words_decide_and_where_there_are_none_long_speech_does() -> None:
    strategy = words_or_length("en", speech_seconds=1.0)

    assert strategy.judge_now(Evidence(turn=1, speech_seconds=9.0, text="mhm")) is IGNORE
    assert strategy.judge_now(Evidence(turn=1, speech_seconds=0.2, text="stop")) is ACT
    assert strategy.judge_now(Evidence(turn=1, speech_seconds=0.9)) is WAIT
    assert strategy.judge_now(Evidence(turn=1, speech_seconds=1.0)) is ACT
