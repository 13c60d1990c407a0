"""Which response the server is asked for next: one at a time, since it makes no more of them at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, get_args

from lk_agents.foundation.errors import APIError, APITimeoutError, ConfigError
from lk_agents.foundation.ids import short_id
from lk_agents.foundation.log import logger
from lk_agents.realtime.model import OnDuplicate

if TYPE_CHECKING:
    from lk_agents_openai.realtime.messages import ResponseCreated
    from lk_agents_openai.realtime.records import RealtimeError

__all__ = ["Request", "Requests"]

OURS: Final = "client_event_id"
"""Where in its metadata a response says by which request it was asked for."""
OTHERS: Final = "conversation_already_has_active_response"
"""The server has begun to answer by itself, which is told a moment later."""
MOST_ATTEMPTS: Final = 3

Wire = dict[str, Any]


@dataclass(eq=False)
class Request:
    """Something that the model is asked to say.

    :param fields: how, in the server's words.
    :param created: done with whether the server has begun with it.
    :param is_stopped: whether it is not wanted any more.
    """

    fields: Wire
    created: asyncio.Future[bool] = field(repr=False)
    event_id: str = field(default_factory=lambda: short_id("event_"))
    attempts: int = 0
    is_stopped: bool = False

    def settle(self, *, created: bool) -> None:
        """Tell what has become of it, once."""
        if not self.created.done():
            self.created.set_result(created)


class Requests:
    """The line of what the server is asked for, and what it is at. Needs a running event loop.

    :param send: sends a message.
    :param fail: told what the server has not done in time.
    :param timeout_seconds: how long it may take to begin, and to stop.
    """

    def __init__(
        self, *, send: Callable[[Wire], None], fail: Callable[[APIError, bool], None], timeout_seconds: float
    ) -> None:
        self._send = send
        self._fail = fail
        self._timeout_seconds = timeout_seconds
        self._is_open = self._is_over = False
        self._waiting: deque[Request] = deque()
        self._asked: Request | None = None
        self._presumed: Request | None = None  # what the server seems to have begun with, without saying so
        self._active: str | None = None  # empty for one of which the server has not told yet
        self._is_stopping = False
        self._echoes = False  # whether the server is known to give metadata back
        self._timer: asyncio.TimerHandle | None = None

    @property
    def are_under_way(self) -> bool:
        """Whether the server is at a response, or is asked for one."""
        return self._active is not None or self._asked is not None or bool(self._waiting)

    # --- what is wanted ----------------------------------------------------------------------------------------------

    def ask(self, fields: Wire, on_duplicate: OnDuplicate) -> asyncio.Future[bool]:
        """Ask for a response, when those before it are done.

        :returns: done with whether the server has begun with it.
        :raises ConfigError: there is no such way.
        """
        if on_duplicate not in get_args(OnDuplicate):
            raise ConfigError(f"on_duplicate is {on_duplicate!r}; it must be one of {', '.join(get_args(OnDuplicate))}")
        request = Request(fields, asyncio.get_running_loop().create_future())
        if self._is_over or (self.are_under_way and on_duplicate == "cancel_new"):
            logger.debug("a response is not asked for", extra={"closed": self._is_over})
            request.settle(created=False)
            return request.created
        if on_duplicate == "cancel_existing":
            self.stop()
        self._waiting.append(request)
        self._go_on()
        return request.created

    def stop(self) -> None:
        """Let the server stop what it is at; what waits is not asked for."""
        waiting, self._waiting = self._waiting, deque()
        for request in waiting:
            request.settle(created=False)
        if self._asked is not None:
            self._asked.is_stopped = True
        if self._is_open and not self._is_stopping and (self._active is not None or self._asked is not None):
            self._is_stopping = True
            self._send({"type": "response.cancel", "event_id": short_id("event_")})
            self._expect("has not stopped a response", is_fatal=True)

    # --- what the server does ----------------------------------------------------------------------------------------

    def created(self, message: ResponseCreated) -> bool:
        """The server begins with a response; tells whether it is wanted."""
        response, request = message.response, self._asked
        theirs = (response.metadata or {}).get(OURS)
        self._echoes |= theirs is not None
        was_stopped = self._active == "" and self._is_stopping
        self._active = response.id
        if request is None or theirs != (request.event_id if self._echoes else theirs):
            return not was_stopped
        self._asked, self._presumed = None, request if theirs is None else None
        request.settle(created=not request.is_stopped)
        if not self._is_stopping:
            self._expect_nothing()
        return not request.is_stopped

    def done(self, response_id: str) -> None:
        """It has ended with one."""
        if self._active not in {response_id, ""}:
            return
        self._active, self._is_stopping = None, False
        self._expect_nothing()
        self._go_on()

    def refused(self, error: RealtimeError) -> bool:
        """The server refuses something; tells whether that was a request which is made once more, or not wanted."""
        candidates = (each for each in (self._asked, self._presumed) if each is not None)
        request = next((each for each in candidates if each.event_id == error.caused_by), None)
        if request is None:
            return False
        if request is self._asked:
            self._asked, self._is_stopping = None, False
            self._expect_nothing()
        self._presumed = None
        if error.code == OTHERS and not request.is_stopped and request.attempts < MOST_ATTEMPTS:
            self._waiting.appendleft(request)
            if self._active is None:
                self._active = ""
                self._expect("has not told of a response", is_fatal=False)
            return True
        request.settle(created=False)
        self._go_on()
        return request.is_stopped

    # --- the connection ----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """The server can be asked from now on."""
        self._is_open = True
        self._go_on()

    def close(self, *, for_good: bool = False) -> None:
        """It cannot be asked any more; what it was asked for and has not begun with is asked again later."""
        self._is_open = self._is_stopping = False
        self._is_over = for_good
        self._active = None
        self._expect_nothing()
        asked, self._asked = self._asked, None
        if asked is not None and asked.is_stopped:
            asked.settle(created=False)
        elif asked is not None:
            self._waiting.appendleft(asked)
        if for_good:
            self.stop()

    def _go_on(self) -> None:
        if not self._is_open or not self._waiting or self._active is not None or self._asked is not None:
            return
        request = self._asked = self._waiting.popleft()
        request.event_id = short_id("event_") if request.attempts else request.event_id
        request.attempts += 1
        metadata = {**request.fields.get("metadata", {}), OURS: request.event_id}
        response = {**request.fields, "metadata": metadata}
        self._send({"type": "response.create", "event_id": request.event_id, "response": response})
        self._expect("has not begun to answer", is_fatal=False)

    # --- patience ----------------------------------------------------------------------------------------------------

    def _expect(self, what: str, *, is_fatal: bool) -> None:
        self._expect_nothing()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._timeout_seconds, self._give_up, what, is_fatal)

    def _expect_nothing(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self, what: str, is_fatal: bool) -> None:
        self._timer = None
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.settle(created=False)
        if self._active == "":
            self._active = None
        error = APITimeoutError(f"OpenAI {what} within {self._timeout_seconds:g} s").located(phase="receive")
        self._fail(error, is_fatal)
        if not is_fatal:
            self._go_on()
