"""Synthesizers with one defect each, by the check that must see it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from livekit import rtc
from tests.testing.conformance.bench import Mutant

from lk_agents.foundation.errors import APIError, APIStatusError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.testing.conformance.tts import TTSCase, TTSConformance
from lk_agents.testing.providers import ScriptedTTS
from lk_agents.testing.providers.tts import _ScriptedChunks, _ScriptedSpeech
from lk_agents.tts import TTS, ChunkedStream, SynthesizedAudio, SynthesizeStream, TTSCapabilities
from lk_agents.tts.segments import Segment
from lk_agents.tts.spoken_stream import SpokenStream
from lk_agents.tts.text import is_speakable
from lk_agents.utils.audio import combine_frames


class Tunable(ScriptedTTS):
    """A good one; the mutants change it."""

    key = ""
    max_text_characters = 200
    chunks: type[ChunkedStream] = _ScriptedChunks
    speech: type[SynthesizeStream] = _ScriptedSpeech

    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        return self.chunks(tts=self, input_text=text, conn_options=conn_options)

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
        return self.speech(tts=self, conn_options=conn_options)

    async def update_options(self, stream: SynthesizeStream) -> None:
        """Change nothing that can be heard."""


class Kit(TTSConformance):
    """The kit over one class of synthesizer."""

    virtual_time = True

    def __init__(self, make: Callable[..., Tunable]) -> None:
        self._make = make

    @asynccontextmanager
    async def provider(self, case: TTSCase) -> AsyncIterator[TTS[Any]]:
        tts = self._make(breaks=case.breaks())
        tts.key = case.secret.reveal()
        case.watch(requests=lambda: tts.breaks.attempts, texts=lambda: tts.spoken)
        yield tts
        await tts.aclose()

    async def change_options(self, tts: TTS[Any], stream: SynthesizeStream) -> None:
        assert isinstance(tts, Tunable)
        await tts.update_options(stream)


# --- the synthesizer itself


class MeasuresTwice(_ScriptedChunks):
    def _finished(self, *, cancelled: bool, error: BaseException | None) -> None:
        super()._finished(cancelled=cancelled, error=error)
        if not cancelled and error is None:
            super()._finished(cancelled=cancelled, error=error)


class AsksAboutNothing(Tunable):
    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        if not is_speakable(text):
            self.breaks.attempt()
        return super().synthesize(text, conn_options=conn_options)


class ClosesOnce(Tunable):
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1
        if self.closed == 2:
            raise RuntimeError("it has been closed")


class HidesItsStreams(Tunable):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._capabilities = TTSCapabilities(streaming=False, aligned_words=True)


class BreaksOff(Tunable):
    async def update_options(self, stream: SynthesizeStream) -> None:
        await stream.aclose()


# --- whole texts


class HasNoRequestId(_ScriptedChunks):
    def _accept(self, event: SynthesizedAudio) -> SynthesizedAudio | None:
        return super()._accept(replace(event, request_id=""))


class DropsTheFirstWord(_ScriptedChunks):
    async def _run(self) -> None:
        self._input_text = self._account.text.partition(" ")[2]
        await super()._run()


class CollectsTheRest(_ScriptedChunks):
    async def collect(self) -> rtc.AudioFrame:
        return combine_frames([audio.frame async for audio in self][10:])


class KnowsNoLimit(_ScriptedChunks):
    async def _main_task(self) -> None:
        if len(self._input_text) > 200:
            return await SpokenStream._main_task(self)
        return await super()._main_task()


class MixesTexts(_ScriptedChunks):
    async def _run(self) -> None:
        vars(self._tts)["last"] = self._input_text
        await asyncio.sleep(0.01)
        self._input_text = vars(self._tts)["last"]
        await super()._run()


class TellsWordsBackwards(_ScriptedChunks):
    def _accept(self, event: SynthesizedAudio) -> SynthesizedAudio | None:
        words = [word.shifted(-2 * word.start_time) for word in event.words or ()]
        return super()._accept(replace(event, words=words))


class ClosesItsChunksOnce(_ScriptedChunks):
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1
        if self.closed == 3:
            raise RuntimeError("it has been closed")
        await super().aclose()


class HidesCancellation(_ScriptedChunks):
    def _finished(self, *, cancelled: bool, error: BaseException | None) -> None:
        super()._finished(cancelled=False, error=error)


class EndsWithItsReader(_ScriptedChunks):
    over = False

    async def __anext__(self) -> SynthesizedAudio:
        if self.over:
            raise StopAsyncIteration
        try:
            return await super().__anext__()
        except asyncio.CancelledError:
            self.over = True
            raise


class RepeatsItself(_ScriptedChunks):
    def _may_retry(self, error: APIError) -> bool:
        return True


class Failing(_ScriptedChunks):
    """Changes the errors of a text."""

    def change_error(self, error: APIError) -> None:
        pass

    async def _run(self) -> None:
        try:
            await super()._run()
        except APIError as error:
            self.change_error(error)
            raise


class ForgivesRefusals(Failing):
    def change_error(self, error: APIError) -> None:
        error.retryable = True


class GivesUpBusyVendors(Failing):
    def change_error(self, error: APIError) -> None:
        if isinstance(error, APIStatusError) and error.status_code == 503:
            error.retryable = False


class HurriesVendors(Failing):
    def change_error(self, error: APIError) -> None:
        error.retry_after_seconds = None


class ShowsItsKey(Failing):
    def change_error(self, error: APIError) -> None:
        tts = self._tts
        assert isinstance(tts, Tunable)
        logging.getLogger("acme").debug("it failed", extra={"headers": {"Authorization": tts.key}})


class IsPatient(_ScriptedChunks):
    _watched = False


class IsContentWithSilence(_ScriptedChunks):
    async def _attempt(self) -> None:
        try:
            await super()._attempt()
        except APIError as error:
            if "gave no audio" not in error.message:
                raise


class LeavesATask(_ScriptedChunks):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.left = [asyncio.create_task(asyncio.sleep(1000), name="left")]


# --- streams


class EndsEveryPiece(_ScriptedSpeech):
    def _accept(self, event: SynthesizedAudio) -> SynthesizedAudio | None:
        accepted = super()._accept(event)
        return accepted and replace(accepted, is_final=True)


class LosesShortTokens(_ScriptedSpeech):
    def push_text(self, token: str) -> None:
        if token != "bot":
            super().push_text(token)


class ForgetsTheEnd(_ScriptedSpeech):
    def end_input(self) -> None:
        self._check_open()
        self._input_ch.close()


class WaitsForTheEnd(_ScriptedSpeech):
    async def _run(self) -> None:
        while not self._input_ch.closed:
            await asyncio.sleep(0.01)
        await super()._run()


class SaysUm(_ScriptedSpeech):
    flushed = False

    def flush(self) -> None:
        if not self.flushed and not self._ledger.is_open and self._ledger.first is None:
            self.push_text("um")
        self.flushed = True
        super().flush()


class AsksEarly(_ScriptedSpeech):
    def end_input(self) -> None:
        if self._ledger.first is None:
            tts = self._tts
            assert isinstance(tts, Tunable)
            tts.breaks.attempt()
        super().end_input()


class MeasuresSegmentsTwice(_ScriptedSpeech):
    def _measure(self, segment: Segment, **how: Any) -> None:
        super()._measure(segment, **how)
        super()._measure(segment, **how)


class TellsWordsOfStreamsBackwards(_ScriptedSpeech):
    def _accept(self, event: SynthesizedAudio) -> SynthesizedAudio | None:
        words = [word.shifted(-2 * word.start_time) for word in event.words or ()]
        return super()._accept(replace(event, words=words))


class EndsAgain(_ScriptedSpeech):
    def end_input(self) -> None:
        if not self._input_ch.closed:
            super().end_input()


class NamesAllSegmentsAlike(_ScriptedSpeech):
    def _accept(self, event: SynthesizedAudio) -> SynthesizedAudio | None:
        self._numbers = getattr(self, "_numbers", {})
        number = self._numbers.setdefault(event.segment_id, len(self._numbers))
        return super()._accept(replace(event, segment_id=f"segment-{number}"))


class EndsWithItsListener(_ScriptedSpeech):
    over = False

    async def __anext__(self) -> SynthesizedAudio:
        if self.over:
            raise StopAsyncIteration
        try:
            return await super().__anext__()
        except asyncio.CancelledError:
            self.over = True
            raise


class ClosesItsStreamOnce(_ScriptedSpeech):
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1
        if self.closed == 3:
            raise RuntimeError("it has been closed")
        await super().aclose()


def chunks(stream: type[ChunkedStream]) -> Callable[..., Tunable]:
    return type(f"With{stream.__name__}", (Tunable,), {"chunks": stream})


def speech(stream: type[SynthesizeStream]) -> Callable[..., Tunable]:
    return type(f"With{stream.__name__}", (Tunable,), {"speech": stream})


def mutant(make: Callable[..., Tunable], *also: str) -> Mutant:
    return Mutant(lambda: Kit(make), frozenset(also))


WORDS = "test_times_of_words_are_told_if_they_are_promised"
TEXT_LIMIT = "test_a_text_beyond_the_vendors_limit_is_spoken_in_parts"
WHILE_IT_SPEAKS = (
    "test_a_stream_of_text_that_is_closed_three_times_at_once_ends",
    "test_a_synthesis_leaves_nothing_behind",
)
OPTIONS = "test_options_that_change_while_it_speaks_lose_nothing"
LEFT = "test_all_that_is_pushed_reaches_the_vendor_once"
NOBODY = "test_nobody_is_asked_where_nothing_is_pushed"
SECRET = "test_no_credential_of_a_synthesizer_is_shown_whatever_goes_wrong"

MUTANTS = {
    "test_a_text_becomes_audio_of_the_declared_format": mutant(chunks(HasNoRequestId)),
    "test_all_of_a_text_reaches_the_vendor_once": mutant(chunks(DropsTheFirstWord), WORDS, TEXT_LIMIT),
    "test_collected_audio_is_all_of_it": mutant(chunks(CollectsTheRest)),
    "test_a_text_is_measured_once": mutant(chunks(MeasuresTwice)),
    "test_nobody_is_asked_to_speak_what_says_nothing": mutant(AsksAboutNothing),
    TEXT_LIMIT: mutant(chunks(KnowsNoLimit)),
    "test_two_texts_at_once_are_kept_apart": mutant(chunks(MixesTexts)),
    WORDS: mutant(chunks(TellsWordsBackwards)),
    "test_a_text_that_is_closed_three_times_at_once_ends": mutant(chunks(ClosesItsChunksOnce)),
    "test_a_text_that_is_closed_before_its_audio_is_measured_as_cancelled": mutant(chunks(HidesCancellation)),
    "test_a_reader_of_a_text_that_gives_up_waiting_loses_nothing": mutant(chunks(EndsWithItsReader)),
    "test_closing_the_synthesizer_three_times_at_once_is_harmless": mutant(ClosesOnce),
    "test_a_synthesizer_says_whether_it_takes_pieces": mutant(HidesItsStreams),
    "test_each_flushed_text_is_a_segment_with_one_end": mutant(speech(EndsEveryPiece)),
    LEFT: mutant(speech(LosesShortTokens)),
    "test_the_end_of_the_input_speaks_what_is_left": mutant(speech(ForgetsTheEnd), LEFT),
    "test_a_flush_speaks_without_the_end_of_the_input": mutant(speech(WaitsForTheEnd), OPTIONS, *WHILE_IT_SPEAKS),
    "test_flushes_without_text_make_no_segment": mutant(speech(SaysUm), NOBODY),
    NOBODY: mutant(speech(AsksEarly)),
    "test_each_segment_is_measured_once": mutant(speech(MeasuresSegmentsTwice)),
    "test_times_of_words_in_a_stream_are_told_if_they_are_promised": mutant(speech(TellsWordsOfStreamsBackwards)),
    "test_no_text_can_be_given_after_the_end": mutant(speech(EndsAgain)),
    OPTIONS: mutant(BreaksOff),
    "test_two_streams_of_text_at_once_are_kept_apart": mutant(speech(NamesAllSegmentsAlike)),
    "test_a_reader_of_a_stream_that_gives_up_waiting_loses_nothing": mutant(speech(EndsWithItsListener)),
    WHILE_IT_SPEAKS[0]: mutant(speech(ClosesItsStreamOnce)),
    "test_nothing_is_spoken_twice_over_a_lost_connection": mutant(chunks(RepeatsItself)),
    "test_a_text_that_the_vendor_refuses_is_not_tried_again": mutant(chunks(ForgivesRefusals)),
    "test_a_text_is_tried_again_as_often_as_the_caller_says": mutant(chunks(GivesUpBusyVendors)),
    "test_a_text_is_spoken_when_the_vendor_wants_it": mutant(chunks(HurriesVendors)),
    "test_a_vendor_that_goes_silent_times_out": mutant(chunks(IsPatient), SECRET),
    "test_no_audio_for_a_text_is_an_error": mutant(chunks(IsContentWithSilence)),
    SECRET: mutant(chunks(ShowsItsKey)),
    WHILE_IT_SPEAKS[1]: mutant(chunks(LeavesATask)),
}


def good() -> Kit:
    return Kit(Tunable)
