"""A detector that hears speech where its script says, or where it is loud."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from lk_agents.foundation.errors import ConfigError
from lk_agents.testing.providers.script import Break, BreakKind, Breaks
from lk_agents.testing.providers.speech import LOUD, Heard
from lk_agents.utils.audio import AudioByteStream
from lk_agents.vad import VAD, VADCapabilities, VADEvent, VADEventType, VADStream

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["ScriptedVAD"]

WINDOW_SECONDS: Final = 0.032


class ScriptedVAD(VAD):
    """Judges windows of 32 ms: speech with the probability 1, or silence with 0.

    A start is told after ``min_speech_duration`` of speech, an end after ``min_silence_duration`` of silence; frames
    and durations are those of a real detector.

    :param speech: where there is speech, in seconds of the stream; None to judge by loudness.
    :param prefix_padding_duration: how much audio from before the start its event holds, in seconds.
    :param breaks: what goes wrong; positions are seconds of the stream.
    """

    def __init__(
        self,
        speech: Iterable[tuple[float, float] | Heard] | None = None,
        *,
        min_speech_duration: float = 0.05,
        min_silence_duration: float = 0.55,
        prefix_padding_duration: float = 0.5,
        breaks: Iterable[Break] = (),
    ) -> None:
        super().__init__(capabilities=VADCapabilities(update_interval=WINDOW_SECONDS))
        self.speech = None if speech is None else [_range_of(each) for each in speech]
        self.min_speech_duration = min_speech_duration
        self.min_silence_duration = min_silence_duration
        self.prefix_padding_duration = prefix_padding_duration
        self.breaks = Breaks(breaks)

    def stream(self) -> VADStream:
        """Begin to listen."""
        return _ScriptedDetection(self)


def _range_of(each: tuple[float, float] | Heard) -> tuple[float, float]:
    start, end = (each.start, each.end) if isinstance(each, Heard) else each
    if not 0 <= start < end:
        raise ConfigError(f"speech from {start} s to {end} s: it must end after it has begun, which is at 0 or later")
    return start, end


class _ScriptedDetection(VADStream):
    def __init__(self, vad: ScriptedVAD) -> None:
        super().__init__(vad)
        self._script = vad
        self._kept: list[rtc.AudioFrame] = []
        self._speaking = False
        self._speech = self._silence = 0.0  # the runs of windows
        self._speech_seconds = self._silence_seconds = 0.0  # of what has been going on since the last event
        self._windows = 0

    async def _main_task(self) -> None:
        breaks = self._script.breaks.attempt()
        windows: AudioByteStream | None = None
        async for item in self._input_ch:
            if isinstance(item, self._FlushSentinel):
                continue
            if windows is None:
                windows = AudioByteStream(item.sample_rate, item.num_channels, round(WINDOW_SECONDS * item.sample_rate))
            for window in windows.push(bytes(item.data)):
                struck = await breaks.pass_(self._windows * WINDOW_SECONDS)
                if struck is not None and struck.kind is BreakKind.END:
                    return
                self._judge(window)

    def _judge(self, window: rtc.AudioFrame) -> None:
        self._windows += 1
        speech = self._is_speech(window)
        self._kept.append(window)
        if self._speaking:
            self._speech_seconds += WINDOW_SECONDS
        else:
            self._silence_seconds += WINDOW_SECONDS
        self._tell(VADEventType.INFERENCE_DONE, [window], is_speech=speech)
        if speech:
            self._speech, self._silence = self._speech + WINDOW_SECONDS, 0.0
            if not self._speaking and self._speech >= self._script.min_speech_duration:
                self._start()
            return
        self._speech, self._silence = 0.0, self._silence + WINDOW_SECONDS
        if self._speaking and self._silence >= self._script.min_silence_duration:
            self._end()
        elif not self._speaking:
            self._trim()

    def _start(self) -> None:
        self._speaking = True
        self._speech_seconds, self._silence_seconds = self._speech, 0.0
        self._tell(VADEventType.START_OF_SPEECH, self._kept)

    def _end(self) -> None:
        self._speaking = False
        self._silence_seconds = self._silence
        self._speech_seconds -= self._silence
        self._tell(VADEventType.END_OF_SPEECH, self._kept)
        self._speech_seconds = 0.0
        self._trim()

    def _trim(self) -> None:
        keep = round(self._script.prefix_padding_duration / WINDOW_SECONDS)
        self._kept = self._kept[-keep:] if keep else []

    def _tell(self, type: VADEventType, frames: Sequence[rtc.AudioFrame], *, is_speech: bool | None = None) -> None:
        judged = type is VADEventType.INFERENCE_DONE
        self._event_ch.send_nowait(
            VADEvent(
                type=type,
                samples_index=round(self._windows * WINDOW_SECONDS * frames[0].sample_rate),
                timestamp=self._windows * WINDOW_SECONDS,
                speech_duration=self._speech_seconds,
                silence_duration=self._silence_seconds,
                frames=list(frames) if judged else [_joined(frames)],
                probability=float(is_speech or False),
                is_speech=is_speech,
                speaking=self._speaking,
                raw_accumulated_silence=self._silence if judged else 0.0,
                raw_accumulated_speech=self._speech if judged else 0.0,
            )
        )

    def _is_speech(self, window: rtc.AudioFrame) -> bool:
        if self._script.speech is None:
            return max(map(abs, array("h", bytes(window.data)))) >= LOUD
        middle = (self._windows - 0.5) * WINDOW_SECONDS
        return any(start <= middle < end for start, end in self._script.speech)


def _joined(frames: Sequence[rtc.AudioFrame]) -> rtc.AudioFrame:
    from lk_agents.utils.audio import combine_frames

    return combine_frames(list(frames))
