"""What every language model offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Literal, Self

from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.llm.chunks import LLMCapabilities, ToolChoice
from lk_agents.utils.events import EventEmitter

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # which knows defaults, for type checkers alone

    from lk_agents.llm.chat_context import ChatContext
    from lk_agents.llm.function_context import FunctionContext
    from lk_agents.llm.stream import LLMStream

    EventT = TypeVar("EventT", bound=str, default=Literal["metrics_collected"])
else:
    from typing import TypeVar

    EventT = TypeVar("EventT", bound=str)

__all__ = ["LLM"]


class LLM(ABC, EventEmitter[Literal["metrics_collected"] | EventT], Generic[EventT]):
    """A language model of a provider; emits ``metrics_collected`` with one ``LLMMetrics`` for each answer.

    A provider implements :meth:`chat` and an :class:`LLMStream`; one with further events names them in brackets:
    ``class Mine(LLM[Literal["model_changed"]])``.

    :param capabilities: what the provider can do; the default of :class:`LLMCapabilities` otherwise.
    """

    provider: str = ""
    """The provider's short name, such as ``"openai"``; told in the metrics."""
    model: str = ""
    """The provider's name of the model; told in the metrics."""

    def __init__(self, *, capabilities: LLMCapabilities | None = None) -> None:
        super().__init__()
        self._capabilities = capabilities or LLMCapabilities()
        self._label = f"{type(self).__module__}.{type(self).__name__}"

    @property
    def label(self) -> str:
        """The name in logs, errors and metrics: ``"<module>.<class>"``."""
        return self._label

    @property
    def capabilities(self) -> LLMCapabilities:
        """What the provider can do."""
        return self._capabilities

    @abstractmethod
    def chat(
        self,
        *,
        chat_ctx: ChatContext,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        fnc_ctx: FunctionContext | None = None,
        temperature: float | None = None,
        n: int | None = None,
        parallel_tool_calls: bool | None = None,
        tool_choice: ToolChoice | Literal["auto", "required", "none"] | None = None,
    ) -> LLMStream:
        """Ask for the next message of a conversation; the request begins at once, in the background.

        None leaves a setting to the provider, or to what it was made with.

        :param chat_ctx: the conversation. The stream keeps it, not a copy: change it only when the request is out.
        :param conn_options: how often and how patiently the provider is asked; ``timeout`` is the limit in seconds for
            the first output of an attempt and for each pause in it.
        :param fnc_ctx: the functions that the model may call.
        :param n: how many answers.
        :param parallel_tool_calls: whether the model may ask for several calls at once.
        :param tool_choice: whether the model may call, must call or must not call a function, or which it must call.
        """

    def prewarm(self) -> None:
        """Prepare what the first request would wait for, in the background; does nothing by default."""

    async def aclose(self) -> None:
        """Let go of connections; does nothing by default."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
