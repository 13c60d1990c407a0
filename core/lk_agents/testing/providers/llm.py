"""A language model that answers what its script says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from lk_agents.foundation.ids import short_id
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.llm import (
    LLM,
    ChatChunk,
    ChatContext,
    ChatMessage,
    Choice,
    ChoiceDelta,
    CompletionUsage,
    FunctionCallInfo,
    FunctionContext,
    LLMStream,
    ToolChoice,
    _create_ai_function_info,
)
from lk_agents.testing.providers.script import Break, BreakKind, Breaks, ScriptError

if TYPE_CHECKING:
    from lk_agents.llm import LLMCapabilities

__all__ = ["Answer", "ChatCall", "ScriptedLLM"]


@dataclass(frozen=True)
class Answer:
    """What the model says to one request.

    :param text: said word by word; a sequence is said piece by piece.
    :param calls: functions that are called afterwards, each with its arguments.
    :param when: which request it answers: a text in the last message, or a function of the conversation; None for the
        next request that nothing else fits.
    :param first_seconds: until the first piece.
    :param piece_seconds: between pieces.
    """

    text: str | Sequence[str] = ""
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    when: str | Callable[[ChatContext], bool] | None = None
    first_seconds: float = 0.0
    piece_seconds: float = 0.0

    @property
    def pieces(self) -> list[str]:
        """The text in the pieces in which it is said."""
        if not isinstance(self.text, str):
            return list(self.text)
        words = self.text.split(" ")
        return [word if index == 0 else f" {word}" for index, word in enumerate(words)] if self.text else []

    def fits(self, chat_ctx: ChatContext) -> bool:
        """Tell whether it answers that conversation."""
        if callable(self.when):
            return self.when(chat_ctx)
        return self.when is None or self.when in _last_text(chat_ctx)


@dataclass(frozen=True)
class ChatCall:
    """One request to a scripted model.

    :param messages: the conversation as it was then.
    :param functions: the names of the functions that it might call.
    """

    messages: tuple[ChatMessage, ...]
    functions: tuple[str, ...]
    temperature: float | None = None
    tool_choice: ToolChoice | Literal["auto", "required", "none"] | None = None


class ScriptedLLM(LLM[Any]):
    """Answers from its script: the first unused answer whose ``when`` fits, else the first one without a ``when``.

    As a context manager it raises a :class:`ScriptError` at the end if an answer was never given, a break never
    struck, or a request had no answer.

    :param answers: the script.
    :param breaks: what goes wrong; positions are pieces given in the attempt.
    """

    def __init__(
        self,
        answers: Iterable[Answer | str] = (),
        *,
        breaks: Iterable[Break] = (),
        capabilities: LLMCapabilities | None = None,
    ) -> None:
        super().__init__(capabilities=capabilities)
        self._answers = [Answer(each) if isinstance(each, str) else each for each in answers]
        self._unanswered: list[str] = []
        self.calls: list[ChatCall] = []
        """Every request, in order; a retry is none."""
        self.breaks = Breaks(breaks)

    def chat(
        self,
        *,
        chat_ctx: ChatContext,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        fnc_ctx: FunctionContext | None = None,
        temperature: float | None = None,
        n: int | None = None,  # noqa: ARG002  it has one answer
        parallel_tool_calls: bool | None = None,  # noqa: ARG002  the script says what is called
        tool_choice: ToolChoice | Literal["auto", "required", "none"] | None = None,
    ) -> LLMStream:
        """Take the answer that fits.

        :raises ScriptError: there is none.
        """
        functions = tuple(fnc_ctx.ai_functions) if fnc_ctx else ()
        self.calls.append(ChatCall(tuple(chat_ctx.messages), functions, temperature, tool_choice))
        return _ScriptedAnswer(
            self, self._take(chat_ctx), chat_ctx=chat_ctx, fnc_ctx=fnc_ctx, conn_options=conn_options
        )

    def assert_done(self) -> None:
        """Check that the script was used up.

        :raises ScriptError: an answer was never given, a break never struck, or a request had no answer.
        """
        left = [f"the answer {each.text!r} was never given" for each in self._answers]
        if problems := [*left, *self._unanswered, *self.breaks.unused()]:
            raise ScriptError(f"{self.label}: {'; '.join(problems)}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await super().__aexit__(exc_type, exc, traceback)
        if exc is None:
            self.assert_done()

    def _take(self, chat_ctx: ChatContext) -> Answer:
        fitting = [each for each in self._answers if each.fits(chat_ctx)]
        if not fitting:
            problem = f"nothing is scripted for a conversation that ends with {_last_text(chat_ctx)!r}"
            self._unanswered.append(problem)
            raise ScriptError(f"{self.label}: {problem}")
        chosen = next((each for each in fitting if each.when is not None), fitting[0])
        self._answers.remove(chosen)
        return chosen


class _ScriptedAnswer(LLMStream):
    def __init__(
        self,
        llm: ScriptedLLM,
        answer: Answer,
        *,
        chat_ctx: ChatContext,
        fnc_ctx: FunctionContext | None,
        conn_options: APIConnectOptions,
    ) -> None:
        super().__init__(llm, chat_ctx=chat_ctx, fnc_ctx=fnc_ctx, conn_options=conn_options)
        self._script = llm
        self._answer = answer

    async def _run(self) -> None:
        request_id = short_id("llm_")
        breaks = self._script.breaks.attempt()
        await asyncio.sleep(self._answer.first_seconds)
        given = 0
        for delta in self._deltas():
            struck = await breaks.pass_(given)
            if struck is not None and struck.kind is BreakKind.END:
                return
            if struck is not None:
                self._send(request_id, ChoiceDelta("assistant", ""))
            if given:
                await asyncio.sleep(self._answer.piece_seconds)
            self._send(request_id, delta)
            given += 1
        await breaks.pass_(given)
        prompt = sum(len(_text_of(message).split()) for message in self._chat_ctx.messages)
        usage = CompletionUsage(completion_tokens=given, prompt_tokens=prompt, total_tokens=given + prompt)
        self._event_ch.send_nowait(ChatChunk(request_id, usage=usage))

    def _deltas(self) -> Iterator[ChoiceDelta]:
        for piece in self._answer.pieces:
            yield ChoiceDelta("assistant", piece)
        for name, arguments in self._answer.calls:
            yield ChoiceDelta("assistant", tool_calls=[self._call(name, arguments)])

    def _call(self, name: str, arguments: Mapping[str, Any]) -> FunctionCallInfo:
        if self._fnc_ctx is None:
            raise ScriptError(f"the script calls {name!r}, and the request had no functions")
        return _create_ai_function_info(self._fnc_ctx, short_id("call_"), name, json.dumps(arguments))

    def _send(self, request_id: str, delta: ChoiceDelta) -> None:
        self._event_ch.send_nowait(ChatChunk(request_id, [Choice(delta)]))


def _last_text(chat_ctx: ChatContext) -> str:
    return _text_of(chat_ctx.messages[-1]) if chat_ctx.messages else ""


def _text_of(message: ChatMessage) -> str:
    content = message.content if isinstance(message.content, list) else [message.content]
    return " ".join(part for part in content if isinstance(part, str))
