"""Events that are told where nobody can wait for the plugins."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from lk_agents.foundation.errors import PluginError
from lk_agents.foundation.settings import Settings
from lk_agents.hooks.invoke import TOLD_BOUND, notify, tell
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.testing.clock import VirtualClock

HOOK = "lk_agents_metrics"
GENEROUS = 15.0


def _registry(*functions: Callable[..., Any]) -> PluginRegistry:
    """Return a registry with plugins t0, t1, … of one function each."""
    registry = PluginRegistry(Settings())
    for number, function in enumerate(functions):
        registry.add_own({HOOK: function}, name=f"t{number}")
    return registry


def _fails(record: Any) -> None:
    raise ValueError("boom")


async def _settled(registry: PluginRegistry, seconds: float = GENEROUS) -> None:
    await notify(registry, "lk_agents_job_finished", deadline_seconds=seconds, ctx=None, result=None)


def test_plain_functions_are_called_before_it_returns_without_a_loop() -> None:
    seen: list[Any] = []

    tell(_registry(seen.append), HOOK, record=1)

    assert seen == [1]


def test_wrong_arguments_are_an_error() -> None:
    with pytest.raises(PluginError, match="takes \\(record\\)"):
        tell(_registry(), HOOK, metrics=1)


def test_a_coroutine_function_where_no_loop_runs_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def later(record: Any) -> None:
        raise AssertionError("cannot run")

    tell(_registry(later), HOOK, record=1)

    (record,) = caplog.records
    assert "returned an awaitable where no event loop runs" in str(record.exc_info)


async def test_errors_are_logged_with_the_plugin_and_stop_nobody(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    async def fails_later(record: Any) -> None:
        await asyncio.sleep(0)
        raise ValueError("boom")

    registry = _registry(_fails, fails_later, seen.append)
    tell(registry, HOOK, record=1)
    await _settled(registry)

    assert seen == [1]
    assert [record.__dict__["plugin"] for record in caplog.records] == ["t0", "t1"]


async def test_an_awaited_event_waits_for_what_was_told_before() -> None:
    order: list[str] = []

    async def export(record: Any) -> None:
        await asyncio.sleep(0.01)
        order.append(record)

    registry = _registry(export)
    tell(registry, HOOK, record="told")
    await _settled(registry)
    order.append("settled")

    assert order == ["told", "settled"]


async def test_what_hangs_is_ended_at_its_deadline_and_logged(
    lk_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def hang(record: Any) -> None:
        await asyncio.Event().wait()

    registry = _registry(hang)
    tell(registry, HOOK, deadline_seconds=3.0, record=1)
    await _settled(registry)

    (record,) = caplog.records
    assert "did not end within 3 s" in str(record.exc_info)
    assert asyncio.get_running_loop().time() == pytest.approx(3.0, abs=0.1)


async def test_an_awaited_event_waits_no_longer_than_its_own_deadline(lk_clock: VirtualClock) -> None:
    go_on = asyncio.Event()

    async def slow(record: Any) -> None:
        await go_on.wait()

    registry = _registry(slow)
    tell(registry, HOOK, record=1)
    await _settled(registry, seconds=0.5)
    assert asyncio.get_running_loop().time() == pytest.approx(0.5, abs=0.1)

    go_on.set()
    await _settled(registry)


async def test_a_plugin_that_is_behind_is_left_out_until_it_has_caught_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    go_on = asyncio.Event()
    slow_seen: list[int] = []
    quick_seen: list[int] = []

    async def slow(record: int) -> None:
        slow_seen.append(record)
        await go_on.wait()

    registry = _registry(slow, quick_seen.append)
    for number in range(TOLD_BOUND + 50):
        tell(registry, HOOK, record=number)
    await asyncio.sleep(0)

    assert slow_seen == list(range(TOLD_BOUND))
    assert len(quick_seen) == TOLD_BOUND + 50
    assert [record.__dict__["plugin"] for record in caplog.records] == ["t0"]

    go_on.set()
    await _settled(registry)
    tell(registry, HOOK, record=1_000)
    await _settled(registry)
    assert slow_seen[-1] == 1_000


def test_the_end_of_the_loop_ends_what_is_under_way() -> None:
    cancelled = threading.Event()

    async def hang(record: Any) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def main() -> None:
        tell(_registry(hang), HOOK, record=1)
        await asyncio.sleep(0)

    asyncio.run(main())

    assert cancelled.is_set()


def test_another_threads_loop_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    told, go_on = threading.Event(), threading.Event()

    async def slow(record: Any) -> None:
        told.set()
        await asyncio.to_thread(go_on.wait, GENEROUS)

    registry = _registry(slow)

    async def main() -> None:
        tell(registry, HOOK, record=1)
        await _settled(registry)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert told.wait(GENEROUS)
    with caplog.at_level(logging.WARNING):
        asyncio.run(asyncio.wait_for(_settled(PluginRegistry(Settings())), GENEROUS / 2))
    go_on.set()
    thread.join(GENEROUS)

    assert not thread.is_alive()
    assert caplog.records == []
