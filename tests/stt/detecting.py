"""A detector of voice activity for the audio of ``hearing.py``: whatever is not silence is speech."""

from __future__ import annotations

from array import array

from livekit import rtc
from tests.stt.hearing import samples

from lk_agents.utils.audio import combine_frames
from lk_agents.vad import VAD, VADCapabilities, VADEvent, VADEventType, VADStream

WINDOW_SECONDS = 0.1
SILENT_WINDOWS = 2
"""How many end a speech."""


class LoudnessVAD(VAD):
    """Judges windows of 0.1 s; one frame is kept from before the speech.

    :param forgets: whether a flush makes it forget that somebody speaks.
    """

    def __init__(self, *, forgets: bool = False) -> None:
        super().__init__(capabilities=VADCapabilities(update_interval=WINDOW_SECONDS))
        self.forgets = forgets
        self.warm = False
        self.streams: list[LoudnessStream] = []

    def prewarm(self) -> None:
        self.warm = True

    def stream(self) -> LoudnessStream:
        self.streams.append(LoudnessStream(self))
        return self.streams[-1]


class LoudnessStream(VADStream):
    _vad: LoudnessVAD

    async def _main_task(self) -> None:
        self.flushes = 0
        self.judged = 0
        self.speech: list[rtc.AudioFrame] = []
        self.before: list[rtc.AudioFrame] = []
        self.silent_windows = 0
        rest: list[rtc.AudioFrame] = []
        async for item in self._input_ch:
            if isinstance(item, self._FlushSentinel):
                self.flushes += 1
                if self._vad.forgets:
                    self.speech, self.before, self.silent_windows = [], [], 0
                continue
            whole = combine_frames([*rest, item])
            size = round(WINDOW_SECONDS * whole.sample_rate)
            values = samples(whole)
            count = len(values) // size
            for number in range(count):
                self.judge(_frame_of(values[number * size : (number + 1) * size], whole.sample_rate))
            left = values[count * size :]
            rest = [_frame_of(left, whole.sample_rate)] if left else []

    def judge(self, window: rtc.AudioFrame) -> None:
        self.judged += 1
        self.tell(VADEventType.INFERENCE_DONE, [window])
        loud = any(samples(window))
        self.silent_windows = 0 if loud else self.silent_windows + 1
        if self.speech:
            self.speech.append(window)
            if self.silent_windows == SILENT_WINDOWS:
                self.tell(VADEventType.END_OF_SPEECH, [combine_frames(self.speech)])
                self.speech = []
        elif loud:
            self.speech = [*self.before, window]
            self.tell(VADEventType.START_OF_SPEECH, [combine_frames(self.speech)])
        self.before = [window]

    def tell(self, type: VADEventType, frames: list[rtc.AudioFrame]) -> None:
        self._event_ch.send_nowait(
            VADEvent(
                type=type,
                samples_index=0,
                timestamp=self.judged * WINDOW_SECONDS,
                speech_duration=0.0,
                silence_duration=self.silent_windows * WINDOW_SECONDS,
                frames=frames,
                speaking=bool(self.speech),
            )
        )


def _frame_of(values: list[int], rate: int) -> rtc.AudioFrame:
    return rtc.AudioFrame(array("h", values).tobytes(), rate, 1, len(values))
