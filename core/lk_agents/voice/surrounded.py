"""A conversation in its surroundings: begun once, ended once, and its state shown to those who look."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.ids import short_id
from lk_agents.foundation.log import logger
from lk_agents.foundation.recordings import SESSION_PREFIX
from lk_agents.utils.aio.tasks import cancel_and_wait
from lk_agents.voice.state_show import StateShow

if TYPE_CHECKING:
    from lk_agents.foundation.types import AgentState
    from lk_agents.media.session_io import SessionIO

__all__ = ["SurroundedSession"]

SHOW_SECONDS: Final = 1.0
"""How long showing the last state may take when a conversation is closed."""
_BEFORE_ANYTHING: Final = frozenset({"", "initializing"})


class SurroundedSession(ABC):
    """What every conversation does with what surrounds it. Build it in a running event loop.

    :param io: the surroundings, not started.
    :param emit: tells the program, with the names of the agent's events; it must not raise.
    """

    def __init__(self, io: SessionIO, emit: Callable[..., None]) -> None:
        self.id = short_id(SESSION_PREFIX)
        """Names it in logs and records."""
        self._io, self._emit = io, emit
        self._state = StateShow(self._show_state)
        loop = asyncio.get_running_loop()
        self._started: asyncio.Future[bool] = loop.create_future()  # False if it is over before it has begun
        self._ending: asyncio.Future[str] = loop.create_future()
        self._closing: asyncio.Task[None] | None = None
        self._showing: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> AgentState:
        """What the agent is shown to do."""
        return self._state.state

    def end(self, reason: str) -> None:
        """Let it be over; the first reason counts."""
        if not self._ending.done():
            self._ending.set_result(reason)
        if not self._started.done():
            self._started.set_result(False)

    async def aclose(self) -> None:
        """End it: nothing more is heard or said, functions that run get some seconds. Any number of times, by anybody.

        Cancelled itself, it is closed all the same.
        """
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close(), name="lk-close-session")
        await asyncio.shield(self._closing)

    @abstractmethod
    async def _close(self) -> None:
        """End everything, the surroundings last."""

    # --- the surroundings --------------------------------------------------------------------------------------------

    async def _start(self, *, sample_rate: int, num_channels: int) -> bool:
        """Start the surroundings; False if the conversation was closed before they had started.

        :raises PlayoutError: the agent cannot be made hearable.
        """
        self._state.set("initializing")
        start = self._io.start(sample_rate=sample_rate, num_channels=num_channels)
        starting = asyncio.get_running_loop().create_task(start, name="lk-start-session")
        waiting: set[asyncio.Future[Any]] = {starting, self._ending}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not starting.done():
                await cancel_and_wait(starting)
        if self._ending.done():
            return False
        starting.result()
        self._started.set_result(True)
        return True

    async def _leave(self) -> None:
        """Be shown to listen, for whoever looks must not think that it goes on speaking, and leave."""
        if self._state.state not in _BEFORE_ANYTHING:
            self._state.set("listening")
        self._state.close()
        if self._showing:
            await asyncio.wait(set(self._showing), timeout=SHOW_SECONDS)
        await self._io.aclose()
        await cancel_and_wait(*self._showing)

    async def _await_end(self) -> None:
        self.end(await self._io.wait_for_end())

    def _show_state(self, state: AgentState) -> None:
        self._emit("agent_state_changed", state)
        task = asyncio.get_running_loop().create_task(self._io.show_state(state), name="lk-show-state")
        self._showing.add(task)
        task.add_done_callback(self._showing.discard)

    # --- what goes on all the time -----------------------------------------------------------------------------------

    def _keep_on(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Begin something without which the conversation is over."""
        return self._watched(asyncio.get_running_loop().create_task(work, name=name))

    def _watched(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        """Let the conversation be over when the task fails."""
        task.add_done_callback(self._task_over)
        return task

    def _task_over(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a conversation has failed", extra={"part": task.get_name()}, exc_info=error)
            self.end(f"{task.get_name()} failed: {type(error).__name__}")
