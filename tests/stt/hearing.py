"""Recognisers that really listen: every sample of their audio is the number of the word that is spoken, or silence."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy
from itertools import groupby
from typing import Any, TypeAlias

from livekit import rtc

from lk_agents import stt
from lk_agents.foundation.errors import APIConnectionError, StreamInputError
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.metrics.records import STTMetrics
from lk_agents.stt import SpeechData, SpeechEvent, SpeechEventType, STTCapabilities, TimedWord
from lk_agents.utils.audio import AudioBuffer, combine_frames

RATE = 1000
"""One sample per millisecond."""
FRAME_SECONDS = 0.1

START = SpeechEventType.START_OF_SPEECH
INTERIM = SpeechEventType.INTERIM_TRANSCRIPT
FINAL = SpeechEventType.FINAL_TRANSCRIPT
USAGE = SpeechEventType.RECOGNITION_USAGE
END = SpeechEventType.END_OF_SPEECH

ONCE = APIConnectOptions(max_retry=0)


def frame(*words: int, each: float = FRAME_SECONDS, rate: int = RATE, channels: int = 1) -> rtc.AudioFrame:
    """Return one frame in which these words are spoken, one after the other, ``each`` seconds long."""
    samples = array("h", [word for word in words for _ in range(round(each * rate) * channels)])
    return rtc.AudioFrame(samples.tobytes(), rate, channels, len(samples) // channels)


def spoken(*sentences: Sequence[int], pause: int = 2) -> list[rtc.AudioFrame]:
    """Return frames of 0.1 s: sentences of words of 0.3 s each, with ``pause`` frames of silence after each."""
    return [
        frame(word) for sentence in sentences for word in [*(word for word in sentence for _ in range(3)), *[0] * pause]
    ]


def samples(*frames: object) -> list[int]:
    """Return all samples of the frames."""
    return [
        each
        for found in frames
        if isinstance(found, rtc.AudioFrame)
        for each in memoryview(found.data).cast("B").cast("h")
    ]


def words_of(frames: Sequence[rtc.AudioFrame]) -> list[str]:
    """Return the words that are spoken in the frames."""
    return [f"w{word}" for word, _ in groupby(each for each in samples(*frames) if each)]


def texts(events: Sequence[SpeechEvent], *types: SpeechEventType) -> list[str]:
    """Return the texts of the transcripts of these types, finals by default."""
    wanted = types or (FINAL,)
    return [event.alternatives[0].text for event in events if event.type in wanted]


def said(events: Sequence[SpeechEvent]) -> list[str]:
    """Return every word of the finals, as often as it was told."""
    return " ".join(texts(events)).split()


def said_by(*sentences: Sequence[int]) -> list[str]:
    """Return the words of sentences, as :func:`said` gives them."""
    return [f"w{word}" for sentence in sentences for word in sentence]


class Hearing:
    """What one session with the provider has understood. It begins to count at zero, like every provider."""

    def __init__(self, *, timed: bool, with_words: bool) -> None:
        self.timed = timed
        self.with_words = with_words
        self.heard_seconds = 0.0
        self.word = 0
        self.words: list[TimedWord] = []

    def hear(self, piece: rtc.AudioFrame) -> list[SpeechEvent]:
        """Take in a frame of one word, or of silence."""
        word = samples(piece)[0]
        begin, self.heard_seconds = self.heard_seconds, self.heard_seconds + piece.duration
        if not word:
            return self.fall_silent()
        events = [] if self.words else [SpeechEvent(START)]
        if word == self.word:
            self.words[-1] = TimedWord(f"w{word}", self.words[-1].start_time, self.heard_seconds)
            return events
        self.word = word
        self.words.append(TimedWord(f"w{word}", begin, self.heard_seconds))
        return [*events, self.transcript(INTERIM)]

    def fall_silent(self) -> list[SpeechEvent]:
        """End the sentence, if there is one."""
        if not self.words:
            return []
        final = self.transcript(FINAL)
        self.word, self.words = 0, []
        return [final, SpeechEvent(END)]

    def transcript(self, type: SpeechEventType) -> SpeechEvent:
        words = self.words
        data = SpeechData("en", " ".join(word.text for word in words), confidence=1.0)
        if self.timed:
            data.start_time, data.end_time = words[0].start_time, words[-1].end_time
        if self.with_words:
            data.words = list(words)
        return SpeechEvent(type, request_id="r1", alternatives=[data])


class Leave(Exception):  # noqa: N818  nothing is wrong with the provider
    """The provider's session ends, as if everything were done."""


class HearingStream(stt.RecognizeStream):
    """Written on the old hooks alone."""

    _stt: HearingSTT

    async def _run(self) -> None:
        with suppress(Leave):
            await self._listen()

    async def _listen(self) -> None:
        owner = self._stt
        owner.sessions += 1
        hearing = Hearing(timed=owner.timed, with_words=owner.with_words)
        frames = 0
        await owner.meets("open", self)
        async for item in self._input_ch:
            if isinstance(item, self._FlushSentinel):
                owner.flushes += 1
                continue
            frames += 1
            owner.given.append(item)
            for event in hearing.hear(item):
                self._event_ch.send_nowait(event)
            await owner.meets(frames, self)
        await owner.meets("end", self)
        for event in hearing.fall_silent():
            self._event_ch.send_nowait(event)


Trouble = Callable[[HearingStream], Any]
Met: TypeAlias = Mapping[Any, Exception | Trouble]


class HearingSTT(stt.STT):
    """A provider that understands everything, until it meets its trouble.

    :param trouble: what happens after so many frames of a session, before the first (``"open"``) or after the last
        (``"end"``); an exception is raised, a function is called and awaited. A list: one of them for each session, the
        sessions after the last one have none.
    """

    def __init__(
        self,
        *trouble: Met,
        timed: bool = True,
        with_words: bool = False,
        interim_results: bool = True,
        always: bool = False,
    ) -> None:
        super().__init__(
            capabilities=STTCapabilities(
                streaming=True, interim_results=interim_results, end_of_turn=False, aligned_words=with_words
            )
        )
        self.trouble = trouble
        self.always = always
        self.timed = timed
        self.with_words = with_words
        self.sessions = 0
        self.flushes = 0
        self.given: list[rtc.AudioFrame] = []
        self.opened: list[tuple[str | None, APIConnectOptions]] = []
        self.streams: list[HearingStream] = []

    async def meets(self, where: int | str, stream: HearingStream) -> None:
        session = 0 if self.always else self.sessions - 1
        found = self.trouble[session].get(where) if session < len(self.trouble) else None
        if isinstance(found, Exception):
            raise copy(found)
        if found is not None:
            await found(stream)

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: str | None, conn_options: APIConnectOptions
    ) -> SpeechEvent:
        raise NotImplementedError

    def stream(
        self, *, language: str | None = None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> HearingStream:
        self.opened.append((language, conn_options))
        self.streams.append(HearingStream(stt=self, conn_options=conn_options))
        return self.streams[-1]


class RecordingSTT(stt.STT):
    """A provider that recognises recordings only.

    :param answers: what becomes of each call, one after the other, the last one again and again: a text, an exception,
        or seconds to wait; None understands what is spoken.
    """

    def __init__(self, *answers: str | Exception | float | None) -> None:
        super().__init__(capabilities=STTCapabilities(streaming=False, interim_results=False))
        self.answers = list(answers or [None])
        self.calls: list[tuple[AudioBuffer, str | None, APIConnectOptions]] = []

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: str | None, conn_options: APIConnectOptions
    ) -> SpeechEvent:
        self.calls.append((buffer, language, conn_options))
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer if answer.__traceback__ is None else copy(answer)
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            answer = None
        text = " ".join(words_of([combine_frames(buffer)])) if answer is None else answer
        return SpeechEvent(FINAL, request_id="r1", alternatives=[SpeechData("en", text)])


def metrics_of(engine: stt.STT) -> list[STTMetrics]:
    """Return the list into which the metrics of an engine come."""
    collected: list[STTMetrics] = []
    engine.on("metrics_collected", collected.append)
    return collected


async def silence(stream: HearingStream) -> None:
    """Be alive and do nothing, for ever."""
    await asyncio.Event().wait()


def broken() -> APIConnectionError:
    return APIConnectionError("the line broke")


def changes_of(adapter: stt.FallbackAdapter) -> list[tuple[stt.STT, bool]]:
    """Return the list into which the changes of availability of an adapter's members come."""
    changes: list[tuple[stt.STT, bool]] = []

    def note(change: stt.AvailabilityChangedEvent) -> None:
        changes.append((change.stt, change.available))

    adapter.on("stt_availability_changed", note)
    return changes


async def listen(
    stream: stt.RecognizeStream, *sentences: Sequence[int], pause: int = 2, end: bool = True
) -> list[SpeechEvent]:
    """Speak as people do, in real time, and return what the stream has told."""

    async def speak() -> None:
        with suppress(StreamInputError):  # it has failed
            for each in spoken(*sentences, pause=pause):
                await asyncio.sleep(FRAME_SECONDS)
                stream.push_frame(each)
            if end:
                stream.end_input()

    speaking = asyncio.create_task(speak(), name="speak")
    try:
        return [event async for event in stream]
    finally:
        await speaking


def finals(events: list[SpeechEvent]) -> list[SpeechData]:
    return [event.alternatives[0] for event in events if event.type == FINAL]
