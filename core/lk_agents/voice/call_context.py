"""What a function that a model calls can learn about the call it runs in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from lk_agents.llm import ChatContext, ChatMessage, LLMStream

__all__ = ["AgentCallContext", "running_call"]


class AgentCallContext:
    """The surroundings of functions that one answer of a model calls; visible in plain and in async functions.

    :param assistant: the agent.
    :param llm_stream: the answer that asks for the calls.
    :param speech_id: names the speech with that answer.
    """

    def __init__(self, assistant: Any, llm_stream: LLMStream, *, speech_id: str = "") -> None:
        self._agent = assistant
        self._llm_stream = llm_stream
        self._speech_id = speech_id
        self._metadata: dict[str, Any] = {}
        self._extra_chat_messages: list[ChatMessage] = []

    @staticmethod
    def get_current() -> AgentCallContext:
        """Return the context of the call that runs here.

        :raises LookupError: none does.
        """
        return _current.get().context

    @property
    def agent(self) -> Any:
        """The agent."""
        return self._agent

    @property
    def chat_ctx(self) -> ChatContext:
        """The conversation that the model was given."""
        return self._llm_stream.chat_ctx

    def llm_stream(self) -> LLMStream:
        """Return the answer that asks for the calls."""
        return self._llm_stream

    @property
    def idempotency_key(self) -> str:
        """A text that only this call has: give it to services that must not do a thing twice.

        :raises LookupError: no call runs here.
        """
        return f"{self._speech_id}:{_current.get().call_id}"

    def store_metadata(self, key: str, value: Any) -> None:
        """Keep something for the other calls of the same answer."""
        self._metadata[key] = value

    def get_metadata(self, key: str, default: Any = None) -> Any:
        """Return what was stored, or ``default``."""
        return self._metadata.get(key, default)

    def add_extra_chat_message(self, message: ChatMessage) -> None:
        """Show the model a message, behind the outputs of the functions, when it is asked what to say about them."""
        self._extra_chat_messages.append(message)

    @property
    def extra_chat_messages(self) -> list[ChatMessage]:
        """The messages that were added."""
        return self._extra_chat_messages


class _Call(NamedTuple):
    context: AgentCallContext
    call_id: str


_current: ContextVar[_Call] = ContextVar("lk_agents_call_context")


@contextmanager
def running_call(context: AgentCallContext, call_id: str) -> Iterator[None]:
    """Let what begins in the block see its call.

    :param call_id: tells apart the calls of one answer.
    """
    token = _current.set(_Call(context, call_id))
    try:
        yield
    finally:
        _current.reset(token)
