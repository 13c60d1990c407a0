"""Plugins are told of a conversation, nobody waits for them, and their errors stay theirs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lk_agents.foundation.settings import Settings
from lk_agents.hooks.current import known_registry, set_registry, use_registry
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.voice.announce import session_started, turn_finished
from lk_agents.voice.records import Outcome, SessionInfo, TurnRecord

SESSION = SessionInfo(id="AS_1", room_name="lobby", stt="acme.STT")
TURN = TurnRecord(turn=1, speech="SP_1", timestamp=1.0, outcome=Outcome.SPOKEN)


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    set_registry(None)
    yield
    set_registry(None)


def _registry(hook: str, *functions: Callable[..., Any]) -> PluginRegistry:
    registry = PluginRegistry(Settings())
    for number, function in enumerate(functions):
        registry.add_own({hook: function}, name=f"p{number}")
    return registry


def test_plugins_are_told_that_a_session_has_begun() -> None:
    seen: list[SessionInfo] = []

    with use_registry(_registry("lk_agents_session_started", seen.append)):
        session_started(SESSION)

    assert seen == [SESSION]


def test_plugins_are_told_that_a_turn_is_over() -> None:
    seen: list[TurnRecord] = []

    with use_registry(_registry("lk_agents_turn_finished", seen.append)):
        turn_finished(TURN)

    assert seen == [TURN]


def test_outside_of_any_registry_none_is_loaded() -> None:
    session_started(SESSION)
    turn_finished(TURN)

    assert known_registry() is None


async def test_nobody_waits_for_a_coroutine_function() -> None:
    go_on, done = asyncio.Event(), asyncio.Event()

    async def export(record: TurnRecord) -> None:
        await go_on.wait()
        done.set()

    with use_registry(_registry("lk_agents_turn_finished", export)):
        turn_finished(TURN)
    assert not done.is_set()

    go_on.set()
    async with asyncio.timeout(5):
        await done.wait()


def test_a_plugin_that_fails_is_logged_and_the_others_are_told(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[SessionInfo] = []

    def fails(session: SessionInfo) -> None:
        raise ValueError("boom")

    with (
        use_registry(_registry("lk_agents_session_started", fails, seen.append)),
        caplog.at_level(logging.ERROR, "lk_agents"),
    ):
        session_started(SESSION)

    assert seen == [SESSION]
    assert caplog.records[0].__dict__["plugin"] == "p0"
