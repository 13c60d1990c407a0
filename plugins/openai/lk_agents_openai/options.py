"""What can be set for the chat completions, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict

from lk_agents.foundation.errors import ConfigError
from lk_agents.llm.chunks import ToolChoice
from lk_agents_openai.chat_format import wire_tool_choice, wire_tools

if TYPE_CHECKING:
    import aiohttp

    from lk_agents.llm.chunks import LLMCapabilities
    from lk_agents.llm.function_context import FunctionContext

__all__ = ["ChatExtras", "ChatOptions", "Choose"]

Choose: TypeAlias = ToolChoice | Literal["auto", "required", "none"]


class ChatExtras(TypedDict, total=False):
    """Options beyond those that every version of this plugin had; None, or nothing, leaves them to the provider.

    ``max_completion_tokens``
        The greatest length of an answer, thoughts included; newer models take no ``max_tokens``.
    ``reasoning_effort``, ``verbosity``
        How much is thought, how much is said, such as ``"low"``.
    ``response_format``
        The form of the answer: ``{"type": "json_object"}``, or ``{"type": "json_schema", "json_schema": {…}}``.
    ``top_p``, ``frequency_penalty``, ``presence_penalty``, ``seed``, ``stop``
        How words are chosen, and where the answer stops.
    ``service_tier``, ``safety_identifier``, ``prompt_cache_key``
        The provider's options of these names.
    ``extra_body``, ``extra_headers``, ``extra_query``
        What else the request is to have. ``extra_body`` replaces what is there.
    ``http_session``
        By default the job's; outside of a job one of its own, which ``aclose()`` closes.
    """

    max_completion_tokens: int | None
    reasoning_effort: str | None
    verbosity: str | None
    response_format: Mapping[str, Any] | None
    top_p: float | None
    frequency_penalty: float | None
    presence_penalty: float | None
    seed: int | None
    stop: str | Sequence[str] | None
    service_tier: str | None
    safety_identifier: str | None
    prompt_cache_key: str | None
    extra_body: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None
    extra_query: Mapping[str, str] | None
    http_session: aiohttp.ClientSession | None


NOT_IN_BODY: Final = frozenset({"extra_body", "extra_headers", "extra_query", "http_session"})


@dataclass(frozen=True, kw_only=True)
class ChatOptions:
    """How a model is asked.

    :param fields: what the body has by its own name; None where it has nothing.
    :param tool_choice: whether the model may, must or must not call functions, or which it must call.
    :param parallel_tool_calls: whether it may call several at once.
    :raises ConfigError: there is no model, or no such tool choice.
    """

    model: str
    fields: Mapping[str, Any]
    tool_choice: Choose | None = "auto"
    parallel_tool_calls: bool | None = None

    def __post_init__(self) -> None:
        if not self.model:
            raise ConfigError("model is empty; name a model, such as 'gpt-4o-mini'")
        if not isinstance(self.tool_choice, ToolChoice) and self.tool_choice not in {"auto", "required", "none", None}:
            raise ConfigError(
                f"tool_choice is {self.tool_choice!r}; it must be 'auto', 'required', 'none' or a ToolChoice"
            )

    def body(
        self, functions: FunctionContext | None, capabilities: LLMCapabilities, *, n: int | None
    ) -> dict[str, Any]:
        """Return what is sent besides the messages.

        :raises ConfigError: a function cannot be described to this model.
        """
        body: dict[str, Any] = {"model": self.model, "stream": True, "stream_options": {"include_usage": True}, "n": n}
        body.update(self.fields)
        if functions is not None and functions.ai_functions:
            body["tools"] = wire_tools(functions, capabilities)
            body["parallel_tool_calls"] = self.parallel_tool_calls
            body["tool_choice"] = None if self.tool_choice is None else wire_tool_choice(self.tool_choice)
        return {name: value for name, value in body.items() if value is not None}
