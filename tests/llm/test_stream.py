"""An answer while it comes: retries, calls, measurements, its end."""

from __future__ import annotations

import asyncio

import pytest
from tests.llm.scripted import (
    FOREVER,
    ScriptedLLM,
    ScriptedStream,
    Step,
    Tools,
    ask,
    calling,
    read,
    read_until_error,
    text,
    used,
    weather_call,
)

from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.llm import (
    ChatContext,
    FunctionContext,
    LLMCapabilities,
    _create_ai_function_info,
    ai_callable,
)
from lk_agents.testing import VirtualClock


class Slow(FunctionContext):
    def __init__(self) -> None:
        super().__init__()
        self.begun: list[str] = []

    @ai_callable(description="")
    async def book(self, room: str) -> str:
        self.begun.append(room)
        await asyncio.sleep(1000)
        return "booked"


async def test_a_model_says_what_it_is_called_and_what_it_can_do(lk_clock: VirtualClock) -> None:
    model = ScriptedLLM([])

    assert model.label == "tests.llm.scripted.ScriptedLLM"
    assert model.capabilities == LLMCapabilities(supports_choices_on_int=True, requires_persistent_functions=False)
    async with model:
        pass
    assert model.closed == 1


async def test_the_request_begins_before_anybody_reads(lk_clock: VirtualClock) -> None:
    model = ScriptedLLM([text("hi")])
    stream = ask(model)
    await asyncio.sleep(0)

    assert model.asked_at == [0.0]
    assert await read(stream) == "hi"


async def test_the_stream_keeps_conversation_and_functions_as_they_are(lk_clock: VirtualClock) -> None:
    context, tools = ChatContext(), Tools()
    async with ask(ScriptedLLM([]), chat_ctx=context, fnc_ctx=tools) as stream:
        assert stream.chat_ctx is context
        assert stream.fnc_ctx is tools


async def test_a_fault_before_the_first_output_is_retried_after_the_waits_asked_for(
    lk_clock: VirtualClock,
) -> None:
    model = ScriptedLLM([APIConnectionError()], [APIConnectionError()], [APIConnectionError()], [text("hi")])

    assert await read(ask(model, max_retry=3)) == "hi"
    assert model.asked_at == pytest.approx([0.0, 0.1, 2.1, 4.1])


async def test_when_all_attempts_have_failed_the_error_counts_them_and_has_the_last_one_as_its_cause(
    lk_clock: VirtualClock,
) -> None:
    last = APIStatusError("busy", status_code=503)
    said, error = await read_until_error(ask(ScriptedLLM([last]), max_retry=3))

    assert said == ""
    assert isinstance(error, APIConnectionError)
    assert error.attempts == 4
    assert error.__cause__ is last


@pytest.mark.parametrize("first", [text(""), text(None), used(0)])
async def test_a_chunk_without_output_does_not_prevent_a_retry(lk_clock: VirtualClock, first: Step) -> None:
    model = ScriptedLLM([first, APIConnectionError()], [text("hi")])

    assert await read(ask(model, max_retry=1)) == "hi"


@pytest.mark.parametrize("position", range(1, 5))
async def test_a_fault_after_output_is_never_retried_whatever_the_provider_says(
    lk_clock: VirtualClock, position: int
) -> None:
    chunks = [text("one "), text("two "), calling(weather_call()), used(3)]
    model = ScriptedLLM([*chunks[:position], APIConnectionError("lost", retryable=True)])
    stream = ask(model, max_retry=3)
    said, error = await read_until_error(stream)

    assert said == "one two "[: 4 * position]
    assert isinstance(error, APIConnectionError)
    assert not error.retryable
    assert len(model.asked_at) == 1
    assert [call.tool_call_id for call in stream.function_calls] == ["call_1"] * (position >= 3)


async def test_an_error_that_is_no_provider_error_ends_the_stream_at_once(lk_clock: VirtualClock) -> None:
    model = ScriptedLLM([ValueError("a defect")])
    _, error = await read_until_error(ask(model, max_retry=3))

    assert isinstance(error, ValueError)
    assert len(model.asked_at) == 1


async def test_calls_are_collected_from_the_chunks_without_the_providers_help(lk_clock: VirtualClock) -> None:
    first, second = weather_call("call_1"), weather_call("call_2")
    stream = ask(ScriptedLLM([calling(first), calling(second)]))
    await read(stream)

    assert stream.function_calls == [first, second]


async def test_a_call_that_the_provider_notes_and_sends_is_there_once(lk_clock: VirtualClock) -> None:
    call = weather_call()
    stream = ask(ScriptedLLM([lambda stream: stream.collect(call), calling(call)]))
    await read(stream)

    assert stream.function_calls == [call]


async def test_a_call_that_the_provider_only_notes_is_there(lk_clock: VirtualClock) -> None:
    call = weather_call()
    stream = ask(ScriptedLLM([lambda stream: stream.collect(call)]))
    await read(stream)

    assert stream.function_calls == [call]


async def test_calls_with_one_id_are_as_many_as_the_provider_sends(lk_clock: VirtualClock) -> None:
    stream = ask(ScriptedLLM([calling(weather_call("", "Rome"), weather_call("", "Rome"))]))
    await read(stream)

    assert len(stream.function_calls) == 2


async def test_calls_that_a_failed_attempt_had_noted_are_forgotten(lk_clock: VirtualClock) -> None:
    lost, call = weather_call("call_1"), weather_call("call_2")
    model = ScriptedLLM([lambda stream: stream.collect(lost), APIConnectionError()], [calling(call)])
    stream = ask(model, max_retry=1)
    await read(stream)

    assert stream.function_calls == [call]


async def test_calls_that_the_last_attempt_had_noted_and_not_sent_are_forgotten(lk_clock: VirtualClock) -> None:
    lost = weather_call()
    stream = ask(ScriptedLLM([lambda stream: stream.collect(lost), APIConnectionError()]))
    await read_until_error(stream)

    assert stream.function_calls == []


async def test_calls_grow_while_the_answer_comes(lk_clock: VirtualClock) -> None:
    stream = ask(ScriptedLLM([calling(weather_call("call_1")), 1.0, calling(weather_call("call_2"))]))
    await anext(stream)

    assert len(stream.function_calls) == 1
    await read(stream)
    assert len(stream.function_calls) == 2


async def test_all_calls_are_executed_at_the_same_time(lk_clock: VirtualClock) -> None:
    rooms = Slow()
    calls = [_create_ai_function_info(rooms, name, "book", f'{{"room": "{name}"}}') for name in ("a", "b")]
    async with ask(ScriptedLLM([calling(*calls)])) as stream:
        await read(stream)
        called = stream.execute_functions()
        await asyncio.gather(*(each.task for each in called))

    assert [each.result for each in called] == ["booked", "booked"]
    assert lk_clock.monotonic() == 1000


async def test_closing_cancels_the_calls_that_still_run(lk_clock: VirtualClock) -> None:
    rooms = Slow()
    stream = ask(ScriptedLLM([calling(_create_ai_function_info(rooms, "a", "book", '{"room": "a"}'))]))
    await read(stream)
    called = stream.execute_functions()
    await asyncio.sleep(0)
    await stream.aclose()

    assert rooms.begun == ["a"]
    assert isinstance(called[0].exception, asyncio.CancelledError)


async def test_calls_are_cancelled_at_once_also_when_the_provider_does_not_end(lk_clock: VirtualClock) -> None:
    class Stubborn(ScriptedStream):
        async def _run(self) -> None:
            self._event_ch.send_nowait(calling(_create_ai_function_info(Slow(), "a", "book", '{"room": "a"}')))
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                await asyncio.sleep(3)
                raise

    stream = Stubborn(ScriptedLLM(), chat_ctx=ChatContext(), fnc_ctx=None, conn_options=ask_options())
    await anext(stream)
    called = stream.execute_functions()
    closing = asyncio.create_task(stream.aclose())
    await asyncio.sleep(1)

    assert called[0].task.cancelled()
    assert not closing.done()
    await closing
    assert lk_clock.monotonic() == 3


async def test_calls_can_be_executed_after_closing_and_closing_again_cancels_them(lk_clock: VirtualClock) -> None:
    stream = ask(ScriptedLLM([calling(_create_ai_function_info(Slow(), "a", "book", '{"room": "a"}'))]))
    async with stream:
        await read(stream)
    called = stream.execute_functions()
    await stream.aclose()

    assert called[0].task.cancelled()


async def test_closing_before_the_first_chunk_ends_quietly(lk_clock: VirtualClock) -> None:
    model = ScriptedLLM([FOREVER])
    stream = ask(model, timeout=FOREVER * 2)
    await asyncio.sleep(1)
    await stream.aclose()
    await stream.aclose()

    assert await read(stream) == ""
    assert [(metrics.cancelled, metrics.ttft) for metrics in model.metrics] == [(True, -1.0)]


async def test_what_came_before_closing_can_still_be_read(lk_clock: VirtualClock) -> None:
    stream = ask(ScriptedLLM([text("hi"), 5.0, text(" there")]))
    await asyncio.sleep(1)
    await stream.aclose()

    assert await read(stream) == "hi"


async def test_an_answer_is_measured_once(lk_clock: VirtualClock) -> None:
    model = ScriptedLLM([1.0, text("hi"), 3.0, text(" there"), used(8, 40, cached=30)])
    await read(ask(model))

    assert len(model.metrics) == 1
    metrics = model.metrics[0]
    assert (metrics.request_id, metrics.label) == ("req_1", model.label)
    assert (metrics.ttft, metrics.duration) == pytest.approx((1.0, 4.0))
    assert (metrics.completion_tokens, metrics.prompt_tokens, metrics.total_tokens) == (8, 40, 48)
    assert metrics.tokens_per_second == pytest.approx(2.0)
    assert metrics.cached_prompt_tokens == 30
    assert (metrics.cancelled, metrics.error) == (False, None)
    assert metrics.timestamp == lk_clock.wall_seconds()


async def test_a_measurement_names_provider_and_model(lk_clock: VirtualClock) -> None:
    model = ScriptedLLM([text("hi")])
    model.provider, model.model = "acme", "acme-thinks-2"
    await read(ask(model))

    assert [(each.provider, each.model) for each in model.metrics] == [("acme", "acme-thinks-2")]


async def test_without_usage_the_tokens_are_zero(lk_clock: VirtualClock) -> None:
    model = ScriptedLLM([text("hi")])
    await read(ask(model))

    assert (model.metrics[0].total_tokens, model.metrics[0].tokens_per_second) == (0, 0.0)


@pytest.mark.parametrize("first", [text(None), text("")])
async def test_a_role_alone_is_no_first_token(lk_clock: VirtualClock, first: Step) -> None:
    model = ScriptedLLM([first, 1.0, text("hi")])
    await read(ask(model))

    assert model.metrics[0].ttft == 1.0


async def test_a_call_is_a_first_token(lk_clock: VirtualClock) -> None:
    model = ScriptedLLM([1.0, calling(weather_call()), 1.0, text("hi")])
    await read(ask(model))

    assert model.metrics[0].ttft == 1.0


async def test_the_time_to_the_first_token_counts_from_the_request_over_all_attempts(lk_clock: VirtualClock) -> None:
    model = ScriptedLLM([1.0, APIConnectionError()], [1.0, text("hi")])
    await read(ask(model, max_retry=1))

    assert len(model.metrics) == 1
    assert model.metrics[0].ttft == pytest.approx(2.1)


async def test_a_failure_is_measured_with_its_error(lk_clock: VirtualClock) -> None:
    model = ScriptedLLM([text("hi"), APIStatusError("busy", status_code=503)])
    await read_until_error(ask(model))

    assert len(model.metrics) == 1
    error = model.metrics[0].error
    assert error is not None
    assert (error.code, error.provider) == (503, model.label)


async def test_a_provider_waits_while_a_thousand_chunks_are_unread(lk_clock: VirtualClock) -> None:
    sent: list[int] = []

    class Eager(ScriptedStream):
        async def _run(self) -> None:
            for number in range(1500):
                await self._event_ch.send(text("x"))
                sent.append(number)

    model = ScriptedLLM()
    stream = Eager(model, chat_ctx=ChatContext(), fnc_ctx=None, conn_options=ask_options())
    await asyncio.sleep(100)

    assert len(sent) == 1000
    assert await read(stream) == "x" * 1500


def ask_options() -> APIConnectOptions:
    return APIConnectOptions(max_retry=0, timeout=10)


async def test_the_error_that_a_reader_gets_keeps_its_cause(lk_clock: VirtualClock) -> None:
    class Failing(ScriptedStream):
        async def _run(self) -> None:
            try:
                raise OSError("reset by peer")
            except OSError as error:
                raise APIConnectionError("lost") from error

    stream = Failing(ScriptedLLM(), chat_ctx=ChatContext(), fnc_ctx=None, conn_options=ask_options())
    with pytest.raises(APIError, match="lost") as caught:
        await read(stream)

    assert isinstance(caught.value.__cause__, OSError)
