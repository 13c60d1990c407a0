"""A measurement reaches the engine's listeners and the plugins, and never hurts the stream that was measured."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.metrics import made

from lk_agents.foundation.settings import Settings
from lk_agents.hooks.current import known_registry, set_registry, use_registry
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.metrics import AgentMetrics
from lk_agents.metrics.publish import publish
from lk_agents.utils.events import EventEmitter

HOOK = "lk_agents_metrics"


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    set_registry(None)
    yield
    set_registry(None)


@pytest.fixture
def engine() -> EventEmitter[str]:
    return EventEmitter()


def _registry(*functions: Callable[..., Any]) -> PluginRegistry:
    registry = PluginRegistry(Settings())
    for number, function in enumerate(functions):
        registry.add_own({HOOK: function}, name=f"p{number}")
    return registry


def test_listeners_come_before_plugins(engine: EventEmitter[str]) -> None:
    seen: list[tuple[str, AgentMetrics]] = []
    engine.on("metrics_collected", lambda record: seen.append(("listener", record)))

    with use_registry(_registry(lambda record: seen.append(("plugin", record)))):
        publish(engine, made.STT)

    assert seen == [("listener", made.STT), ("plugin", made.STT)]


def test_outside_of_any_registry_none_is_loaded(engine: EventEmitter[str]) -> None:
    seen: list[AgentMetrics] = []
    engine.on("metrics_collected", seen.append)

    publish(engine, made.STT)

    assert seen == [made.STT]
    assert known_registry() is None


def test_the_registry_of_the_process_is_asked(engine: EventEmitter[str]) -> None:
    seen: list[AgentMetrics] = []
    set_registry(_registry(seen.append))

    publish(engine, made.VAD)

    assert seen == [made.VAD]


def _fails(record: AgentMetrics) -> None:
    raise ValueError("boom")


def test_failing_listeners_and_plugins_are_logged_and_the_others_told(
    engine: EventEmitter[str], caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[AgentMetrics] = []
    engine.on("metrics_collected", lambda: None)
    engine.on("metrics_collected", lambda record, too_much: None)

    with use_registry(_registry(_fails, seen.append)), caplog.at_level(logging.ERROR, "lk_agents"):
        publish(engine, made.STT)

    assert seen == [made.STT]
    listener, plugin = caplog.records
    assert listener.getMessage() == "a callback of metrics_collected failed"
    assert plugin.__dict__["plugin"] == "p0"


async def test_a_coroutine_function_is_not_waited_for(engine: EventEmitter[str]) -> None:
    go_on, done = asyncio.Event(), asyncio.Event()

    async def export(record: AgentMetrics) -> None:
        await go_on.wait()
        done.set()

    with use_registry(_registry(export)):
        publish(engine, made.STT)
    assert not done.is_set()

    go_on.set()
    async with asyncio.timeout(5):
        await done.wait()
