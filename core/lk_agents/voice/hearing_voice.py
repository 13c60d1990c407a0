"""Follows the user's voice: from a detector's events to runs of voice, told in the clock's time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APITimeoutError
from lk_agents.foundation.log import logger
from lk_agents.vad.events import VADEvent, VADEventType
from lk_agents.voice.hearing_stream import KeptStream
from lk_agents.voice.signals import SpeechStarted, SpeechStopped, VoiceRunBegan, VoiceRunEnded, VoiceWindow
from lk_agents.voice.voice_runs import RunChange, VoiceRuns

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.vad import VAD
    from lk_agents.voice.hearing_clock import HearingClock
    from lk_agents.voice.hearing_memory import HearingMemory
    from lk_agents.voice.hearing_understanding import Reports, Understanding

__all__ = ["VoiceFollower"]

EVEN_CHANCE: Final = 0.5
"""From this probability on a window is speech where the detector gives no verdict of its own."""
CATCH_UP_SECONDS: Final = 1.0
LAG_SECONDS: Final = 1.0
"""A detector that is so far behind for so long has stalled."""
GAP_SECONDS: Final = 0.5
"""Behind such a gap between frames the detector had no chance either: the loop was blocked, or nobody spoke."""
ROUNDING_SECONDS: Final = 1e-6


class VoiceFollower:
    """Lets a detector hear all audio, and posts what it means.

    :param timing: from positions to the clock.
    :param understanding: told of runs and ends, too.
    :param on_event: told every event of the detector first.
    :param on_voice: told when something begins that will have to end.
    """

    def __init__(
        self,
        vad: VAD,
        *,
        memory: HearingMemory,
        timing: HearingClock,
        understanding: Understanding,
        reports: Reports,
        on_event: Callable[[VADEvent], None],
        on_voice: Callable[[], None],
    ) -> None:
        self._window_seconds = vad.capabilities.update_interval
        self._memory = memory
        self._timing = timing
        self._understanding = understanding
        self._reports = reports
        self._on_event = on_event
        self._on_voice = on_voice
        self._runs = VoiceRuns()
        self._speaking = False
        self._onset_at = 0.0
        self._last_speech_at = 0.0
        self._judged = 0.0
        self._pushed_at = self._kept_up_at = clock.monotonic()
        self._caught_up = asyncio.Event()
        self._stream: KeptStream[VADEvent] = KeptStream("vad", open_stream=vad.stream, memory=memory, user=self)

    async def run(self) -> None:
        """Listen until cancelled; then call :meth:`aclose`."""
        await self._stream.run()

    def push(self, frame: rtc.AudioFrame) -> None:
        """Let the detector hear a frame, which is in the memory already."""
        self._stream.push(frame)
        self._watch_lag()

    async def catch_up(self) -> None:
        """Return when all that was pushed is judged; after 1 s in any case."""
        self._note_lag()
        try:
            async with asyncio.timeout(CATCH_UP_SECONDS):
                await self._caught_up.wait()
        except TimeoutError:
            return

    def end(self) -> None:
        """End whatever is open: no more audio comes.

        The detector is not told. It may go on from where it is when there is audio again, and say END then, which is
        nobody's any more; or hear more speech, which is told as a new start.
        """
        if self._runs.end():
            self._end_run()
        self._stop()

    async def aclose(self) -> None:
        """Return when the streams are closed."""
        await self._stream.aclose()

    # --- the stream's user -------------------------------------------------------------------------------------------

    def told(self, event: VADEvent) -> bool:
        """Take an event of the detector."""
        self._on_event(event)
        if event.type is VADEventType.INFERENCE_DONE:
            self._window(event)
        elif event.type is VADEventType.START_OF_SPEECH:
            self._start()
        else:
            self._stop()
        return True

    def wants_audio_since(self, *, worked: bool) -> float:
        """What was not judged is judged by the next stream, unless it may be the very audio that breaks it."""
        return self._judged if worked else self._memory.position

    def failed(self, error: Exception) -> None:
        """Let nothing hang open."""
        self._reports.error("vad", error)
        self.end()

    # --- windows -----------------------------------------------------------------------------------------------------

    def _window(self, event: VADEvent) -> None:
        end = self._stream.base + event.timestamp
        frame = event.frames[0] if len(event.frames) == 1 and event.frames[0].num_channels == 1 else None
        seconds = self._window_seconds if frame is None else frame.samples_per_channel / frame.sample_rate
        is_speech = event.probability >= EVEN_CHANCE if event.is_speech is None else event.is_speech
        change = self._runs.judge(is_speech=is_speech, begin=end - seconds, end=end, frame=frame)
        self._judged = end
        self._note_lag()
        if change is not RunChange.NONE:
            self._tell(change, is_speech=is_speech)
        if is_speech and event.speaking:
            self._start()  # it was told to be over, since no audio came, and goes on

    def _tell(self, change: RunChange, *, is_speech: bool) -> None:
        at, runs = clock.monotonic(), self._runs
        if change is RunChange.BEGAN:
            self._onset_at = self._last_speech_at = min(self._timing.begun_at(runs.onset), at)
            self._on_voice()
            self._reports.post(VoiceRunBegan(at, self._onset_at))
            self._understanding.run_began(runs.onset)
        self._last_speech_at = max(self._last_speech_at, min(self._timing.over_at(runs.last_speech), at))
        self._reports.post(VoiceWindow(at, is_speech, self._last_speech_at))
        if change is RunChange.ENDED:
            self._end_run()
        else:
            self._understanding.run_went_on()

    def _end_run(self) -> None:
        self._understanding.run_ended(
            last_speech=self._runs.last_speech, last_speech_at=self._last_speech_at, is_speech=self._speaking
        )
        self._reports.post(VoiceRunEnded(clock.monotonic(), self._onset_at, self._last_speech_at))

    def _start(self) -> None:
        if not self._speaking:
            self._speaking = True
            self._on_voice()
            self._reports.post(SpeechStarted(clock.monotonic()))

    def _stop(self) -> None:
        if self._speaking:
            self._speaking = False
            self._understanding.speech_ended()
            self._reports.post(SpeechStopped(clock.monotonic()))

    def _watch_lag(self) -> None:
        """Begin with another stream where this one hangs: the user would be taken for silent, or speaking, for ever."""
        now, lag = clock.monotonic(), self._memory.position - self._judged
        if lag < LAG_SECONDS or now - self._pushed_at > GAP_SECONDS or not self._stream.is_open:
            self._kept_up_at = now
        self._pushed_at = now
        if now - self._kept_up_at < LAG_SECONDS:
            return
        self._kept_up_at = now
        logger.warning("the detector of speech has stalled and is begun anew", extra={"lag_seconds": round(lag, 3)})
        self.failed(APITimeoutError(f"the detector of speech has not judged the last {lag:.1f} s of audio"))
        self._stream.restart()

    def _note_lag(self) -> None:
        if self._memory.position - self._judged < self._window_seconds - ROUNDING_SECONDS:
            self._caught_up.set()
        else:
            self._caught_up.clear()
