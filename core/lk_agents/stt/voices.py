"""Hears whether somebody speaks: so a recogniser that is deaf can be told from one that has nothing to say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from lk_agents.foundation.log import logger
from lk_agents.utils.aio.tasks import cancel_and_wait
from lk_agents.vad.events import VADEvent, VADEventType

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.vad.detector import VAD, VADStream

__all__ = ["VOICE_SECONDS", "Voices"]

VOICE_SECONDS: Final = 1.0
"""How long a voice must last to be one: a cough, a door or a single word is shorter."""


class Voices:
    """Follows one stream's audio with a detector of its own. Whatever becomes of that, the stream does not notice.

    :param vad: opens the detector's stream.
    :param on_voice: told once for each speech that has lasted a second, and again at its end; with the moment at which
        it began, on the loop's clock, and whether it is over.
    :param label: whose stream it is, for logs.
    """

    def __init__(self, vad: VAD, *, on_voice: Callable[[float, bool], None], label: str) -> None:
        self._on_voice = on_voice
        self._label = label
        self._stream: VADStream | None = None
        self._listening: asyncio.Task[None] | None = None
        self._has_failed = False
        self._judged_until = 0.0
        self._began_at: float | None = None
        self._heard_seconds = 0.0
        try:
            self._stream = vad.stream()
        except Exception as error:  # noqa: BLE001  the recognisers are not to suffer for it
            self._give_up(error)
        else:
            listening = self._listen(self._stream)
            self._listening = asyncio.get_running_loop().create_task(listening, name=f"lk-stt-voices {label}")

    def push(self, frame: rtc.AudioFrame) -> None:
        """Hear a frame."""
        if self._stream is None or self._has_failed:
            return
        try:
            self._stream.push_frame(frame)
        except Exception as error:  # noqa: BLE001  the recognisers are not to suffer for it
            self._give_up(error)

    async def aclose(self) -> None:
        """Hear no more."""
        if self._stream is not None and self._listening is not None:
            await cancel_and_wait(self._listening)
            await self._stream.aclose()

    async def _listen(self, stream: VADStream) -> None:
        try:
            async for event in stream:
                self._judged(event)
        except Exception as error:  # noqa: BLE001  the recognisers are not to suffer for it
            self._give_up(error)

    def _judged(self, event: VADEvent) -> None:
        seconds, self._judged_until = event.timestamp - self._judged_until, event.timestamp
        if event.type == VADEventType.START_OF_SPEECH:
            self._began_at = asyncio.get_running_loop().time()
            self._heard_seconds = 0.0
        elif self._began_at is None:
            return
        elif event.type == VADEventType.END_OF_SPEECH:
            if self._heard_seconds >= VOICE_SECONDS:
                self._on_voice(self._began_at, True)
            self._began_at = None
        elif event.is_speech is not False and self._heard_seconds < VOICE_SECONDS:
            self._heard_seconds += seconds
            if self._heard_seconds >= VOICE_SECONDS:
                self._on_voice(self._began_at, False)

    def _give_up(self, error: Exception) -> None:
        if self._has_failed:
            return
        self._has_failed = True
        logger.warning(
            "a detector of voice activity failed; recognisers that say nothing are not noticed by it any more",
            extra={"provider": self._label, "error": type(error).__name__},
        )
