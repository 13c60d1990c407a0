"""An answer of a language model while it comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger
from lk_agents.llm.chunks import ChatChunk, CompletionUsage, carries_output
from lk_agents.llm.deadline import OutputDeadline
from lk_agents.metrics.publish import publish
from lk_agents.metrics.records import Error, LLMMetrics
from lk_agents.streams.base import CLOSE_SECONDS, EventStream
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from lk_agents.foundation.errors import APIError
    from lk_agents.foundation.types import APIConnectOptions
    from lk_agents.llm.chat_context import ChatContext
    from lk_agents.llm.function_call import CalledFunction, FunctionCallInfo
    from lk_agents.llm.function_context import FunctionContext
    from lk_agents.llm.model import LLM

__all__ = ["LLMStream"]


class LLMStream(EventStream[ChatChunk]):
    """The answer to one request, as chunks; begins when it is made.

    A provider implements ``_run()``: it sends chunks into ``self._event_ch``, each call complete and in one chunk, and
    returns at the end of the answer. The framework does the rest:

    - An :class:`APIError` is retried until a chunk has carried text or a call; from then on it ends the stream, so that
      nothing is said twice.
    - Text or a call must come within ``conn_options.timeout`` seconds of the beginning of an attempt, and further
      chunks within as long of each other; else that is an ``APITimeoutError``.
    - Calls are collected from the chunks; a provider need not add them to ``self._function_calls_info``, but may.
    - One ``LLMMetrics`` is published at the end, whatever the end. Its ``ttft`` is the time from the request to the
      first text or call, retries included.

    :param llm: whose answer it is.
    :param chat_ctx: the conversation; kept as it is, not copied.
    :param fnc_ctx: the functions that the model may call.
    """

    def __init__(
        self,
        llm: LLM[Any],
        *,
        chat_ctx: ChatContext,
        fnc_ctx: FunctionContext | None,
        conn_options: APIConnectOptions,
    ) -> None:
        self._llm = llm
        self._chat_ctx = chat_ctx
        self._fnc_ctx = fnc_ctx
        self._function_calls_info: list[FunctionCallInfo] = []
        self._emitted_calls: list[FunctionCallInfo] = []
        self._function_tasks: set[asyncio.Task[Any]] = set()
        self._deadline: OutputDeadline | None = None
        self._first_output_at: float | None = None
        self._request_id = ""
        self._usage = CompletionUsage(completion_tokens=0, prompt_tokens=0, total_tokens=0)
        super().__init__(conn_options=conn_options, label=llm.label)

    # --- for readers -----------------------------------------------------------------------------------------------

    @property
    def chat_ctx(self) -> ChatContext:
        """The conversation that is answered."""
        return self._chat_ctx

    @property
    def fnc_ctx(self) -> FunctionContext | None:
        """The functions that the model may call."""
        return self._fnc_ctx

    @property
    def function_calls(self) -> list[FunctionCallInfo]:
        """The calls that the model has asked for until now; all of them once the stream has ended."""
        return _each_once(self._function_calls_info)

    @property
    def has_begun(self) -> bool:
        """Whether the provider has begun to answer, be it with pieces that are not complete yet."""
        return self._first_output_at is not None or (self._deadline is not None and self._deadline.begun)

    def execute_functions(self) -> list[CalledFunction]:
        """Begin all calls that have been collected, at the same time, and return them.

        Their tasks belong to the stream: :meth:`aclose` cancels those that still run. See
        ``FunctionCallInfo.execute()``.
        """
        called = [call.execute() for call in self.function_calls]
        for each in called:
            self._function_tasks.add(each.task)
            each.task.add_done_callback(self._function_tasks.discard)
        return called

    async def aclose(self) -> None:
        """End the request and cancel the calls that still run; what came can still be read.

        Any number of tasks may close it at the same time. Returns when all that has ended, after 5 s at the latest; the
        thread of a plain function is not waited for. Cancelled itself, it stops waiting; the rest ends all the same.
        """
        tasks = tuple(self._function_tasks)
        for task in tasks:
            task.cancel()
        await super().aclose()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await cancel_and_wait(*tasks)
        except TimeoutError:
            logger.warning("functions did not end when they were cancelled", extra={"provider": self._label})

    # --- for providers ---------------------------------------------------------------------------------------------

    def _progressed(self) -> None:
        """Tell that the provider is at work though there is no chunk to send: it writes the arguments of a call."""
        if self._deadline is not None:
            self._deadline.heard(output=True)

    # --- what the framework does -----------------------------------------------------------------------------------

    async def _attempt(self) -> None:
        self._deadline = OutputDeadline(self._conn_options.timeout, is_excused=self._event_ch.full)
        await self._deadline.limit(self._run())

    def _attempt_failed(self, error: APIError) -> None:  # noqa: ARG002  the signature is the base's
        self._function_calls_info[:] = self._emitted_calls  # the others were never handed out

    def _may_retry(self, error: APIError) -> bool:  # noqa: ARG002  the signature is the base's
        return self._first_output_at is None

    def _accept(self, event: ChatChunk) -> ChatChunk:
        self._request_id = event.request_id or self._request_id
        self._usage = event.usage or self._usage
        output = carries_output(event)
        if output and self._first_output_at is None:
            self._first_output_at = clock.monotonic()
        if self._deadline is not None:
            self._deadline.heard(output=output)
        for choice in event.choices:
            self._emitted_calls += choice.delta.tool_calls or ()
            self._function_calls_info += choice.delta.tool_calls or ()
        return event

    def _finished(self, *, cancelled: bool, error: BaseException | None) -> None:
        now = clock.monotonic()
        duration = now - self._created_at
        usage = self._usage
        metrics = LLMMetrics(
            request_id=self._request_id,
            timestamp=clock.wall_seconds(),
            ttft=-1.0 if self._first_output_at is None else self._first_output_at - self._created_at,
            duration=duration,
            label=self._label,
            cancelled=cancelled,
            completion_tokens=usage.completion_tokens,
            prompt_tokens=usage.prompt_tokens,
            total_tokens=usage.total_tokens,
            tokens_per_second=usage.completion_tokens / duration if duration > 0 else 0.0,
            error=None if error is None else Error.of(error, provider=self._label),
            cached_prompt_tokens=usage.cache_read_input_tokens,
            provider=self._llm.provider,
            model=self._llm.model,
        )
        publish(self._llm, metrics)


def _each_once(calls: list[FunctionCallInfo]) -> list[FunctionCallInfo]:
    """Drop what both the provider and the framework have added; ids are no proof, some providers give none."""
    return list({id(call): call for call in calls}.values())
