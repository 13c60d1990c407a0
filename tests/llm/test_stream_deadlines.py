"""A provider that falls silent is given up, without its help."""

from __future__ import annotations

import asyncio

import pytest
from tests.llm.scripted import (
    FOREVER,
    ScriptedLLM,
    ScriptedStream,
    Step,
    ask,
    calling,
    read,
    read_until_error,
    text,
    used,
    weather_call,
)

from lk_agents.foundation.errors import APIConnectionError, APITimeoutError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.llm import ChatContext
from lk_agents.testing import VirtualClock


async def test_the_first_output_must_come_within_the_timeout(lk_clock: VirtualClock) -> None:
    _, error = await read_until_error(ask(ScriptedLLM([FOREVER]), timeout=10))

    assert isinstance(error, APITimeoutError)
    assert (error.phase, error.provider) == ("first_output", "tests.llm.scripted.ScriptedLLM")
    assert lk_clock.monotonic() == pytest.approx(10)


async def test_output_just_in_time_is_in_time(lk_clock: VirtualClock) -> None:
    assert await read(ask(ScriptedLLM([9.9, text("hi")]), timeout=10)) == "hi"


async def test_each_attempt_has_the_whole_time(lk_clock: VirtualClock) -> None:
    model = ScriptedLLM([FOREVER], [9.9, text("hi")])

    assert await read(ask(model, timeout=10, max_retry=1)) == "hi"
    assert model.asked_at == pytest.approx([0.0, 10.1])


@pytest.mark.parametrize("empty", [text(None), text(""), used(0)])
async def test_chunks_without_output_do_not_postpone_the_deadline(lk_clock: VirtualClock, empty: Step) -> None:
    _, error = await read_until_error(ask(ScriptedLLM([4.0, empty, 4.0, empty, 4.0, text("hi")]), timeout=10))

    assert isinstance(error, APITimeoutError)
    assert error.phase == "first_output"
    assert lk_clock.monotonic() == pytest.approx(10)


async def test_a_pause_within_the_answer_must_not_be_longer_than_the_timeout(lk_clock: VirtualClock) -> None:
    model = ScriptedLLM([9.0, text("hi"), FOREVER])
    said, error = await read_until_error(ask(model, timeout=10, max_retry=3))

    assert said == "hi"
    assert isinstance(error, APITimeoutError)
    assert (error.phase, error.retryable) == ("idle", False)
    assert lk_clock.monotonic() == pytest.approx(19)
    assert len(model.asked_at) == 1


async def test_an_answer_may_take_as_long_as_it_goes_on(lk_clock: VirtualClock) -> None:
    script: list[Step] = []
    for _ in range(20):
        script += [9.0, text("x")]

    assert await read(ask(ScriptedLLM(script), timeout=10)) == "x" * 20


async def test_after_the_first_output_every_chunk_is_a_sign_of_life(lk_clock: VirtualClock) -> None:
    script: list[Step] = [text("hi"), 9.0, text(None), 9.0, calling(weather_call()), 9.0, used(5)]

    assert await read(ask(ScriptedLLM(script), timeout=10)) == "hi"


async def test_pieces_of_a_call_that_the_provider_tells_of_are_signs_of_life(lk_clock: VirtualClock) -> None:
    writing: list[Step] = [9.0, ScriptedStream.progressed]
    model = ScriptedLLM([*(writing * 5), calling(weather_call())])
    stream = ask(model, timeout=10)
    await read(stream)

    assert len(stream.function_calls) == 1
    assert model.metrics[0].ttft == 45.0


async def test_a_call_that_stops_half_written_is_an_idle_provider(lk_clock: VirtualClock) -> None:
    model = ScriptedLLM([1.0, ScriptedStream.progressed, FOREVER], [text("hi")])

    assert await read(ask(model, timeout=10, max_retry=1)) == "hi"
    assert model.asked_at == pytest.approx([0.0, 11.1])


async def test_the_provider_is_not_to_blame_while_nobody_reads(lk_clock: VirtualClock) -> None:
    class Eager(ScriptedStream):
        async def _run(self) -> None:
            for _ in range(1100):
                await self._event_ch.send(text("x"))

    options = APIConnectOptions(max_retry=0, timeout=10)
    stream = Eager(ScriptedLLM(), chat_ctx=ChatContext(), fnc_ctx=None, conn_options=options)
    await asyncio.sleep(1000)

    assert await read(stream) == "x" * 1100


async def test_a_provider_that_turns_its_cancellation_into_its_own_error_is_still_too_late(
    lk_clock: VirtualClock,
) -> None:
    class Wrapping(ScriptedStream):
        async def _run(self) -> None:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                raise APIConnectionError("the connection was closed") from None

    options = APIConnectOptions(max_retry=0, timeout=10)
    stream = Wrapping(ScriptedLLM(), chat_ctx=ChatContext(), fnc_ctx=None, conn_options=options)
    _, error = await read_until_error(stream)

    assert isinstance(error, APITimeoutError)
    assert isinstance(error.__cause__, APIConnectionError)


async def test_a_provider_that_swallows_its_cancellation_is_still_too_late(lk_clock: VirtualClock) -> None:
    class Swallowing(ScriptedStream):
        async def _run(self) -> None:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                return

    options = APIConnectOptions(max_retry=0, timeout=10)
    stream = Swallowing(ScriptedLLM(), chat_ctx=ChatContext(), fnc_ctx=None, conn_options=options)
    _, error = await read_until_error(stream)

    assert isinstance(error, APITimeoutError)


async def test_a_timeout_of_the_providers_own_is_not_taken_for_ours(lk_clock: VirtualClock) -> None:
    class Impatient(ScriptedStream):
        async def _run(self) -> None:
            async with asyncio.timeout(1):
                await asyncio.sleep(5)

    options = APIConnectOptions(max_retry=0, timeout=10)
    stream = Impatient(ScriptedLLM(), chat_ctx=ChatContext(), fnc_ctx=None, conn_options=options)
    _, error = await read_until_error(stream)

    assert type(error) is TimeoutError


async def test_closing_a_silent_stream_is_no_timeout(lk_clock: VirtualClock) -> None:
    model = ScriptedLLM([FOREVER])
    stream = ask(model, timeout=10)
    await asyncio.sleep(5)
    await stream.aclose()
    await asyncio.sleep(10)

    assert await read(stream) == ""
    assert model.metrics[0].cancelled
    assert model.metrics[0].error is None
