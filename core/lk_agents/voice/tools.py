"""Calling the functions that a model asks for: every call gets exactly one output, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger
from lk_agents.llm.chat_context import ChatAudio, ChatImage, ChatMessage, content_text
from lk_agents.utils.tracing import begin_span
from lk_agents.voice.call_context import running_call
from lk_agents.voice.stages import Stage

if TYPE_CHECKING:
    from lk_agents.llm import CalledFunction, FunctionCallInfo, LLMCapabilities
    from lk_agents.utils.tracing import Span
    from lk_agents.voice.call_context import AgentCallContext

__all__ = [
    "TOOL_TIMEOUT_SECONDS",
    "ToolResult",
    "ToolRunner",
    "called_functions",
    "cancelled_calls",
    "may_offer_functions",
    "may_run_calls",
    "wants_answer",
]

TOOL_TIMEOUT_SECONDS: Final = 60.0
"""How long a function may take by default. One that never returns would keep its output, and the answer, from the
conversation for ever; a minute is longer than the services behind a function take, and than anybody waits on the phone.
"""
CANCELLED: Final = "cancelled"
"""The output of a call that was not made, or did not end before the conversation did."""
GRACE_SECONDS: Final = 2.0
"""How long running functions may go on when the conversation is closed."""
CANCEL_SECONDS: Final = 2.0
"""How long a function may take to end once it is cancelled."""


# --- how deep --------------------------------------------------------------------------------------------------------


def may_run_calls(depth: int, max_nested_fnc_calls: int) -> bool:
    """Tell whether the calls of a speech are made.

    :param depth: how many rounds of functions led to the speech; 0 for a reply.
    """
    return depth < max_nested_fnc_calls


def may_offer_functions(depth: int, max_nested_fnc_calls: int, capabilities: LLMCapabilities) -> bool:
    """Tell whether the model is given functions for a speech of that depth.

    Those that are not made anyway are left out, unless the model needs them to read the calls of the conversation.
    """
    return may_run_calls(depth, max_nested_fnc_calls) or capabilities.requires_persistent_functions


# --- what came of a call ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ToolResult:
    """What came of one call.

    :param called: the call as it was made; None if it was not.
    :param error: why there is no result: what the function raised, that it took too long, or that it was cancelled.
    """

    call: FunctionCallInfo
    called: CalledFunction | None = None
    error: BaseException | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether it was not made, or not to its end."""
        return self.called is None or isinstance(self.error, asyncio.CancelledError)

    @property
    def is_silent(self) -> bool:
        """Whether it asks for no answer: the function returned None."""
        return self.called is not None and self.error is None and self.called.result is None

    def message(self) -> ChatMessage:
        """Return the message with the output, for the model.

        What the function returned, as text; pictures and sound stay what they are.
        """
        return ChatMessage(
            role="tool",
            name=self.call.function_info.name,
            content=self._content(),
            tool_call_id=self.call.tool_call_id,
            tool_exception=self.error if isinstance(self.error, Exception) else None,
        )

    def _content(self) -> str | list[str | ChatImage | ChatAudio]:
        if self.is_cancelled:
            return CANCELLED
        if self.error is not None:
            return f"Error: {self.error}"
        result = self.called.result if self.called is not None else None
        if isinstance(result, list) and any(isinstance(part, ChatImage | ChatAudio) for part in result):
            return list(result)
        return content_text(result)


def cancelled_calls(calls: Iterable[FunctionCallInfo]) -> list[ToolResult]:
    """Return the results of calls that are not made: the speech was cut before, or they are too deep."""
    return [ToolResult(call) for call in calls]


def called_functions(results: Iterable[ToolResult]) -> list[CalledFunction]:
    """Return the calls that were made."""
    return [result.called for result in results if result.called is not None]


def wants_answer(results: Iterable[ToolResult]) -> bool:
    """Tell whether the model is to be asked what to say: not if each function returned None, or none was called."""
    return any(not result.is_cancelled and not result.is_silent for result in results)


# --- making calls ----------------------------------------------------------------------------------------------------


class ToolRunner:
    """Makes the calls of one conversation. It owns them: whatever waits for them may be cancelled, they go on.

    Build it in a running event loop, and close it.

    :param timeout_seconds: how long each may take; None for ever. A plain function runs in a thread that cannot be
        stopped; it is only not waited for any more.
    :param serial: make the calls of one answer one after the other instead of all at once.
    :raises ConfigError: ``timeout_seconds`` is not positive.
    """

    def __init__(self, *, timeout_seconds: float | None = TOOL_TIMEOUT_SECONDS, serial: bool = False) -> None:
        if timeout_seconds is not None and not timeout_seconds > 0:
            raise ConfigError(f"tool_timeout is {timeout_seconds!r}; it must be above 0, or None for no limit")
        self._timeout_seconds = timeout_seconds
        self._serial = serial
        self._running: dict[asyncio.Task[ToolResult], CalledFunction] = {}
        self._closed = False
        self._given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def running(self) -> int:
        """How many calls have not ended."""
        return len(self._running)

    async def run_calls(
        self,
        calls: Sequence[FunctionCallInfo],
        *,
        context: AgentCallContext,
        may_start: Callable[[], bool] = lambda: True,
        on_stage: Callable[[Stage, float], None] | None = None,
    ) -> list[ToolResult]:
        """Make calls and return what came of each, in their order, when all have ended. Nothing is raised.

        Cancelled, it makes no further calls; those that run go on, and nobody gets their results.

        :param context: what the functions see.
        :param may_start: asked before each call; those that it refuses are cancelled.
        :param on_stage: told when the first begins and when the last has ended.
        """
        results: list[ToolResult | asyncio.Task[ToolResult]] = []
        for number, call in enumerate(calls):
            if self._closed or not may_start():
                results.append(ToolResult(call))
                continue
            if on_stage is not None and not any(isinstance(each, asyncio.Task) for each in results):
                on_stage(Stage.TOOL_STARTED, clock.monotonic())
            task = self._begin(call, context, call.tool_call_id or str(number))
            results.append(task)
            if self._serial:
                await asyncio.wait([task])
        tasks = [each for each in results if isinstance(each, asyncio.Task)]
        if tasks:
            await asyncio.wait(tasks)
            if on_stage is not None:
                on_stage(Stage.TOOL_FINISHED, clock.monotonic())
        return [each.result() if isinstance(each, asyncio.Task) else each for each in results]

    async def aclose(self) -> None:
        """Make no more calls; those that run may end within 2 s, and are cancelled then. Any number of times.

        Returns when all have ended, after 4 s at the latest. Cancelled itself, it cancels them and does not wait.
        """
        self._closed = True
        try:
            if self._running:
                await asyncio.wait(self._running, timeout=GRACE_SECONDS)
            for called in self._running.values():
                called.task.cancel()
            if self._running:
                await asyncio.wait(self._running, timeout=CANCEL_SECONDS)
        finally:
            for called in self._running.values():
                called.task.cancel()
            if not self._given_up.done():
                self._given_up.set_result(None)

    def _begin(self, call: FunctionCallInfo, context: AgentCallContext, call_id: str) -> asyncio.Task[ToolResult]:
        span = begin_span("tool", attributes={"function": call.function_info.name})
        with running_call(context, call_id), span.active():
            called = call.execute()
        called.task.add_done_callback(lambda _: _end_span(span, called))
        task = asyncio.get_running_loop().create_task(
            self._attend(call, called), name=f"lk-tool {call.function_info.name}"
        )
        self._running[task] = called
        task.add_done_callback(self._running.pop)
        return task

    async def _attend(self, call: FunctionCallInfo, called: CalledFunction) -> ToolResult:
        """Wait for a call, as long as it may take, and no longer than this is open."""
        name = call.function_info.name
        either = asyncio.FIRST_COMPLETED
        await asyncio.wait([called.task, self._given_up], timeout=self._timeout_seconds, return_when=either)
        error: BaseException | None
        if called.task.done():
            error = called.exception
        elif self._given_up.done():
            error = asyncio.CancelledError()
        else:
            error = TimeoutError(f"{name} has not returned within {self._timeout_seconds:g} s")
            called.task.cancel()
            await asyncio.wait([called.task, self._given_up], timeout=CANCEL_SECONDS, return_when=either)
        if not called.task.done():
            logger.warning("a function does not end although it was cancelled", extra={"function": name})
        if isinstance(error, Exception):
            logger.warning("a function that the model has called failed", extra={"function": name}, exc_info=error)
        return ToolResult(call, called, error)


def _end_span(span: Span, called: CalledFunction) -> None:
    if called.exception is not None:
        span.fail(type(called.exception).__name__)
    span.end()
