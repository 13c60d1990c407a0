"""What a language model gives, piece by piece, and what a provider says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lk_agents.llm.chat_context import ChatRole
    from lk_agents.llm.function_call import FunctionCallInfo

__all__ = [
    "ChatChunk",
    "Choice",
    "ChoiceDelta",
    "CompletionUsage",
    "LLMCapabilities",
    "ToolChoice",
    "carries_output",
]


@dataclass
class ChoiceDelta:
    """A piece of an answer.

    :param role: who speaks, in an answer ``"assistant"``.
    :param content: a piece of text; None or empty where there is none.
    :param tool_calls: calls that are complete; each appears in one chunk.
    """

    role: ChatRole
    content: str | None = None
    tool_calls: list[FunctionCallInfo] | None = None


@dataclass
class Choice:
    """One of the answers that were asked for by ``n``.

    :param index: which one, from 0.
    """

    delta: ChoiceDelta
    index: int = 0


@dataclass
class CompletionUsage:
    """How many tokens a request took.

    :param prompt_tokens: what was sent, those from the provider's cache included.
    :param cache_creation_input_tokens: prompt tokens that went into the provider's cache.
    :param cache_read_input_tokens: prompt tokens that came from it.
    """

    completion_tokens: int
    prompt_tokens: int
    total_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0


@dataclass
class ChatChunk:
    """An event of an :class:`LLMStream`.

    :param request_id: the provider's id of the request.
    :param choices: mostly one; none in a chunk that tells the usage.
    :param usage: how many tokens it took, in one chunk of the stream, mostly its last.
    """

    request_id: str
    choices: list[Choice] = field(default_factory=list)
    usage: CompletionUsage | None = None


@dataclass
class ToolChoice:
    """Makes the model call one certain function.

    :param name: the function's name in its ``FunctionContext``.
    """

    type: Literal["function"]
    name: str


@dataclass
class LLMCapabilities:
    """What a provider can do.

    :param supports_choices_on_int: an integer argument may be limited to certain values.
    :param requires_persistent_functions: a context with calls in it is refused unless the functions are sent again.
    """

    supports_choices_on_int: bool = True
    requires_persistent_functions: bool = False


def carries_output(chunk: ChatChunk) -> bool:
    """Tell whether a chunk carries a piece of the answer; a role alone, an empty text or the usage is none."""
    return any(choice.delta.content or choice.delta.tool_calls for choice in chunk.choices)
