"""Streaming for synthesizers that take whole texts only: sentence by sentence."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from lk_agents.tts.audio import SynthesizedAudio, TTSCapabilities
from lk_agents.tts.outlet import SegmentOutlet
from lk_agents.tts.sentences import SegmentEnd, SentenceCutter
from lk_agents.tts.synthesizer import TTS
from lk_agents.tts.text_stream import SynthesizeStream
from lk_agents.utils.aio.channel import Chan, ChanClosed, ChanEmpty
from lk_agents.utils.aio.tasks import cancel_and_wait

if TYPE_CHECKING:
    from lk_agents.foundation.types import APIConnectOptions
    from lk_agents.metrics.records import TTSMetrics
    from lk_agents.tokenize.tokenizer import SentenceTokenizer
    from lk_agents.tts.chunked import ChunkedStream

__all__ = ["StreamAdapter", "StreamAdapterWrapper"]

OPEN_SENTENCES: Final = 2
"""The sentence that is read and the one that is synthesized meanwhile."""


class StreamAdapter(TTS):
    """Makes a synthesizer streaming: what is pushed is cut into sentences, and each is synthesized on its own.

    Rate, channels and ``synthesize()`` are those of the wrapped synthesizer, which stays its owner's: closing the
    adapter does not close it. Its metrics, one record for each sentence, are emitted here as well.

    :param tts: the synthesizer.
    :param sentence_tokenizer: finds the sentences.
    """

    def __init__(self, *, tts: TTS[Any], sentence_tokenizer: SentenceTokenizer) -> None:
        super().__init__(
            capabilities=TTSCapabilities(streaming=True, aligned_words=tts.capabilities.aligned_words),
            sample_rate=tts.sample_rate,
            num_channels=tts.num_channels,
            conn_options=tts._conn_options,  # noqa: SLF001  its default is the default here
        )
        self._wrapped_tts = tts
        self._sentence_tokenizer = sentence_tokenizer
        tts.on("metrics_collected", self._forward)

    @property
    def sample_rate(self) -> int:
        """Of the wrapped synthesizer, in Hz."""
        return self._wrapped_tts.sample_rate

    @property
    def num_channels(self) -> int:
        """Of the wrapped synthesizer."""
        return self._wrapped_tts.num_channels

    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        """Let the wrapped synthesizer speak ``text``."""
        return self._wrapped_tts.synthesize(text, conn_options=conn_options)

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> StreamAdapterWrapper:
        """Return a stream that takes text piece by piece.

        :param conn_options: for each sentence; by default the wrapped synthesizer's own.
        """
        return StreamAdapterWrapper(
            tts=self,
            wrapped_tts=self._wrapped_tts,
            sentence_tokenizer=self._sentence_tokenizer,
            conn_options=conn_options,
        )

    def prewarm(self) -> None:
        """Prepare the wrapped synthesizer."""
        self._wrapped_tts.prewarm()

    async def aclose(self) -> None:
        """Emit the wrapped synthesizer's metrics no more; it stays open."""
        self._wrapped_tts.off("metrics_collected", self._forward)

    def _forward(self, metrics: TTSMetrics) -> None:
        self.emit("metrics_collected", metrics)


@dataclass(eq=False)
class _Sentence:
    text: str
    stream: ChunkedStream


class StreamAdapterWrapper(SynthesizeStream):
    """A stream of a :class:`StreamAdapter`.

    While a sentence is read the next one is synthesized. The first piece of each carries its text as ``delta_text``.
    What fails is retried by the wrapped synthesizer, as ``conn_options`` say, and not once more here.

    :param tts: the adapter.
    :param wrapped_tts: who synthesizes the sentences.
    :param sentence_tokenizer: finds them.
    :param conn_options: for each sentence; by default the wrapped synthesizer's own.
    """

    _watched = False
    _measured = False

    def __init__(
        self,
        *,
        tts: TTS[Any],
        wrapped_tts: TTS[Any],
        sentence_tokenizer: SentenceTokenizer,
        conn_options: APIConnectOptions | None,
    ) -> None:
        self._wrapped_tts = wrapped_tts
        self._sentence_tokenizer = sentence_tokenizer
        self._sentence_options = conn_options
        self._open: list[ChunkedStream] = []
        options = conn_options or tts._conn_options  # noqa: SLF001  its default
        super().__init__(tts=tts, conn_options=replace(options, max_retry=0))

    async def _run(self) -> None:
        outlet = SegmentOutlet(self._event_ch)
        cutter = SentenceCutter(self._input_ch, self._sentence_tokenizer)
        ahead: Chan[_Sentence | SegmentEnd] = Chan()
        room = asyncio.Semaphore(OPEN_SENTENCES)
        opener = asyncio.create_task(self._open_ahead(cutter, ahead, room), name=f"lk-sentences {self._label}")
        try:
            piece = await _receive(ahead)
            while piece is not None:
                following = None
                if isinstance(piece, SegmentEnd):
                    outlet.end_segment()
                else:
                    last = await self._read(piece, outlet)
                    room.release()
                    following = _receive_nowait(ahead)
                    if last is not None:
                        await outlet.end_sentence(last, is_last=isinstance(following, SegmentEnd))
                piece = following or await _receive(ahead)
            await opener
        finally:
            await cancel_and_wait(opener)
            await cutter.aclose()
            for stream in self._open:
                await stream.aclose()
            self._open.clear()

    async def _open_ahead(
        self, cutter: SentenceCutter, ahead: Chan[_Sentence | SegmentEnd], room: asyncio.Semaphore
    ) -> None:
        try:
            while (cut := await cutter.next()) is not None:
                if isinstance(cut, SegmentEnd):
                    ahead.send_nowait(cut)
                    continue
                await room.acquire()
                stream = self._wrapped_tts.synthesize(cut, conn_options=self._sentence_options)
                self._open.append(stream)
                ahead.send_nowait(_Sentence(cut, stream))
        finally:
            ahead.close()

    async def _read(self, sentence: _Sentence, outlet: SegmentOutlet) -> SynthesizedAudio | None:
        """Hand the sentence on, all but its last piece, which is returned."""
        outlet.begin_sentence()
        text = sentence.text
        held: SynthesizedAudio | None = None
        async for audio in sentence.stream:
            if held is not None:
                await outlet.send(held)
            held = replace(audio, delta_text=audio.delta_text or text)
            text = ""
        await sentence.stream.aclose()
        self._open.remove(sentence.stream)
        return held


async def _receive(ahead: Chan[_Sentence | SegmentEnd]) -> _Sentence | SegmentEnd | None:
    try:
        return await ahead.recv()
    except ChanClosed:
        return None


def _receive_nowait(ahead: Chan[_Sentence | SegmentEnd]) -> _Sentence | SegmentEnd | None:
    try:
        return ahead.recv_nowait()
    except (ChanEmpty, ChanClosed):
        return None
