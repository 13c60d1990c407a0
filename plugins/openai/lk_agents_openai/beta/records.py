"""What is said of an assistant, and what the server says: records of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec

from lk_agents.foundation.errors import ConfigError
from lk_agents.llm.chat_context import ChatImage

__all__ = [
    "AssistantCreateOptions",
    "AssistantLoadOptions",
    "AssistantOptions",
    "MessageDelta",
    "OnFileUploaded",
    "OnFileUploadedInfo",
    "Run",
    "Thing",
]


@dataclass(frozen=True)
class AssistantLoadOptions:
    """An assistant that there is.

    :param thread_id: of its conversation; None begins a new one.
    """

    assistant_id: str
    thread_id: str | None = None


@dataclass(frozen=True)
class AssistantCreateOptions:
    """An assistant to be made.

    :param name: for lists.
    :param instructions: what it is to do.
    :param model: its model.
    :param temperature: 0 to 2; None leaves it to the server.
    """

    name: str
    instructions: str
    model: str
    temperature: float | None = None


@dataclass(frozen=True)
class AssistantOptions:
    """Which assistant: one of the two.

    :raises ConfigError: both or none are given.
    """

    create_options: AssistantCreateOptions | None = None
    load_options: AssistantLoadOptions | None = None

    def __post_init__(self) -> None:
        if (self.create_options is None) is (self.load_options is None):
            raise ConfigError("AssistantOptions needs create_options or load_options, and not both")


@dataclass(frozen=True)
class OnFileUploadedInfo:
    """A picture that was uploaded; it stays on the server until somebody deletes it.

    :param openai_file_object: what the server says of it, its ``id`` above all.
    """

    type: Literal["image"]
    original_file: ChatImage
    openai_file_object: dict[str, Any]


OnFileUploaded: TypeAlias = Callable[[OnFileUploadedInfo], None]


# --- what the server says ------------------------------------------------------------------------------------------


class Thing(msgspec.Struct):
    """Whatever the server has made."""

    id: str


class _Text(msgspec.Struct):
    value: str | None = None


class _Content(msgspec.Struct):
    text: _Text | None = None


class _Delta(msgspec.Struct):
    content: list[_Content] | None = None


class MessageDelta(msgspec.Struct):
    """A further piece of a message."""

    delta: _Delta

    @property
    def text(self) -> str:
        """What it adds."""
        return "".join((part.text and part.text.value) or "" for part in self.delta.content or ())


class _Function(msgspec.Struct):
    name: str
    arguments: str = ""


class Call(msgspec.Struct):
    """A call that the assistant waits for."""

    id: str
    function: _Function


class _Outputs(msgspec.Struct):
    tool_calls: list[Call]


class _Action(msgspec.Struct):
    submit_tool_outputs: _Outputs


class _RunUsage(msgspec.Struct):
    completion_tokens: int = 0
    prompt_tokens: int = 0
    total_tokens: int = 0


class Run(msgspec.Struct):
    """The assistant at work."""

    id: str
    status: str = ""
    required_action: _Action | None = None
    last_error: Any = None
    usage: _RunUsage | None = None
