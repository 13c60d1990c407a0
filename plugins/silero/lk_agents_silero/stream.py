"""One stream of audio: cut into windows, judged, and told as events."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Final

import numpy as np

from lk_agents.foundation import clock
from lk_agents.foundation.types import NOT_GIVEN, NotGivenOr
from lk_agents.vad import detector
from lk_agents.vad.events import VADEvent, VADEventType
from lk_agents_silero.audio import SpeechBuffer, Window, WindowCutter
from lk_agents_silero.model import WINDOW_SECONDS, Model
from lk_agents_silero.options import VADOptions
from lk_agents_silero.segmenter import Segmenter

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents_silero.vad import VAD

__all__ = ["VADStream"]

WINDOWS_AT_ONCE: Final = 4
SECONDS_AT_ONCE: Final = 0.001
"""When one of both is reached, the event loop has its turn before judging goes on."""
SLOW_SECONDS: Final = 0.2
STILL_WINDOWS: Final = math.ceil(1.0 / WINDOW_SECONDS)
"""After that much digital silence the model is not asked about more of it."""

logger = logging.getLogger("lk_agents_silero")


class _Ears:
    """What a stream has once it knows the rate of its input, which the first frame fixes."""

    def __init__(self, opts: VADOptions, model: Model, rate: int) -> None:
        self.rate = rate
        self.cutter = WindowCutter(
            input_rate=rate, model_rate=model.sample_rate, window_samples=model.window_size_samples
        )
        self.buffer = SpeechBuffer(opts, rate)


class VADStream(detector.VADStream):
    """Listens to one stream of audio; :meth:`VAD.stream` makes it.

    The rate of the first frame is that of the stream; frames of another one are left out, with an error in the log.
    Several channels are mixed to one. The model computes on the event loop, for a millisecond or a window at a time:
    that takes less than handing the work to a thread and back.

    :meth:`flush` begins anew: what was heard is forgotten, speech that was under way gets no end, and less than a
    window of audio may be left out. The end of the input does the same.

    :param vad: the detector, whose listeners get the metrics.
    :param opts: what counts as speech.
    :param model: judges the windows; this stream's own.
    """

    def __init__(self, vad: VAD, opts: VADOptions, model: Model) -> None:
        super().__init__(vad)
        self._opts = opts
        self._model = model
        self._segmenter = Segmenter(opts, window_samples=model.window_size_samples)
        self._ears: _Ears | None = None
        self._other_rates: set[int] = set()
        self._still_windows = 0
        self._behind_seconds = 0.0
        self._windows_at_once = 0
        self._seconds_at_once = 0.0

    @property
    def opts(self) -> VADOptions:
        """What counts as speech; setting it takes effect with the next window."""
        return self._opts

    @opts.setter
    def opts(self, opts: VADOptions) -> None:
        self._opts = self._segmenter.options = opts
        if self._ears is not None:
            self._ears.buffer.resize(opts)

    def update_options(
        self,
        *,
        min_speech_duration: NotGivenOr[float | None] = NOT_GIVEN,
        min_silence_duration: NotGivenOr[float | None] = NOT_GIVEN,
        prefix_padding_duration: NotGivenOr[float | None] = NOT_GIVEN,
        max_buffered_speech: NotGivenOr[float | None] = NOT_GIVEN,
        activation_threshold: NotGivenOr[float | None] = NOT_GIVEN,
        deactivation_threshold: NotGivenOr[float | None] = NOT_GIVEN,
    ) -> None:
        """Change what is given, for this stream alone; 0 is a value, None changes nothing.

        :param deactivation_threshold: None, if given, stands for the activation threshold.
        :raises ConfigError: a value is out of its range; then nothing has changed.
        """
        self.opts = self._opts.changed(
            min_speech_duration=min_speech_duration,
            min_silence_duration=min_silence_duration,
            prefix_padding_duration=prefix_padding_duration,
            max_buffered_speech=max_buffered_speech,
            activation_threshold=activation_threshold,
            deactivation_threshold=deactivation_threshold,
        )

    async def _main_task(self) -> None:
        async for item in self._input_ch:
            if isinstance(item, self._FlushSentinel):
                self._begin_anew()
            elif (ears := self._hearing(item)) is not None:
                ears.cutter.push(item)
                while (window := ears.cutter.take()) is not None:
                    for event in self._judge(window, ears):
                        await self._event_ch.send(event)
                    await self._give_way()

    def _hearing(self, frame: rtc.AudioFrame) -> _Ears | None:
        """Return what hears this frame; None if it is not to be heard."""
        if self._ears is None:
            self._ears = _Ears(self._opts, self._model, frame.sample_rate)
        if frame.sample_rate == self._ears.rate:
            return self._ears
        if frame.sample_rate not in self._other_rates:
            self._other_rates.add(frame.sample_rate)
            logger.error(
                "audio of another sample rate than the stream began with is left out",
                extra={"sample_rate": frame.sample_rate, "stream_sample_rate": self._ears.rate},
            )
        return None

    def _begin_anew(self) -> None:
        self._model.reset()
        self._still_windows = 0
        if self._ears is not None:
            self._segmenter.restart(self._ears.cutter.restart())
            self._ears.buffer.clear()

    def _judge(self, window: Window, ears: _Ears) -> list[VADEvent]:
        started_at = clock.monotonic()
        probability = self._probability(window)
        took_seconds = clock.monotonic() - started_at
        self._note_time(took_seconds)
        was_idle = self._segmenter.is_idle
        events = self._segmenter.judge(probability)
        if was_idle and self._segmenter.is_idle:
            ears.buffer.slide(window.heard)
        elif ears.buffer.append(window.heard):
            logger.warning(
                "more was said than max_buffered_speech: the rest is judged, but is not in the event's audio",
                extra={"max_buffered_speech": self._opts.max_buffered_speech},
            )
        for event in events:
            if event.type is VADEventType.INFERENCE_DONE:
                event.inference_duration = took_seconds
                event.frames = [_frame(window.heard, ears.rate)]
            else:
                event.frames = [_frame(ears.buffer.content(), ears.rate)]
        if self._segmenter.is_idle and not was_idle:
            ears.buffer.end_utterance()
        return events

    def _probability(self, window: Window) -> float:
        """Ask the model, except about what follows on a second of digital silence: a muted microphone is no speech.

        What the model remembers stays as it was: from the state of a new one it hears the next speech late, by 0.1 s on
        average and by 0.8 s at worst (measured), from this one as early as if it had listened on.
        """
        self._still_windows = 0 if window.heard.strip(b"\0") else self._still_windows + 1
        if self._still_windows > STILL_WINDOWS:
            return 0.0
        return self._model(np.frombuffer(window.for_model, np.int16))

    def _note_time(self, took_seconds: float) -> None:
        self._seconds_at_once += took_seconds
        self._behind_seconds = max(0.0, self._behind_seconds + took_seconds - WINDOW_SECONDS)
        if took_seconds > SLOW_SECONDS:
            logger.warning(
                "the model is slower than the audio",
                extra={"took_seconds": round(took_seconds, 3), "behind_seconds": round(self._behind_seconds, 3)},
            )

    async def _give_way(self) -> None:
        """Let others have the event loop from time to time; taking what waits in the input does not."""
        self._windows_at_once += 1
        if self._windows_at_once >= WINDOWS_AT_ONCE or self._seconds_at_once >= SECONDS_AT_ONCE:
            self._windows_at_once = 0
            self._seconds_at_once = 0.0
            await asyncio.sleep(0)


def _frame(samples: bytes, rate: int) -> rtc.AudioFrame:
    from livekit import rtc

    return rtc.AudioFrame(samples, rate, 1, len(samples) // 2)
