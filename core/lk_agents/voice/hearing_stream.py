"""A provider's stream that is opened again whenever it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIConnectionError, APIError, StreamInputError
from lk_agents.foundation.log import logger
from lk_agents.utils.aio.tasks import TaskSet

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.voice.hearing_memory import HearingMemory

__all__ = ["HearingStream", "KeptStream", "StreamUser"]

EventT = TypeVar("EventT")
EventT_co = TypeVar("EventT_co", covariant=True)
EventT_contra = TypeVar("EventT_contra", contravariant=True)

FIRST_WAIT_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 10.0
GOOD_SECONDS: Final = 60.0
"""A stream that has lasted so long was a good one, whatever it has told."""


class HearingStream(Protocol[EventT_co]):
    """What is common to the streams of detectors and recognisers."""

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        """Give audio."""

    def flush(self) -> None:
        """Say that what was given can be worked off."""

    async def __anext__(self) -> EventT_co:
        """Wait for the next event."""

    async def aclose(self) -> None:
        """End it."""


class StreamUser(Protocol[EventT_contra]):
    """What a stream is kept for. None of it waits."""

    def told(self, event: EventT_contra) -> bool:
        """Take an event; returns whether it shows that the stream works."""

    def wants_audio_since(self, *, worked: bool) -> float:
        """Return from which position on a new stream is to hear the audio.

        :param worked: whether the stream before has worked.
        """

    def failed(self, error: Exception) -> None:
        """Take note that the stream has failed; another one is opened after a while."""


class KeptStream(Generic[EventT]):
    """Keeps a stream open as long as :meth:`run` lasts.

    One that fails, or ends by itself, is opened again: after 0.5 s at first, then after twice as long each time, up to
    10 s, and after 0.5 s again once one has worked.

    :param name: names it in logs and tasks, and in the error if it ends by itself.
    :param open_stream: opens one.
    :param memory: what was heard of late.
    :param user: what it is kept for.
    """

    def __init__(
        self,
        name: str,
        *,
        open_stream: Callable[[], HearingStream[EventT]],
        memory: HearingMemory,
        user: StreamUser[EventT],
    ) -> None:
        self._name = name
        self._open_stream = open_stream
        self._memory = memory
        self._user = user
        self._stream: HearingStream[EventT] | None = None
        self._limit: asyncio.Timeout | None = None
        self._restarts = asyncio.Event()
        self._opened = False
        self._worked = True  # the last one that was opened
        self._closings = TaskSet()
        self._unflushed = False
        self.base = 0.0
        """Where the audio of the present stream begins, as a position of the whole."""

    async def run(self) -> None:
        """Keep it open until this is cancelled; then call :meth:`aclose`."""
        wait_seconds = FIRST_WAIT_SECONDS
        while True:
            began_at = clock.monotonic()
            self._opened = False
            error = await self._listen()
            if self._restarts.is_set():
                self._restarts.clear()
                continue
            self._worked |= self._opened and clock.monotonic() - began_at >= GOOD_SECONDS
            if self._opened and self._worked:
                wait_seconds = FIRST_WAIT_SECONDS
            self._report(error, wait_seconds)
            await self._wait(wait_seconds)
            wait_seconds = min(2 * wait_seconds, LONGEST_WAIT_SECONDS)

    @property
    def is_open(self) -> bool:
        """Whether there is a stream at present that takes audio."""
        return self._stream is not None

    def push(self, frame: rtc.AudioFrame) -> None:
        """Give it a frame that is in the memory already; a stream that comes later hears it from there."""
        if self._stream is None:
            return
        try:
            self._stream.push_frame(frame)
        except StreamInputError:
            self._stream = None  # it has ended: its reader will see it
        else:
            self._unflushed = True

    def flush(self) -> None:
        """Let it work off what it has heard: nothing follows for a while."""
        if self._stream is None or not self._unflushed:
            return
        self._unflushed = False
        try:
            self._stream.flush()
        except StreamInputError:
            self._stream = None

    def restart(self) -> None:
        """Close the present stream and open another one at once."""
        self._restarts.set()
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())

    async def aclose(self) -> None:
        """Return when the streams are closed; each takes 5 s at most. Cancelled, they are closed all the same."""
        await self._closings.aclose()

    # --- one stream --------------------------------------------------------------------------------------------------

    async def _listen(self) -> Exception:
        """Open a stream and hand on its events; returns how it has failed."""
        try:
            stream = self._open_stream()
        except Exception as error:  # noqa: BLE001  whatever a provider raises, hearing goes on
            return error
        try:
            self._begin(stream)
            return await self._read(stream)
        finally:
            self._stream = self._limit = None
            self._closings.create_task(stream.aclose(), name=f"lk-close-{self._name}")

    def _begin(self, stream: HearingStream[EventT]) -> None:
        since = self._user.wants_audio_since(worked=self._worked)
        self.base, frames = self._memory.since(since)
        self._opened, self._worked = True, False
        self._stream = stream
        for frame in frames:
            self.push(frame)

    async def _read(self, stream: HearingStream[EventT]) -> Exception:
        try:
            async with asyncio.timeout(None) as self._limit:
                if self._restarts.is_set():
                    self._limit.reschedule(asyncio.get_running_loop().time())
                while True:
                    try:
                        event = await stream.__anext__()
                    except StopAsyncIteration:
                        return _ended(self._name)
                    except Exception as error:  # noqa: BLE001  whatever a provider raises, hearing goes on
                        return error
                    self._worked |= self._user.told(event)
        except TimeoutError as error:
            if not self._restarts.is_set():
                raise
            return error

    async def _wait(self, seconds: float) -> None:
        """Wait, or until it is to be restarted."""
        try:
            async with asyncio.timeout(seconds):
                await self._restarts.wait()
        except TimeoutError:
            return
        self._restarts.clear()

    def _report(self, error: Exception, wait_seconds: float) -> None:
        logger.warning(
            "a stream that listens to the user has failed and is opened again",
            extra={"stage": self._name, "error": type(error).__name__, "wait_seconds": wait_seconds},
            exc_info=None if isinstance(error, APIError) else error,
        )
        self._user.failed(error)


def _ended(name: str) -> APIConnectionError:
    return APIConnectionError(f"the stream of the {name} has ended by itself, although more audio was to come")
