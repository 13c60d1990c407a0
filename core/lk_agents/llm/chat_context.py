"""A conversation as a model gets it: messages with text, pictures, sound, calls and their results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.ids import short_id

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.llm.function_call import CalledFunction, FunctionCallInfo
    from lk_agents.llm.function_context import FunctionContext

__all__ = ["ChatAudio", "ChatContent", "ChatContext", "ChatImage", "ChatMessage", "ChatRole", "content_text"]

_new: Final = object.__new__

ChatRole: TypeAlias = Literal["system", "user", "assistant", "tool"]
"""Who speaks in a message."""


@dataclass
class ChatImage:
    """A picture.

    :param image: a URL, a ``data:`` URL, or a video frame, which is encoded when it is sent.
    :param inference_width: the width a frame is scaled to, in pixels; only together with the height.
    :param inference_height: the height a frame is scaled to, in pixels; only together with the width.
    :param inference_detail: how closely the model is to look, for models that have such a setting.
    """

    image: str | rtc.VideoFrame
    inference_width: int | None = None
    inference_height: int | None = None
    inference_detail: Literal["auto", "high", "low"] = "auto"
    _cache: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)


@dataclass
class ChatAudio:
    """Sound, for models that take it."""

    frame: rtc.AudioFrame | list[rtc.AudioFrame]


ChatContent: TypeAlias = str | ChatImage | ChatAudio
"""What a message consists of."""


@dataclass
class ChatMessage:
    """A message of a conversation.

    :param id: tells messages apart, also in the state that a realtime model keeps.
    :param name: in the result of a call, the function's name.
    :param content: text, or a list of texts, pictures and sound. Of the result of a call, whatever the function
        returned: :func:`content_text` makes a text of it.
    :param tool_calls: the calls that an assistant's message asks for.
    :param tool_call_id: in the result of a call, the id of the call.
    :param tool_exception: in the result of a call, what the function raised.
    """

    role: ChatRole
    id: str = field(default_factory=lambda: short_id("item_"))
    name: str | None = None
    content: ChatContent | list[ChatContent] | None = None
    tool_calls: list[FunctionCallInfo] | None = None
    tool_call_id: str | None = None
    tool_exception: Exception | None = None
    _metadata: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def create(
        cls, *, text: str = "", images: Sequence[ChatImage] = (), role: ChatRole = "system", id: str | None = None
    ) -> Self:
        """Return a message of a text, or of a text, unless it is empty, and pictures."""
        content: ChatContent | list[ChatContent] = text
        if images:
            content = [*([text] if text else []), *images]
        return cls(role=role, id=id or short_id("item_"), content=content)

    @classmethod
    def create_tool_from_called_function(cls, called_function: CalledFunction) -> Self:
        """Return the message that gives a call's result to the model: what the function returned or ``Error: …``.

        :raises ConfigError: the call has not ended.
        """
        name = called_function.call_info.function_info.name
        if not called_function.task.done():
            raise ConfigError(f"the call of {name!r} has not ended; await its task before you make a message of it")
        error = called_function.exception
        return cls(
            role="tool",
            name=name,
            content=called_function.result if error is None else f"Error: {error}",
            tool_call_id=called_function.call_info.tool_call_id,
            tool_exception=error if isinstance(error, Exception) else None,
        )

    @classmethod
    def create_tool_calls(cls, called_functions: list[FunctionCallInfo], *, text: str = "") -> Self:
        """Return the assistant's message that asks for these calls; each needs a message with its result."""
        return cls(role="assistant", tool_calls=called_functions, content=text)

    def copy(self) -> Self:
        """Return a copy with the same id: lists of its own with the same elements, ``_metadata`` shared."""
        content, calls = self.content, self.tool_calls
        content = content.copy() if isinstance(content, list) else content
        calls = None if calls is None else calls.copy()
        if type(self) is not ChatMessage:
            new = copy(self)
            new.content = content
            new.tool_calls = calls
            return new
        # A context is copied for each turn. This takes a third of what the constructor takes, as long as the attributes
        # are set in the constructor's order, which lets Python keep them without a dictionary.
        twin = _new(type(self))
        twin.role = self.role
        twin.id = self.id
        twin.name = self.name
        twin.content = content
        twin.tool_calls = calls
        twin.tool_call_id = self.tool_call_id
        twin.tool_exception = self.tool_exception
        twin._metadata = self._metadata  # noqa: SLF001  its own class
        return twin


@dataclass
class ChatContext:
    """A conversation; ``messages`` is an ordinary list, to be changed at will."""

    messages: list[ChatMessage] = field(default_factory=list)
    _metadata: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def append(self, *, text: str = "", images: Sequence[ChatImage] = (), role: ChatRole = "system") -> Self:
        """Append a message, see :meth:`ChatMessage.create`, and return this context."""
        self.messages.append(ChatMessage.create(text=text, images=images, role=role))
        return self

    def copy(self) -> Self:
        """Return a copy with copied messages, which can be changed without changing these; ``_metadata`` is shared."""
        new = copy(self)
        new.messages = [message.copy() for message in self.messages]
        return new

    def to_dict(self) -> dict[str, Any]:
        """Return the conversation as what JSON can hold, to be stored and given to :meth:`from_dict` again.

        Video frames become pictures in ``data:`` URLs. Of what a function returned, what JSON cannot hold becomes text.

        :raises ConfigError: a message holds sound, or a content of a kind that no message has.
        :raises ImportError: there is a video frame, and Pillow is not installed (the extra ``images``).
        """
        from lk_agents.llm.chat_json import context_to_dict

        return context_to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, fnc_ctx: FunctionContext | None = None) -> Self:
        """Return the conversation that :meth:`to_dict` gave.

        :param fnc_ctx: where the functions of its calls are found. Calls of others are as good for a model to read, but
            cannot be executed.
        :raises ConfigError: this is no such conversation; the text says where and why.
        """
        from lk_agents.llm.chat_json import messages_from_dict

        return cls(messages_from_dict(data, fnc_ctx))


def content_text(content: object) -> str:
    """Return what a model is given as the result of a call: a text as it is, nothing for None, else JSON.

    What JSON cannot hold becomes text inside it, or, where that is impossible, is a text as a whole. Of a list with
    pictures or sound in it, only its texts are taken.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and any(isinstance(part, ChatImage | ChatAudio) for part in content):
        return "\n".join(part for part in content if isinstance(part, str))
    try:
        return json.dumps(content, ensure_ascii=False, allow_nan=False, default=str)
    except (TypeError, ValueError, RecursionError):  # a key that is no text, not a number, a list that holds itself
        return str(content)
