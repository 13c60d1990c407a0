"""The language model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack
from weakref import WeakSet

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.llm import model as base
from lk_agents.utils.http_context import HttpSessions
from lk_agents_openai import vendors
from lk_agents_openai.chat_stream import ChatRequest, LLMStream
from lk_agents_openai.endpoint import find_endpoint
from lk_agents_openai.options import NOT_IN_BODY, ChatExtras, ChatOptions, Choose

if TYPE_CHECKING:
    from lk_agents.foundation.secret import Secret
    from lk_agents.llm.chat_context import ChatContext
    from lk_agents.llm.function_context import FunctionContext
    from lk_agents_openai.models import ChatModels

__all__ = ["LLM", "LLMStream"]


class LLM(base.LLM, vendors.CompatibleVendors):
    """A language model behind OpenAI's chat completions, or behind those of one who speaks as OpenAI does.

    :param model: the provider's name of it.
    :param api_key: by default that of the environment, ``OPENAI_API_KEY``. A server that wants none takes any text.
    :param base_url: up to ``/v1``; by default ``OPENAI_BASE_URL`` of the environment, or OpenAI's own.
    :param user: a name for whoever uses the program, for OpenAI to detect abuse.
    :param client: a client of the package ``openai``, or the like: its key, address and headers are used; nothing is
        asked through it.
    :param temperature: 0 to 2; the higher, the less certain is the choice of words.
    :param parallel_tool_calls: whether the model may call several functions at once.
    :param tool_choice: whether the model may, must or must not call functions, or which it must call.
    :param store: whether OpenAI keeps the answer, for its dashboard.
    :param metadata: what is kept with it.
    :param max_tokens: the greatest length of an answer. Newer models want ``max_completion_tokens`` instead.
    :param timeout: how long the model may be silent, in seconds, where a call gives no ``conn_options``.
    :param extras: see :class:`~lk_agents_openai.options.ChatExtras`.
    :raises ConfigError: there is no key, or a value cannot be used.
    """

    provider = "openai"

    def __init__(
        self,
        *,
        model: ChatModels | str = "gpt-4o",
        api_key: str | Secret | None = None,
        base_url: str | None = None,
        user: str | None = None,
        client: Any = None,
        temperature: float | None = None,
        parallel_tool_calls: bool | None = None,
        tool_choice: Choose | None = "auto",
        store: bool | None = None,
        metadata: Mapping[str, str] | None = None,
        max_tokens: int | None = None,
        timeout: float | None = None,
        **extras: Unpack[ChatExtras],
    ) -> None:
        super().__init__()
        if unknown := extras.keys() - ChatExtras.__annotations__.keys():
            raise TypeError(f"LLM has no option {min(unknown)!r}; more goes into extra_body=…")
        self.model = model
        self._endpoint = find_endpoint(api_key=api_key, base_url=base_url, client=client)
        self._timeout = _seconds(timeout)
        self._extras = extras
        self._http = HttpSessions(extras.get("http_session"))
        self._streams: WeakSet[LLMStream] = WeakSet()
        self._options = ChatOptions(
            model=model,
            tool_choice=tool_choice,
            parallel_tool_calls=parallel_tool_calls,
            fields={
                "user": user,
                "temperature": temperature,
                "store": store,
                "metadata": metadata,
                "max_tokens": max_tokens,
                **{name: value for name, value in extras.items() if name not in NOT_IN_BODY},
            },
        )

    def chat(
        self,
        *,
        chat_ctx: ChatContext,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        fnc_ctx: FunctionContext | None = None,
        temperature: float | None = None,
        n: int | None = 1,
        parallel_tool_calls: bool | None = None,
        tool_choice: Choose | None = None,
        response_format: Mapping[str, Any] | None = None,
    ) -> LLMStream:
        """Ask for the next message of a conversation; see :meth:`lk_agents.llm.LLM.chat`.

        :param response_format: the form of the answer; see :class:`~lk_agents_openai.options.ChatExtras`.
        :raises ConfigError: a function cannot be described to the model, or there is no such tool choice.
        """
        given = {"temperature": temperature, "response_format": response_format}
        options = replace(
            self._options,
            fields={**self._options.fields, **{name: value for name, value in given.items() if value is not None}},
            tool_choice=self._options.tool_choice if tool_choice is None else tool_choice,
            parallel_tool_calls=(
                self._options.parallel_tool_calls if parallel_tool_calls is None else parallel_tool_calls
            ),
        )
        if self._timeout is not None and conn_options is DEFAULT_API_CONNECT_OPTIONS:
            conn_options = replace(conn_options, timeout=self._timeout)
        body = options.body(fnc_ctx, self.capabilities, n=n)
        stream = LLMStream(
            self,
            asked=ChatRequest(
                model=self.model,
                body={**body, **(self._extras.get("extra_body") or {})},
                headers=self._extras.get("extra_headers") or {},
                query=self._extras.get("extra_query") or {},
            ),
            endpoint=self._endpoint,
            http_session=self._http.get(),
            chat_ctx=chat_ctx,
            fnc_ctx=fnc_ctx,
            conn_options=conn_options,
        )
        self._streams.add(stream)
        return stream

    async def aclose(self) -> None:
        """Close the HTTP session that is its own, if there is one, and the answers that come over it."""
        await self._http.aclose(*self._streams)


def _seconds(timeout: object) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < float("inf"):
        raise ConfigError(f"timeout is {timeout!r}; it must be a number of seconds above 0")
    return float(timeout)
