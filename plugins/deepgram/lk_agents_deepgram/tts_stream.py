"""The streams of the synthesizer: one whole text over HTTP, or text piece by piece over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import APIError
from lk_agents.foundation.ids import short_id
from lk_agents.streams.http import read_chunks, request
from lk_agents.tts import chunked, text_stream
from lk_agents.tts.audio import SynthesizedAudio
from lk_agents.utils.audio import AudioByteStream
from lk_agents_deepgram.connection import authorization
from lk_agents_deepgram.options import http_url
from lk_agents_deepgram.speak_messages import FLUSH, Flushed, speak

if TYPE_CHECKING:
    import aiohttp
    from livekit import rtc

    from lk_agents.foundation.secret import Secret
    from lk_agents.foundation.types import APIConnectOptions
    from lk_agents.tokenize.tokenizer import WordStream, WordTokenizer
    from lk_agents.tts import TTS
    from lk_agents_deepgram.tts_line import Line, Lines
    from lk_agents_deepgram.tts_options import TTSOptions

__all__ = ["ChunkedStream", "SynthesizeStream"]

FRAMES_PER_SECOND: Final = 50
NO_AUDIO: Final = ("application/json", "text/")
"""How the content types begin of answers that are no audio."""


class ChunkedStream(chunked.ChunkedStream):
    """Speaks one text; see :class:`lk_agents.tts.ChunkedStream`.

    :param tts: who speaks.
    :param input_text: the text.
    :param opts: how Deepgram is to speak.
    :param api_key: shown to Deepgram and to nobody else.
    :param http_session: what to ask with.
    :param base_url: of the endpoint; ``http`` or ``ws``.
    :param conn_options: by default the synthesizer's own.
    """

    def __init__(
        self,
        *,
        tts: TTS[Any],
        input_text: str,
        opts: TTSOptions,
        api_key: Secret,
        http_session: aiohttp.ClientSession,
        base_url: str,
        conn_options: APIConnectOptions | None = None,
    ) -> None:
        self._opts = opts
        self._key = api_key
        self._session = http_session
        self._url = http_url(base_url)
        super().__init__(tts=tts, input_text=input_text, conn_options=conn_options)

    async def _run(self) -> None:
        seconds = self._conn_options.timeout
        asking = request(
            self._session,
            "POST",
            self._url,
            provider=self._label,
            timeout_seconds=seconds,
            params=self._opts.text_query(),
            json={"text": self._input_text},
            headers=authorization(self._key),
        )
        async with asking as response:
            request_id = response.headers.get("dg-request-id") or short_id("speech_")
            if response.content_type.startswith(NO_AUDIO):
                raise APIError(f"Deepgram answered with {response.content_type} where audio was asked for").located(
                    provider=self._label, phase="decode", request_id=request_id
                )
            rate = self._opts.sample_rate
            cutter = AudioByteStream(rate, 1, rate // FRAMES_PER_SECOND)
            chunks = read_chunks(response, provider=self._label, first_seconds=seconds, idle_seconds=seconds)
            async for chunk in chunks:
                await self._send(cutter.push(chunk), request_id)
            await self._send(cutter.flush(), request_id)

    async def _send(self, frames: list[rtc.AudioFrame], request_id: str) -> None:
        for frame in frames:
            await self._event_ch.send(SynthesizedAudio(frame, request_id))


class SynthesizeStream(text_stream.SynthesizeStream):
    """Speaks what is pushed; see :class:`lk_agents.tts.SynthesizeStream`.

    Each segment borrows a connection, which speaks for another one after that.

    :param tts: who speaks.
    :param opts: returns how Deepgram is to speak, asked for each segment. The sample rate stays that of the beginning.
    :param lines: where connections are borrowed.
    :param word_tokenizer: finds the words, which are sent one by one.
    :param conn_options: by default the synthesizer's own.
    """

    def __init__(
        self,
        *,
        tts: TTS[Any],
        opts: Callable[[], TTSOptions],
        lines: Lines,
        word_tokenizer: WordTokenizer,
        conn_options: APIConnectOptions | None = None,
    ) -> None:
        self._opts = opts
        self._lines = lines
        self._word_tokenizer = word_tokenizer
        self._is_flushed = False
        self._rate = tts.sample_rate
        super().__init__(tts=tts, conn_options=conn_options)

    async def _run(self) -> None:
        while await self._input_ch.wait_for_item():
            await self._speak_one()

    async def _speak_one(self) -> None:
        """Speak one segment."""
        self._is_flushed = False
        opts = replace(self._opts(), sample_rate=self._rate)
        async with self._lines.lent(opts, seconds=self._conn_options.timeout) as line:
            words = self._word_tokenizer.stream()
            await _together(take=self._find_words(words), say=self._say(words, line), play=self._play(line))

    async def _find_words(self, words: WordStream) -> None:
        """Find the words in what is pushed."""
        async for item in self._input_ch:
            if isinstance(item, self._FlushSentinel):
                break
            words.push_text(item)
        words.end_input()

    async def _say(self, words: WordStream, line: Line) -> None:
        seconds = self._conn_options.timeout
        async for word in words:
            self._mark_started()
            await line.send(speak(word.token), seconds=seconds)
        self._is_flushed = True
        await line.send(FLUSH, seconds=seconds)

    async def _play(self, line: Line) -> None:
        """Hand the audio on; the last frame is kept until it is known to be the last."""
        cutter = AudioByteStream(self._rate, 1, self._rate // FRAMES_PER_SECOND)
        held: rtc.AudioFrame | None = None
        is_over = False
        while not is_over:
            found = await line.receive()
            if isinstance(found, bytes):
                frames = cutter.push(found)
            elif isinstance(found, Flushed) and self._is_flushed:
                frames, is_over = cutter.flush(), True
            else:
                continue  # it is about an earlier text
            for frame in frames:
                if held is not None:
                    await self._give(held, line)
                held = frame
        if held is not None:
            await self._give(held, line, is_final=True)

    async def _give(self, frame: rtc.AudioFrame, line: Line, *, is_final: bool = False) -> None:
        await self._event_ch.send(SynthesizedAudio(frame, line.request_id, is_final=is_final))


async def _together(**works: Coroutine[Any, Any, None]) -> None:
    """Await all; the first that fails ends the others, and its error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for name, work in works.items():
                group.create_task(work, name=f"lk-deepgram-speech-{name}")
    except BaseExceptionGroup as errors:
        error = errors.exceptions[0]
        raise error from error.__cause__
