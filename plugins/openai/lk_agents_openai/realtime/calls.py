"""Makes the calls of the model, and gives it an output for each, whatever comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.log import logger
from lk_agents.llm.arguments import FunctionCallError, _create_ai_function_info
from lk_agents.llm.chat_context import ChatMessage, content_text
from lk_agents.llm.function_context import FunctionContext
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from lk_agents.llm.function_call import CalledFunction
    from lk_agents_openai.realtime.conversation import Conversation
    from lk_agents_openai.realtime.message_parts import Item

__all__ = ["Calls"]

CANCELLED: Final = "cancelled"
"""The output of a call that was not made to its end."""
PLAYOUT_SECONDS: Final = 300.0
"""How long an output waits for the agent to be heard: what it says is shorter than that."""
CANCEL_SECONDS: Final = 2.0


@dataclass(slots=True)
class _Round:
    """The calls of one response.

    :param open: how many are not over.
    :param wants_answer: whether the model is to be asked what it says about them.
    :param is_whole: whether there will be no more of them.
    """

    open: int = 0
    wants_answer: bool = False
    is_whole: bool = False


class Calls:
    """The functions that are called in one session. Needs a running event loop.

    When all calls of a response have their outputs, the model is asked once, unless none of them has told anything.

    :param tell: emits an event of the session.
    :param ask: asks the model what it says about the outputs.
    :param playout: returns what is set as long as the agent is not heard; None if nobody tells.
    :param timeout_seconds: how long a function may take; None for no limit.
    """

    def __init__(
        self,
        conversation: Conversation,
        *,
        tell: Callable[..., None],
        ask: Callable[[], None],
        playout: Callable[[], asyncio.Event | None],
        timeout_seconds: float | None,
    ) -> None:
        self._conversation = conversation
        self._tell = tell
        self._ask = ask
        self._playout = playout
        self._timeout_seconds = timeout_seconds
        self._rounds: dict[str, _Round] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._functions: set[asyncio.Task[Any]] = set()
        self._spared: asyncio.Task[Any] | None = None

    @property
    def are_running(self) -> bool:
        """Whether any call is not over."""
        return bool(self._tasks or self._rounds)

    def call(self, item: Item, response_id: str, functions: FunctionContext | None) -> None:
        """Make a call of the model."""
        at = self._rounds.setdefault(response_id, _Round())
        at.open += 1
        name, call_id = item.name or "", item.call_id or item.id
        try:
            info = _create_ai_function_info(functions or FunctionContext(), call_id, name, item.arguments or "")
        except FunctionCallError as error:
            logger.warning("the model has asked for a call that cannot be made", extra={"function": name[:64]})
            self._conversation.called(item, None)
            output = ChatMessage(role="tool", name=name, tool_call_id=call_id, content=f"Error: {error}")
            self._begin(self._explain(item, output, response_id))
            return
        self._conversation.called(item, info)
        self._tell("function_calls_collected", [info])
        called = info.execute()
        self._functions.add(called.task)
        called.task.add_done_callback(self._functions.discard)
        self._begin(self._finish(item, called, response_id))

    def response_over(self, response_id: str) -> None:
        """A response calls no more functions."""
        if (at := self._rounds.get(response_id)) is not None:
            at.is_whole = True
            self._ask_if_complete(response_id)

    async def aclose(self) -> None:
        """Cancel what runs, and wait for it a moment; any number of times."""
        self._spared = asyncio.current_task()  # a function may close its own session
        await cancel_and_wait(*self._tasks)
        self._rounds.clear()
        if running := self._functions - {self._spared}:
            await asyncio.wait(running, timeout=CANCEL_SECONDS)

    # --- one call ----------------------------------------------------------------------------------------------------

    async def _explain(self, item: Item, output: ChatMessage, response_id: str) -> None:
        await self._until_heard()
        self._conversation.create(output, behind=item.id)
        self._end(response_id, wants_answer=True)

    async def _finish(self, item: Item, called: CalledFunction, response_id: str) -> None:
        try:
            await self._ended(called)
        finally:
            if called.task is not self._spared:
                called.task.cancel()
        output = _output_of(called)
        await self._until_heard()
        self._conversation.create(output, behind=item.id)
        self._tell("function_calls_finished", [called])
        has_told = called.result is not None if called.exception is None else output.content != CANCELLED
        self._end(response_id, wants_answer=has_told)

    async def _ended(self, called: CalledFunction) -> None:
        await asyncio.wait({called.task}, timeout=self._timeout_seconds)
        if called.task.done():
            return
        called.task.cancel()
        await asyncio.wait({called.task}, timeout=CANCEL_SECONDS)
        logger.warning("a function takes too long", extra={"function": called.call_info.function_info.name})
        called.exception = TimeoutError(f"it took longer than {self._timeout_seconds:g} s")

    async def _until_heard(self) -> None:
        if (playout := self._playout()) is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(PLAYOUT_SECONDS):
                    await playout.wait()

    def _end(self, response_id: str, *, wants_answer: bool) -> None:
        if (at := self._rounds.get(response_id)) is not None:
            at.open -= 1
            at.wants_answer |= wants_answer
            self._ask_if_complete(response_id)

    def _ask_if_complete(self, response_id: str) -> None:
        at = self._rounds[response_id]
        if at.open or not at.is_whole:
            return
        del self._rounds[response_id]
        if at.wants_answer:
            self._ask()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="lk-openai-realtime-call")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _output_of(called: CalledFunction) -> ChatMessage:
    error = called.exception
    if error is None:
        content = content_text(called.result)
    else:
        content = CANCELLED if isinstance(error, asyncio.CancelledError) else f"Error: {error}"
    return ChatMessage(
        role="tool",
        name=called.call_info.function_info.name,
        content=content,
        tool_call_id=called.call_info.tool_call_id,
        tool_exception=error if isinstance(error, Exception) else None,
    )
