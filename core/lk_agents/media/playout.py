"""Playing one speech through a sink, and knowing to the sample what of it was heard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from lk_agents.foundation import clock
from lk_agents.foundation.errors import ConfigError, PlayoutError, StreamInputError
from lk_agents.foundation.log import logger
from lk_agents.media.playout_state import PlayoutState

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.protocols import AudioOut
    from lk_agents.streams.words import TimedWord

__all__ = ["AHEAD_SECONDS", "LEAD_SECONDS", "STALL_SECONDS", "Playout"]

LEAD_SECONDS: Final = 0.2
"""The most that waits in the sink: what an interruption throws away there, and how long a busy loop goes unheard."""
AHEAD_SECONDS: Final = 30.0
"""How much may lie ahead of what is heard before pushing waits."""
STALL_SECONDS: Final = 5.0
"""How long a sink may hold audio without playing or taking any."""
CLOSE_SECONDS: Final = 5.0
_SHORTEST_WAIT_SECONDS: Final = 0.001


class Playout:
    """One speech on its way through a sink, from its first frame until it was heard, or stopped.

    At most 200 ms of it are in the sink at any time; the rest, and what may have to be said again, is kept here. So a
    pause or a stop takes effect at once, and how far the speech was heard follows from the sink's own count of what it
    has played, whatever the clocks and the event loop do meanwhile. One speech at a time per sink: the next one begins
    when this one is complete or stopped.

    Positions are seconds from the first sample of the speech, and exact to the sample. Build it in a running event
    loop, and close it (``async with`` does) if it may neither be completed nor stopped.

    :param sink: where it is played.
    :param lead_seconds: the most that waits in the sink.
    :raises ConfigError: ``lead_seconds`` is not positive.
    """

    def __init__(self, sink: AudioOut, *, lead_seconds: float = LEAD_SECONDS) -> None:
        if not lead_seconds > 0:
            raise ConfigError(f"lead_seconds is {lead_seconds!r}; the sink needs something to play: it must be above 0")
        self._sink = sink
        self._rate = sink.sample_rate
        self._state = PlayoutState(sink.sample_rate, lead_seconds=lead_seconds)
        self.started = asyncio.Event()
        """Set when the first frame goes to the sink."""
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._moved_at = clock.monotonic()
        loop = asyncio.get_running_loop()
        self._done: asyncio.Future[bool] = loop.create_future()
        self._task = loop.create_task(self._pump(), name="lk-playout")

    # --- what was heard ----------------------------------------------------------------------------------------------

    @property
    def played_seconds(self) -> float:
        """How far the speech was heard; never goes back."""
        self._look()
        return self._state.heard / self._rate

    @property
    def played_samples(self) -> int:
        """The same in samples."""
        self._look()
        return self._state.heard

    @property
    def position_seconds(self) -> float:
        """Where playout is; goes back when a paused speech is taken up at the start of a word."""
        self._look()
        return self._state.position / self._rate

    @property
    def pushed_seconds(self) -> float:
        """How long the speech is, as far as it was pushed."""
        return self._state.pushed / self._rate

    @property
    def underruns(self) -> int:
        """How often the sink ran dry in the middle of the speech."""
        return self._state.underruns

    @property
    def underrun_seconds(self) -> float:
        """How long it was dry, in all."""
        return self._state.underrun_seconds

    @property
    def paused(self) -> bool:
        """Whether it is paused."""
        return self._state.paused

    @property
    def done(self) -> bool:
        """Whether it is over: heard to its end, stopped, or failed."""
        return self._done.done()

    # --- feeding it --------------------------------------------------------------------------------------------------

    async def push(self, frame: rtc.AudioFrame) -> bool:
        """Add a frame behind the others; waits while 30 s lie ahead of what is heard. Empty frames are left out.

        Cancelled while it waits, the frame is not added.

        :returns: whether it was taken; False once the speech was stopped.
        :raises ConfigError: its rate or channels are not the sink's.
        :raises StreamInputError: the input was ended.
        :raises PlayoutError: the sink has failed.
        """
        if (frame.sample_rate, frame.num_channels) != (self._rate, self._sink.num_channels):
            raise ConfigError(
                f"the sink plays {self._sink.num_channels} channels at {self._rate} Hz, and a frame has "
                f"{frame.num_channels} at {frame.sample_rate} Hz: convert it with lk_agents.utils.audio.Resampler"
            )
        while not self._done.done() and self._ahead_seconds() >= AHEAD_SECONDS:
            self._room.clear()
            await self._room.wait()
        if self._done.done() and not self._done.result():
            return False
        if self._state.ended:
            raise StreamInputError("the input of this speech has ended: begin another Playout for what is said next")
        self._state.push(frame)
        self._news.set()
        return True

    def push_words(self, words: Iterable[TimedWord]) -> None:
        """Tell when words of the speech begin, as far as the synthesizer knows; a paused speech resumes at one."""
        for word in words:
            self._state.push_word(word.start_time)

    def end_input(self) -> None:
        """Say that nothing more comes; the speech is complete when all was heard. Any number of times."""
        self._state.ended = True
        self._news.set()

    # --- moving it ---------------------------------------------------------------------------------------------------

    def pause(self) -> float:
        """Fall silent at once, keeping what was not heard; returns how far the speech was heard.

        Nothing happens if it is paused already, or over.
        """
        self._look()
        if not self._state.paused and not self._done.done():
            self._silence()
        return self._state.heard / self._rate

    def resume(self, at: float | None = None) -> float:
        """Go on after a pause; returns the position from which on. Nothing happens if it is not paused, or over.

        :param at: a position up to the present one, and 2 s before it at most; by default the start of the last word
            that had begun, or, where no words are known there, the very sample at which the pause began.
        """
        if self._state.paused and not self._done.done():
            self._state.resume(at)
            self._news.set()
        return self._state.position / self._rate

    def stop(self) -> float:
        """End the speech at once; returns how far it was heard. Once it is over, it only tells that."""
        self._look()
        if not self._done.done():
            if not self._state.paused:
                self._silence()
            self._done.set_result(False)
            self._room.set()
            self._news.set()
        return self._state.heard / self._rate

    async def wait_for_playout(self) -> bool:
        """Wait until the speech is over. Cancelled, only the waiting ends.

        :returns: whether it was heard to its end; False if it was stopped.
        :raises PlayoutError: the sink has failed.
        """
        return await asyncio.shield(self._done)

    async def aclose(self) -> None:
        """Stop the speech if it is not over, and wait until the sink is let go of, 5 s at most. Any number of times.

        Cancelled itself, it stops waiting; the speech is stopped all the same.
        """
        self.stop()
        await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
        if not self._task.done():
            logger.warning("a sink does not give back what it was handed")
            self._task.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    # --- the pump ----------------------------------------------------------------------------------------------------

    async def _pump(self) -> None:
        try:
            while not self._done.done():
                self._news.clear()
                self._look()
                self._wake_writers()
                if self._state.complete:
                    self._done.set_result(True)
                    break
                piece = self._state.take(self._queued())
                await (self._wait() if piece is None else self._send(piece))
        except Exception as error:  # noqa: BLE001  it goes to whoever waits for the speech
            self._fail(error)
        finally:
            self._room.set()
            if not self._done.done():
                self.stop()  # the task was cancelled, by the loop's end

    async def _send(self, piece: rtc.AudioFrame) -> None:
        self._state.note_sent(
            piece.samples_per_channel,
            sink_samples=self._sink_samples(),
            queued=self._queued(),
            now=clock.monotonic(),
        )
        self.started.set()
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await self._sink.capture_frame(piece)
        except TimeoutError as error:
            raise PlayoutError(f"the sink did not take a frame within {STALL_SECONDS:g} s") from error

    async def _wait(self) -> None:
        seconds = self._state.seconds_until_due(self._queued())
        if seconds is None:
            await self._news.wait()
            self._moved_at = clock.monotonic()
            return
        if clock.monotonic() - self._moved_at >= STALL_SECONDS:
            raise PlayoutError(f"the sink has not played for {STALL_SECONDS:g} s although audio waits in it")
        try:
            async with asyncio.timeout(max(seconds, _SHORTEST_WAIT_SECONDS)):
                await self._news.wait()
        except TimeoutError:
            return

    def _look(self) -> None:
        if self._done.done() or self._state.paused:
            return
        before = self._state.position
        self._state.look(self._sink_samples())
        if self._state.position != before:
            self._moved_at = clock.monotonic()

    def _silence(self) -> None:
        if self._state.sent > self._state.position:
            self._sink.clear()
        self._state.pause()

    def _fail(self, error: Exception) -> None:
        logger.warning("a speech cannot be played on", extra={"error": f"{type(error).__name__}: {error}"})
        if self._done.done():
            return
        failure = error if isinstance(error, PlayoutError) else PlayoutError("the sink failed while it played a speech")
        if failure is not error:
            failure.__cause__ = error
        self._done.set_exception(failure)
        self._done.exception()  # it was logged: nobody needs to wait for it

    def _wake_writers(self) -> None:
        if self._ahead_seconds() < AHEAD_SECONDS:
            self._room.set()

    def _ahead_seconds(self) -> float:
        return (self._state.pushed - self._state.position) / self._rate

    def _sink_samples(self) -> int:
        return round(self._sink.position() * self._rate)

    def _queued(self) -> int:
        return round(self._sink.queued_seconds * self._rate)
