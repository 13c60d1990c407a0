"""What a device records, from its thread to the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger
from lk_agents.media.console.ports import FRAME_MS, INPUT_RATE, USER

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.console.ports import OnAudio

__all__ = ["DeviceAudioIn"]

BYTES_PER_SAMPLE: Final = 2
_FRAME_SAMPLES: Final = INPUT_RATE * FRAME_MS // 1000
_FRAME_BYTES: Final = _FRAME_SAMPLES * BYTES_PER_SAMPLE
WAITING_FRAMES: Final = 10_000 // FRAME_MS
"""How much waits for a slow reader: 10 s."""


class DeviceAudioIn:
    """The voice that a device records, 16 kHz mono; an :class:`~lk_agents.media.AudioIn`.

    Build it on the event loop.

    :param on_heard: is told each block, with the moment at which it was spoken.
    """

    def __init__(self, *, participant: str = USER, on_heard: OnAudio | None = None) -> None:
        self._participant = participant
        self._on_heard = on_heard
        self._loop = asyncio.get_running_loop()
        self._pending = bytearray()  # the device's thread alone touches it
        self._frames: deque[bytes] = deque()
        self._lost = 0
        self._ended = False
        self._news = asyncio.Event()

    @property
    def participant(self) -> str:
        """The identity of whom it comes from."""
        return self._participant

    @property
    def sample_rate(self) -> int:
        """Hz of every frame."""
        return INPUT_RATE

    @property
    def num_channels(self) -> int:
        """Channels of every frame."""
        return 1

    def __aiter__(self) -> DeviceAudioIn:
        return self

    async def __anext__(self) -> rtc.AudioFrame:
        """Wait for the next frame."""
        from livekit import rtc

        while not self._frames:
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return rtc.AudioFrame(self._frames.popleft(), INPUT_RATE, 1, _FRAME_SAMPLES)

    async def aclose(self) -> None:
        """Receive no more."""
        self._frames.clear()
        self.end()

    def end(self) -> None:
        """Say that nothing more comes. On the event loop."""
        self._ended = True
        self._news.set()

    # --- the device's thread
    def give(self, block: bytes, *, latency_seconds: float = 0.0) -> None:
        """Take what was recorded. From one thread at a time; what comes after the end is dropped.

        :param latency_seconds: since its first sample was spoken.
        :raises RuntimeError: the event loop is closed.
        """
        if self._on_heard is not None:
            self._on_heard(clock.monotonic() - max(latency_seconds, 0.0), block)
        self._pending += block
        while len(self._pending) >= _FRAME_BYTES:
            frame = bytes(self._pending[:_FRAME_BYTES])
            del self._pending[:_FRAME_BYTES]
            self._loop.call_soon_threadsafe(self._take, frame)

    def _take(self, frame: bytes) -> None:
        if self._ended:
            return
        self._frames.append(frame)
        if len(self._frames) > WAITING_FRAMES:
            self._frames.popleft()
            self._lost += 1
            if self._lost == 1:
                logger.warning("audio of the microphone is lost: it is not read in time")
        self._news.set()
