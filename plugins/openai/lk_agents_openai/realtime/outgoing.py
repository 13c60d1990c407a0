"""What waits to be sent on one connection, in its order and within bounds."""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from typing import Any, Final

import msgspec

from lk_agents.foundation.log import logger
from lk_agents_openai.realtime.api_proto import SAMPLE_RATE

__all__ = ["Outgoing"]

MOST_AUDIO_SECONDS: Final = 10.0
"""So much of what the user says waits at most: nobody wants to be answered later than that."""


class Outgoing:
    """Messages on their way to the server: first in, first out; what is too much of the audio is dropped."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, float]] = deque()  # with the seconds of audio in it
        self._audio_seconds = 0.0
        self._news = asyncio.Event()
        self.dropped_seconds = 0.0
        """How much audio was dropped so far."""

    def put(self, message: dict[str, Any]) -> None:
        """Add a message."""
        self._add(msgspec.json.encode(message).decode(), 0.0)

    def put_audio(self, samples: bytes | memoryview) -> None:
        """Add audio: mono, 16 bit, 24 kHz."""
        audio = base64.b64encode(samples).decode()
        self._add(f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}', len(samples) / 2 / SAMPLE_RATE)
        while self._audio_seconds > MOST_AUDIO_SECONDS:
            self._drop_oldest_audio()

    async def next(self) -> str:
        """Wait for the next message, and take it. Cancelled, it takes none."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        text, seconds = self._waiting.popleft()
        self._audio_seconds -= seconds
        return text

    def _add(self, text: str, seconds: float) -> None:
        self._waiting.append((text, seconds))
        self._audio_seconds += seconds
        self._news.set()

    def _drop_oldest_audio(self) -> None:
        place = next(number for number, (_, seconds) in enumerate(self._waiting) if seconds)
        seconds = self._waiting[place][1]
        del self._waiting[place]
        self._audio_seconds -= seconds
        if not self.dropped_seconds:
            logger.warning("OpenAI takes audio more slowly than it comes: the oldest is dropped")
        self.dropped_seconds += seconds
