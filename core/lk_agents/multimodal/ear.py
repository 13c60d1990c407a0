"""Brings the user's voice to the model, and knows when each sample of it was spoken."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger
from lk_agents.media.inputs import read_input
from lk_agents.utils.aio.tasks import TaskSet
from lk_agents.utils.audio import AudioByteStream, Resampler, silence_frame

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.protocols import AudioIn

__all__ = ["ModelEar"]

PIECE_SECONDS: Final = 0.02
"""What the model is given at once. In longer pieces it would hear the end of a turn later."""
KEPT_SECONDS: Final = 10.0
"""How much is kept for a model that does not take audio at present, and for one that has to hear it again."""
STALE_SECONDS: Final = 1.0
"""What was said longer ago, before the model could hear, is not given: nobody waits for an answer to it."""
BEFORE_SPEECH_SECONDS: Final = 0.5
"""Where speech is given again, so much of what came before it is given, too."""
QUIET_SECONDS: Final = 0.5
"""Without a frame for so long, nobody is heard any more: a muted track gives none."""
FILL_SECONDS: Final = 0.1
LONGEST_FILL_SECONDS: Final = 30.0


class ModelEar:
    """Gives a model what the user says: mono, at its rate, in pieces of 20 ms. Build it in a running event loop.

    While it is held, which it is from the beginning, it keeps the last 10 s; the oldest is dropped, counted and logged.
    A model that waits for the end of speech is given silence where no frames come: it would wait for ever.

    :param push: takes a piece; it must not wait.
    :param sample_rate: in Hz.
    """

    def __init__(self, push: Callable[[rtc.AudioFrame], None], *, sample_rate: int) -> None:
        self._push = push
        self._rate = sample_rate
        self._converter: Resampler | None = None
        self._cutter = AudioByteStream(sample_rate, 1, round(PIECE_SECONDS * sample_rate))
        self._is_open = False
        self._waiting: deque[rtc.AudioFrame] = deque()
        self._given: deque[rtc.AudioFrame] = deque()
        self.given_seconds = 0.0
        """How much the model was given so far."""
        self._heard_at = self._filled_at = self._given_at = clock.monotonic()
        self._spoken_since: float | None = None
        self._speaking = asyncio.Event()
        self._closings = TaskSet()
        self.dropped_seconds = 0.0
        """How much was dropped so far."""

    # --- whether the model takes audio -------------------------------------------------------------------------------

    def open(self) -> None:
        """The model takes audio for the first time: give it the last second of what waits, and all that follows."""
        self._is_open = True
        self._drop_to(STALE_SECONDS)
        self._give_waiting()

    def hold(self) -> None:
        """The model takes none for a while: keep what comes."""
        self._is_open = False

    def open_again(self) -> None:
        """The model takes audio again, and knows nothing of what it was given and did not take for a turn.

        It gets again what the user was saying when it was held, else the last half second; then all that waits.
        """
        if self._is_open:
            return
        self._is_open = True
        since = self.given_seconds if self._spoken_since is None else self._spoken_since
        missing = self.given_seconds - since + BEFORE_SPEECH_SECONDS
        count = min(len(self._given), round(missing / PIECE_SECONDS))
        for frame in list(self._given)[len(self._given) - count :]:
            self._give(frame)
        self._give_waiting()

    # --- what is known of the user -----------------------------------------------------------------------------------

    def speech_started(self) -> None:
        """The model hears the user speak."""
        if self._spoken_since is None:
            self._spoken_since = self.given_seconds
        self._speaking.set()

    def speech_stopped(self) -> None:
        """It does not any more."""
        self._spoken_since = None
        self._speaking.clear()

    def spoken_at(self, position: float) -> float:
        """Return when a sample was spoken that lies at this second of what the model was given."""
        return self._given_at - max(self.given_seconds - position, 0.0)

    # --- hearing -----------------------------------------------------------------------------------------------------

    async def run(self, inputs: AsyncIterator[AudioIn]) -> None:
        """Hear one input after the other until there are no more, or it is cancelled; each is closed.

        :raises Exception: what ``push`` raises.
        """
        try:
            async with asyncio.TaskGroup() as group:
                filling = group.create_task(self._fill_gaps(), name="lk-ear-gaps")
                try:
                    async for audio_in in inputs:
                        await self._hear(audio_in)
                finally:
                    filling.cancel()
        except BaseExceptionGroup as errors:
            if len(errors.exceptions) == 1:
                raise errors.exceptions[0] from None  # the plain error, as whoever calls expects it
            raise
        finally:
            await self._closings.aclose()

    async def _hear(self, audio_in: AudioIn) -> None:
        try:
            await read_input(audio_in, self.take)
        finally:
            self._closings.create_task(audio_in.aclose(), name="lk-close-input")

    def take(self, frame: rtc.AudioFrame) -> None:
        """Hear a frame, of any rate and number of channels, as :meth:`run` does."""
        self._heard_at = clock.monotonic()
        if self._converter is None:
            if frame.sample_rate == self._rate and frame.num_channels == 1:
                self._cut(frame)
                return
            self._converter = Resampler(self._rate, mono=True, quality="medium")
        for each in self._converter.push(frame):
            self._cut(each)

    def _cut(self, frame: rtc.AudioFrame) -> None:
        for piece in self._cutter.push(frame.data.cast("B")[: 2 * frame.samples_per_channel]):
            if self._is_open:
                self._give(piece)
            else:
                self._waiting.append(piece)
                if len(self._waiting) * PIECE_SECONDS > KEPT_SECONDS:
                    self._drop_to(KEPT_SECONDS)

    # --- giving ------------------------------------------------------------------------------------------------------

    def _give(self, piece: rtc.AudioFrame) -> None:
        self._given.append(piece)
        if len(self._given) * PIECE_SECONDS > KEPT_SECONDS:
            self._given.popleft()
        self.given_seconds += PIECE_SECONDS
        self._given_at = clock.monotonic()
        self._push(piece)

    def _give_waiting(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for piece in waiting:
            self._give(piece)

    def _drop_to(self, seconds: float) -> None:
        dropped = 0.0
        while len(self._waiting) * PIECE_SECONDS > seconds:
            self._waiting.popleft()
            dropped += PIECE_SECONDS
        if dropped and not self.dropped_seconds:
            logger.warning("the model does not take audio: the oldest is dropped")
        self.dropped_seconds += dropped

    async def _fill_gaps(self) -> None:
        """Give silence where the user was speaking and no frames come any more."""
        while True:
            await self._speaking.wait()
            now = clock.monotonic()
            gap = now - self._heard_at
            if QUIET_SECONDS <= gap <= LONGEST_FILL_SECONDS:
                missing = now - max(self._heard_at, self._filled_at)
                self._filled_at = now
                self._cut(silence_frame(missing, self._rate))
            await asyncio.sleep(FILL_SECONDS)
