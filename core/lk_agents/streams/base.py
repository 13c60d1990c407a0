"""What all streams of events share: one task that produces, retries, an end that is reached once, a reader."""

from __future__ import annotations

import asyncio
from abc import ABC
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, Final, Generic, Self, TypeVar

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIError, StreamInputError
from lk_agents.foundation.log import logger
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams.events import EVENTS_BOUND, EventChannel, weigh_one
from lk_agents.streams.inputs import FlushSentinel, InputChannel
from lk_agents.streams.retry import Retries
from lk_agents.utils.aio.channel import ChanClosed

__all__ = ["CLOSE_SECONDS", "EventStream", "InputStream"]

EventT = TypeVar("EventT")
InputT = TypeVar("InputT", bound="InputChannel[Any]")

CLOSE_SECONDS: Final = 5.0
"""How long closing a stream waits for code that does not end."""


class EventStream(ABC, Generic[EventT]):
    """Produces events in a task of its own, which begins with the stream; iterate over it to get them.

    A provider implements :meth:`_run`, which sends events into ``self._event_ch`` and returns when all are sent. An
    :class:`APIError` from it is retried as ``conn_options`` say, unless :meth:`_may_retry` refuses; anything else ends
    the stream. Iteration gives what was produced, also after the end, and then raises what ended it, with its cause.
    A reader that is cancelled while it waits loses nothing.

    Tasks that a provider starts in its constructor and keeps as attributes are cancelled when the stream ends.

    :param conn_options: how often and how patiently the provider is asked.
    :param label: names the provider, in errors, logs and the task's name.
    """

    _weigh: ClassVar[Callable[[Any], float]] = weigh_one
    _bound: ClassVar[float] = EVENTS_BOUND

    def __init__(self, *, conn_options: APIConnectOptions, label: str) -> None:
        self._conn_options = conn_options
        self._label = label
        self._created_at = clock.monotonic()
        weigh = type(self)._weigh  # noqa: SLF001  of the class: a function kept there is no method
        self._event_ch: EventChannel[EventT] = EventChannel(self._accept, weigh=weigh, bound=self._bound)
        self._retries = Retries(conn_options, label=label)
        self._attempt_at = self._created_at
        self._closer: asyncio.Task[None] | None = None
        self._reading = False
        self._task = asyncio.get_running_loop().create_task(self._main_task(), name=f"lk-stream {label}")
        self._task.add_done_callback(self._ended)

    # --- what a provider may implement ----------------------------------------------------------------------------

    async def _run(self) -> None:
        """Produce the events of one attempt. Every provider implements this, or :meth:`_main_task`."""
        raise NotImplementedError(f"{type(self).__name__} implements neither _run() nor _main_task()")

    async def _main_task(self) -> None:
        """Call :meth:`_run` until it succeeds. A provider that replaces this does its own retries."""
        while True:
            self._attempt_at = clock.monotonic()
            self._attempt_begins()
            try:
                return await self._attempt()
            except APIError as error:
                self._attempt_failed(error)
                if not self._may_retry(error):
                    error.retryable = False  # what went out cannot be taken back: whoever asks again would repeat it
                if self._was_good():
                    self._retries.renew()
                await self._retries.wait_after(error)

    # --- what a kind of stream decides -----------------------------------------------------------------------------

    def _accept(self, event: EventT) -> EventT | None:
        """Look at an event on its way out: return it, another one, or None to drop it."""
        return event

    async def _attempt(self) -> None:
        """Make one attempt. A kind of stream may wait before :meth:`_run`, limit it, or check what it has given."""
        await self._run()

    def _attempt_begins(self) -> None:
        """Prepare an attempt; the first one as well."""

    def _attempt_failed(self, error: APIError) -> None:
        """Clean up behind an attempt."""

    def _may_retry(self, error: APIError) -> bool:  # noqa: ARG002  for those who decide by it
        """Tell whether another attempt would repeat nothing that was handed out."""
        return True

    def _was_good(self) -> bool:
        """Tell whether the attempt that has failed had worked: its fault is a new one, with all retries before it."""
        return False

    def _finished(self, *, cancelled: bool, error: BaseException | None) -> None:
        """Report, when the last event has been sent; called once, whatever the end."""

    def __del__(self) -> None:
        # Streams that wait for a socket are held by the loop and never come here; the others are worth a hint.
        task = getattr(self, "_task", None)
        if task is not None and not task.done() and not task.get_loop().is_closed():
            import warnings

            warnings.warn(
                f"a stream of {self._label} was dropped while it was open: close it with aclose(), or use it in "
                f"'async with'",
                ResourceWarning,
                source=self,
                stacklevel=1,
            )

    # --- reading and closing -----------------------------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventT:
        if self._reading:
            raise RuntimeError("somebody else is waiting for the next event of this stream: it has one reader")
        events = self._event_ch
        if not events.empty():
            return events.recv_nowait()
        self._reading = True
        try:
            return await events.recv()
        except ChanClosed:
            if (error := self._failure()) is not None:
                raise error from error.__cause__
            raise StopAsyncIteration from None
        finally:
            self._reading = False

    async def aclose(self) -> None:
        """End the stream at once; what it has produced can still be read.

        Any number of tasks may close it at the same time. Returns when the provider's code has ended, after 5 s at the
        latest. Cancelled itself, it stops waiting; the stream ends all the same.
        """
        if self._closer is None:
            self._close_input()
            ending = [self._task, *self._own_tasks()]
            for task in ending:
                task.cancel()  # once and at once: a second time would disturb the cleaning up
            self._closer = asyncio.get_running_loop().create_task(self._close(ending), name=f"lk-close {self._label}")
        await asyncio.shield(self._closer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _close_input(self) -> None:
        """Let nothing more in."""

    def _failure(self) -> BaseException | None:
        if not self._task.done() or self._task.cancelled():
            return None
        return self._task.exception()

    async def _close(self, ending: list[asyncio.Task[Any]]) -> None:
        _, pending = await asyncio.wait(ending, timeout=CLOSE_SECONDS)
        if pending:
            logger.warning("a stream did not end when it was closed", extra={"provider": self._label})

    def _own_tasks(self) -> list[asyncio.Task[Any]]:
        ours = {id(self._task), id(self._closer)}
        return [
            value
            for value in vars(self).values()
            if isinstance(value, asyncio.Task) and id(value) not in ours and not value.done()
        ]

    def _ended(self, task: asyncio.Task[None]) -> None:
        cancelled = task.cancelled()
        error = None if cancelled else task.exception()
        for left in self._own_tasks():
            left.cancel()
        try:
            self._finished(cancelled=cancelled, error=error)
        finally:
            self._event_ch.close()
            self._close_input()  # whoever waits for room in it would wait for ever


class InputStream(EventStream[EventT], Generic[InputT, EventT]):
    """A stream that is fed while it produces.

    After the end of the input, or of the stream, feeding it is an error.
    """

    _FlushSentinel = FlushSentinel
    """The mark that :meth:`flush` puts into ``self._input_ch``."""

    _input_ch: InputT

    def __init__(self, *, conn_options: APIConnectOptions, label: str) -> None:
        super().__init__(conn_options=conn_options, label=label)
        self._input_ch = self._make_input()
        self._reconnecting = asyncio.Event()
        self._settles: Callable[[EventT], float | None] | None = None

    def _make_input(self) -> InputT:
        raise NotImplementedError

    def flush(self) -> None:
        """End the current segment: what was pushed belongs together and can be worked off. Harmless without input.

        :raises StreamInputError: the input, or the stream, has ended.
        """
        self._check_open()
        self._flush()

    def end_input(self) -> None:
        """Flush, and say that nothing more comes; the stream ends by itself when everything is worked off.

        :raises StreamInputError: the input, or the stream, had ended before.
        """
        self.flush()
        self._input_ch.close()

    def _flush(self) -> None:
        raise NotImplementedError

    def _reconnect(self) -> None:
        """Let a socket loop open another connection, with the options as they are now; nothing is lost.

        :func:`~lk_agents.streams.run_wire` does it. A loop of your own waits for ``self._reconnecting``.
        """
        self._reconnecting.set()

    def _close_input(self) -> None:
        self._input_ch.close()

    def _check_open(self) -> None:
        if self._event_ch.closed:
            raise StreamInputError(f"{self._label}: this stream has ended")
        if self._input_ch.closed:
            raise StreamInputError(f"{self._label}: the input of this stream has ended")

    def _attempt_begins(self) -> None:
        self._input_ch.rewind()
