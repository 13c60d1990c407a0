"""The agent's state, as it is shown to those who look at it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lk_agents.foundation.types import AgentState

__all__ = ["StateShow"]


class StateShow:
    """Shows states, some of them only if nothing else comes within their delay. Build it in a running event loop.

    :param show: told each new state, once.
    """

    def __init__(self, show: Callable[[AgentState], None]) -> None:
        self._show = show
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.state: AgentState = ""
        """What is shown; empty before the first."""

    def set(self, state: AgentState, *, delay_seconds: float = 0.0) -> None:
        """Show a state, instead of one that still waits for its delay."""
        self._cancel()
        if self._closed or state == self.state:
            return
        if delay_seconds > 0:
            self._timer = self._loop.call_later(delay_seconds, self._now, state)
        else:
            self._now(state)

    def close(self) -> None:
        """Show nothing more. Any number of times."""
        self._closed = True
        self._cancel()

    def _now(self, state: AgentState) -> None:
        self._timer = None
        self.state = state
        self._show(state)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
