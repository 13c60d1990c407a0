"""A model that answers by a script, written as plugins for the older framework are: on ``_run()`` alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.llm import (
    LLM,
    ChatChunk,
    ChatContext,
    Choice,
    ChoiceDelta,
    CompletionUsage,
    FunctionCallInfo,
    FunctionContext,
    LLMCapabilities,
    LLMStream,
    ToolChoice,
    _create_ai_function_info,
    ai_callable,
)
from lk_agents.metrics import LLMMetrics

Step: TypeAlias = "ChatChunk | float | Exception | Callable[[ScriptedStream], None]"
"""A chunk to send, seconds to wait, an error to raise, something to do."""

FOREVER = 1e9


class Tools(FunctionContext):
    @ai_callable(description="")
    async def weather(self, city: str) -> str:
        return f"sunny in {city}"


def weather_call(call_id: str = "call_1", city: str = "Rome") -> FunctionCallInfo:
    return _create_ai_function_info(Tools(), call_id, "weather", f'{{"city": "{city}"}}')


def text(content: str | None, *, request_id: str = "req_1", index: int = 0) -> ChatChunk:
    return ChatChunk(request_id, [Choice(ChoiceDelta("assistant", content), index)])


def calling(*calls: FunctionCallInfo) -> ChatChunk:
    return ChatChunk("req_1", [Choice(ChoiceDelta("assistant", tool_calls=list(calls)))])


def used(completion: int, prompt: int = 10, *, cached: int = 0) -> ChatChunk:
    usage = CompletionUsage(completion, prompt, completion + prompt, cache_read_input_tokens=cached)
    return ChatChunk("req_1", usage=usage)


class ScriptedLLM(LLM[Any]):
    """Follows one script for each attempt, the last one again and again."""

    def __init__(self, *scripts: Sequence[Step], capabilities: LLMCapabilities | None = None, name: str = "") -> None:
        super().__init__(capabilities=capabilities)
        self.scripts = list(scripts)
        self.name = name
        self.asked_at: list[float] = []
        self.requests: list[dict[str, Any]] = []
        self.streams: list[LLMStream] = []
        self.metrics: list[LLMMetrics] = []
        self.prewarmed = 0
        self.closed = 0
        self.on("metrics_collected", self.metrics.append)

    def chat(
        self,
        *,
        chat_ctx: ChatContext,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        fnc_ctx: FunctionContext | None = None,
        temperature: float | None = None,
        n: int | None = None,
        parallel_tool_calls: bool | None = None,
        tool_choice: ToolChoice | Literal["auto", "required", "none"] | None = None,
    ) -> LLMStream:
        self.requests.append(
            {
                "chat_ctx": chat_ctx,
                "conn_options": conn_options,
                "fnc_ctx": fnc_ctx,
                "temperature": temperature,
                "n": n,
                "parallel_tool_calls": parallel_tool_calls,
                "tool_choice": tool_choice,
            }
        )
        stream = ScriptedStream(self, chat_ctx=chat_ctx, fnc_ctx=fnc_ctx, conn_options=conn_options)
        self.streams.append(stream)
        return stream

    def prewarm(self) -> None:
        self.prewarmed += 1

    async def aclose(self) -> None:
        self.closed += 1

    def next_script(self) -> Sequence[Step]:
        self.asked_at.append(asyncio.get_running_loop().time())
        return self.scripts[0] if len(self.scripts) == 1 else self.scripts.pop(0)


class ScriptedStream(LLMStream):
    def __init__(
        self,
        llm: ScriptedLLM,
        *,
        chat_ctx: ChatContext,
        fnc_ctx: FunctionContext | None,
        conn_options: APIConnectOptions,
    ) -> None:
        super().__init__(llm, chat_ctx=chat_ctx, fnc_ctx=fnc_ctx, conn_options=conn_options)
        self._script = llm

    async def _run(self) -> None:
        for step in self._script.next_script():
            if isinstance(step, ChatChunk):
                self._event_ch.send_nowait(step)
            elif isinstance(step, Exception):
                raise step
            elif callable(step):
                step(self)
            else:
                await asyncio.sleep(step)

    def collect(self, call: FunctionCallInfo) -> None:
        """Note a call as plugins for the older framework do, before they send it."""
        self._function_calls_info.append(call)

    def progressed(self) -> None:
        self._progressed()


def ask(
    llm: LLM[Any],
    *,
    max_retry: int = 0,
    timeout: float = 10.0,
    chat_ctx: ChatContext | None = None,
    fnc_ctx: FunctionContext | None = None,
) -> LLMStream:
    return llm.chat(
        chat_ctx=chat_ctx or ChatContext(),
        fnc_ctx=fnc_ctx,
        conn_options=APIConnectOptions(max_retry=max_retry, timeout=timeout),
    )


async def read(stream: LLMStream) -> str:
    """Return all text of an answer."""
    return "".join([choice.delta.content or "" async for chunk in stream for choice in chunk.choices])


async def read_until_error(stream: LLMStream) -> tuple[str, Exception | None]:
    """Return the text of an answer, and what ended it if it failed."""
    said = ""
    try:
        async for chunk in stream:
            said += "".join(choice.delta.content or "" for choice in chunk.choices)
    except Exception as error:
        return said, error
    return said, None
