"""Keeps a session connected: connects, connects again where the connection is lost, and renews it before it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIError
from lk_agents.foundation.log import logger
from lk_agents.streams.retry import Retries
from lk_agents.utils.aio.tasks import TaskSet, cancel_and_wait
from lk_agents_openai.realtime.connection import Connection

if TYPE_CHECKING:
    from lk_agents_openai.realtime.connection import Socket
    from lk_agents_openai.realtime.mirror import Mirror
    from lk_agents_openai.realtime.options import SessionRules

__all__ = ["Held", "Lifeline", "Line", "Pulse"]

STEADY_SECONDS: Final = 10.0
"""A connection that has lasted so long was a good one: the next one has all its attempts again."""
QUIET_SECONDS: Final = 1.0
"""How long nothing must have happened for a connection to be renewed."""
LOOK_SECONDS: Final = 5.0
RENEWAL_RETRY_SECONDS: Final = 30.0
SOONEST_SECONDS: Final = 60.0
"""A server that says it ends a session sooner than that has another clock than ours."""
RENEWAL_SHARE: Final = 5 / 6
"""Of the time that the server gives, where it tells."""
MARGIN_SECONDS: Final = 30.0


class Pulse:
    """Whether anything is going on in a session.

    :param is_idle: tells whether nothing is under way, and nobody speaks.
    """

    def __init__(self, is_idle: Callable[[], bool]) -> None:
        self._is_idle = is_idle
        self._news = asyncio.Event()
        self.beats = 0
        """Counts what has happened."""

    def beat(self) -> None:
        """Something has happened."""
        self.beats += 1
        self._news.set()

    def is_still(self, beats: int) -> bool:
        """Tell whether nothing goes on, and nothing has happened since then."""
        return self.beats == beats and self._is_idle()

    async def pause(self, seconds: float) -> int:
        """Wait until nothing has happened for so long; returns how much has until then. Cancelled, it stops waiting."""
        while True:
            self._news.clear()
            if self._is_idle():
                seen = self.beats
                await asyncio.sleep(seconds)
                if self.is_still(seen):
                    return seen
            else:
                with suppress(TimeoutError):  # some of it ends without anything that happens
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._news.wait()


@dataclass(frozen=True, eq=False)
class Line:
    """A connection that stands where the conversation does.

    :param session: the session as the server knows it.
    :param mirror: the conversation as the server has it.
    """

    connection: Connection
    session: dict[str, Any]
    mirror: Mirror


class Held(Protocol):
    """The session that is kept connected. None of its functions raises, but for :meth:`bring`."""

    pulse: Pulse

    async def bring(self, connection: Connection) -> Line:
        """Tell a server what it is to be, and what was said so far.

        :raises APIError: it does not take that.
        """

    def connected(self, line: Line) -> None:
        """There is a connection, for the first time or again."""

    def lost(self, error: APIError | None) -> None:
        """There is none any more, or another one at once.

        :param error: what has happened; None for a renewal that was planned.
        """

    def over(self, error: APIError) -> None:
        """There will be none any more."""


class Lifeline:
    """Keeps one session connected, as long as :meth:`run` does.

    :param held: the session.
    :param connect: opens a socket.
    :param label: who is asked, for errors and logs.
    """

    def __init__(
        self, held: Held, *, connect: Callable[[], Awaitable[Socket]], rules: SessionRules, label: str
    ) -> None:
        self._held = held
        self._connect = connect
        self._rules = rules
        self._label = label
        self._retries = Retries(rules.conn_options, label=label)
        self._closings = TaskSet()

    async def run(self) -> None:
        """Connect, and stay so until it cannot be done any more, or this is cancelled."""
        line: Line | None = None
        try:
            line = await self._with_retries()
            while True:
                self._held.connected(line)
                line = await self._followed(line)
        except APIError as error:
            self._held.over(error)
        except Exception as error:  # noqa: BLE001  whoever waits for the session must learn that it is over
            logger.exception("a session with OpenAI has failed", extra={"provider": self._label})
            self._held.over(_foreign(error, self._label))
        finally:
            if line is not None:
                await line.connection.aclose()
            await self._closings.aclose()

    async def _followed(self, line: Line) -> Line:
        """Hold a connection to its end; returns the one behind it."""
        began_at = clock.monotonic()
        lost, successor = await self._hold(line.connection)
        self._closings.create_task(line.connection.aclose(), name="lk-openai-realtime-closing")
        if lost is not None and not lost.retryable and successor is None:
            raise lost
        self._held.lost(lost)
        if successor is not None:
            return successor
        if clock.monotonic() - began_at >= STEADY_SECONDS:
            self._retries.renew()
        if lost is not None:
            await self._retries.wait_after(lost)
        return await self._with_retries()

    async def _with_retries(self) -> Line:
        while True:
            try:
                return await self._open()
            except APIError as error:
                await self._retries.wait_after(error)

    async def _open(self) -> Line:
        timeout = self._rules.conn_options.timeout
        connection = Connection(await self._connect(), label=self._label, timeout_seconds=timeout)
        try:
            return await self._held.bring(connection)
        except BaseException:
            await connection.aclose()
            raise

    # --- renewal -----------------------------------------------------------------------------------------------------

    async def _hold(self, connection: Connection) -> tuple[APIError | None, Line | None]:
        """Return why a connection is over, None if it was renewed; and the one that follows, if there is one."""
        renewing = asyncio.get_running_loop().create_task(
            self._successor_of(connection), name="lk-openai-realtime-renewal"
        )
        either: list[asyncio.Future[Any]] = [connection.over, renewing]
        is_taken = False
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            lost = connection.over.result() if connection.over.done() else None
            successor = renewing.result() if renewing.done() else None
            is_taken = True
            return lost, successor
        finally:
            await cancel_and_wait(renewing)
            if not is_taken and not renewing.cancelled() and renewing.exception() is None:
                await _give_up(renewing.result())

    async def _successor_of(self, connection: Connection) -> Line | None:
        """Return another connection when it is time for one; None if there was no moment to get it: then it is now."""
        renew_seconds, last_moment_seconds = self._limits(connection)
        await asyncio.sleep(renew_seconds)
        try:
            async with asyncio.timeout(last_moment_seconds):
                return await self._prepared_in_a_pause()
        except TimeoutError:
            logger.warning("a connection is renewed in the middle of the conversation: its time is over")
            return None

    async def _prepared_in_a_pause(self) -> Line:
        pulse = self._held.pulse
        while True:
            seen = await pulse.pause(QUIET_SECONDS)
            try:
                line = await self._open()
            except APIError as error:
                logger.warning(
                    "a connection cannot be renewed yet", extra={"provider": self._label, "error": type(error).__name__}
                )
                await asyncio.sleep(RENEWAL_RETRY_SECONDS)
                continue
            if pulse.is_still(seen):
                return line
            await _give_up(line)  # something was said meanwhile that it does not know

    def _limits(self, connection: Connection) -> tuple[float, float]:
        """Return after how many seconds a connection is to be renewed, and how much later it must be."""
        renew, last_moment = self._rules.renew_seconds, self._rules.last_moment_seconds
        if connection.expires_at is None:
            return renew, last_moment
        left = connection.expires_at - clock.wall_seconds()
        if left < SOONEST_SECONDS:
            return renew, last_moment
        renew = min(renew, left * RENEWAL_SHARE)
        return renew, max(min(last_moment, left - renew - MARGIN_SECONDS), 0.0)


async def _give_up(line: Line | None) -> None:
    if line is not None:
        await line.connection.aclose()


def _foreign(error: Exception, label: str) -> APIError:
    """Return the error for one that no provider should raise."""
    failure = APIError(f"a session with OpenAI has failed: {error}", retryable=False).located(provider=label)
    failure.__cause__ = error
    return failure
