"""An assistant's answer while it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec

from lk_agents.foundation.errors import APIConnectionError, APIError
from lk_agents.foundation.log import logger
from lk_agents.llm.chunks import ChatChunk, Choice, ChoiceDelta, CompletionUsage
from lk_agents.llm.stream import LLMStream
from lk_agents.streams.http import read_events
from lk_agents_openai.asking import judged, require_content
from lk_agents_openai.beta.records import MessageDelta, Run
from lk_agents_openai.beta.thread import ActiveRun, Thread
from lk_agents_openai.chat_answer import call_info, reported

if TYPE_CHECKING:
    import aiohttp

    from lk_agents.foundation.types import APIConnectOptions
    from lk_agents.llm.chat_context import ChatContext
    from lk_agents.llm.function_context import FunctionContext
    from lk_agents.streams.http import ServerSentEvent
    from lk_agents_openai.beta.assistants import AssistantLLM

__all__ = ["AssistantLLMStream"]

ENDED: Final = frozenset({"thread.run.completed", "thread.run.incomplete"})
FAILED: Final = frozenset({"thread.run.cancelled", "thread.run.expired", "thread.run.failed"})

T = TypeVar("T")


class AssistantLLMStream(LLMStream):
    """An assistant's answer; see :class:`lk_agents.llm.LLMStream`.

    :param thread: the conversation on the server.
    :param body: what is set for this answer.
    """

    def __init__(
        self,
        llm: AssistantLLM,
        *,
        thread: Thread,
        body: Mapping[str, Any],
        chat_ctx: ChatContext,
        fnc_ctx: FunctionContext | None,
        conn_options: APIConnectOptions,
    ) -> None:
        self._thread = thread
        self._body = body
        self._messages = [message.copy() for message in chat_ctx.messages]
        self._run_id = ""
        self._is_over = False
        super().__init__(llm, chat_ctx=chat_ctx, fnc_ctx=fnc_ctx, conn_options=conn_options)

    async def _run(self) -> None:
        seconds = self._conn_options.timeout
        async with self._thread.turn:
            await self._thread.prepare(seconds)
            outputs = self._thread.outputs(self._messages)
            if outputs is None:
                await self._thread.stop(seconds)
                await self._thread.sync(self._messages, seconds)
            async with self._thread.answer(outputs, self._body, seconds) as response:
                require_content(
                    response, self._label, wanted="text/event-stream", refused=("application/json", "text/html")
                )
                await self._read(response, seconds)

    async def _read(self, response: aiohttp.ClientResponse, seconds: float) -> None:
        self._is_over = False
        events = read_events(response, provider=self._label, first_seconds=seconds, idle_seconds=seconds)
        async with aclosing(cast("AsyncGenerator[ServerSentEvent, None]", events)) as reading:
            async for event in reading:
                if event.data == "[DONE]":
                    break
                for chunk in self._chunks(event):
                    await self._event_ch.send(chunk)
        if not self._is_over:
            raise APIConnectionError("the answer ended before it was complete").located(phase="receive")

    def _chunks(self, event: ServerSentEvent) -> Iterator[ChatChunk]:
        """Yield the chunks of one event.

        :raises APIError: the server reports an error, the run has failed, or a call cannot be made.
        """
        match event.event:
            case "thread.message.delta":
                if text := _decoded(event.data, MessageDelta).text:
                    yield ChatChunk(self._run_id, [Choice(ChoiceDelta("assistant", text))])
            case "error":
                raise judged(reported(_decoded(event.data, dict[str, Any])))
            case kind if kind.startswith("thread.run.") and not kind.startswith("thread.run.step."):
                yield from self._hear_of(kind, _decoded(event.data, Run))

    def _hear_of(self, kind: str, run: Run) -> Iterator[ChatChunk]:
        self._run_id = run.id
        self._thread.run = ActiveRun(run.id)
        if kind == "thread.run.requires_action":
            self._is_over = True
            yield from self._calls(run)
        elif kind in ENDED:
            self._is_over = True
            self._thread.run = None
            if run.usage is not None:
                usage = CompletionUsage(run.usage.completion_tokens, run.usage.prompt_tokens, run.usage.total_tokens)
                yield ChatChunk(run.id, usage=usage)
        elif kind in FAILED:
            self._thread.run = None
            raise judged(reported(run.last_error or {"message": f"the run has {kind.rpartition('.')[2]}"}))

    def _calls(self, run: Run) -> Iterator[ChatChunk]:
        calls = [] if run.required_action is None else run.required_action.submit_tool_outputs.tool_calls
        if self._fnc_ctx is None or not self._fnc_ctx.ai_functions:
            logger.warning("the model called a function where there are none; passed over")
            return
        self._thread.run = ActiveRun(run.id, frozenset(call.id for call in calls))
        for call in calls:
            info = call_info(self._fnc_ctx, call.id, call.function.name, call.function.arguments)
            yield ChatChunk(run.id, [Choice(ChoiceDelta("assistant", tool_calls=[info]))])


def _decoded(data: str, form: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=form)
    except msgspec.DecodeError as error:
        raise APIError(f"an event of the answer cannot be understood: {error}").located(phase="decode") from None
