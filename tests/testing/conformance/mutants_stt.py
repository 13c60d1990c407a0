"""Recognisers with one defect each, by the check that must see it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from livekit import rtc
from tests.testing.conformance.bench import EVERYTHING, Mutant

from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, APITimeoutError
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.stt import (
    STT,
    RecognitionUsage,
    RecognizeStream,
    SpeechData,
    SpeechEvent,
    SpeechEventType,
    STTCapabilities,
)
from lk_agents.testing.conformance.stt import STTCase, STTConformance
from lk_agents.testing.providers import Ear, ScriptedSTT, Told
from lk_agents.testing.providers.stt import _ScriptedStream
from lk_agents.utils.audio import AudioBuffer

FINAL = SpeechEventType.FINAL_TRANSCRIPT


class Tunable(ScriptedSTT):
    """A good one; the mutants change it."""

    key = ""
    listening: type[RecognizeStream] = _ScriptedStream

    def stream(
        self, *, language: str | None = None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> RecognizeStream:
        return self.listening(self, language, conn_options, None)  # type: ignore[call-arg,arg-type]

    async def update_options(self, stream: RecognizeStream) -> None:
        """Change nothing that can be heard."""


class Kit(STTConformance):
    """The kit over one class of recogniser."""

    virtual_time = True

    def __init__(self, make: Callable[..., Tunable]) -> None:
        self._make = make

    @asynccontextmanager
    async def provider(self, case: STTCase) -> AsyncIterator[STT[Any]]:
        stt = self._make(case.utterances, breaks=case.breaks())
        stt.key = case.secret.reveal()
        case.watch(requests=lambda: stt.breaks.attempts)
        yield stt
        await stt.aclose()

    async def change_options(self, stt: STT[Any], stream: RecognizeStream) -> None:
        assert isinstance(stt, Tunable)
        await stt.update_options(stream)


# --- recordings


class Mishears(Tunable):
    async def _recognize_impl(self, buffer: AudioBuffer, **options: Any) -> SpeechEvent:
        event = await super()._recognize_impl(buffer, **options)
        words = event.alternatives[0].text.split()
        event.alternatives[0].text = " ".join([*words[:4], *words[5:]])
        return event


class MeasuresTwice(Tunable):
    async def recognize(self, buffer: AudioBuffer, **options: Any) -> SpeechEvent:
        event = await super().recognize(buffer, **options)
        self._publish(event.request_id, 0.0, 1.0, streamed=False)
        return event


class AsksAboutNothing(Tunable):
    async def recognize(self, buffer: AudioBuffer, **options: Any) -> SpeechEvent:
        if not buffer:
            self.breaks.attempt()
        return await super().recognize(buffer, **options)


class MixesRecordings(Tunable):
    _last: AudioBuffer

    async def _recognize_impl(self, buffer: AudioBuffer, **options: Any) -> SpeechEvent:
        self._last = buffer
        await asyncio.sleep(0.01)
        return await super()._recognize_impl(self._last, **options)


class SwallowsCancellation(Tunable):
    async def _recognize_impl(self, buffer: AudioBuffer, **options: Any) -> SpeechEvent:
        try:
            return await super()._recognize_impl(buffer, **options)
        except asyncio.CancelledError:
            return SpeechEvent(FINAL)


class ForgivesRefusals(Tunable):
    async def _recognize_impl(self, buffer: AudioBuffer, **options: Any) -> SpeechEvent:
        try:
            return await super()._recognize_impl(buffer, **options)
        except APIStatusError as error:
            error.retryable = True
            raise


class AsksTwice(Tunable):
    async def _recognize_impl(self, buffer: AudioBuffer, **options: Any) -> SpeechEvent:
        try:
            return await super()._recognize_impl(buffer, **options)
        except APIStatusError as error:
            if error.status_code != 503:
                raise
            return await super()._recognize_impl(buffer, **options)


class GivesUpOnLostConnections(Tunable):
    async def _recognize_impl(self, buffer: AudioBuffer, **options: Any) -> SpeechEvent:
        try:
            return await super()._recognize_impl(buffer, **options)
        except APIConnectionError as error:
            error.retryable = isinstance(error, APITimeoutError)
            raise


class IgnoresRetryAfter(Tunable):
    async def _recognize_impl(self, buffer: AudioBuffer, **options: Any) -> SpeechEvent:
        try:
            return await super()._recognize_impl(buffer, **options)
        except APIStatusError as error:
            error.retry_after_seconds = None
            raise


class CallsTimeoutsErrors(Tunable):
    async def _recognize_impl(
        self, buffer: AudioBuffer, *, conn_options: APIConnectOptions, **options: Any
    ) -> SpeechEvent:
        sooner = replace(conn_options, timeout=conn_options.timeout * 0.9)  # than it would be called one without it
        try:
            return await super()._recognize_impl(buffer, conn_options=sooner, **options)
        except APITimeoutError:
            raise APIError("nothing came") from None


class ClosesOnce(Tunable):
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1
        if self.closed == 2:
            raise RuntimeError("it has been closed")


class HidesItsEars(Tunable):
    def __init__(self, *script: Any, **options: Any) -> None:
        super().__init__(*script, **options)
        self._capabilities = STTCapabilities(streaming=False, interim_results=False)


class LeavesTasks(Tunable):
    def __init__(self, *script: Any, **options: Any) -> None:
        super().__init__(*script, **options)
        self.left: list[asyncio.Task[None]] = []

    async def _recognize_impl(self, buffer: AudioBuffer, **options: Any) -> SpeechEvent:
        self.left.append(asyncio.create_task(asyncio.sleep(1000), name="left"))
        return await super()._recognize_impl(buffer, **options)


class ShowsItsKey(Tunable):
    async def _recognize_impl(self, buffer: AudioBuffer, **options: Any) -> SpeechEvent:
        try:
            return await super()._recognize_impl(buffer, **options)
        except APIError:
            logging.getLogger("acme").debug("it failed", extra={"headers": {"Authorization": self.key}})
            raise


# --- streams


class Changing(_ScriptedStream):
    """Changes what is told."""

    def change(self, event: SpeechEvent) -> list[SpeechEvent]:
        return [event]

    def _event(self, told: Told, request_id: str) -> SpeechEvent:
        first, *others = self.change(super()._event(told, request_id)) or [SpeechEvent(SpeechEventType.TURN_RESUMED)]
        for each in others:
            self._event_ch.send_nowait(each)
        return first

    def change_data(self, event: SpeechEvent, **changes: Any) -> list[SpeechEvent]:
        return [replace(event, alternatives=[replace(event.alternatives[0], **changes)])]


class DropsAWord(Changing):
    def change(self, event: SpeechEvent) -> list[SpeechEvent]:
        if event.type is not FINAL:
            return [event]
        return self.change_data(event, text=event.alternatives[0].text.partition(" ")[2])


class TellsNoStart(Changing):
    def change(self, event: SpeechEvent) -> list[SpeechEvent]:
        return [] if event.type is SpeechEventType.START_OF_SPEECH else [event]


class TellsNoInterim(Changing):
    def change(self, event: SpeechEvent) -> list[SpeechEvent]:
        return [] if event.type is SpeechEventType.INTERIM_TRANSCRIPT else [event]


class TellsWrongTimes(Changing):
    def change(self, event: SpeechEvent) -> list[SpeechEvent]:
        first = event.alternatives and event.alternatives[0].text.startswith("hello")
        return self.change_data(event, start_time=event.alternatives[0].start_time + 0.6) if first else [event]


class LosesTheWordsEnd(Changing):
    def change(self, event: SpeechEvent) -> list[SpeechEvent]:
        return self.change_data(event, words=event.alternatives[0].words[:-1]) if event.type is FINAL else [event]


class IsTooSure(Changing):
    def change(self, event: SpeechEvent) -> list[SpeechEvent]:
        return self.change_data(event, confidence=95.0) if event.type is FINAL else [event]


class TellsUsageTwice(Changing):
    def change(self, event: SpeechEvent) -> list[SpeechEvent]:
        if event.type is not FINAL:
            return [event]
        usage = SpeechEvent(SpeechEventType.RECOGNITION_USAGE, recognition_usage=RecognitionUsage(9.2))
        return [event, usage]


class IgnoresFlushes(_ScriptedStream):
    def _flush(self) -> None:
        pass


class StumblesOverFlushes(_ScriptedStream):
    flushes = 0

    def flush(self) -> None:
        self.flushes += 1
        if self.flushes == 3 and not self._input_ch.closed:
            raise ValueError("what is there to flush?")
        super().flush()


class ForgetsTheEnd(_ScriptedStream):
    def _new_ear(self, sample_rate: int) -> Ear:
        ear = super()._new_ear(sample_rate)
        ear.end = ear.flush = list  # type: ignore[method-assign]
        return ear


class AsksAboutSilence(_ScriptedStream):
    def end_input(self) -> None:
        if not self._input_ch.pushed_seconds:
            self._script.breaks.attempt()
        super().end_input()


class HearsVoices(_ScriptedStream):
    async def _main_task(self) -> None:
        await super()._main_task()
        if not self._input_ch.pushed_seconds:
            self._event_ch.send_nowait(SpeechEvent(FINAL, "r", [SpeechData("en", "hm")]))


class EndsAgain(_ScriptedStream):
    def end_input(self) -> None:
        if not self._input_ch.closed:
            super().end_input()


class KnowsOneRate(_ScriptedStream):
    def _new_ear(self, sample_rate: int) -> Ear:
        return super()._new_ear(16_000)


class RefusesStereo(_ScriptedStream):
    def push_frame(self, frame: rtc.AudioFrame) -> None:
        if frame.num_channels != 1:
            raise ValueError("give me mono")
        super().push_frame(frame)


class TakesAnyRate(_ScriptedStream):
    def push_frame(self, frame: rtc.AudioFrame) -> None:
        self._pushed_rate = 0
        super().push_frame(frame)


class ListensOnceAtATime(_ScriptedStream):
    def __init__(self, stt: ScriptedSTT, *arguments: Any) -> None:
        self.deaf = bool(vars(stt).get("busy"))
        vars(stt)["busy"] = True
        super().__init__(stt, *arguments)

    async def _run(self) -> None:
        if self.deaf:
            async for _ in self._input_ch:
                pass
        else:
            await super()._run()

    def _finished(self, **how: Any) -> None:
        super()._finished(**how)
        vars(self._script)["busy"] = False


class EndsWithItsReader(_ScriptedStream):
    over = False

    async def __anext__(self) -> SpeechEvent:
        if self.over:
            raise StopAsyncIteration
        try:
            return await super().__anext__()
        except asyncio.CancelledError:
            self.over = True
            raise


class ClosesItsStreamOnce(_ScriptedStream):
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1
        if self.closed == 3:
            raise RuntimeError("it has been closed")
        await super().aclose()


class ForgetsWhatItTook(_ScriptedStream):
    def _attempt_failed(self, error: APIError) -> None:
        super()._attempt_failed(error)
        self._input_ch.acknowledge_all()


class Failing(_ScriptedStream):
    """Changes the errors of a stream."""

    def change_error(self, error: APIError) -> None:
        pass

    async def _run(self) -> None:
        try:
            await super()._run()
        except APIError as error:
            self.change_error(error)
            raise


class ForgivesRefusedStreams(Failing):
    def change_error(self, error: APIError) -> None:
        error.retryable = True


class GivesUpBusyVendors(Failing):
    def change_error(self, error: APIError) -> None:
        if getattr(error, "status_code", 0) == 503:
            error.retryable = False


class HurriesVendors(Failing):
    def change_error(self, error: APIError) -> None:
        error.retry_after_seconds = None


class LeavesAThreadOfTasks(_ScriptedStream):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.left = [asyncio.create_task(asyncio.sleep(1000), name="left")]


class TakesEveryEnd(_ScriptedStream):
    async def _attempt(self) -> None:
        if await self._input_ch.wait_for_audio():
            await self._run()


class NeverGivesUp(_ScriptedStream):
    def _owed(self) -> None:
        return None


class BreaksOff(Tunable):
    async def update_options(self, stream: RecognizeStream) -> None:
        await stream.aclose()


def listening(stream: type[RecognizeStream]) -> Callable[..., Tunable]:
    return type(f"With{stream.__name__}", (Tunable,), {"listening": stream})


def mutant(make: Callable[..., Tunable], *also: str) -> Mutant:
    return Mutant(lambda: Kit(make), frozenset(also))


LOST = "test_nothing_is_lost_or_heard_twice_over_a_lost_connection"
FLUSH = "test_a_flush_brings_what_was_said_and_the_stream_goes_on"
SILENT = "test_a_stream_that_gets_no_end_times_out"
SECRET = "test_no_credential_is_shown_whatever_goes_wrong"
ENDED = "test_the_end_of_a_connection_that_nobody_wanted_is_no_end"

MUTANTS = {
    "test_a_recording_is_recognised": Mutant(lambda: Kit(Mishears), EVERYTHING),
    "test_a_recording_is_measured_once": mutant(MeasuresTwice),
    "test_nobody_is_asked_about_a_recording_without_audio": mutant(AsksAboutNothing),
    "test_two_recordings_at_once_are_kept_apart": mutant(MixesRecordings),
    "test_a_cancelled_recognition_is_cancelled_and_not_measured": mutant(
        SwallowsCancellation, "test_a_recording_that_gets_no_answer_times_out"
    ),
    "test_a_recording_that_the_vendor_refuses_is_not_tried_again": mutant(ForgivesRefusals),
    "test_a_recording_is_tried_again_as_often_as_the_caller_says": mutant(AsksTwice),
    "test_a_recording_is_recognised_after_a_failure_that_passes": mutant(GivesUpOnLostConnections),
    "test_a_recording_is_tried_again_when_the_vendor_wants_it": mutant(IgnoresRetryAfter),
    "test_a_recording_that_gets_no_answer_times_out": mutant(CallsTimeoutsErrors),
    "test_closing_the_recogniser_three_times_at_once_is_harmless": mutant(ClosesOnce),
    "test_a_recogniser_says_whether_it_listens": mutant(HidesItsEars),
    "test_a_stream_hears_all_that_is_said": Mutant(lambda: Kit(listening(DropsAWord)), EVERYTHING),
    "test_starts_and_ends_of_speech_alternate": mutant(listening(TellsNoStart)),
    "test_interim_transcripts_come_if_they_are_promised_and_before_the_final": mutant(listening(TellsNoInterim)),
    "test_the_times_of_transcripts_are_those_of_the_stream": mutant(
        listening(TellsWrongTimes), "test_audio_of_another_rate_is_heard", "test_stereo_audio_is_heard"
    ),
    "test_words_have_times_if_they_are_promised": mutant(listening(LosesTheWordsEnd)),
    "test_finals_have_a_language_and_a_confidence_that_is_one": mutant(listening(IsTooSure)),
    FLUSH: mutant(listening(IgnoresFlushes)),
    "test_flushes_without_audio_change_nothing": mutant(listening(StumblesOverFlushes)),
    "test_the_last_words_are_heard_although_the_input_ends_right_behind_them": mutant(listening(ForgetsTheEnd), FLUSH),
    "test_a_stream_without_audio_ends_without_a_transcript": mutant(listening(HearsVoices)),
    "test_nobody_is_asked_about_a_stream_without_audio": mutant(listening(AsksAboutSilence)),
    "test_nothing_can_be_given_after_the_end": mutant(listening(EndsAgain)),
    "test_audio_of_another_rate_is_heard": mutant(listening(KnowsOneRate)),
    "test_stereo_audio_is_heard": mutant(listening(RefusesStereo)),
    "test_a_change_of_the_rate_is_refused": mutant(listening(TakesAnyRate)),
    "test_all_audio_is_measured_once": mutant(listening(TellsUsageTwice)),
    "test_options_that_change_while_it_listens_lose_nothing": mutant(BreaksOff),
    "test_two_streams_at_once_are_kept_apart": mutant(listening(ListensOnceAtATime)),
    "test_a_reader_that_gives_up_waiting_loses_nothing": mutant(listening(EndsWithItsReader)),
    "test_a_stream_that_is_closed_three_times_at_once_ends": mutant(listening(ClosesItsStreamOnce)),
    LOST: mutant(listening(ForgetsWhatItTook), ENDED),
    "test_a_stream_that_the_vendor_refuses_is_not_tried_again": mutant(listening(ForgivesRefusedStreams)),
    "test_a_stream_is_tried_again_as_often_as_the_caller_says": mutant(listening(GivesUpBusyVendors)),
    "test_a_stream_waits_as_long_as_the_vendor_wants": mutant(listening(HurriesVendors)),
    ENDED: mutant(listening(TakesEveryEnd), SILENT, SECRET),
    SILENT: mutant(listening(NeverGivesUp), SECRET),
    SECRET: mutant(ShowsItsKey),
    "test_a_stream_leaves_nothing_behind": mutant(listening(LeavesAThreadOfTasks)),
    "test_a_recognition_leaves_nothing_behind": mutant(LeavesTasks),
}


def good() -> Kit:
    return Kit(Tunable)
