"""Several language models behind one: where one fails or is too slow, the next one answers."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from lk_agents.foundation.errors import APITimeoutError, ConfigError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.llm.chunks import ChatChunk, LLMCapabilities, ToolChoice, carries_output
from lk_agents.llm.model import LLM
from lk_agents.llm.stream import LLMStream
from lk_agents.streams.fallback import Members, NoFallbackError
from lk_agents.utils.aio.tasks import TaskSet

if TYPE_CHECKING:
    from lk_agents.llm.chat_context import ChatContext
    from lk_agents.llm.function_context import FunctionContext
    from lk_agents.metrics.records import LLMMetrics
    from lk_agents.streams.hedging import Contestant

__all__ = ["AvailabilityChangedEvent", "FallbackAdapter"]

_ONE_ROUND: Final = APIConnectOptions(max_retry=0)

_Ask: TypeAlias = "Callable[[LLM[Any], ChatContext], LLMStream]"


@dataclass
class AvailabilityChangedEvent:
    """A member of a :class:`FallbackAdapter` has failed, or works again.

    :param llm: the member.
    :param available: whether it is asked from now on.
    """

    llm: LLM[Any]
    available: bool


class FallbackAdapter(LLM[Literal["llm_availability_changed"]]):
    """Asks the first of several models that works.

    A model that fails, or gives neither text nor a call within ``attempt_timeout``, becomes unavailable, and the next
    one is asked. It is asked the same again in the background, where nobody sees the answer, until it works: at
    growing intervals, for a minute. Where all are unavailable, all are asked. Each change is emitted as
    ``llm_availability_changed``. Once an answer has begun, its failure is the reader's: another model would repeat what
    was said.

    It has no metrics of its own: ``metrics_collected`` hands on those of its members, the background tries included.
    It can be a member of another one.

    :param llm: the models, in the order of preference.
    :param attempt_timeout: seconds that a model has for the first text or call, its own retries included; the limit for
        later pauses as well.
    :param max_retry_per_llm: how often a model that fails is asked again before the next one is.
    :param retry_interval: seconds between the attempts of one model after the first retry.
    :param hedge: whether the next model is asked as well when one is slow to begin: True for slower than 19 of 20 of
        its last answers (from the 20th answer on, and never before 0.1 s), a number for that many seconds. The first
        text or call wins; the other request is cancelled, and its metrics are marked as ``hedged``. A model for which
        that happens three times in a row becomes unavailable.
    :raises ConfigError: there is no model, or a figure is out of range.
    """

    def __init__(
        self,
        llm: list[LLM[Any]],
        *,
        attempt_timeout: float = 10.0,
        max_retry_per_llm: int = 1,
        retry_interval: float = 5.0,
        hedge: bool | float = False,
    ) -> None:
        if not 0 < attempt_timeout < math.inf:
            raise ConfigError(f"attempt_timeout is {attempt_timeout!r}; it must be a number of seconds above 0")
        super().__init__(
            capabilities=LLMCapabilities(
                supports_choices_on_int=all(member.capabilities.supports_choices_on_int for member in llm),
                requires_persistent_functions=any(member.capabilities.requires_persistent_functions for member in llm),
            )
        )
        self._member_options = APIConnectOptions(
            max_retry=max_retry_per_llm, timeout=attempt_timeout, retry_interval=retry_interval
        )
        self._members: Members[LLM[Any]] = Members(llm, on_change=self._changed, hedge=hedge)
        for member in self._members:
            member.on("metrics_collected", self._hand_on)

    def chat(
        self,
        *,
        chat_ctx: ChatContext,
        conn_options: APIConnectOptions = _ONE_ROUND,
        fnc_ctx: FunctionContext | None = None,
        temperature: float | None = None,
        n: int | None = 1,
        parallel_tool_calls: bool | None = None,
        tool_choice: ToolChoice | Literal["auto", "required", "none"] | None = None,
    ) -> LLMStream:
        """Ask the first model that works; see :meth:`LLM.chat`.

        :param conn_options: how often all models are asked again when all have failed, by default not at all; the
            limits of time are those of the adapter.
        """

        def ask(member: LLM[Any], context: ChatContext) -> LLMStream:
            return member.chat(
                chat_ctx=context,
                conn_options=self._member_options,
                fnc_ctx=fnc_ctx,
                temperature=temperature,
                n=n,
                parallel_tool_calls=parallel_tool_calls,
                tool_choice=tool_choice,
            )

        return _FallbackStream(
            self, members=self._members, ask=ask, chat_ctx=chat_ctx, fnc_ctx=fnc_ctx, conn_options=conn_options
        )

    @property
    def attempt_timeout(self) -> float:
        """Seconds that a model has for its first text or call."""
        return self._member_options.timeout

    def prewarm(self) -> None:
        """Prepare all members."""
        for member in self._members:
            member.prewarm()

    async def aclose(self) -> None:
        """End the background tries; the members stay open, they belong to whoever made them."""
        for member in self._members:
            member.off("metrics_collected", self._hand_on)
        await self._members.aclose()

    def _changed(self, member: LLM[Any], available: bool) -> None:
        self.emit("llm_availability_changed", AvailabilityChangedEvent(member, available))

    def _hand_on(self, metrics: LLMMetrics) -> None:
        self.emit("metrics_collected", metrics)


class _FallbackStream(LLMStream):
    """The answer of the first member that works."""

    def __init__(
        self,
        llm: FallbackAdapter,
        *,
        members: Members[LLM[Any]],
        ask: _Ask,
        chat_ctx: ChatContext,
        fnc_ctx: FunctionContext | None,
        conn_options: APIConnectOptions,
    ) -> None:
        self._members = members
        self._ask = ask
        self._attempt_seconds = llm.attempt_timeout
        self._asked: list[LLMStream] = []
        self._answering: LLMStream | None = None
        self._closing = TaskSet()
        self._probe_ctx: ChatContext | None = None
        super().__init__(llm, chat_ctx=chat_ctx, fnc_ctx=fnc_ctx, conn_options=conn_options)

    @property
    def chat_ctx(self) -> ChatContext:
        """The conversation, as the member has it that answers."""
        return self._chat_ctx if self._answering is None else self._answering.chat_ctx

    @property
    def fnc_ctx(self) -> FunctionContext | None:
        """The functions, as the member has them that answers."""
        return self._fnc_ctx if self._answering is None else self._answering.fnc_ctx

    @property
    def has_begun(self) -> bool:
        """Whether a member that is asked has begun to answer."""
        return super().has_begun or any(stream.has_begun for stream in self._asked)

    async def aclose(self) -> None:
        """End the request to whichever member it went; see :meth:`LLMStream.aclose`."""
        await super().aclose()
        await self._closing.aclose()

    async def _attempt(self) -> None:
        await self._run()  # the members are watched one by one, not their sum

    async def _run(self) -> None:
        await self._members.first_hedged(self._answer_of, probe=self._probe)

    async def _answer_of(self, member: LLM[Any], contestant: Contestant[LLM[Any], None]) -> None:
        stream = self._ask(member, self._chat_ctx)
        self._asked.append(stream)
        contestant.has_begun = lambda: stream.has_begun
        try:
            await self._pass_on(stream, contestant)
        except Exception as error:
            if self._first_output_at is not None:
                raise NoFallbackError from error
            raise
        finally:
            self._asked.remove(stream)
            # Not waited for: a member that does not end in time must not delay the next one.
            self._closing.create_task(stream.aclose(), name=f"lk-close {member.label}")

    async def _pass_on(self, stream: LLMStream, contestant: Contestant[LLM[Any], None]) -> None:
        answer = _Answer(stream, self._attempt_seconds)
        before: list[ChatChunk] = []  # without text or call; another member may still answer
        while (chunk := await answer.next()) is not None:
            before.append(chunk)
            if self._answering is stream or carries_output(chunk):
                await self._begin(stream, before, contestant)
        await self._begin(stream, before, contestant)
        self._function_calls_info += stream.function_calls  # also what it did not send as a chunk

    async def _begin(self, stream: LLMStream, chunks: list[ChatChunk], contestant: Contestant[LLM[Any], None]) -> None:
        """Hand on what a member has given: it is the one that answers."""
        contestant.claim()
        self._answering = stream
        for chunk in chunks:
            await self._event_ch.send(chunk)
        chunks.clear()

    async def _probe(self, member: LLM[Any]) -> None:
        """Ask a member the same again, and read its answer up to its first output."""
        if self._probe_ctx is None:
            self._probe_ctx = self._chat_ctx.copy()  # the conversation goes on meanwhile
        stream = self._ask(member, self._probe_ctx)
        answer = _Answer(stream, self._attempt_seconds)
        try:
            while (chunk := await answer.next()) is not None and not carries_output(chunk):
                pass
        finally:
            await stream.aclose()

    def _finished(self, *, cancelled: bool, error: BaseException | None) -> None:
        """Publish nothing: the member that was asked does."""


class _Answer:
    """Reads the stream of a member; the first output must come in time."""

    def __init__(self, stream: LLMStream, seconds: float) -> None:
        self._stream = stream
        self._seconds = seconds
        self._due: float | None = asyncio.get_running_loop().time() + seconds

    async def next(self) -> ChatChunk | None:
        """Return the next chunk, None at the end.

        :raises APITimeoutError: no output came in time.
        """
        while True:
            scope = asyncio.timeout_at(self._due)
            try:
                async with scope:
                    chunk = await anext(self._stream, None)
            except TimeoutError:
                if not scope.expired():
                    raise
                if not self._stream.has_begun:
                    raise APITimeoutError(f"no output came within {self._seconds:g} s").located(
                        phase="first_output"
                    ) from None
                self._due = None  # it writes the arguments of a call; from now on its own limit for pauses holds
            else:
                if chunk is not None and carries_output(chunk):
                    self._due = None
                return chunk
