"""Detectors with one defect each, by the check that must see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from livekit import rtc
from tests.testing.conformance.bench import EVERYTHING, Mutant

from lk_agents.testing.conformance.vad import VADConformance
from lk_agents.testing.providers import ScriptedVAD
from lk_agents.testing.providers.vad import _ScriptedDetection
from lk_agents.vad import VAD, VADEvent, VADEventType, VADStream

START, INFERENCE, END = VADEventType.START_OF_SPEECH, VADEventType.INFERENCE_DONE, VADEventType.END_OF_SPEECH


class Tunable(ScriptedVAD):
    """A good one; the mutants change it."""

    detecting: type[_ScriptedDetection] = _ScriptedDetection

    def stream(self) -> VADStream:
        return self.detecting(self)

    async def update_options(self, stream: VADStream) -> None:
        """Change nothing that can be seen."""


class Kit(VADConformance):
    """The kit over one class of detector."""

    virtual_time = True

    def __init__(self, make: Callable[..., Tunable]) -> None:
        self._make = make

    @asynccontextmanager
    async def provider(self) -> AsyncIterator[VAD]:
        yield self._make()

    async def change_options(self, vad: VAD, stream: VADStream) -> None:
        assert isinstance(vad, Tunable)
        await vad.update_options(stream)


class BreaksOff(Tunable):
    async def update_options(self, stream: VADStream) -> None:
        await stream.aclose()


class Changing(_ScriptedDetection):
    """Changes what is told."""

    def change(self, event: VADEvent) -> VADEvent:
        return event

    def _accept(self, event: VADEvent) -> VADEvent:
        return super()._accept(self.change(event))


class IsLate(Changing):
    def change(self, event: VADEvent) -> VADEvent:
        return replace(event, timestamp=event.timestamp + 0.5) if event.type is END else event


class HasOneRate(Changing):
    def change(self, event: VADEvent) -> VADEvent:
        frames = [rtc.AudioFrame(bytes(each.data), 16_000, 1, each.samples_per_channel) for each in event.frames]
        return replace(event, frames=frames)


class LosesLongFrames(_ScriptedDetection):
    def push_frame(self, frame: rtc.AudioFrame) -> None:
        if frame.duration < 1:
            super().push_frame(frame)


class IsTooSure(Changing):
    def change(self, event: VADEvent) -> VADEvent:
        return replace(event, probability=event.probability * 100)


class NeverSpeaks(Changing):
    def change(self, event: VADEvent) -> VADEvent:
        return replace(event, speaking=False) if event.type is INFERENCE else event


class TellsNoLength(Changing):
    def change(self, event: VADEvent) -> VADEvent:
        return replace(event, speech_duration=0.0) if event.type is END else event


class KeepsNoAudio(Changing):
    def change(self, event: VADEvent) -> VADEvent:
        return replace(event, frames=[]) if event.type is START else event


class HearsVoices(_ScriptedDetection):
    def _is_speech(self, window: rtc.AudioFrame) -> bool:
        return self._windows <= 10 or super()._is_speech(window)


class StumblesOverFlushes(_ScriptedDetection):
    flushes = 0

    def flush(self) -> None:
        self.flushes += 1
        if self.flushes == 3 and not self._input_ch.closed:
            raise ValueError("what is there to flush?")
        super().flush()


class NeedsAudio(_ScriptedDetection):
    async def _main_task(self) -> None:
        await super()._main_task()
        if not self._windows and self._input_ch.pushed_seconds == 0:
            self._event_ch.send_nowait(VADEvent(END, 0, 0.0, 0.0, 0.0))


class EndsAgain(_ScriptedDetection):
    def end_input(self) -> None:
        if not self._input_ch.closed:
            super().end_input()


class ForgetsTheRest(_ScriptedDetection):
    def _finished(self, **how: Any) -> None:
        pass


class SharesItsState(_ScriptedDetection):
    def __init__(self, vad: ScriptedVAD) -> None:
        super().__init__(vad)
        if "streams" in vars(vad):  # the first one decides what all of them hear
            self._is_speech = lambda window: 5 < self._windows < 60  # type: ignore[method-assign]
        vars(vad)["streams"] = True

    def _finished(self, **how: Any) -> None:
        super()._finished(**how)
        vars(self._vad).pop("streams", None)


class EndsWithItsReader(_ScriptedDetection):
    over = False

    async def __anext__(self) -> VADEvent:
        if self.over:
            raise StopAsyncIteration
        try:
            return await super().__anext__()
        except asyncio.CancelledError:
            self.over = True
            raise


class ClosesOnce(_ScriptedDetection):
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1
        if self.closed == 3:
            raise RuntimeError("it has been closed")
        await super().aclose()


class LeavesATask(_ScriptedDetection):
    def __init__(self, vad: ScriptedVAD) -> None:
        super().__init__(vad)
        self.left = [asyncio.create_task(asyncio.sleep(1000), name="left")]


class IsDeaf(_ScriptedDetection):
    def _is_speech(self, window: rtc.AudioFrame) -> bool:
        return False


def detecting(stream: type[_ScriptedDetection]) -> Callable[..., Tunable]:
    return type(f"With{stream.__name__}", (Tunable,), {"detecting": stream})


def mutant(stream: type[_ScriptedDetection], *also: str) -> Mutant:
    return Mutant(lambda: Kit(detecting(stream)), frozenset(also))


WINDOWS = "test_every_window_is_judged_once_and_in_its_order"

MUTANTS = {
    "test_each_speech_has_one_start_and_one_end_in_time": Mutant(lambda: Kit(detecting(IsDeaf)), EVERYTHING),
    "test_speech_is_found_at_every_rate": mutant(HasOneRate),
    "test_it_does_not_matter_how_the_audio_is_cut": mutant(LosesLongFrames),
    WINDOWS: mutant(IsTooSure),
    "test_windows_tell_whether_somebody_speaks": mutant(NeverSpeaks),
    "test_an_end_has_all_of_the_speech": mutant(TellsNoLength),
    "test_a_start_has_the_audio_from_where_it_began": mutant(KeepsNoAudio),
    "test_nothing_is_found_in_silence": Mutant(lambda: Kit(detecting(HearsVoices)), EVERYTHING),
    "test_flushes_do_not_disturb_what_follows": mutant(StumblesOverFlushes),
    "test_a_stream_without_audio_ends_without_an_event": mutant(NeedsAudio),
    "test_no_audio_can_be_given_after_the_end": mutant(EndsAgain),
    "test_all_windows_are_measured_once": mutant(ForgetsTheRest),
    "test_options_that_change_while_it_listens_lose_no_speech": Mutant(lambda: Kit(BreaksOff)),
    "test_two_streams_of_one_detector_are_kept_apart": mutant(SharesItsState),
    "test_a_reader_of_a_detector_that_gives_up_waiting_loses_nothing": mutant(EndsWithItsReader),
    "test_a_detection_that_is_closed_three_times_at_once_ends": mutant(ClosesOnce),
    "test_a_detection_leaves_nothing_behind": mutant(LeavesATask),
}


def good() -> Kit:
    return Kit(Tunable)
