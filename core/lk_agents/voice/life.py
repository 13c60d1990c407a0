"""The life of an agent: one conversation, begun once and ended once, with the job that it belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from lk_agents.foundation.log import logger
from lk_agents.job.context import JobContext, job_context_var
from lk_agents.voice.conversation import ENDED

__all__ = ["AgentLife", "LivedConversation"]

ConversationT = TypeVar("ConversationT")


class LivedConversation(Protocol):
    """A conversation, as far as its life is concerned."""

    async def run(self) -> str:
        """Hold it until it is over; returns why, in words."""

    async def aclose(self) -> None:
        """End it. Any number of times."""


class AgentLife:
    """Holds the one conversation of an agent, in the background, and ends the job's with it.

    :param on_over: told the reason, in words, once it is over and closed; awaited.
    """

    def __init__(self, *, on_over: Callable[[str], Awaitable[None]]) -> None:
        self._on_over = on_over
        self._conversation: LivedConversation | None = None
        self._task: asyncio.Task[None] | None = None
        self.closed = False
        """Whether the conversation is over, or will not begin."""

    def check_new(self) -> None:
        """Make sure that there is no conversation yet.

        :raises RuntimeError: there is one, or was.
        """
        if self._conversation is not None or self.closed:
            raise RuntimeError("this agent was started already: an agent holds one conversation")

    def check_open(self, conversation: ConversationT | None) -> ConversationT:
        """Return a conversation in which something is to be said, if that can be.

        :param conversation: None where there is none yet.
        :raises RuntimeError: it has not begun, or has ended.
        """
        if self.closed:
            raise RuntimeError(ENDED)
        if conversation is None:
            raise RuntimeError("this agent is not in a conversation: call start() first")
        return conversation

    def begin(self, conversation: LivedConversation, *, name: str) -> None:
        """Hold a conversation until it is over, or closed, or the job ends. Needs a running event loop.

        :param name: of the task.
        """
        self._conversation = conversation
        job = job_context_var.get(None)
        if job is not None:
            job.add_shutdown_callback(self.aclose)
        self._task = asyncio.get_running_loop().create_task(self._run(conversation, job), name=name)

    async def aclose(self) -> None:
        """End the conversation. Any number of times. Cancelled, it is closed all the same."""
        self.closed = True
        if self._conversation is not None:
            await self._conversation.aclose()
        if self._task is not None and self._task is not asyncio.current_task():
            await asyncio.wait([self._task])

    async def _run(self, conversation: LivedConversation, job: JobContext | None) -> None:
        try:
            reason = await conversation.run()
        except Exception as error:  # noqa: BLE001  whatever it is, the program is told, and nothing stays open
            logger.exception("a conversation has failed")
            reason = f"{type(error).__name__}: {error}"
        ended_itself = not self.closed
        self.closed = True
        await conversation.aclose()
        try:
            await self._on_over(reason)
        finally:
            if job is not None:
                job.remove_shutdown_callback(self.aclose)
        if ended_itself and job is not None:
            job.shutdown(reason)
