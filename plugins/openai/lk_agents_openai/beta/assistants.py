"""The assistant as a language model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.llm import model as base
from lk_agents.utils.http_context import HttpSessions
from lk_agents_openai.beta.stream import AssistantLLMStream
from lk_agents_openai.beta.thread import Thread
from lk_agents_openai.chat_format import wire_tool_choice, wire_tools
from lk_agents_openai.endpoint import find_endpoint

if TYPE_CHECKING:
    import aiohttp

    from lk_agents.foundation.secret import Secret
    from lk_agents.llm.chat_context import ChatContext
    from lk_agents.llm.function_context import FunctionContext
    from lk_agents_openai.beta.records import AssistantOptions, OnFileUploaded
    from lk_agents_openai.options import Choose

__all__ = ["AssistantLLM"]


class AssistantLLM(base.LLM):
    """An assistant that keeps its conversation on the server; use one for each conversation.

    The messages of the user, and the results of calls, go to the server once, and what is removed from the context is
    removed there. What the assistant itself has said is there already; messages of the system are not sent, since the
    assistant has its instructions. One answer is given at a time: a request waits for the one before it to end, and
    stops what the assistant still works on.

    :param assistant_opts: which assistant.
    :param client: a client of the package ``openai``, or the like: its key, address and headers are used.
    :param api_key: by default that of the environment, ``OPENAI_API_KEY``.
    :param base_url: up to ``/v1``; by default ``OPENAI_BASE_URL`` of the environment, or OpenAI's own.
    :param on_file_uploaded: told of each picture that was uploaded, so that somebody can delete it.
    :param http_session: by default the job's; outside of a job one of its own, which :meth:`aclose` closes.
    :raises ConfigError: there is no key.
    """

    provider = "openai"

    def __init__(
        self,
        *,
        assistant_opts: AssistantOptions,
        client: Any = None,
        api_key: str | Secret | None = None,
        base_url: str | None = None,
        on_file_uploaded: OnFileUploaded | None = None,
        http_session: aiohttp.ClientSession | None = None,
    ) -> None:
        super().__init__()
        created = assistant_opts.create_options
        self.model = created.model if created is not None else ""
        self._http = HttpSessions(http_session)
        self._thread = Thread(
            assistant_opts,
            endpoint=find_endpoint(api_key=api_key, base_url=base_url, client=client),
            session=self._http.get,
            label=self.label,
            on_file_uploaded=on_file_uploaded,
        )
        self._streams: WeakSet[AssistantLLMStream] = WeakSet()

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
    ) -> AssistantLLMStream:
        """Ask for the assistant's next message; see :meth:`lk_agents.llm.LLM.chat`.

        :raises ConfigError: more than one answer is wanted, or a function cannot be described.
        """
        if n not in {None, 1}:
            raise ConfigError(f"n is {n!r}; an assistant gives one answer")
        body: dict[str, Any] = {"temperature": temperature}
        if fnc_ctx is not None and fnc_ctx.ai_functions:
            body["tools"] = wire_tools(fnc_ctx, self.capabilities)
            body["parallel_tool_calls"] = parallel_tool_calls
            body["tool_choice"] = None if tool_choice is None else wire_tool_choice(tool_choice)
        stream = AssistantLLMStream(
            self,
            thread=self._thread,
            body={name: value for name, value in body.items() if value is not None},
            chat_ctx=chat_ctx,
            fnc_ctx=fnc_ctx,
            conn_options=conn_options,
        )
        self._streams.add(stream)
        return stream

    async def aclose(self) -> None:
        """End the answers, and close the HTTP session that is its own, if there is one; the server forgets nothing."""
        for stream in list(self._streams):
            await stream.aclose()
        await self._http.aclose()
