"""Which registry the running code sees."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from lk_agents.foundation.settings import Settings
from lk_agents.hooks.current import current_registry, known_registry, set_registry, use_registry
from lk_agents.hooks.registry import PluginRegistry


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    set_registry(None)
    yield
    set_registry(None)


def test_one_is_loaded_where_none_was_set() -> None:
    first = current_registry()

    assert isinstance(first, PluginRegistry)
    assert current_registry() is first


def test_the_registry_of_the_process_is_seen_by_new_threads() -> None:
    registry = PluginRegistry(Settings())
    set_registry(registry)
    seen: list[PluginRegistry] = []

    thread = threading.Thread(target=lambda: seen.append(current_registry()))
    thread.start()
    thread.join()

    assert seen == [registry]


async def test_a_registry_of_a_context_is_seen_by_its_tasks_only() -> None:
    outer, inner = PluginRegistry(Settings()), PluginRegistry(Settings())
    set_registry(outer)

    async def look() -> PluginRegistry:
        await asyncio.sleep(0)
        return current_registry()

    with use_registry(inner):
        inside = asyncio.create_task(look())
    outside = asyncio.create_task(look())

    assert await inside is inner
    assert await outside is outer


def test_asking_for_the_known_registry_loads_none() -> None:
    assert known_registry() is None

    outer, inner = PluginRegistry(Settings()), PluginRegistry(Settings())
    set_registry(outer)
    assert known_registry() is outer
    with use_registry(inner):
        assert known_registry() is inner
