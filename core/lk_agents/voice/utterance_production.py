"""From the source of a speech to its audio, whether it is heard yet or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from lk_agents.llm.stream import LLMStream
from lk_agents.utils.aio.channel import Chan, ChanClosed
from lk_agents.utils.aio.tasks import failure_of
from lk_agents.voice.stages import Stage
from lk_agents.voice.utterance_audio import SinkFormat
from lk_agents.voice.utterance_source import BeforeTTSError, FirstSentence, pieces_of, synthesize, to_be_spoken

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.media.playout import Playout
    from lk_agents.voice.utterance_progress import Progress
    from lk_agents.voice.utterance_source import BeforeTTS, SpeechSource
    from lk_agents.voice.utterance_text import Transcript
    from lk_agents.voice.utterance_voice import AgentVoice

__all__ = ["Production", "RecordedAudio"]

RecordedAudio: TypeAlias = "Iterable[rtc.AudioFrame] | AsyncIterable[rtc.AudioFrame]"
"""Audio that need not be synthesized; of any rate and number of channels."""

WAITING_PIECES: Final = 1_000
"""How many pieces of text wait for the synthesizer before the source waits."""
YIELD_SECONDS: Final = 1.0
"""How much of a recording is taken before others get their turn."""


class Production:
    """Reads the text of a speech and makes audio of it, from the moment on at which it is made.

    What fails is kept in ``progress``, and what came before stays good.

    :param source: the text.
    :param voice: what speaks it.
    :param audio: a recording of it, instead.
    :param before_tts: changes what is spoken.
    :param transcript: gets the text, and what is known of how the audio speaks it.
    :param playout: gets the audio.
    :param progress: is told how far it is, unless it was stopped.
    """

    def __init__(
        self,
        source: SpeechSource,
        *,
        voice: AgentVoice,
        audio: RecordedAudio | None,
        before_tts: BeforeTTS | None,
        transcript: Transcript,
        playout: Playout,
        progress: Progress,
    ) -> None:
        self._source = source
        self._tts = voice.tts
        self._audio = audio
        self._before_tts = before_tts
        self._transcript = transcript
        self._playout = playout
        self._format = SinkFormat(voice.sink)
        self._progress = progress
        self._text: Chan[str] = Chan(WAITING_PIECES)
        self._sentence = FirstSentence()
        self.is_whole = False
        """Whether there is audio, and all of the text is spoken in it."""
        self._stopped = False
        self._task = asyncio.get_running_loop().create_task(self._run(), name="lk-speech")

    def stop(self) -> None:
        """End it; what it has made stays, nobody is called any more."""
        self._stopped = True
        self._task.cancel()

    async def wait(self) -> None:
        """Wait until all text is read and all audio made, or it was stopped. Cancelled, only the waiting ends."""
        await asyncio.wait([self._task])

    async def aclose(self) -> None:
        """Stop it, and close the source, whether it was read or not."""
        self.stop()
        await self.wait()
        if (aclose := getattr(self._source, "aclose", None)) is not None:
            await aclose()

    async def _run(self) -> None:
        if isinstance(self._source, LLMStream):
            self._progress.reach(Stage.LLM_REQUESTED)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read_text(), name="lk-speech-text")
            group.create_task(self._make_audio(), name="lk-speech-audio")

    async def _read_text(self) -> None:
        try:
            async with aclosing(pieces_of(self._source, on_function_call=self._progress.see_call)) as pieces:
                async for piece in pieces:
                    await self._take_text(piece)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  it must not silence the agent for good
            self._progress.fail("text", failure_of(error))
        self._text.close()
        self._transcript.end_text()
        if self._sentence.end():
            self._progress.reach(Stage.FIRST_SENTENCE)
        self._progress.reach(Stage.TEXT_COMPLETE)

    async def _take_text(self, piece: str) -> None:
        if not isinstance(self._source, str):
            self._progress.reach(Stage.FIRST_TOKEN)
        self._transcript.push_text(piece)
        if self._sentence.push(piece):
            self._progress.reach(Stage.FIRST_SENTENCE)
        with suppress(ChanClosed):  # whoever speaks it wants no more; it is read to its end all the same
            await self._text.send(piece)

    async def _make_audio(self) -> None:
        try:
            await (self._synthesize() if self._audio is None else self._take_recording(self._audio))
            for piece in self._format.flush():
                await self._push(piece)
            self.is_whole = self._playout.pushed_seconds > 0
        except BeforeTTSError as failed:
            self._progress.fail("callback", failed.error)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  what came before is heard
            self._progress.fail("audio", failure_of(error))
        self._text.close()
        self._transcript.end_audio(whole=self.is_whole)
        self._playout.end_input()
        self._tell_ready()

    async def _synthesize(self) -> None:
        text = self._source if isinstance(self._source, str) else _values(self._text)
        if self._tts is None:
            raise RuntimeError("there is no synthesizer here: a speech needs its audio")
        spoken = await to_be_spoken(text, self._before_tts)
        async with aclosing(synthesize(self._tts, spoken, on_request=self._note_request)) as pieces:
            async for audio in pieces:
                if audio.delta_text:
                    self._transcript.push_part(audio.delta_text)
                if audio.words:
                    self._transcript.push_words(audio.words)
                    self._playout.push_words(audio.words)
                await self._push_frame(audio.frame)

    async def _take_recording(self, audio: RecordedAudio) -> None:
        self._text.close()
        if isinstance(audio, AsyncIterable):
            async for frame in audio:
                await self._push_frame(frame)
            return
        seconds = 0.0
        for frame in audio:
            await self._push_frame(frame)
            seconds += frame.duration
            if seconds >= YIELD_SECONDS:
                seconds = 0.0
                await asyncio.sleep(0)

    async def _push_frame(self, frame: rtc.AudioFrame) -> None:
        for piece in self._format.push(frame):
            await self._push(piece)

    async def _push(self, piece: rtc.AudioFrame) -> None:
        self._progress.reach(Stage.FIRST_AUDIO)
        self._transcript.push_audio(piece)
        await self._playout.push(piece)
        self._tell_ready()

    def _note_request(self) -> None:
        self._progress.reach(Stage.TTS_REQUESTED)

    def _tell_ready(self) -> None:
        if not self._stopped:
            self._progress.ready()


async def _values(text: Chan[str]) -> AsyncIterator[str]:
    async for piece in text:
        yield piece
