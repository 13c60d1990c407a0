"""The user's voice as one input after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from lk_agents.foundation.log import logger

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.protocols import AudioIn

__all__ = ["AudioInputs", "read_input"]

CLOSE_SECONDS: Final = 5.0


class AudioInputs:
    """Gives the inputs that it is given, to one reader; at most one of them is open at a time.

    Iterate over it to get them: one that was replaced before it was taken is never given. A reader that is cancelled
    loses nothing.
    """

    def __init__(self) -> None:
        self._current: AudioIn | None = None
        self._next: AudioIn | None = None
        self._news = asyncio.Event()
        self._closed = False
        self._closings: set[asyncio.Task[None]] = set()

    def switch(self, audio_in: AudioIn | None) -> None:
        """Replace the present input, which is closed; None for none at present. Needs a running event loop.

        After :meth:`aclose`, what is given is closed at once.
        """
        before, self._current = self._current, audio_in
        self._close(before)
        if self._closed:
            self._close(audio_in)
            self._current = None
        self._next = self._current
        self._news.set()

    def __aiter__(self) -> AudioInputs:
        return self

    async def __anext__(self) -> AudioIn:
        """Wait for the next input.

        :raises StopAsyncIteration: this was closed.
        """
        while not self._closed:
            if (audio_in := self._next) is not None:
                self._next = None
                return audio_in
            self._news.clear()
            await self._news.wait()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close the present input and end; waits for those being closed, 5 s at most. Any number of times.

        Cancelled, they are closed all the same.
        """
        self._closed = True
        self.switch(None)
        if self._closings:
            await asyncio.wait(self._closings, timeout=CLOSE_SECONDS)

    def _close(self, audio_in: AudioIn | None) -> None:
        if audio_in is not None:
            task = asyncio.get_running_loop().create_task(_close(audio_in), name="lk-close-input")
            self._closings.add(task)
            task.add_done_callback(self._closings.discard)


async def read_input(audio_in: AudioIn, take: Callable[[rtc.AudioFrame], None]) -> None:
    """Hand on what is heard until the input ends; one that fails counts as ended, for the next one may work.

    :raises Exception: what ``take`` raises.
    """
    frames = aiter(audio_in)
    while True:
        try:
            frame = await anext(frames, None)
        except Exception:  # noqa: BLE001  of the surroundings
            logger.exception("an input failed: it counts as ended", extra={"participant": audio_in.participant})
            return
        if frame is None:
            return
        take(frame)


async def _close(audio_in: AudioIn) -> None:
    try:
        await audio_in.aclose()
    except Exception:  # noqa: BLE001  it is not used any more, whatever it has
        logger.exception("an input was not closed", extra={"participant": audio_in.participant})
