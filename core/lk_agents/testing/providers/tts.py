"""A synthesizer whose speech is as long as its text."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from lk_agents.foundation.ids import short_id
from lk_agents.streams.words import TimedWord
from lk_agents.testing.providers.script import Break, BreakKind, Breaks, BreaksOfAttempt, ScriptError
from lk_agents.testing.providers.speech import tone
from lk_agents.tts import TTS, ChunkedStream, SynthesizedAudioEmitter, SynthesizeStream, TTSCapabilities

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.foundation.types import APIConnectOptions

__all__ = ["ScriptedTTS"]

FRAME_SECONDS: Final = 0.02


class ScriptedTTS(TTS[Any]):
    """Speaks a tone: each character takes the same time, so that lengths and word timings can be foretold.

    As a context manager it raises a :class:`ScriptError` at the end if a break never struck.

    :param seconds_per_character: how long a character takes to be spoken.
    :param streaming: whether it takes text piece by piece.
    :param first_seconds: how long a request takes until its first audio.
    :param speed: how much faster than it is spoken the audio comes after that; 0 for at once.
    :param breaks: what goes wrong; positions are seconds of audio given in the attempt.
    """

    def __init__(
        self,
        *,
        sample_rate: int = 24_000,
        num_channels: int = 1,
        seconds_per_character: float = 0.06,
        streaming: bool = True,
        first_seconds: float = 0.0,
        speed: float = 0.0,
        breaks: Iterable[Break] = (),
        conn_options: APIConnectOptions | None = None,
    ) -> None:
        super().__init__(
            capabilities=TTSCapabilities(streaming=streaming, aligned_words=True),
            sample_rate=sample_rate,
            num_channels=num_channels,
            conn_options=conn_options,
        )
        self.seconds_per_character = seconds_per_character
        self.first_seconds = first_seconds
        self.speed = speed
        self.spoken: list[str] = []
        """Every text that it was asked to speak, a stream's by segment; again for every attempt."""
        self.breaks = Breaks(breaks)

    def seconds_of(self, text: str) -> float:
        """Return how long a text takes to be spoken."""
        return len(text) * self.seconds_per_character

    def words_of(self, text: str) -> list[TimedWord]:
        """Return the words of a text with the times at which they are spoken."""
        found, at = [], 0
        for word in text.split():
            at = text.index(word, at)
            end = at + len(word)
            found.append(TimedWord(word, at * self.seconds_per_character, end * self.seconds_per_character))
            at = end
        return found

    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        """Begin to speak a text."""
        return _ScriptedChunks(tts=self, input_text=text, conn_options=conn_options)

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
        """Return a stream that takes text piece by piece."""
        if not self.capabilities.streaming:
            return super().stream(conn_options=conn_options)
        return _ScriptedSpeech(tts=self, conn_options=conn_options)

    def assert_done(self) -> None:
        """Check that the script was used up.

        :raises ScriptError: a break never struck.
        """
        if problems := self.breaks.unused():
            raise ScriptError(f"{self.label}: {'; '.join(problems)}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await super().__aexit__(exc_type, exc, traceback)
        if exc is None:
            self.assert_done()

    async def _speak(self, text: str, emitter: SynthesizedAudioEmitter, breaks: BreaksOfAttempt) -> bool:
        """Send the audio of a text; False if it was cut."""
        self.spoken.append(text)
        await asyncio.sleep(self.first_seconds)
        words = deque(self.words_of(text))
        given = 0.0
        for frame in self._frames(self.seconds_of(text)):
            struck = await breaks.pass_(given)
            if struck is not None and struck.kind is BreakKind.END:
                return False
            if struck is not None:
                emitter.push(tone(0, self.sample_rate, self.num_channels))
            end = given + frame.samples_per_channel / self.sample_rate
            begun: list[TimedWord] = []
            while words and words[0].start_time < end:
                begun.append(words.popleft())
            emitter.push(frame, delta_text=" ".join(word.text for word in begun), words=begun or None)
            given = end
            if self.speed:
                await asyncio.sleep(frame.samples_per_channel / self.sample_rate / self.speed)
        await breaks.pass_(given)
        emitter.flush()
        return True

    def _frames(self, seconds: float) -> Iterator[rtc.AudioFrame]:
        left = round(seconds * self.sample_rate)
        whole = round(FRAME_SECONDS * self.sample_rate)
        while left > 0:
            yield tone(min(left, whole), self.sample_rate, self.num_channels)
            left -= whole


class _ScriptedChunks(ChunkedStream):
    async def _run(self) -> None:
        tts = self._tts
        assert isinstance(tts, ScriptedTTS)
        emitter = SynthesizedAudioEmitter(event_ch=self._event_ch, request_id=short_id("tts_"))
        if not await tts._speak(self._input_text, emitter, tts.breaks.attempt()):  # noqa: SLF001  a part of it
            emitter.push(None)


class _ScriptedSpeech(SynthesizeStream):
    async def _run(self) -> None:
        tts = self._tts
        assert isinstance(tts, ScriptedTTS)
        breaks = tts.breaks.attempt()
        text = ""
        async for token in self._input_ch:
            if isinstance(token, str):
                if not text:
                    self._mark_started()
                text += token
                continue
            emitter = SynthesizedAudioEmitter(
                event_ch=self._event_ch, request_id=short_id("tts_"), segment_id=short_id("seg_")
            )
            if text and not await tts._speak(text, emitter, breaks):  # noqa: SLF001  a part of it
                emitter.push(None)
                return
            text = ""
