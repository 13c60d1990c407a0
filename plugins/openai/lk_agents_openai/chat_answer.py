"""What the chat completions answer, event by event, as chunks. Pure: it waits for nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lk_agents.foundation.errors import APIConnectionError, APIError
from lk_agents.foundation.ids import short_id
from lk_agents.foundation.log import logger
from lk_agents.llm.arguments import FunctionCallError, _create_ai_function_info
from lk_agents.llm.chunks import ChatChunk, Choice, ChoiceDelta, CompletionUsage

if TYPE_CHECKING:
    from lk_agents.llm.function_call import FunctionCallInfo
    from lk_agents.llm.function_context import FunctionContext

__all__ = ["AnswerReader", "call_info", "reported"]

DONE: Final = "[DONE]"


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning: object = None
    reasoning_content: object = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    index: int | None = None
    delta: _Delta | None = None
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None


class _Event(msgspec.Struct):
    id: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_DECODER: Final = msgspec.json.Decoder(_Event)


@dataclass
class _OpenCall:
    id: str
    index: int | None
    name: str
    arguments: list[str] = field(default_factory=list)

    def is_meant_by(self, piece: _ToolCall, name: str) -> bool:
        """Tell whether a piece goes on with this call; servers repeat the id, or leave out id or index."""
        if piece.index is not None and self.index is not None and piece.index != self.index:
            return False
        if not name:
            return True
        if piece.id and self.id:
            return piece.id == self.id
        return piece.index is not None and self.index is not None


class AnswerReader:
    """Understands the events of one answer.

    :param functions: what the model may call.
    :param request_id: for chunks of servers that give none.
    :param on_progress: called when something has come that is no output yet: a piece of a call, or of a thought.
    """

    def __init__(
        self, functions: FunctionContext | None, *, request_id: str, on_progress: Callable[[], None] = lambda: None
    ) -> None:
        self.ended = False
        """Whether the server has said that nothing more comes."""
        self._functions = functions
        self._request_id = ""
        self._other_id = request_id
        self._on_progress = on_progress
        self._open: dict[int, _OpenCall] = {}  # by choice
        self._finish_reasons: set[str] = set()
        self._said_something = False
        self._usage: _Usage | None = None

    def read(self, data: str) -> Iterator[ChatChunk]:
        """Yield the chunks that one event amounts to.

        :raises APIError: the server reports an error, the event has another form than documented, or a call cannot be
            made; no text holds anything that was said.
        """
        if data.strip() == DONE:
            self.ended = True
            return
        try:
            event = _DECODER.decode(data)
        except msgspec.DecodeError as error:
            raise APIError(f"an event of the answer cannot be understood: {error}").located(phase="decode") from None
        if event.error is not None:
            raise reported(event.error)
        self._request_id = self._request_id or event.id or ""
        self._usage = event.usage or self._usage
        for choice in event.choices or ():
            yield from self._read_choice(choice)

    def finish(self) -> Iterator[ChatChunk]:
        """Yield the last chunks, when no event is left.

        :raises APIConnectionError: the answer was cut off.
        :raises APIError: nothing was said because the server's filter did not let it pass, or a call cannot be made.
        """
        if not self.ended and not self._finish_reasons:
            raise APIConnectionError("the answer ended before it was complete").located(phase="receive")
        for index in list(self._open):
            yield from self._close(index)
        if "content_filter" in self._finish_reasons:
            if not self._said_something:
                raise APIError("the content filter did not let the answer pass", retryable=False).located(
                    phase="receive", code="content_filter"
                )
            logger.warning("the content filter has cut an answer")
        if self._usage is not None:
            yield ChatChunk(self._id, usage=_told(self._usage))

    @property
    def _id(self) -> str:
        if not self._request_id:
            self._request_id = self._other_id
        return self._request_id

    def _read_choice(self, choice: _Choice) -> Iterator[ChatChunk]:
        delta, index = choice.delta, choice.index or 0
        if delta is not None:
            if text := delta.content or delta.refusal:
                self._said_something = True
                yield ChatChunk(self._id, [Choice(ChoiceDelta("assistant", text), index)])
            elif delta.reasoning_content or delta.reasoning:
                self._on_progress()
            if delta.tool_calls:
                for piece in delta.tool_calls:
                    yield from self._read_piece(index, piece)
        if choice.finish_reason:
            self._finish_reasons.add(choice.finish_reason)
            yield from self._close(index)

    def _read_piece(self, choice: int, piece: _ToolCall) -> Iterator[ChatChunk]:
        self._on_progress()
        function = piece.function or _Function()
        name = function.name or ""
        call = self._open.get(choice)
        if call is None or not call.is_meant_by(piece, name):
            if not name:
                raise APIError("a piece of a call came that belongs to no call").located(phase="decode")
            yield from self._close(choice)
            call = self._open[choice] = _OpenCall(piece.id or "", piece.index, name)
        if function.arguments:
            call.arguments.append(function.arguments)

    def _close(self, choice: int) -> Iterator[ChatChunk]:
        call = self._open.pop(choice, None)
        if call is None:
            return
        if self._functions is None or not self._functions.ai_functions:
            logger.warning("the model called a function where there are none; passed over")
            return
        self._said_something = True
        delta = ChoiceDelta("assistant", tool_calls=[self._info(self._functions, call)])
        yield ChatChunk(self._id, [Choice(delta, choice)])

    def _info(self, functions: FunctionContext, call: _OpenCall) -> FunctionCallInfo:
        was_cut = " (the answer was cut at its greatest length)" if "length" in self._finish_reasons else ""
        return call_info(functions, call.id or short_id("call_"), call.name, "".join(call.arguments), note=was_cut)


def call_info(
    functions: FunctionContext, call_id: str, name: str, arguments: str, *, note: str = ""
) -> FunctionCallInfo:
    """Return a call that the model has asked for.

    :raises APIError: it cannot be made; the text names the function and ends with ``note``.
    """
    try:
        return _create_ai_function_info(functions, call_id, name, arguments)
    except FunctionCallError as error:
        raise APIError(f"{error}{note}", retryable=False).located(phase="decode") from error


def _told(usage: _Usage) -> CompletionUsage:
    details = usage.prompt_tokens_details or _PromptDetails()
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    return CompletionUsage(
        completion_tokens=completion,
        prompt_tokens=prompt,
        total_tokens=usage.total_tokens or prompt + completion,
        cache_creation_input_tokens=details.cache_write_tokens or 0,
        cache_read_input_tokens=details.cached_tokens or 0,
    )


def reported(error: object) -> APIError:
    """Return the error that an event tells of."""
    fields = error if isinstance(error, dict) else {"message": error}
    code: Any = next((fields[key] for key in ("code", "type") if isinstance(fields.get(key), str | int)), None)
    message = fields.get("message")
    text = message if isinstance(message, str) and message else "it does not say which"
    return APIError(f"an error was reported in the answer: {text}", body=error).located(phase="receive", code=code)
