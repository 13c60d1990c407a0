"""Text from a recogniser that listens while the user speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.foundation import clock
from lk_agents.streams.inputs import AUDIO_BOUND_SECONDS
from lk_agents.stt.events import SpeechEvent, SpeechEventType, has_text
from lk_agents.voice.hearing_stream import KeptStream
from lk_agents.voice.hearing_understanding import Understanding, best_of
from lk_agents.voice.signals import EndOfTurn, Final, Interim

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.stt import STT
    from lk_agents.voice.hearing_memory import HearingMemory
    from lk_agents.voice.hearing_understanding import HearingOptions, Reports

__all__ = ["StreamedUnderstanding"]


class StreamedUnderstanding(Understanding):
    """Gives all audio to one stream after the other, and hands on what they understand.

    A stream that takes the place of another hears the audio since the last final transcript once more.
    """

    def __init__(self, stt: STT, *, memory: HearingMemory, options: HearingOptions, reports: Reports) -> None:
        super().__init__()
        self._stt = stt
        self._memory = memory
        self._reports = reports
        self._key = next(self._keys)
        self._final_until = 0.0
        self._stream: KeptStream[SpeechEvent] = KeptStream(
            "stt", open_stream=lambda: stt.stream(**options.for_recogniser()), memory=memory, user=self
        )

    async def run(self) -> None:
        """Listen until cancelled."""
        await self._stream.run()

    def push(self, frame: rtc.AudioFrame) -> None:
        """Let the recogniser hear it."""
        self._stream.push(frame)

    def paused(self) -> None:
        """Let the recogniser work off what it has heard: it would wait for silence that does not come."""
        self._stream.flush()

    def restart(self) -> None:
        """Open another stream."""
        self._stream.restart()

    async def aclose(self) -> None:
        """Return when the streams are closed."""
        await self._stream.aclose()

    # --- the stream's user -------------------------------------------------------------------------------------------

    def told(self, event: SpeechEvent) -> bool:
        """Hand an event on."""
        key = self._key
        if event.type is SpeechEventType.FINAL_TRANSCRIPT:
            self._key = next(self._keys)
            self._settle(event)
        self._reports.speech_event(event, key)
        self._post(event, key)
        return has_text(event)

    def wants_audio_since(self, *, worked: bool) -> float:  # noqa: ARG002  a provider that was down hears it when it is up
        """Nothing that is not final may be lost."""
        return max(self._final_until, self._memory.position - AUDIO_BOUND_SECONDS)

    def failed(self, error: Exception) -> None:
        """Tell it."""
        self._reports.error("stt", error)

    def _settle(self, event: SpeechEvent) -> None:
        ends = [data.end_time for data in event.alternatives[:1] if data.end_time]
        until = self._stream.base + ends[0] if ends else self._memory.position
        self._final_until = max(self._final_until, min(until, self._memory.position))

    def _post(self, event: SpeechEvent, key: int) -> None:
        at, kind = clock.monotonic(), event.type
        text, language = best_of(event)
        if kind is SpeechEventType.FINAL_TRANSCRIPT:
            self._reports.post(Final(at, key, text, language))
        elif kind in {SpeechEventType.INTERIM_TRANSCRIPT, SpeechEventType.PREFLIGHT_TRANSCRIPT}:
            self._reports.post(Interim(at, text, language))
        elif kind is SpeechEventType.TURN_RESUMED and text:
            # Without a text, what was understood before stays open, and with it the turn.
            self._reports.post(Interim(at, text, language))
        elif kind is SpeechEventType.END_OF_TURN and self._stt.capabilities.end_of_turn:
            self._reports.post(EndOfTurn(at))
