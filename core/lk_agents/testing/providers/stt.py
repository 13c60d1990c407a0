"""A recogniser that hears what its script says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from lk_agents.foundation.errors import APITimeoutError
from lk_agents.foundation.ids import short_id
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.stt import STT, RecognizeStream, SpeechData, SpeechEvent, SpeechEventType, STTCapabilities
from lk_agents.testing.providers.ear import Ear, Told
from lk_agents.testing.providers.script import Break, BreakKind, Breaks, ScriptError
from lk_agents.testing.providers.speech import Heard, pitches_in
from lk_agents.utils.audio import calculate_audio_duration, combine_frames

if TYPE_CHECKING:
    from lk_agents.utils.audio import AudioBuffer

__all__ = ["RecognizeCall", "ScriptedSTT"]

_TYPES: Final = {
    "start": SpeechEventType.START_OF_SPEECH,
    "interim": SpeechEventType.INTERIM_TRANSCRIPT,
    "final": SpeechEventType.FINAL_TRANSCRIPT,
    "end": SpeechEventType.END_OF_SPEECH,
}


@dataclass(frozen=True)
class RecognizeCall:
    """One request to a scripted recogniser.

    :param streamed: whether it was a stream.
    :param language: what was asked for.
    :param audio_seconds: of a recording, its length; 0 of a stream.
    """

    streamed: bool
    language: str | None
    audio_seconds: float = 0.0


class ScriptedSTT(STT[Any]):
    """Hears utterances at given times, whatever the audio is; in recordings, by the tones of :func:`voice`.

    In a stream an utterance is heard when that much audio has been pushed: its start, an interim after each word, the
    final transcript with word timings ``final_seconds`` after its end, and the end of speech. Like a real recogniser it
    knows only the audio that the attempt was given. As a context manager it raises a :class:`ScriptError` at the end
    if an utterance was never heard or a break never struck.

    A member of a fallback adapter may be given audio from the middle on, and cannot know from where: let it go
    ``by_sound``.

    :param script: what is said, in order.
    :param streaming: whether it can listen; without, it recognises recordings only.
    :param interim_results: whether it gives interim transcripts.
    :param by_sound: whether a stream goes by the tones of :func:`voice` as well, instead of by time.
    :param recognition_seconds: how long it takes to recognise a recording.
    :param breaks: what goes wrong; positions are seconds of the stream, or 0 for recordings.
    """

    def __init__(
        self,
        script: Sequence[Heard] = (),
        *,
        streaming: bool = True,
        interim_results: bool = True,
        by_sound: bool = False,
        recognition_seconds: float = 0.0,
        breaks: Iterable[Break] = (),
        sample_rate: int | None = None,
    ) -> None:
        super().__init__(
            capabilities=STTCapabilities(
                streaming=streaming, interim_results=streaming and interim_results, aligned_words=streaming
            )
        )
        self.script = tuple(script)
        self.by_sound = by_sound
        self.recognition_seconds = recognition_seconds
        self.calls: list[RecognizeCall] = []
        """Every stream and every attempt to recognise a recording, in order."""
        self.breaks = Breaks(breaks)
        self.heard: set[int] = set()
        """Which utterances were told of, by their index."""
        self._sample_rate = sample_rate

    async def _recognize_impl(
        self,
        buffer: AudioBuffer,
        *,
        language: str | None,
        conn_options: APIConnectOptions,
    ) -> SpeechEvent:
        self.calls.append(RecognizeCall(False, language, calculate_audio_duration(buffer)))
        limit = asyncio.timeout(conn_options.timeout)
        try:
            async with limit:
                await asyncio.sleep(self.recognition_seconds)
                await self.breaks.attempt().pass_(0.0)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise APITimeoutError(f"{self.label} said nothing for {conn_options.timeout:g} s") from error
        indices = [index for index in pitches_in(combine_frames(buffer)) if index < len(self.script)]
        self.heard.update(indices)
        texts = [self.script[index] for index in indices]
        data = SpeechData(
            language=language or (texts[0].language if texts else ""), text=" ".join(each.text for each in texts)
        )
        return SpeechEvent(SpeechEventType.FINAL_TRANSCRIPT, short_id("stt_"), [data])

    def stream(
        self, *, language: str | None = None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> RecognizeStream:
        """Begin to listen."""
        if not self.capabilities.streaming:
            return super().stream(language=language, conn_options=conn_options)
        self.calls.append(RecognizeCall(True, language))
        return _ScriptedStream(self, language, conn_options, self._sample_rate)

    def assert_done(self) -> None:
        """Check that the script was used up.

        :raises ScriptError: an utterance was never heard, or a break never struck.
        """
        left = [repr(each.text) for index, each in enumerate(self.script) if index not in self.heard]
        if problems := [*(f"{text} was never heard" for text in left), *self.breaks.unused()]:
            raise ScriptError(f"{self.label}: {'; '.join(problems)}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await super().__aexit__(exc_type, exc, traceback)
        if exc is None:
            self.assert_done()


class _ScriptedStream(RecognizeStream):
    def __init__(
        self, stt: ScriptedSTT, language: str | None, conn_options: APIConnectOptions, sample_rate: int | None
    ) -> None:
        super().__init__(stt=stt, conn_options=conn_options, sample_rate=sample_rate)
        self._script = stt
        self._language = language

    async def _run(self) -> None:
        request_id = short_id("stt_")
        ear: Ear | None = None
        breaks = self._script.breaks.attempt()
        async for item in self._input_ch:
            if isinstance(item, self._FlushSentinel):
                self._tell(ear.flush() if ear else [], request_id)
                continue
            if ear is None:
                ear = self._new_ear(item.sample_rate)
            self._tell(ear.take(memoryview(item.data).cast("B")), request_id)
            self._script.heard |= ear.heard
            struck = await breaks.pass_(ear.position)
            if struck is not None and struck.kind is BreakKind.END:
                return
            if struck is not None:
                self._tell([Told("interim")], request_id)
        self._tell(ear.end() if ear else [], request_id)
        self._script.heard |= ear.heard if ear else set()

    def _new_ear(self, sample_rate: int) -> Ear:
        begin = None if self._script.by_sound else self._input_ch.axis.to_stream(0.0)  # where this attempt's audio lies
        return Ear(
            self._script.script,
            sample_rate=sample_rate,
            begin=begin,
            interim=self._script.capabilities.interim_results,
        )

    def _tell(self, told: Iterable[Told], request_id: str) -> None:
        for each in told:
            self._event_ch.send_nowait(self._event(each, request_id))

    def _event(self, told: Told, request_id: str) -> SpeechEvent:
        if told.kind not in {"interim", "final"}:
            return SpeechEvent(_TYPES[told.kind], request_id)
        words = list(told.words)
        data = SpeechData(
            language=self._language or told.language or "en",
            text=told.text,
            start_time=words[0].start_time if words else 0.0,
            end_time=words[-1].end_time if words else 0.0,
            confidence=0.95,
            words=words,
        )
        return SpeechEvent(_TYPES[told.kind], request_id, [data])
