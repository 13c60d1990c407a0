"""What is asked in the checks of language models, and what they look at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from lk_agents.llm import LLM, ChatChunk, ChatContext, FunctionContext, LLMStream, TypeInfo, ai_callable
from lk_agents.metrics.records import LLMMetrics
from lk_agents.testing.conformance.case import Case, Trouble
from lk_agents.testing.conformance.frame import Conformance, opened

if TYPE_CHECKING:
    from lk_agents.testing.providers.llm import Answer
    from lk_agents.testing.providers.script import Break
    from lk_agents.testing.vendor import Fault

__all__ = ["CALLS", "TEXT", "LLMCase", "LLMKit", "Weather", "metrics_of", "question", "text_of"]

TEXT: Final = "It is sunny in Paris today, and it will stay so."
CALLS: Final = (("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome", "day": 2}))


class Weather(FunctionContext):
    """The functions that the model may call in checks; each call is recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, int]] = []

    @ai_callable(description="Tells the weather.")
    async def get_weather(
        self,
        city: Annotated[str, TypeInfo(description="where")],
        day: Annotated[int, TypeInfo(description="in how many days")] = 0,
    ) -> str:
        """Tell the weather of a city."""
        self.asked.append((city, day))
        return f"sunny in {city}"


class LLMCase(Case):
    """What a model is to answer in one check, to every request.

    :param text: what it says, piece by piece.
    :param calls: the functions that it calls behind that: name and arguments.
    """

    def __init__(self, text: str, calls: Sequence[tuple[str, Mapping[str, Any]]], **case: Any) -> None:
        super().__init__(**case)
        self.text = text
        self.calls = tuple(calls)

    def answer(self) -> Answer:
        """Return the answer for a :class:`~lk_agents.testing.providers.ScriptedLLM`."""
        from lk_agents.testing.providers.llm import Answer

        return Answer(self.text, calls=self.calls)

    def breaks(self) -> list[Break]:
        """Return the trouble for a :class:`~lk_agents.testing.providers.ScriptedLLM`."""
        return [] if self.trouble is None else [self.trouble.as_break(self.trouble.after)]


class LLMKit(Conformance):
    """What an author says of a language model, and what the checks of it share."""

    calls_functions: ClassVar[bool] = True
    """Whether the model can call functions."""
    tells_usage: ClassVar[bool] = True
    """Whether the vendor tells how many tokens it took."""
    says_pieces: ClassVar[bool] = True
    """Whether the answer comes in several chunks."""

    def provider(self, case: LLMCase) -> AbstractAsyncContextManager[LLM[Any]]:
        """Return what gives the model of one check, and closes it behind that.

        Write it as an asynchronous generator under ``@asynccontextmanager``. The vendor's server is run by
        ``case.serve(script)``; a provider without one plays ``case.trouble`` itself.
        """
        raise NotImplementedError

    # --- what checks use -------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _given(
        self,
        text: str = TEXT,
        calls: Sequence[tuple[str, Mapping[str, Any]]] = (),
        *,
        trouble: Trouble | None = None,
        fault: Fault | None = None,
    ) -> AsyncIterator[tuple[LLM[Any], LLMCase]]:
        case = LLMCase(text, calls, trouble=trouble, fault=fault, socket=self.exchange == "socket")
        self._is_impatient = case.is_silent
        async with opened(self.provider(case)) as llm:
            yield llm, case

    def _ask(self, llm: LLM[Any], *, functions: FunctionContext | None = None) -> LLMStream:
        return llm.chat(chat_ctx=question(), fnc_ctx=functions, conn_options=self.options)


def question() -> ChatContext:
    """Return a conversation that ends with a question."""
    context = ChatContext()
    context.append(text="You are a helpful assistant.", role="system")
    context.append(text="How is the weather in Paris?", role="user")
    return context


def text_of(chunks: Sequence[ChatChunk]) -> str:
    """Return the text of an answer."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def metrics_of(llm: LLM[Any]) -> list[LLMMetrics]:
    """Return the list into which the model's metrics go from now on."""
    metrics: list[LLMMetrics] = []
    llm.on("metrics_collected", metrics.append)
    return metrics
