"""Calls that are made: where they run, and what is known of them afterwards."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from lk_agents.llm import FunctionCallInfo, FunctionInfo

spoken: ContextVar[str] = ContextVar("spoken", default="nothing")


def call_of(function: Callable[..., Any], **arguments: Any) -> FunctionCallInfo:
    return FunctionCallInfo("call_1", FunctionInfo("tool", "", False, function, {}), "{}", arguments)


async def test_a_coroutine_function_runs_on_the_loop_and_its_result_is_kept() -> None:
    async def where(city: str) -> tuple[str, int]:
        return city, threading.get_ident()

    called = call_of(where, city="Rome").execute()

    assert await called.task == ("Rome", threading.get_ident())
    assert called.result == ("Rome", threading.get_ident())
    assert called.exception is None


async def test_a_plain_function_runs_in_a_thread_with_the_context_of_the_call() -> None:
    spoken.set("English")
    called = call_of(lambda: (spoken.get(), threading.get_ident())).execute()
    language, thread = await called.task

    assert language == "English"
    assert thread != threading.get_ident()


async def test_an_object_with_an_asynchronous_call_is_awaited() -> None:
    class Tool:
        async def __call__(self) -> int:
            return threading.get_ident()

    assert await call_of(Tool()).execute().task == threading.get_ident()


async def test_what_a_plain_function_returns_is_awaited_if_it_can_be() -> None:
    async def later() -> str:
        return "later"

    assert await call_of(lambda: later()).execute().task == "later"


async def test_the_result_is_there_before_whoever_awaits_the_task_goes_on() -> None:
    async def fail() -> None:
        raise LookupError("no such city")

    called = call_of(fail).execute()
    with pytest.raises(LookupError):
        await called.task

    assert isinstance(called.exception, LookupError)
    assert called.result is None


async def test_a_cancelled_call_has_the_cancellation_as_its_exception() -> None:
    called = call_of(asyncio.sleep, delay=1000).execute()
    await asyncio.sleep(0)
    called.task.cancel()
    await asyncio.wait([called.task])

    assert isinstance(called.exception, asyncio.CancelledError)


async def test_cancelling_the_call_of_a_plain_function_leaves_its_thread_running() -> None:
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(10)
        ended.set()

    called = call_of(slow).execute()
    while not begun.is_set():
        await asyncio.sleep(0.001)
    called.task.cancel()
    await asyncio.wait([called.task])

    assert called.task.cancelled()
    assert not ended.is_set()
    go_on.set()
    assert await asyncio.to_thread(ended.wait, 10)


class Quit(BaseException):
    """No ``Exception``, and none of those that asyncio knows."""


@pytest.mark.parametrize("asynchronous", [True, False])
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), Quit("now")], ids=repr)
async def test_a_function_that_ends_programs_ends_its_call_only(error: BaseException, asynchronous: bool) -> None:
    async def leave() -> None:
        raise error

    def leave_plainly() -> None:
        raise error

    called = call_of(leave if asynchronous else leave_plainly).execute()
    await asyncio.wait([called.task])

    assert isinstance(called.exception, RuntimeError)
    assert str(called.exception) == f"tool raised {error!r}"
    assert called.exception.__cause__ is error


async def test_what_no_future_takes_is_an_error_like_any_other() -> None:
    def stop() -> None:
        next(iter(()))

    called = call_of(stop).execute()
    await asyncio.wait([called.task])

    assert str(called.exception) == "tool raised StopIteration()"


async def test_the_task_is_named_after_the_function() -> None:
    called = call_of(asyncio.sleep, delay=0).execute()

    assert called.task.get_name() == "lk-function tool"
    await called.task


def test_a_call_cannot_be_made_without_a_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        call_of(print).execute()
