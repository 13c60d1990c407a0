"""A second model beside one that is slow: when it is asked, who wins, and what becomes of the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.llm.scripted import FOREVER, ScriptedLLM, ScriptedStream, Step, calling, read, text, used, weather_call

from lk_agents.foundation.errors import APIConnectionError, ConfigError
from lk_agents.llm import LLM, AvailabilityChangedEvent, ChatContext, FallbackAdapter, LLMStream
from lk_agents.metrics import LLMMetrics
from lk_agents.streams.hedging import LEAST_TIMES, LOSSES_IN_A_ROW

pytestmark = pytest.mark.usefixtures("lk_clock")


class Hedged:
    """An adapter, and what it has told."""

    def __init__(self, *members: LLM[Any], **options: Any) -> None:
        self.adapter = FallbackAdapter(list(members), **{"max_retry_per_llm": 0, **options})
        self.unavailable: list[LLM[Any]] = []
        self.metrics: list[LLMMetrics] = []
        self.adapter.on("llm_availability_changed", self._note)
        self.adapter.on("metrics_collected", self.metrics.append)

    def _note(self, event: AvailabilityChangedEvent) -> None:
        if not event.available:
            self.unavailable.append(event.llm)

    def ask(self) -> LLMStream:
        return self.adapter.chat(chat_ctx=ChatContext())

    async def answer(self) -> str:
        async with self.ask() as stream:
            return await read(stream)

    def costs(self) -> list[tuple[bool, bool]]:
        return [(record.hedged, record.cancelled) for record in self.metrics]


@asynccontextmanager
async def hedged(*members: LLM[Any], **options: Any) -> AsyncIterator[Hedged]:
    one = Hedged(*members, **options)
    try:
        yield one
    finally:
        await one.adapter.aclose()


def _after(seconds: float) -> list[Step]:
    return [seconds, text("first")]


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_model_that_is_quick_is_asked_alone() -> None:
    first, second = ScriptedLLM([0.4, text("first")]), ScriptedLLM([text("second")])
    async with hedged(first, second, hedge=0.5) as fallback:
        assert await fallback.answer() == "first"

    assert second.asked_at == []
    assert fallback.costs() == [(False, False)]


async def test_beside_one_that_is_slow_the_next_one_is_asked_and_the_first_output_wins() -> None:
    first, second = ScriptedLLM([3.0, text("first")]), ScriptedLLM([0.25, text("second")])
    async with hedged(first, second, hedge=0.5) as fallback:
        began = now()
        assert await fallback.answer() == "second"
        took = now() - began

    assert second.asked_at == [pytest.approx(began + 0.5)]
    assert took == pytest.approx(0.75)
    assert fallback.unavailable == []


async def test_the_slow_one_wins_if_it_is_sooner_than_the_second() -> None:
    first, second = ScriptedLLM([0.7, text("first"), 0.1, text(" goes on")]), ScriptedLLM([1.0, text("second")])
    async with hedged(first, second, hedge=0.5) as fallback:
        assert await fallback.answer() == "first goes on"

    assert len(second.asked_at) == 1


async def test_the_loser_is_cancelled_at_once_and_its_cost_is_told_once() -> None:
    first, second = ScriptedLLM([used(0, 17), FOREVER]), ScriptedLLM([0.25, text("second"), 5.0, text("!"), used(2)])
    async with hedged(first, second, hedge=0.5) as fallback, fallback.ask() as stream:
        await anext(stream)
        await asyncio.sleep(0.1)
        assert fallback.costs() == [(True, True)]
        assert fallback.metrics[0].prompt_tokens == 17
        await read(stream)

    assert fallback.costs() == [(True, True), (False, False)]
    assert first.metrics[0].hedged


async def test_nothing_of_the_loser_is_heard() -> None:
    first, second = ScriptedLLM([text(None), used(0), 0.9, text("first")]), ScriptedLLM([0.2, text("second")])
    async with hedged(first, second, hedge=0.5) as fallback, fallback.ask() as stream:
        chunks = [chunk async for chunk in stream]

    assert [choice.delta.content for chunk in chunks for choice in chunk.choices] == ["second"]
    assert [chunk.usage for chunk in chunks] == [None]


async def test_a_model_that_writes_a_call_has_begun_and_gets_no_second_one() -> None:
    call = weather_call()
    first = ScriptedLLM([0.1, ScriptedStream.progressed, 1.0, calling(call)])
    second = ScriptedLLM([text("second")])
    async with hedged(first, second, hedge=0.5) as fallback, fallback.ask() as stream:
        assert [chunk async for chunk in stream]
        assert stream.function_calls == [call]

    assert second.asked_at == []


async def test_only_one_more_is_asked_at_the_same_time() -> None:
    slow = [ScriptedLLM([FOREVER]), ScriptedLLM([4.0, text("second")]), ScriptedLLM([text("third")])]
    async with hedged(*slow, hedge=0.5) as fallback:
        assert await fallback.answer() == "second"

    assert [len(member.asked_at) for member in slow] == [1, 1, 0]


async def test_one_that_fails_beside_another_leaves_the_other_alone() -> None:
    first = ScriptedLLM([0.8, APIConnectionError("down")])
    second, third = ScriptedLLM([0.45, text("second")]), ScriptedLLM([text("third")])
    async with hedged(first, second, third, hedge=0.5) as fallback:
        assert await fallback.answer() == "second"

    assert fallback.unavailable == [first]
    assert third.asked_at == []


async def test_the_one_that_is_left_may_be_too_slow_as_well() -> None:
    first = ScriptedLLM([0.75, APIConnectionError("down")])
    second, third = ScriptedLLM([9.0, text("second")]), ScriptedLLM([text("third")])
    async with hedged(first, second, third, hedge=0.5) as fallback:
        began = now()
        assert await fallback.answer() == "third"

    assert third.asked_at == [pytest.approx(began + 1.0)]


async def test_all_that_fail_are_told_of_with_the_last_failure() -> None:
    members = [ScriptedLLM([0.75, APIConnectionError(f"down {number}")]) for number in range(2)]
    async with hedged(*members, hedge=0.5) as fallback:
        with pytest.raises(APIConnectionError, match="all members failed") as raised:
            await fallback.answer()

    assert str(raised.value.__cause__) == "down 1"
    assert fallback.unavailable == members


async def test_an_answer_that_breaks_off_is_not_repeated_by_another_one() -> None:
    first = ScriptedLLM([0.1, text("Once"), APIConnectionError("broken")])
    async with hedged(first, ScriptedLLM([text("second")]), hedge=0.5) as fallback:
        with pytest.raises(APIConnectionError, match="broken"):
            await fallback.answer()


async def test_one_that_is_slower_three_times_in_a_row_has_failed_and_is_tried_in_the_background() -> None:
    first, second = ScriptedLLM([8.0, text("first")]), ScriptedLLM([0.25, text("second")])
    async with hedged(first, second, hedge=0.5) as fallback:
        for number in range(LOSSES_IN_A_ROW):
            assert fallback.unavailable == []
            assert await fallback.answer() == "second", number
        assert fallback.unavailable == [first]
        asked = len(second.asked_at)
        began = now()
        assert await fallback.answer() == "second"
        assert now() - began == pytest.approx(0.25)
        assert len(second.asked_at) == asked + 1


async def test_a_win_in_between_forgives() -> None:
    slow: list[Step] = [2.0, text("1")]
    first = ScriptedLLM(slow, slow, [text("1")], slow, slow)
    async with hedged(first, ScriptedLLM([0.25, text("2")]), hedge=0.5) as fallback:
        assert [await fallback.answer() for _ in range(5)] == ["2", "2", "1", "2", "2"]
        assert fallback.unavailable == []


async def test_what_is_slow_is_learnt_from_the_answers_before() -> None:
    times = [0.01 * number for number in range(20, 20 + LEAST_TIMES)]  # 0.20 to 0.39 s
    first = ScriptedLLM(*[_after(seconds) for seconds in (*times, 9.0)])
    second = ScriptedLLM([0.1, text("second")])
    async with hedged(first, second, hedge=True) as fallback:
        for _ in times:
            assert await fallback.answer() == "first"
        began = now()
        assert await fallback.answer() == "second"

    assert second.asked_at == [pytest.approx(began + 0.38)]  # 19 of the 20 took no longer


async def test_before_it_is_known_nobody_is_asked_beside_another_one() -> None:
    first, second = ScriptedLLM([9.0, text("first")]), ScriptedLLM([text("second")])
    async with hedged(first, second, hedge=True) as fallback:
        for _ in range(LEAST_TIMES):
            assert await fallback.answer() == "first"

    assert second.asked_at == []


async def test_a_model_that_is_always_quick_has_a_tenth_of_a_second_all_the_same() -> None:
    first = ScriptedLLM(*[_after(0.01) for _ in range(LEAST_TIMES)], _after(9.0))
    second = ScriptedLLM([text("second")])
    async with hedged(first, second, hedge=True) as fallback:
        for _ in range(LEAST_TIMES):
            await fallback.answer()
        began = now()
        await fallback.answer()

    assert second.asked_at == [pytest.approx(began + 0.1)]


async def test_closing_the_answer_ends_both_requests() -> None:
    first, second = ScriptedLLM([FOREVER]), ScriptedLLM([FOREVER])
    async with hedged(first, second, hedge=0.5, attempt_timeout=60.0) as fallback:
        stream = fallback.ask()
        await asyncio.sleep(1.0)
        await stream.aclose()
        await asyncio.sleep(0.01)

        assert fallback.costs() == [(False, True), (False, True)]


async def test_without_it_a_slow_model_is_waited_for() -> None:
    first, second = ScriptedLLM([5.0, text("first")]), ScriptedLLM([text("second")])
    async with hedged(first, second) as fallback:
        assert await fallback.answer() == "first"

    assert second.asked_at == []


async def test_an_adapter_in_an_adapter_tells_the_cost_of_what_lost() -> None:
    inner_first = ScriptedLLM([FOREVER])
    inner = FallbackAdapter([inner_first, ScriptedLLM([FOREVER])], max_retry_per_llm=0, hedge=0.2)
    async with hedged(inner, ScriptedLLM([0.25, text("outer")]), hedge=0.5) as fallback:
        assert await fallback.answer() == "outer"
        await asyncio.sleep(0.01)
        assert inner_first.metrics[0].hedged
        await inner.aclose()


@pytest.mark.parametrize("hedge", [0.0, -1.0, float("nan"), float("inf")])
async def test_a_time_that_cannot_be_is_refused(hedge: float) -> None:
    with pytest.raises(ConfigError, match=f"hedge is {hedge!r}"):
        FallbackAdapter([ScriptedLLM([])], hedge=hedge)
