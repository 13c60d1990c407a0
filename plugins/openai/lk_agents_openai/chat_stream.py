"""The answer of a model while it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from lk_agents.foundation.errors import APIError
from lk_agents.foundation.ids import short_id
from lk_agents.llm.stream import LLMStream as BaseLLMStream
from lk_agents.streams.http import HiddenHeaders, read_events
from lk_agents_openai.asking import ask, judged, require_content
from lk_agents_openai.chat_answer import AnswerReader
from lk_agents_openai.chat_format import encode_pictures, wire_message

if TYPE_CHECKING:
    import aiohttp

    from lk_agents.foundation.types import APIConnectOptions
    from lk_agents.llm.chat_context import ChatContext
    from lk_agents.llm.function_context import FunctionContext
    from lk_agents.streams.http import ServerSentEvent
    from lk_agents_openai.endpoint import Endpoint
    from lk_agents_openai.llm import LLM

__all__ = ["ChatRequest", "LLMStream"]

PATH: Final = "/chat/completions"
NO_EVENTS: Final = ("application/json", "text/html")
DRAIN_SECONDS: Final = 0.1
"""How long the end of a body may take after the last word, so that the connection can be used again."""


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """What is asked, but for the conversation.

    :param model: the provider's name of the model.
    :param body: what is sent besides the messages.
    :param headers: besides those that every request has.
    :param query: the same.
    """

    model: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=HiddenHeaders)
    query: Mapping[str, str] = field(default_factory=dict)


class LLMStream(BaseLLMStream):
    """An answer of the chat completions; see :class:`lk_agents.llm.LLMStream`.

    :param llm: whose answer it is.
    :param asked: what is asked.
    :param endpoint: whom.
    :param http_session: over which connections.
    """

    def __init__(
        self,
        llm: LLM,
        *,
        asked: ChatRequest,
        endpoint: Endpoint,
        http_session: aiohttp.ClientSession,
        chat_ctx: ChatContext,
        fnc_ctx: FunctionContext | None,
        conn_options: APIConnectOptions,
    ) -> None:
        self._asked = asked
        self._endpoint = endpoint
        self._session = http_session
        self._messages = [message.copy() for message in chat_ctx.messages]  # the caller may change his at once
        self._body = b""
        super().__init__(llm, chat_ctx=chat_ctx, fnc_ctx=fnc_ctx, conn_options=conn_options)

    async def _run(self) -> None:
        if not self._body:
            await encode_pictures(self._messages)
            messages = [wire_message(message) for message in self._messages]
            self._body = msgspec.json.encode({"messages": messages, **self._asked.body})
        asking = ask(
            self._session,
            self._endpoint,
            PATH,
            model=self._asked.model,
            provider=self._label,
            timeout_seconds=self._conn_options.timeout,
            headers={"Accept": "text/event-stream", "Content-Type": "application/json", **self._asked.headers},
            query=self._asked.query,
            data=self._body,
        )
        async with asking as response:
            require_content(response, self._label, wanted="text/event-stream", refused=NO_EVENTS)
            await self._read(response)

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        request_id = response.headers.get("x-request-id") or short_id("chat_")
        reader = AnswerReader(self._fnc_ctx, request_id=request_id, on_progress=self._progressed)
        seconds = self._conn_options.timeout
        events = read_events(response, provider=self._label, first_seconds=seconds, idle_seconds=seconds)
        try:
            async with aclosing(cast("AsyncGenerator[ServerSentEvent, None]", events)) as reading:
                async for event in reading:
                    for chunk in reader.read(event.data):
                        await self._event_ch.send(chunk)
                    if reader.ended:
                        break
                for chunk in reader.finish():
                    await self._event_ch.send(chunk)
                await _drain(reading)
        except APIError as error:
            raise judged(error).located(request_id=request_id) from error.__cause__


async def _drain(events: AsyncGenerator[ServerSentEvent, None]) -> None:
    """Read what is left of a body, which is its end; a connection with anything left on it is thrown away."""
    with suppress(TimeoutError, APIError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in events:
                pass
