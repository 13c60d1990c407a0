"""What programs get to see of a session: responses, what they consist of, and errors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lk_agents.foundation.errors import APIError
from lk_agents.realtime.model import RealtimeTranscription, RealtimeTranscriptionFailed
from lk_agents.utils.aio.channel import Chan
from lk_agents_openai.asking import judged

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents_openai.live_messages import Problem
    from lk_agents_openai.realtime.message_parts import StatusDetails, Usage

__all__ = [
    "InputTranscriptionCompleted",
    "InputTranscriptionFailed",
    "RealtimeContent",
    "RealtimeError",
    "RealtimeOutput",
    "RealtimeResponse",
    "RealtimeToolCall",
    "error_of",
]

InputTranscriptionCompleted = RealtimeTranscription
InputTranscriptionFailed = RealtimeTranscriptionFailed


@dataclass
class RealtimeToolCall:
    """A function that the model calls.

    :param arguments: as it wrote them, in JSON.
    """

    name: str
    arguments: str
    tool_call_id: str


@dataclass(eq=False)
class RealtimeContent:
    """One part of a response; see :class:`lk_agents.realtime.RealtimeContent`.

    :param text: what is said so far.
    :param audio: the frames so far; given up when the response is done.
    """

    response_id: str
    item_id: str
    output_index: int
    content_index: int
    text: str = ""
    audio: list[rtc.AudioFrame] = field(default_factory=list, repr=False)
    text_stream: Chan[str] = field(default_factory=Chan, repr=False)
    audio_stream: Chan[rtc.AudioFrame] = field(default_factory=Chan, repr=False)
    tool_calls: list[RealtimeToolCall] = field(default_factory=list)
    content_type: Literal["text", "audio"] = "audio"


@dataclass(eq=False)
class RealtimeOutput:
    """Something that a response consists of: a message with its parts, or a call.

    :param done_fut: done when it is whole, or no more comes of it.
    """

    response_id: str
    item_id: str
    output_index: int
    role: str
    type: Literal["message", "function_call"]
    content: list[RealtimeContent]
    done_fut: asyncio.Future[None] = field(repr=False)


@dataclass(eq=False)
class RealtimeResponse:
    """An answer of the model; see :class:`lk_agents.realtime.RealtimeResponse`.

    :param status_details: why it has ended so, where the server tells.
    :param usage: what it has cost, where the server tells.
    :param done_fut: done when it has ended.
    :param metadata: what was given when it was asked for.
    """

    id: str
    status: str
    status_details: StatusDetails | None
    output: list[RealtimeOutput]
    usage: Usage | None
    done_fut: asyncio.Future[None] = field(repr=False)
    _created_timestamp: float
    _first_token_timestamp: float | None = None
    metadata: dict[str, Any] | None = None


class RealtimeError(APIError):
    """The server says that something is wrong; most of it leaves the session as it is.

    :param event_id: the server's id of its message.
    :param type: its kind, such as ``"invalid_request_error"``.
    :param code: OpenAI's code.
    :param param: what of the request it is about.
    """

    caused_by: str = ""
    """The id of the client's message that is at fault, where the server tells."""

    def __init__(self, event_id: str | None, type: str, message: str, code: str | None, param: str | None) -> None:
        super().__init__(
            message,
            body={"message": message, "type": type, "code": code, "param": param},
            retryable=type != "invalid_request_error",
        )
        self.event_id = event_id
        self.type = type
        self.code = code
        self.param = param


def error_of(problem: Problem, *, event_id: str | None = None) -> RealtimeError:
    """Return the error for what the server tells."""
    text = problem.message or "OpenAI does not say why"
    error = RealtimeError(event_id, problem.type or "error", text, problem.code, problem.param)
    error.caused_by = problem.event_id or ""
    judged(error.located(phase="receive", code=problem.type))
    return error
