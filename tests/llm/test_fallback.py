"""Several models behind one: who is asked, who is given up, who comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.llm.scripted import (
    FOREVER,
    ScriptedLLM,
    ScriptedStream,
    Step,
    Tools,
    calling,
    read,
    read_until_error,
    text,
    used,
    weather_call,
)

from lk_agents.foundation.errors import APIConnectionError, APIStatusError, APITimeoutError, ConfigError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.llm import (
    LLM,
    AvailabilityChangedEvent,
    ChatContext,
    FallbackAdapter,
    LLMCapabilities,
    LLMStream,
    ToolChoice,
)
from lk_agents.metrics import LLMMetrics
from lk_agents.testing import VirtualClock

DOWN = [APIConnectionError("down")]


class Watched:
    """An adapter, and what it has told."""

    def __init__(self, *members: LLM[Any], **options: Any) -> None:
        self.adapter = FallbackAdapter(list(members), **{"max_retry_per_llm": 0, **options})
        self.changes: list[tuple[LLM[Any], bool]] = []
        self.metrics: list[LLMMetrics] = []
        self.adapter.on("llm_availability_changed", self._note)
        self.adapter.on("metrics_collected", self.metrics.append)

    def _note(self, event: AvailabilityChangedEvent) -> None:
        self.changes.append((event.llm, event.available))

    def ask(self, **options: Any) -> LLMStream:
        return self.adapter.chat(**{"chat_ctx": ChatContext(), **options})


@asynccontextmanager
async def watched(*members: LLM[Any], **options: Any) -> AsyncIterator[Watched]:
    one = Watched(*members, **options)
    try:
        yield one
    finally:
        await one.adapter.aclose()


async def test_the_first_member_answers_while_it_works(lk_clock: VirtualClock) -> None:
    first, second = ScriptedLLM([text("first")]), ScriptedLLM([text("second")])
    async with watched(first, second) as fallback:
        assert await read(fallback.ask()) == "first"

    assert second.asked_at == []
    assert fallback.changes == []


@pytest.mark.parametrize(
    "fault", [APIConnectionError(), APIStatusError("bad", status_code=400), ValueError("a defect")]
)
async def test_a_member_that_fails_before_output_is_given_up_and_the_next_one_answers(
    lk_clock: VirtualClock, fault: Exception
) -> None:
    first, second = ScriptedLLM([fault]), ScriptedLLM([text("second")])
    async with watched(first, second) as fallback:
        assert await read(fallback.ask()) == "second"
        assert await read(fallback.ask()) == "second"

    assert fallback.changes == [(first, False)]


async def test_a_member_whose_request_cannot_even_be_made_is_given_up(lk_clock: VirtualClock) -> None:
    class Refusing(ScriptedLLM):
        def chat(self, **_: Any) -> LLMStream:
            raise ValueError("this model takes no pictures")

    async with watched(Refusing(), ScriptedLLM([text("second")])) as fallback:
        assert await read(fallback.ask()) == "second"


async def test_members_are_asked_with_the_adapters_patience_and_all_options(lk_clock: VirtualClock) -> None:
    member = ScriptedLLM([text("hi")])
    options = {
        "chat_ctx": ChatContext(),
        "fnc_ctx": Tools(),
        "temperature": 0.3,
        "n": 2,
        "parallel_tool_calls": False,
        "tool_choice": ToolChoice("function", "weather"),
    }
    async with watched(member, attempt_timeout=4.0, max_retry_per_llm=2, retry_interval=1.0) as fallback:
        await read(fallback.ask(**options))
        await read(fallback.ask())

    patience = APIConnectOptions(max_retry=2, timeout=4.0, retry_interval=1.0)
    assert member.requests[0] == {**options, "conn_options": patience}
    assert member.requests[1]["n"] == 1


async def test_an_option_that_the_adapter_does_not_know_is_refused(lk_clock: VirtualClock) -> None:
    async with watched(ScriptedLLM([])) as fallback:
        with pytest.raises(TypeError, match="top_p"):
            fallback.ask(top_p=0.5)


async def test_a_member_is_asked_again_as_often_as_the_adapter_says_before_the_next_one_is(
    lk_clock: VirtualClock,
) -> None:
    first, second = ScriptedLLM(DOWN), ScriptedLLM([text("second")])
    async with watched(first, second, max_retry_per_llm=1, retry_interval=5.0) as fallback:
        await read(fallback.ask())

    assert first.asked_at[:2] == pytest.approx([0.0, 0.1])
    assert second.asked_at == pytest.approx([0.1])


@pytest.mark.parametrize("silence", [[FOREVER], [text(None), 1.0, text(""), FOREVER], [used(0), FOREVER]])
async def test_a_member_without_output_in_time_is_given_up_and_its_stream_closed(
    lk_clock: VirtualClock, silence: list[Step]
) -> None:
    slow, second = ScriptedLLM(silence), ScriptedLLM([text("second")])
    async with watched(slow, second, attempt_timeout=3.0) as fallback:
        stream = fallback.ask()
        assert await read(stream) == "second"
        assert second.asked_at == pytest.approx([3.0])
        await stream.aclose()

    assert fallback.changes == [(slow, False)]
    assert len(slow.metrics) >= 1


async def test_the_retries_of_a_member_are_within_its_time(lk_clock: VirtualClock) -> None:
    slow = ScriptedLLM([2.0, APIConnectionError()], [FOREVER])
    second = ScriptedLLM([text("second")])
    async with watched(slow, second, attempt_timeout=3.0, max_retry_per_llm=5) as fallback:
        await read(fallback.ask())

    assert second.asked_at == pytest.approx([3.0])


async def test_a_member_that_does_not_end_in_time_does_not_delay_the_next_one(lk_clock: VirtualClock) -> None:
    class Stubborn(ScriptedStream):
        async def _run(self) -> None:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                await asyncio.sleep(2)
                raise

    class StubbornLLM(ScriptedLLM):
        def chat(self, **options: Any) -> LLMStream:
            return Stubborn(
                self,
                chat_ctx=options["chat_ctx"],
                fnc_ctx=options["fnc_ctx"],
                conn_options=APIConnectOptions(max_retry=0, timeout=1000),
            )

    second = ScriptedLLM([text("second")])
    async with watched(StubbornLLM(), second, attempt_timeout=3.0) as fallback:
        stream = fallback.ask()
        assert await read(stream) == "second"
        assert lk_clock.monotonic() == pytest.approx(3.0)
        await stream.aclose()


async def test_a_member_that_writes_a_long_call_is_not_slow(lk_clock: VirtualClock) -> None:
    writing: list[Step] = [2.0, ScriptedStream.progressed]
    first = ScriptedLLM([*(writing * 5), calling(weather_call())])
    inner = FallbackAdapter([first], attempt_timeout=3.0)
    async with watched(inner, ScriptedLLM([text("second")]), attempt_timeout=3.0) as fallback:
        stream = fallback.ask()
        assert await read(stream) == ""
        assert len(stream.function_calls) == 1
    await inner.aclose()


async def test_a_member_that_falls_silent_in_its_answer_is_an_error_and_no_fallback(lk_clock: VirtualClock) -> None:
    first, second = ScriptedLLM([text("one "), FOREVER]), ScriptedLLM([text("second")])
    async with watched(first, second, attempt_timeout=3.0) as fallback:
        said, error = await read_until_error(fallback.ask())

    assert said == "one "
    assert isinstance(error, APITimeoutError)
    assert (error.phase, error.provider) == ("idle", first.label)
    assert fallback.changes == [(first, False)]
    assert second.asked_at == []


async def test_an_answer_without_output_is_an_answer(lk_clock: VirtualClock) -> None:
    first, second = ScriptedLLM([text(""), used(0)]), ScriptedLLM([text("second")])
    async with watched(first, second) as fallback:
        assert await read(fallback.ask()) == ""

    assert fallback.changes == []
    assert second.asked_at == []


async def test_an_answer_of_calls_alone_is_an_answer(lk_clock: VirtualClock) -> None:
    call = weather_call()
    first, second = ScriptedLLM([calling(call)]), ScriptedLLM([text("second")])
    async with watched(first, second) as fallback, fallback.ask() as stream:
        await read(stream)
        called = stream.execute_functions()
        await called[0].task

    assert stream.function_calls == [call]
    assert called[0].result == "sunny in Rome"
    assert fallback.changes == []


async def test_a_call_that_a_member_notes_without_sending_it_is_kept(lk_clock: VirtualClock) -> None:
    call = weather_call()
    async with watched(ScriptedLLM([lambda stream: stream.collect(call), text("ok")])) as fallback:
        stream = fallback.ask()
        await read(stream)

    assert stream.function_calls == [call]


async def test_before_an_answer_the_stream_has_its_own_conversation_and_no_calls(lk_clock: VirtualClock) -> None:
    context, tools = ChatContext(), Tools()
    async with watched(ScriptedLLM([1.0, text("hi")])) as fallback, fallback.ask(chat_ctx=context, fnc_ctx=tools) as it:
        assert (it.chat_ctx, it.fnc_ctx) == (context, tools)
        assert (it.function_calls, it.execute_functions()) == ([], [])


async def test_conversation_and_functions_are_those_of_the_member_that_answers(lk_clock: VirtualClock) -> None:
    extended, tools = ChatContext().append(text="what was looked up"), Tools()

    class Extending(ScriptedLLM):
        def chat(self, **options: Any) -> LLMStream:
            return super().chat(**{**options, "chat_ctx": extended, "fnc_ctx": tools})

    async with watched(ScriptedLLM(DOWN), Extending([text("hi")])) as fallback:
        stream = fallback.ask()
        await read(stream)

    assert stream.chat_ctx is extended
    assert stream.fnc_ctx is tools


async def test_when_all_members_fail_the_error_names_them_and_has_the_last_one_as_its_cause(
    lk_clock: VirtualClock,
) -> None:
    last = APIStatusError("busy", status_code=503)
    async with watched(ScriptedLLM(DOWN), ScriptedLLM([last])) as fallback:
        _, error = await read_until_error(fallback.ask())

    assert isinstance(error, APIConnectionError)
    assert str(error).count("tests.llm.scripted.ScriptedLLM") == 2
    assert error.__cause__ is last


async def test_a_timeout_of_a_members_own_is_told_as_it_is(lk_clock: VirtualClock) -> None:
    own = TimeoutError("the vendor's library gave up")
    async with watched(ScriptedLLM([own])) as fallback:
        _, error = await read_until_error(fallback.ask())

    assert error is not None
    assert error.__cause__ is own


async def test_by_default_a_round_in_which_all_fail_is_the_last_one(lk_clock: VirtualClock) -> None:
    member = ScriptedLLM(DOWN)
    async with watched(member) as fallback:
        stream = fallback.ask()
        await read_until_error(stream)

    assert member.asked_at[0] == 0.0
    assert lk_clock.monotonic() == 0.0


async def test_further_rounds_can_be_asked_for(lk_clock: VirtualClock) -> None:
    member = ScriptedLLM(DOWN, DOWN, [text("hi")])
    async with watched(member) as fallback:
        said = await read(fallback.ask(conn_options=APIConnectOptions(max_retry=1)))

    assert said == "hi"


async def test_a_member_comes_back_when_it_works_again_without_being_asked_for(lk_clock: VirtualClock) -> None:
    first = ScriptedLLM(DOWN, DOWN, [text("first")])
    async with watched(first, ScriptedLLM([text("second")])) as fallback:
        await read(fallback.ask())
        assert fallback.changes == [(first, False)]
        await asyncio.sleep(1.0)

        assert fallback.changes == [(first, False), (first, True)]
        assert await read(fallback.ask()) == "first"


async def test_the_background_tries_ask_what_was_asked_even_if_the_conversation_goes_on(lk_clock: VirtualClock) -> None:
    context = ChatContext().append(text="hello", role="user")
    first = ScriptedLLM(DOWN, [text("first")])
    async with watched(first, ScriptedLLM([text("second")])) as fallback:
        await read(fallback.ask(chat_ctx=context, temperature=0.5))
        await asyncio.sleep(0.1)
        context.append(text="goodbye", role="user")

    probe = first.requests[1]
    assert [message.content for message in probe["chat_ctx"].messages] == ["hello"]
    assert probe["temperature"] == 0.5


async def test_a_background_try_reads_no_more_than_the_first_output(lk_clock: VirtualClock) -> None:
    first = ScriptedLLM(DOWN, [text("a"), FOREVER])
    async with watched(first, ScriptedLLM([text("second")])) as fallback:
        await read(fallback.ask())
        await asyncio.sleep(0.1)

        assert fallback.changes == [(first, False), (first, True)]
        assert len(first.metrics) == 2


async def test_where_all_are_unavailable_all_are_asked_and_who_answers_is_available(lk_clock: VirtualClock) -> None:
    first = ScriptedLLM(DOWN)
    second = ScriptedLLM(DOWN, DOWN, [text("second")])
    async with watched(first, second) as fallback:
        await read_until_error(fallback.ask())
        await asyncio.sleep(0.1)  # each has been tried once in the background
        assert await read(fallback.ask()) == "second"

        assert fallback.changes == [(first, False), (second, False), (second, True)]


async def test_two_requests_at_once_probe_a_member_once(lk_clock: VirtualClock) -> None:
    first = ScriptedLLM(DOWN)
    async with watched(first, ScriptedLLM([text("second")])) as fallback:
        await asyncio.gather(read(fallback.ask()), read(fallback.ask()))
        await asyncio.sleep(0.1)

    assert len(first.asked_at) == 3


async def test_what_the_members_measure_is_handed_on_and_nothing_is_added(lk_clock: VirtualClock) -> None:
    first, second = ScriptedLLM(DOWN), ScriptedLLM([text("second"), used(5)])
    async with watched(first, second) as fallback:
        await read(fallback.ask())

        measured = [*first.metrics, *second.metrics]
        assert len(fallback.metrics) == len(measured)
        assert all(metrics in measured for metrics in fallback.metrics)
    assert second.metrics[0].completion_tokens == 5


async def test_closing_ends_the_background_tries_and_leaves_the_members_open(lk_clock: VirtualClock) -> None:
    first, second = ScriptedLLM(DOWN), ScriptedLLM([text("second")])
    async with watched(first, second) as fallback:
        await read(fallback.ask())
    await fallback.adapter.aclose()
    asked = len(first.asked_at)
    await asyncio.sleep(100)

    assert len(first.asked_at) == asked
    assert (first.closed, second.closed) == (0, 0)


async def test_after_closing_nothing_is_handed_on(lk_clock: VirtualClock) -> None:
    member = ScriptedLLM([text("hi")])
    async with watched(member) as fallback:
        pass
    await read(member.chat(chat_ctx=ChatContext()))

    assert len(member.metrics) == 1
    assert fallback.metrics == []


async def test_closing_the_stream_closes_that_of_the_member(lk_clock: VirtualClock) -> None:
    member = ScriptedLLM([text("hi"), 5.0, text(" there")])
    async with watched(member) as fallback:
        stream = fallback.ask()
        await anext(stream)
        await stream.aclose()

        assert await read(stream) == ""
        assert member.metrics[0].cancelled
    assert fallback.changes == []


async def test_prewarming_reaches_all_members(lk_clock: VirtualClock) -> None:
    members = ScriptedLLM([]), ScriptedLLM([])
    async with watched(*members) as fallback:
        fallback.adapter.prewarm()

    assert [member.prewarmed for member in members] == [1, 1]


def test_no_member_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        FallbackAdapter([])


def test_a_negative_patience_is_an_error() -> None:
    with pytest.raises(ValueError, match="timeout"):
        FallbackAdapter([ScriptedLLM([])], attempt_timeout=-1)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (LLMCapabilities(True, False), LLMCapabilities(True, False), LLMCapabilities(True, False)),
        (LLMCapabilities(True, False), LLMCapabilities(False, False), LLMCapabilities(False, False)),
        (LLMCapabilities(True, True), LLMCapabilities(True, False), LLMCapabilities(True, True)),
    ],
)
def test_it_can_do_what_all_can_and_needs_what_one_needs(
    first: LLMCapabilities, second: LLMCapabilities, expected: LLMCapabilities
) -> None:
    members: list[LLM[Any]] = [ScriptedLLM([], capabilities=first), ScriptedLLM([], capabilities=second)]

    assert FallbackAdapter(members).capabilities == expected


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_an_attempt_timeout_that_cannot_be_is_refused(seconds: float) -> None:
    with pytest.raises(ConfigError, match=r"attempt_timeout is .*; it must be a number of seconds above 0"):
        FallbackAdapter([ScriptedLLM([text("hello")])], attempt_timeout=seconds)
