"""A session that stays connected: what it is made of, and what happens where a connection comes or goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import APIConnectionError, APIError, APITimeoutError
from lk_agents.foundation.ids import short_id
from lk_agents.foundation.log import logger
from lk_agents.metrics.publish import publish
from lk_agents.realtime.model import RealtimeSession as Session
from lk_agents.utils.aio.tasks import cancel_and_wait
from lk_agents_openai.chat_format import encode_pictures
from lk_agents_openai.realtime.calls import Calls
from lk_agents_openai.realtime.conversation import Conversation
from lk_agents_openai.realtime.generations import Generations
from lk_agents_openai.realtime.incoming import Incoming
from lk_agents_openai.realtime.lifeline import Lifeline, Line, Pulse
from lk_agents_openai.realtime.measures import measured
from lk_agents_openai.realtime.requests import Requests
from lk_agents_openai.realtime.session_format import changes_of, session_record
from lk_agents_openai.realtime.user import User

if TYPE_CHECKING:
    from lk_agents.llm import ChatContext, FunctionContext
    from lk_agents_openai.realtime.api_proto import Dialect
    from lk_agents_openai.realtime.connection import Connection, Heard, Socket
    from lk_agents_openai.realtime.message_parts import Item
    from lk_agents_openai.realtime.options import RealtimeSessionOptions, SessionRules
    from lk_agents_openai.realtime.records import RealtimeResponse

__all__ = ["ConnectedSession"]

SYNC_SECONDS: Final = 30.0
"""How long a change of the conversation waits for a connection."""

Wire = dict[str, Any]


class ConnectedSession(Session):
    """What :class:`~lk_agents_openai.realtime.RealtimeSession` stands on.

    :param opts: how the model is to behave.
    :param rules: how the session is held.
    :param connect: opens a socket.
    :param label: the model's, for errors and metrics.
    :param provider: whose model it is.
    """

    def __init__(
        self,
        *,
        opts: RealtimeSessionOptions,
        rules: SessionRules,
        connect: Callable[[], Awaitable[Socket]],
        chat_ctx: ChatContext,
        fnc_ctx: FunctionContext | None,
        label: str,
        provider: str = "openai",
    ) -> None:
        super().__init__()
        loop = asyncio.get_running_loop()
        self._opts, self._rules = opts, rules
        self._fnc_ctx = fnc_ctx
        self._label, self._provider = label, provider
        self.playout_complete = asyncio.Event()
        self.playout_complete.set()
        self._line: Line | None = None
        self._told: Wire = {}
        self._is_closed = False
        self._setting = asyncio.Lock()
        self._news = asyncio.Event()  # there is a connection, or there will never be one
        self._begun: asyncio.Future[None] = loop.create_future()
        timeout = rules.conn_options.timeout
        self._conversation = Conversation(
            chat_ctx.copy().messages, dialect=rules.dialect, send=self._send, timeout_seconds=timeout
        )
        self._requests = Requests(send=self._send, fail=self._not_in_time, timeout_seconds=timeout)
        self._user = User(self._conversation, tell=self._tell, turns=opts.turn_detection)
        self._calls = self._makes_calls()
        self._generations = Generations(
            tell=self._tell, on_said=self._conversation.said, on_call=self._call, on_over=self._response_over
        )
        self._incoming = self._takes_messages()
        self.pulse = Pulse(self._is_idle)
        """Whether anything goes on."""
        self._life = loop.create_task(
            Lifeline(self, connect=connect, rules=rules, label=label).run(), name="lk-openai-realtime-life"
        )
        self._init_sync_task = loop.create_task(self._until_begun(), name="lk-openai-realtime-sync")
        self._init_sync_task.add_done_callback(_mark_as_seen)

    def _makes_calls(self) -> Calls:
        return Calls(
            self._conversation,
            tell=self._tell,
            ask=self._ask_about_outputs,
            playout=lambda: self.playout_complete,
            timeout_seconds=self._rules.tool_timeout,
        )

    def _takes_messages(self) -> Incoming:
        return Incoming(
            conversation=self._conversation,
            requests=self._requests,
            generations=self._generations,
            user=self._user,
            tell=self._tell,
            on_updated=lambda: self._tell("session_updated", self._opts),
            on_final=self._end_connection,
        )

    @property
    def dialect(self) -> Dialect:
        """How the server is spoken with."""
        return self._rules.dialect

    # --- responses ---------------------------------------------------------------------------------------------------

    def _bare_request(self) -> Wire:
        return {"conversation": "auto"} if self.dialect == "beta" else {}

    def _ask_about_outputs(self) -> None:
        if not (self._user.has_the_floor and self.creates_responses):  # else the answer to the user tells about them
            self._requests.ask(self._bare_request(), "keep_both")

    def _fall_silent(self) -> None:
        """Nothing more is wanted of what the model is saying; what it has said so far is noted."""
        for content in self._generations.unfinished():
            self._conversation.said(content)
        self._generations.stop()

    def _call(self, item: Item, response_id: str) -> None:
        self._calls.call(item, response_id, self._fnc_ctx)

    def _response_over(self, response: RealtimeResponse, first_seconds: float | None, seconds: float) -> None:
        record = measured(
            response,
            first_seconds=first_seconds,
            seconds=seconds,
            label=self._label,
            provider=self._provider,
            model=self._opts.model,
        )
        publish(self, record)
        self._calls.response_over(response.id)

    # --- the connection ----------------------------------------------------------------------------------------------

    async def bring(self, connection: Connection) -> Line:
        """Tell a server what it is to be, and what was said so far.

        :raises APIError: it does not take that.
        """
        await encode_pictures(self._conversation.messages())
        mirror, items = self._conversation.moved()
        session = self._record()
        refused = await connection.begin(session, items)
        for item_id, error in refused.items():
            if not self._begun.done():
                raise error
            logger.warning("OpenAI does not take a part of the conversation any more", extra={"code": error.code})
            mirror.remove(item_id)
        return Line(connection, session, mirror)

    def connected(self, line: Line) -> None:
        """There is a connection, for the first time or again."""
        self._line, self._told = line, line.session
        self._user.begin(self._opts.turn_detection)
        self._conversation.open(line.mirror)
        line.connection.adopt(partial(self._hear, line))
        self._tell_session()
        self._news.set()
        self._tell("session_updated", self._opts)
        if self._begun.done():
            self._tell("reconnected")
        else:
            self._begun.set_result(None)
        self._requests.open()
        self.pulse.beat()

    def lost(self, error: APIError | None) -> None:
        """There is none any more, or another one at once.

        :param error: what has happened; None for a renewal that was planned.
        """
        self._line = None
        self._news.clear()
        self._fall_silent()
        self._conversation.close()
        self._requests.close()
        self._tell("reconnecting", error)
        self._generations.abandon()  # whoever waits for one of them knows by now that it has to be asked for again

    def over(self, error: APIError | None) -> None:
        """There will be none any more."""
        if self._is_closed:
            return
        self._is_closed, self._line = True, None
        self._fall_silent()
        self._conversation.close(for_good=True)
        self._requests.close(for_good=True)
        self._generations.abandon()
        if not self._begun.done():
            self._begun.set_exception(error or APIConnectionError("the session was closed", retryable=False))
            self._begun.exception()  # marks it as seen
        self._news.set()
        self._tell("closed", error)

    async def aclose(self) -> None:
        """End the session; any number of times."""
        self.over(None)
        await self._calls.aclose()
        own = asyncio.current_task()
        await cancel_and_wait(*(task for task in (self._life, self._init_sync_task) if task is not own))

    def _hear(self, line: Line, heard: Heard) -> None:
        if line is self._line and self._incoming.hear(heard):  # one that is left may still have something to say
            self.pulse.beat()

    def _send(self, message: Wire) -> None:
        if self._line is not None:
            self._line.connection.outgoing.put(message)

    def _record(self) -> Wire:
        at_azure = self._provider == "azure"
        return session_record(self._opts, self._fnc_ctx, dialect=self.dialect, at_azure=at_azure)

    def _tell_session(self) -> None:
        """Tell the server what it does not know yet of what it is to be."""
        if self._line is None:
            return  # the next one is told all of it
        record = self._record()
        if changes := changes_of(self._told, record):
            kind = {"type": "realtime"} if self.dialect == "ga" else {}
            update = {"type": "session.update", "event_id": short_id("event_"), "session": {**kind, **changes}}
            self._send(update)
            self._told = record

    def _not_in_time(self, error: APIError, is_fatal: bool) -> None:
        if is_fatal:
            self._end_connection(error, True)
        else:
            self._tell("error", error.located(provider=self._label))

    def _end_connection(self, error: APIError, may_go_on: bool) -> None:
        if may_go_on:  # with another one
            error.retryable = True
        if self._line is not None:
            self._line.connection.fail(error.located(provider=self._label))

    async def _until_begun(self) -> None:
        await asyncio.wait([self._begun])
        self._begun.result()

    async def _until_connected(self) -> None:
        try:
            async with asyncio.timeout(SYNC_SECONDS):
                await self._news.wait()
        except TimeoutError:
            raise APITimeoutError(f"{self._label} is not connected, for {SYNC_SECONDS:g} s now") from None
        if self._is_closed:
            raise APIConnectionError("the session is closed", retryable=False).located(provider=self._label)

    def _is_idle(self) -> bool:
        return not (
            self._requests.are_under_way
            or self._calls.are_running
            or self._user.has_the_floor
            or not self._conversation.is_settled
            or (self.playout_complete is not None and not self.playout_complete.is_set())
        )

    def _tell(self, event: str, *told: Any) -> None:
        """Emit an event, whatever those who listen do."""
        try:
            self.emit(event, *told)
        except Exception:  # noqa: BLE001  a listener with wrong parameters must not end the session
            logger.exception("a callback of a session failed", extra={"event": event})


def _mark_as_seen(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()  # not everybody waits for it
