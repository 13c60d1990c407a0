"""What the agent is doing, as an attribute that everybody in the room can see."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from lk_agents.foundation.log import logger
from lk_agents.foundation.types import ATTRIBUTE_AGENT_STATE
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.foundation.types import AgentState

__all__ = ["StateAttribute"]

SHOW_SECONDS: Final = 5.0


class StateAttribute:
    """Shows one state after the other, without anybody waiting for it. Needs a running event loop.

    While the room takes one, only the latest of those that come waits. Where the room is not connected, or refuses,
    a state is dropped.
    """

    def __init__(self, room: rtc.Room) -> None:
        self._room = room
        self._last: AgentState | None = None
        self._waiting: AgentState | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._failed = False

    def show(self, state: AgentState) -> None:
        """Show a state; nothing happens after :meth:`aclose`."""
        if self._closed:
            return
        self._last = self._waiting = state
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="lk-agent-state")

    def show_again(self) -> None:
        """Show the last state once more: one who joins a room anew has no attributes."""
        if self._last is not None:
            self.show(self._last)

    async def aclose(self) -> None:
        """Show no more. Any number of times."""
        self._closed = True
        if self._task is not None:
            await cancel_and_wait(self._task)

    async def _run(self) -> None:
        while (state := self._waiting) is not None:
            self._waiting = None
            if not self._room.isconnected():
                continue
            try:
                async with asyncio.timeout(SHOW_SECONDS):
                    await self._room.local_participant.set_attributes({ATTRIBUTE_AGENT_STATE: state})
            except Exception as error:  # noqa: BLE001  whatever it is, a conversation does not end for a display
                level = logging.DEBUG if self._failed else logging.WARNING  # one is enough to know
                self._failed = True
                logger.log(level, "the room does not show the agent's state", exc_info=error)
