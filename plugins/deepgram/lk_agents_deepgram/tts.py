"""The synthesizer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Unpack
from weakref import WeakSet

from lk_agents.streams.wire import open_websocket
from lk_agents.tts import synthesizer
from lk_agents.tts.audio import TTSCapabilities
from lk_agents.utils.http_context import HttpSessions
from lk_agents_deepgram.connection import authorization, find_key
from lk_agents_deepgram.options import websocket_url
from lk_agents_deepgram.tts_line import Line, Lines
from lk_agents_deepgram.tts_options import TTSExtras, TTSOptions
from lk_agents_deepgram.tts_stream import ChunkedStream, SynthesizeStream

if TYPE_CHECKING:
    import aiohttp

    from lk_agents.foundation.secret import Secret
    from lk_agents.foundation.types import APIConnectOptions
    from lk_agents.tokenize.tokenizer import WordTokenizer
    from lk_agents.tts import text_stream
    from lk_agents_deepgram.models import DeepgramVoices

__all__ = ["TTS", "ChunkedStream", "SynthesizeStream", "TTSOptions"]

BASE_URL: Final = "https://api.deepgram.com/v1/speak"
LONGEST_TEXT: Final = 2_000


class TTS(synthesizer.TTS):
    """Speech by Deepgram: piece by piece with :meth:`stream`, over WebSockets that are used again; whole texts with
    :meth:`synthesize`, over HTTP.

    :param model: Deepgram's name of the voice.
    :param encoding: ``"linear16"``.
    :param sample_rate: in Hz: 8000, 16000, 24000, 32000 or 48000.
    :param api_key: by default that of the environment, ``DEEPGRAM_API_KEY``.
    :param base_url: of the endpoint, ``http`` or ``ws``.
    :param use_streaming: whether it takes text piece by piece.
    :param word_tokenizer: finds the words of such text; by default what stands between white space.
    :param http_session: by default the job's; outside of a job one of its own, which :meth:`aclose` closes.
    :param extras: ``speed`` (0.7 to 1.5) and ``mip_opt_out``; see :class:`~lk_agents_deepgram.TTSOptions`.
    :raises ConfigError: there is no key, or a value cannot be used.
    """

    provider = "deepgram"
    max_text_characters = LONGEST_TEXT

    def __init__(
        self,
        *,
        model: DeepgramVoices | str = "aura-asteria-en",
        encoding: str = "linear16",
        sample_rate: int = 24_000,
        api_key: str | Secret | None = None,
        base_url: str = BASE_URL,
        use_streaming: bool = True,
        word_tokenizer: WordTokenizer | None = None,
        http_session: aiohttp.ClientSession | None = None,
        **extras: Unpack[TTSExtras],
    ) -> None:
        self._opts = TTSOptions(model=model, encoding=encoding, sample_rate=sample_rate, **extras)
        super().__init__(capabilities=TTSCapabilities(streaming=use_streaming), sample_rate=sample_rate, num_channels=1)
        self.model = model
        self._key = find_key(api_key)
        self._base_url = base_url
        self._word_tokenizer = word_tokenizer or _words()
        self._http = HttpSessions(http_session)
        self._lines = Lines(self._open_line)
        self._streams: WeakSet[ChunkedStream | SynthesizeStream] = WeakSet()

    @property
    def opts(self) -> TTSOptions:
        """How Deepgram is to speak."""
        return self._opts

    def update_options(self, *, model: DeepgramVoices | str | None = None, sample_rate: int | None = None) -> None:
        """Change what is given; None leaves an option as it is.

        Streams speak their next segment with the new model, and keep the sample rate with which they began.

        :raises ConfigError: a value cannot be used; then nothing has changed.
        """
        given = {"model": model, "sample_rate": sample_rate}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        opts = replace(self._opts, **changes)
        if opts == self._opts:
            return
        self._opts, self.model, self._sample_rate = opts, opts.model, opts.sample_rate
        self._lines.invalidate()

    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        """Begin to speak ``text``; see :meth:`lk_agents.tts.TTS.synthesize`."""
        stream = ChunkedStream(
            tts=self,
            input_text=text,
            opts=self._opts,
            api_key=self._key,
            http_session=self._http.get(),
            base_url=self._base_url,
            conn_options=conn_options,
        )
        self._streams.add(stream)
        return stream

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> text_stream.SynthesizeStream:
        """Return a stream that takes text piece by piece; needs a running event loop.

        :param conn_options: by default the synthesizer's own.
        :raises NotImplementedError: it was made with ``use_streaming=False``.
        """
        if not self.capabilities.streaming:
            return super().stream(conn_options=conn_options)
        stream = SynthesizeStream(
            tts=self,
            opts=lambda: self._opts,
            lines=self._lines,
            word_tokenizer=self._word_tokenizer,
            conn_options=conn_options,
        )
        self._streams.add(stream)
        return stream

    def prewarm(self) -> None:
        """Open a connection in the background, if there is none; needs a running event loop."""
        if self.capabilities.streaming:
            self._lines.prewarm(self._opts)

    async def aclose(self) -> None:
        """Close its streams, its connections, and the HTTP session that is its own, if there is one."""
        for stream in tuple(self._streams):
            await stream.aclose()
        await self._lines.aclose()
        await self._http.aclose()

    async def _open_line(self, opts: TTSOptions, seconds: float) -> Line:
        socket = await open_websocket(
            self._http.get(),
            websocket_url(self._base_url),
            headers=authorization(self._key),
            timeout_seconds=seconds,
            provider=self._label,
            params=opts.live_query(),
            request_id_header="dg-request-id",
            reason_header="dg-error",
        )
        return Line(socket, label=self._label)


def _words() -> WordTokenizer:
    from lk_agents.tokenize.basic import WordTokenizer

    return WordTokenizer(ignore_punctuation=False)
