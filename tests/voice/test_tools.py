"""Functions that a model calls: each call has exactly one output, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.voice.speaking import answer, within

from lk_agents.foundation.errors import ConfigError
from lk_agents.llm import (
    ChatContext,
    ChatImage,
    ChatMessage,
    FunctionCallInfo,
    FunctionContext,
    LLMCapabilities,
    LLMStream,
)
from lk_agents.testing import VirtualClock
from lk_agents.testing.providers import Answer
from lk_agents.voice.call_context import AgentCallContext, running_call
from lk_agents.voice.stages import Stage
from lk_agents.voice.tools import (
    TOOL_TIMEOUT_SECONDS,
    ToolResult,
    ToolRunner,
    called_functions,
    cancelled_calls,
    may_offer_functions,
    may_run_calls,
    wants_answer,
)

pytestmark = pytest.mark.usefixtures("lk_no_leaks")

MINUTES = 3_600.0


class Bench:
    """Functions by name, and the answer of a model that calls them."""

    def __init__(self, stream: LLMStream, calls: list[FunctionCallInfo]) -> None:
        self.stream = stream
        self.calls = calls
        self.agent = object()
        self.context = AgentCallContext(self.agent, stream, speech_id="speech_1")


Make = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def calling(lk_clock: VirtualClock) -> AsyncIterator[Make]:
    """Make the calls of these functions."""
    streams: list[LLMStream] = []

    async def make(*functions: Callable[[], Any]) -> Bench:
        fnc_ctx = FunctionContext()
        for number, function in enumerate(functions):
            fnc_ctx.ai_callable(name=f"f{number}", description="")(function)
        stream = answer(Answer(calls=[(name, {}) for name in fnc_ctx.ai_functions]), fnc_ctx=fnc_ctx)
        streams.append(stream)
        async for _ in stream:
            pass
        return Bench(stream, stream.function_calls)

    yield make
    for stream in streams:
        await stream.aclose()


def returning(value: Any, seconds: float = 0.0) -> Callable[[], Any]:
    """Return a function that takes so long."""

    async def function() -> Any:
        await asyncio.sleep(seconds)
        return value

    return function


async def failing() -> None:
    raise KeyError("no such table")


async def outputs(bench: Bench, runner: ToolRunner | None = None, **options: Any) -> list[Any]:
    results = await within((runner or ToolRunner()).run_calls(bench.calls, context=bench.context, **options), MINUTES)
    messages = [result.message() for result in results]
    assert [message.tool_call_id for message in messages] == [call.tool_call_id for call in bench.calls]
    assert [message.name for message in messages] == [call.function_info.name for call in bench.calls]
    assert {message.role for message in messages} <= {"tool"}
    return [message.content for message in messages]


# --- outputs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("sunny", "sunny"),
        ({"degrees": 21, "sky": "grün"}, '{"degrees": 21, "sky": "grün"}'),
        ([1, 2], "[1, 2]"),
        (3, "3"),
        (False, "false"),
        ("", ""),
        (None, ""),
    ],
)
async def test_what_a_function_returns_is_the_output_as_text(calling: Make, value: Any, content: str) -> None:
    assert await outputs(await calling(returning(value))) == [content]


async def test_pictures_stay_pictures(calling: Make) -> None:
    picture = ChatImage(image="https://example.org/a.png")
    given = ["look", picture]

    assert await outputs(await calling(returning(given))) == [["look", picture]]


async def test_what_is_changed_later_does_not_change_the_output(calling: Make) -> None:
    state = {"count": 1}
    contents = await outputs(await calling(returning(state)))
    state["count"] = 2

    assert contents == ['{"count": 1}']


async def test_a_function_that_fails_has_its_error_as_output_and_disturbs_no_other(calling: Make) -> None:
    bench = await calling(failing, returning("fine"))
    results = await ToolRunner().run_calls(bench.calls, context=bench.context)

    assert [result.message().content for result in results] == ["Error: 'no such table'", "fine"]
    assert isinstance(results[0].message().tool_exception, KeyError)
    assert results[1].message().tool_exception is None


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_one_that_exits_is_an_error_for_the_model_and_the_log_says_how(
    calling: Make, asynchronous: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def leave() -> None:
        sys.exit("the booking system is down")

    def leave_plainly() -> None:
        sys.exit("the booking system is down")

    contents = await outputs(await calling(leave if asynchronous else leave_plainly, returning("fine")))

    assert contents == ["Error: f0 raised SystemExit('the booking system is down')", "fine"]
    (line,) = [each for each in caplog.records if each.message == "a function that the model has called failed"]
    assert vars(line)["function"] == "f0"
    assert line.exc_info is not None
    error = line.exc_info[1]
    assert error is not None
    assert isinstance(error.__cause__, SystemExit)
    assert error.__cause__.__traceback__ is not None


async def test_plain_functions_run_in_threads_and_have_outputs_too(calling: Make) -> None:
    def where() -> str:
        return str(threading.current_thread() is threading.main_thread())

    assert await outputs(await calling(where)) == ["False"]


async def test_one_that_takes_too_long_has_that_as_its_output_and_is_cancelled(
    calling: Make, lk_clock: VirtualClock
) -> None:
    ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.sleep(10_000)
        finally:
            ended.set()

    contents = await outputs(await calling(endless, returning("quick")))

    assert contents == ["Error: f0 has not returned within 60 s", "quick"]
    assert lk_clock.monotonic() == TOOL_TIMEOUT_SECONDS
    assert ended.is_set()


async def test_one_that_refuses_to_be_cancelled_keeps_nobody_waiting(calling: Make, lk_clock: VirtualClock) -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(20)

    contents = await outputs(await calling(stubborn), ToolRunner(timeout_seconds=1.0))
    assert contents == ["Error: f0 has not returned within 1 s"]
    assert lk_clock.monotonic() == 3.0
    await asyncio.sleep(30)


async def test_without_a_limit_a_function_may_take_as_long_as_it_likes(calling: Make) -> None:
    assert await outputs(await calling(returning("at last", 1_000)), ToolRunner(timeout_seconds=None)) == ["at last"]


async def test_a_limit_of_nothing_is_refused(lk_clock: VirtualClock) -> None:
    with pytest.raises(ConfigError, match="tool_timeout is 0"):
        ToolRunner(timeout_seconds=0)


# --- order -----------------------------------------------------------------------------------------------------------


async def test_calls_run_at_the_same_time_and_results_keep_their_order(calling: Make, lk_clock: VirtualClock) -> None:
    bench = await calling(returning("slow", 3.0), returning("quick", 1.0), returning("middle", 2.0))

    assert await outputs(bench) == ["slow", "quick", "middle"]
    assert lk_clock.monotonic() == 3.0


async def test_they_run_one_after_the_other_where_that_is_wanted(calling: Make, lk_clock: VirtualClock) -> None:
    bench = await calling(returning("a", 3.0), failing, returning("b", 2.0))

    assert await outputs(bench, ToolRunner(serial=True)) == ["a", "Error: 'no such table'", "b"]
    assert lk_clock.monotonic() == 5.0


async def test_the_beginning_and_the_end_of_all_are_told(calling: Make) -> None:
    bench = await calling(returning("a", 3.0), returning("b", 1.0))
    stages: list[tuple[Stage, float]] = []
    await outputs(bench, on_stage=lambda stage, at: stages.append((stage, at)))
    assert stages == [(Stage.TOOL_STARTED, 0.0), (Stage.TOOL_FINISHED, 3.0)]

    stages.clear()
    await outputs(bench, may_start=lambda: False, on_stage=lambda stage, at: stages.append((stage, at)))
    assert stages == []


# --- interruption ----------------------------------------------------------------------------------------------------


async def test_those_that_have_not_begun_when_it_is_interrupted_are_cancelled(calling: Make) -> None:
    bench = await calling(returning("done", 2.0), returning("never"), returning("never"))
    interrupted = asyncio.Event()
    asyncio.get_running_loop().call_later(1.0, interrupted.set)

    contents = await outputs(bench, ToolRunner(serial=True), may_start=lambda: not interrupted.is_set())
    assert contents == ["done", "cancelled", "cancelled"]


async def test_those_that_run_go_on_when_whoever_waits_for_them_is_cancelled(calling: Make) -> None:
    booked: list[str] = []

    async def book() -> None:
        await asyncio.sleep(2.0)
        booked.append("room 12")

    bench = await calling(book)
    runner = ToolRunner()
    waiting = asyncio.ensure_future(runner.run_calls(bench.calls, context=bench.context))
    await asyncio.sleep(1.0)
    waiting.cancel()
    await asyncio.sleep(0)
    assert (waiting.cancelled(), runner.running) == (True, 1)
    await asyncio.sleep(2.0)

    assert (booked, runner.running) == (["room 12"], 0)


@pytest.mark.parametrize(("seconds", "content"), [(0.5, "done"), (1.9, "done"), (2.5, "cancelled")])
async def test_closing_waits_a_little_and_cancels_then(
    calling: Make, lk_clock: VirtualClock, seconds: float, content: str
) -> None:
    bench = await calling(returning("done", seconds))
    runner = ToolRunner()
    waiting = asyncio.ensure_future(outputs(bench, runner))
    await asyncio.sleep(0)
    await runner.aclose()
    await runner.aclose()

    assert await waiting == [content]
    assert lk_clock.monotonic() == pytest.approx(min(seconds, 2.0))


async def test_closing_leaves_what_does_not_end_and_everybody_has_a_result(
    calling: Make, lk_clock: VirtualClock
) -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(20)

    runner = ToolRunner()
    waiting = asyncio.ensure_future(outputs(await calling(stubborn), runner))
    await asyncio.sleep(0)
    await runner.aclose()

    assert await waiting == ["cancelled"]
    assert lk_clock.monotonic() == 4.0
    await asyncio.sleep(30)


async def test_closing_that_is_cancelled_cancels_them_at_once(calling: Make, lk_clock: VirtualClock) -> None:
    runner = ToolRunner()
    waiting = asyncio.ensure_future(outputs(await calling(returning("done", 50.0)), runner))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(runner.aclose())
    await asyncio.sleep(0.5)
    closing.cancel()

    assert await waiting == ["cancelled"]
    assert lk_clock.monotonic() == 0.5


async def test_nothing_is_called_once_it_is_closed(calling: Make) -> None:
    called: list[str] = []

    async def note() -> None:
        called.append("x")

    bench = await calling(note)
    runner = ToolRunner()
    await runner.aclose()

    assert await outputs(bench, runner) == ["cancelled"]
    assert called == []


# --- whether there is something to say -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("functions", "wanted"),
    [
        ([returning(None)], False),
        ([returning(None), returning(None)], False),
        ([returning(None), returning("x")], True),
        ([returning("")], True),
        ([returning(0)], True),
        ([failing], True),
        ([returning(None), failing], True),
    ],
)
async def test_only_what_returns_nothing_asks_for_no_answer(
    calling: Make, functions: list[Callable[[], Any]], wanted: bool
) -> None:
    bench = await calling(*functions)
    results = await ToolRunner().run_calls(bench.calls, context=bench.context)

    assert wants_answer(results) is wanted
    assert [each.call_info for each in called_functions(results)] == bench.calls


async def test_calls_that_were_not_made_have_outputs_and_ask_for_no_answer(calling: Make) -> None:
    bench = await calling(returning("x"), returning("y"))
    results = cancelled_calls(bench.calls)

    assert [result.message().content for result in results] == ["cancelled", "cancelled"]
    assert (wants_answer(results), called_functions(results)) == (False, [])


@pytest.mark.parametrize(
    ("most", "depth", "runs", "offers"),
    [
        (0, 0, False, False),
        (1, 0, True, True),
        (1, 1, False, False),
        (2, 1, True, True),
        (2, 2, False, False),
    ],
)
def test_how_deep_calls_may_nest(most: int, depth: int, runs: bool, offers: bool) -> None:
    assert may_run_calls(depth, most) is runs
    assert may_offer_functions(depth, most, LLMCapabilities()) is offers
    assert may_offer_functions(depth, most, LLMCapabilities(requires_persistent_functions=True))


# --- what a function sees --------------------------------------------------------------------------------------------


async def test_outside_of_a_call_there_is_no_context(calling: Make) -> None:
    bench = await calling()
    with pytest.raises(LookupError):
        AgentCallContext.get_current()
    with pytest.raises(LookupError):
        _ = bench.context.idempotency_key


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_functions_of_both_kinds_see_the_agent_the_conversation_and_each_other(calling: Make, kind: str) -> None:
    seen: dict[str, Any] = {}

    def look() -> None:
        context = AgentCallContext.get_current()
        seen.update(agent=context.agent, chat_ctx=context.chat_ctx, stream=context.llm_stream())
        context.store_metadata("by", kind)
        context.add_extra_chat_message(ChatMessage.create(text="note", role="assistant"))

    async def look_async() -> None:
        await asyncio.sleep(0.1)
        look()

    bench = await calling(look if kind == "plain" else look_async)
    await outputs(bench)

    assert seen == {"agent": bench.agent, "chat_ctx": bench.stream.chat_ctx, "stream": bench.stream}
    assert isinstance(seen["chat_ctx"], ChatContext)
    assert (bench.context.get_metadata("by"), bench.context.get_metadata("else", 5)) == (kind, 5)
    assert [message.content for message in bench.context.extra_chat_messages] == ["note"]


async def test_each_call_has_a_key_of_its_own_that_stays_the_same(calling: Make) -> None:
    keys: list[str] = []

    async def note() -> None:
        keys.append(AgentCallContext.get_current().idempotency_key)
        await asyncio.sleep(1.0)
        keys.append(AgentCallContext.get_current().idempotency_key)

    bench = await calling(note, note)
    await outputs(bench)

    ids = [call.tool_call_id for call in bench.calls]
    assert keys == [f"speech_1:{call_id}" for call_id in ids + ids]
    with running_call(bench.context, ids[0]):
        assert bench.context.idempotency_key == keys[0]


async def test_calls_without_an_id_have_keys_all_the_same(calling: Make) -> None:
    keys: list[str] = []

    async def note() -> None:
        keys.append(AgentCallContext.get_current().idempotency_key)

    bench = await calling(note, note)
    anonymous = [FunctionCallInfo("", call.function_info, "{}", {}) for call in bench.calls]
    results = await ToolRunner().run_calls(anonymous, context=bench.context)

    assert keys == ["speech_1:0", "speech_1:1"]
    assert all(isinstance(result, ToolResult) for result in results)
