"""Tells the plugins in use of a conversation; nobody waits for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lk_agents.hooks.current import known_registry

if TYPE_CHECKING:
    from lk_agents.voice.records import SessionInfo, TurnRecord

__all__ = ["session_started", "turn_finished"]


def session_started(session: SessionInfo) -> None:
    """Call the hook ``lk_agents_session_started``. Returns at once and raises nothing: a failing plugin is logged.

    Where no registry of plugins has been set, plugins are not looked for.
    """
    _tell("lk_agents_session_started", session=session)


def turn_finished(record: TurnRecord) -> None:
    """Call the hook ``lk_agents_turn_finished``, as :func:`session_started`."""
    _tell("lk_agents_turn_finished", record=record)


def _tell(hook: str, **arguments: Any) -> None:
    if (registry := known_registry()) is not None:
        from lk_agents.hooks.invoke import tell

        tell(registry, hook, **arguments)
