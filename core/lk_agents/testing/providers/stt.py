"""A recogniser that hears what its script says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lk_agents.foundation.ids import short_id
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.streams.words import TimedWord
from lk_agents.stt import STT, RecognizeStream, SpeechData, SpeechEvent, SpeechEventType, STTCapabilities
from lk_agents.testing.providers.script import Break, BreakKind, Breaks, ScriptError
from lk_agents.testing.providers.speech import Heard, pitches_in
from lk_agents.utils.audio import calculate_audio_duration, combine_frames

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.utils.audio import AudioBuffer

__all__ = ["RecognizeCall", "ScriptedSTT"]

ROUNDING_SECONDS = 0.005


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

    :param script: what is said, in order.
    :param streaming: whether it can listen; without, it recognises recordings only.
    :param interim_results: whether it gives interim transcripts.
    :param breaks: what goes wrong; positions are seconds of the stream, or 0 for recordings.
    """

    def __init__(
        self,
        script: Sequence[Heard] = (),
        *,
        streaming: bool = True,
        interim_results: bool = True,
        breaks: Iterable[Break] = (),
        sample_rate: int | None = None,
    ) -> None:
        super().__init__(
            capabilities=STTCapabilities(
                streaming=streaming, interim_results=streaming and interim_results, aligned_words=streaming
            )
        )
        self.script = tuple(script)
        self.calls: list[RecognizeCall] = []
        """Every request, in order; a retry is none."""
        self.breaks = Breaks(breaks)
        self.heard: set[int] = set()
        """Which utterances were told of, by their index."""
        self._sample_rate = sample_rate

    async def _recognize_impl(
        self,
        buffer: AudioBuffer,
        *,
        language: str | None,
        conn_options: APIConnectOptions,  # noqa: ARG002  it takes no time
    ) -> SpeechEvent:
        self.calls.append(RecognizeCall(False, language, calculate_audio_duration(buffer)))
        await self.breaks.attempt().pass_(0.0)
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


class _Utterance:
    """An utterance as one attempt hears it: only the words whose audio it was given."""

    def __init__(self, index: int, heard: Heard, begin: float) -> None:
        self.index = index
        self.heard = heard
        self.words = [word for word in heard.words if word.start_time >= begin - ROUNDING_SECONDS]
        self.shown = 0

    def ended(self, position: float) -> list[TimedWord]:
        """Return the words that are over."""
        return [word for word in self.words if word.end_time <= position + ROUNDING_SECONDS]


class _ScriptedStream(RecognizeStream):
    def __init__(
        self, stt: ScriptedSTT, language: str | None, conn_options: APIConnectOptions, sample_rate: int | None
    ) -> None:
        super().__init__(stt=stt, conn_options=conn_options, sample_rate=sample_rate)
        self._script = stt
        self._language = language

    async def _run(self) -> None:
        request_id = short_id("stt_")
        listening = _Listening(self, self._script, request_id, self._language)
        breaks = self._script.breaks.attempt()
        async for item in self._input_ch:
            if isinstance(item, self._FlushSentinel):
                listening.flush()
                continue
            listening.take(item)
            struck = await breaks.pass_(listening.position)
            if struck is not None and struck.kind is BreakKind.END:
                return
            if struck is not None:
                listening.say_nothing()
        listening.end()

    def _send(self, event: SpeechEvent) -> None:
        self._event_ch.send_nowait(event)


class _Listening:
    """One attempt: how far it has heard, and what it has to say."""

    def __init__(self, stream: _ScriptedStream, stt: ScriptedSTT, request_id: str, language: str | None) -> None:
        self._stream = stream
        self._stt = stt
        self._request_id = request_id
        self._language = language
        self._session_seconds = 0.0
        self._begin = 0.0
        self._waiting: list[_Utterance] = []
        self._speaking = False
        self._begun = False

    @property
    def position(self) -> float:
        """How far it has heard, on the axis of the stream."""
        return self._begin + self._session_seconds

    def take(self, frame: rtc.AudioFrame) -> None:
        if not self._begun:
            self._begun = True
            self._begin = self._stream._input_ch.axis.to_stream(0.0)  # noqa: SLF001  where this attempt's audio lies
            self._waiting = [
                utterance
                for index, heard in enumerate(self._stt.script)
                if heard.in_streams and (utterance := _Utterance(index, heard, self._begin)).words
            ]
        self._session_seconds += frame.samples_per_channel / frame.sample_rate
        for utterance in list(self._waiting):
            self._tell(utterance)

    def flush(self) -> None:
        """Say for certain what is understood so far."""
        for utterance in list(self._waiting):
            if words := utterance.ended(self.position):
                self._tell_final(utterance, words)

    def end(self) -> None:
        """Say what is left: a word that was begun counts."""
        for utterance in list(self._waiting):
            if words := [word for word in utterance.words if word.start_time < self.position - ROUNDING_SECONDS]:
                utterance.words = words
                self._tell_start()
                self._tell_final(utterance, words)

    def say_nothing(self) -> None:
        """Give a transcript without text."""
        self._send(SpeechEventType.INTERIM_TRANSCRIPT, [])

    def _tell(self, utterance: _Utterance) -> None:
        position = self.position + ROUNDING_SECONDS
        if utterance.words[0].start_time > position:
            return
        self._tell_start()
        ended = utterance.ended(self.position)
        if self._stt.capabilities.interim_results and len(ended) > utterance.shown and ended != utterance.words:
            utterance.shown = len(ended)
            self._send(SpeechEventType.INTERIM_TRANSCRIPT, ended)
        if utterance.heard.end + utterance.heard.final_seconds <= position:
            self._tell_final(utterance, utterance.words)

    def _tell_start(self) -> None:
        if not self._speaking:
            self._speaking = True
            self._stream._send(SpeechEvent(SpeechEventType.START_OF_SPEECH, self._request_id))  # noqa: SLF001

    def _tell_final(self, utterance: _Utterance, words: list[TimedWord]) -> None:
        self._send(SpeechEventType.FINAL_TRANSCRIPT, words, utterance.heard.language)
        utterance.words = utterance.words[len(words) :]
        utterance.shown = 0
        if utterance.words:
            return
        self._waiting.remove(utterance)
        self._stt.heard.add(utterance.index)
        if utterance.heard.ends_speech:
            self._speaking = False
            self._stream._send(SpeechEvent(SpeechEventType.END_OF_SPEECH, self._request_id))  # noqa: SLF001

    def _send(self, type: SpeechEventType, words: list[TimedWord], language: str = "en") -> None:
        """Send a transcript; a provider counts from the audio that it was given."""
        own = [word.shifted(-self._begin) for word in words]
        data = SpeechData(
            language=self._language or language,
            text=" ".join(word.text for word in own),
            start_time=own[0].start_time if own else 0.0,
            end_time=own[-1].end_time if own else 0.0,
            confidence=0.95,
            words=own,
        )
        self._stream._send(SpeechEvent(type, self._request_id, [data]))  # noqa: SLF001
