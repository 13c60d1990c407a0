"""The one rule by which hooks are called: awaiting, deadlines, errors, refusals, tracing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from lk_agents.foundation.errors import HookError, PluginError
from lk_agents.foundation.settings import Settings
from lk_agents.hooks import Reject
from lk_agents.hooks.invoke import Result, collect, collect_async, first_refusal, notify, outcomes, run_each
from lk_agents.hooks.registry import PluginRegistry

MODULES = "lk_agents_preload_modules"
FILTER = "lk_agents_filter_request"
STARTING = "lk_agents_worker_starting"
GENEROUS = 15.0


def _registry(hook: str, *functions: Callable[..., Any], trace: bool = False) -> PluginRegistry:
    """Return a registry with plugins p0, p1, … of one function each."""
    registry = PluginRegistry(Settings(trace_hooks=trace))
    for number, function in enumerate(functions):
        registry.add_own({hook: function}, name=f"p{number}")
    return registry


def _raise(error: BaseException) -> Callable[..., Any]:
    def function() -> None:
        raise error

    return function


def test_results_are_flattened_and_carry_the_plugin() -> None:
    def generator() -> Any:
        yield "a"
        yield "b"

    registry = _registry(MODULES, lambda: ["x", "y"], lambda: "text", lambda: None, generator)

    assert collect(registry, MODULES) == [
        Result("p0", "x"),
        Result("p0", "y"),
        Result("p1", "text"),
        Result("p3", "a"),
        Result("p3", "b"),
    ]


@pytest.mark.parametrize("error", [ValueError("boom"), SystemExit(1), asyncio.CancelledError()])
def test_an_error_is_logged_with_the_plugin_and_stops_nobody(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def half() -> Any:
        yield "lost"
        raise ValueError("in the middle")

    found = collect(_registry(MODULES, _raise(error), half, lambda: ["kept"]), MODULES)

    assert found == [Result("p2", "kept")]
    assert [record.__dict__["plugin"] for record in caplog.records] == ["p0", "p1"]


def test_outcomes_tell_errors_from_results() -> None:
    found = outcomes(_registry(MODULES, _raise(ValueError("boom")), lambda: ["x"]), MODULES)

    assert [(each.plugin, list(each.values), repr(each.error)) for each in found] == [
        ("p0", [], "ValueError('boom')"),
        ("p1", ["x"], "None"),
    ]


def test_an_awaitable_where_none_is_allowed_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def later() -> list[str]:
        return ["x"]

    assert collect(_registry(MODULES, lambda: later()), MODULES) == []
    assert "awaitable" in str(caplog.records[0].exc_info)


def test_every_one_must_succeed_in_a_start() -> None:
    called: list[int] = []
    registry = _registry(
        "lk_agents_prewarm", lambda: called.append(0), _raise(OSError("disk")), lambda: called.append(2)
    )

    with pytest.raises(HookError, match="'p1' failed in lk_agents_prewarm: OSError: disk") as caught:
        run_each(registry, "lk_agents_prewarm", proc=None)

    assert isinstance(caught.value.__cause__, OSError)
    assert called == [0]


def test_wrong_arguments_are_an_error() -> None:
    with pytest.raises(PluginError, match=r"takes \(proc\), and was called with \(process\)"):
        run_each(_registry("lk_agents_prewarm"), "lk_agents_prewarm", process=None)


async def test_plain_functions_and_coroutines_are_both_called() -> None:
    async def later(worker: Any) -> list[str]:
        await asyncio.sleep(0)
        return [worker]

    registry = _registry(STARTING, later, lambda worker: worker)

    assert await collect_async(registry, STARTING, worker="W") == [Result("p0", "W"), Result("p1", "W")]


async def test_a_slow_one_takes_no_time_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    async def never(worker: Any) -> None:
        await asyncio.Event().wait()

    async def quick(worker: Any) -> None:
        await asyncio.sleep(0.01)
        done.append("quick")

    async with asyncio.timeout(GENEROUS):
        await notify(_registry(STARTING, never, quick, never), STARTING, deadline_seconds=0.2, worker=None)

    assert done == ["quick"]
    assert [record.__dict__["plugin"] for record in caplog.records] == ["p0", "p2"]
    assert "did not end within 0.2 s" in caplog.text


@pytest.mark.parametrize("error", [ValueError("boom"), SystemExit(1), asyncio.CancelledError()])
async def test_an_error_while_awaiting_stops_nobody(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(worker: Any) -> None:
        await asyncio.sleep(0)
        raise error

    done: list[str] = []

    await notify(_registry(STARTING, fail, lambda: done.append("other")), STARTING, worker=None)

    assert done == ["other"]
    assert caplog.records[0].__dict__["plugin"] == "p0"


async def test_cancelling_a_round_cancels_its_implementations_and_is_not_swallowed() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(worker: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def fail(worker: Any) -> None:
        raise ValueError("never retrieved")

    task = asyncio.create_task(notify(_registry(STARTING, wait, fail), STARTING, worker=None))
    await begun.wait()
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()


async def test_one_that_ignores_its_cancellation_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    release = asyncio.Event()

    async def stubborn(worker: Any) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async with asyncio.timeout(GENEROUS):
        await notify(_registry(STARTING, stubborn), STARTING, deadline_seconds=0.05, worker=None)

    assert "given up" in caplog.text
    release.set()
    await asyncio.sleep(0.05)


async def test_sync_implementations_run_in_the_callers_context() -> None:
    from contextvars import ContextVar

    trace: ContextVar[str] = ContextVar("trace", default="none")

    await notify(_registry(STARTING, lambda: trace.set("set")), STARTING, worker=None)

    assert trace.get() == "set"


async def test_the_first_refusal_ends_the_round() -> None:
    asked: list[int] = []

    async def refuse(request: Any) -> Reject:
        return Reject(f"not {request}")

    registry = _registry(FILTER, lambda: asked.append(0), refuse, lambda: asked.append(2))

    assert await first_refusal(registry, FILTER, request="R") == Reject("not R")
    assert asked == [0]


async def test_no_refusal_lets_it_pass() -> None:
    async def passes(request: Any) -> None:
        await asyncio.sleep(0)

    assert await first_refusal(_registry(FILTER, passes, lambda: None), FILTER, request=None) is None


async def _never() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (_raise(ValueError("boom")), "'p0' failed in lk_agents_filter_request: ValueError: boom"),
        (lambda: True, "neither None nor a Reject"),
        (lambda: False, "neither None nor a Reject"),
        (_never, "did not end within"),
    ],
)
async def test_an_implementation_that_cannot_answer_refuses(function: Callable[..., Any], reason: str) -> None:
    async with asyncio.timeout(GENEROUS):
        refusal = await first_refusal(_registry(FILTER, function), FILTER, deadline_seconds=0.1, request=None)

    assert refusal is not None
    assert "'p0'" in refusal.reason
    assert reason in refusal.reason


async def test_all_filters_share_one_deadline() -> None:
    async def slow(request: Any) -> None:
        await asyncio.sleep(0.3)

    refusal = await first_refusal(_registry(FILTER, slow, slow), FILTER, deadline_seconds=0.4, request=None)

    assert refusal is not None
    assert "'p1'" in refusal.reason


def test_tracing_tells_arguments_and_results(caplog: pytest.LogCaptureFixture) -> None:
    registry = _registry(MODULES, lambda: ["json"], _raise(ValueError("boom")), trace=True)
    with caplog.at_level(logging.INFO, "lk_agents"):
        collect(registry, MODULES)

    first, second = [record.__dict__ for record in caplog.records if record.message == "hook called"]
    assert (first["hook"], first["plugin"], first["result"]) == (MODULES, "p0", "('json',)")
    assert second["error"] == "ValueError('boom')"


def test_nothing_is_traced_unless_asked(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "lk_agents"):
        collect(_registry(MODULES, lambda: ["json"]), MODULES)

    assert caplog.records == []
