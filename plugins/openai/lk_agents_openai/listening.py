"""The live stream: audio goes out and messages come in over one WebSocket after the other."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lk_agents.foundation.errors import APIConnectionError, APIError
from lk_agents.foundation.ids import short_id
from lk_agents.foundation.log import logger
from lk_agents.streams.inputs import FlushSentinel
from lk_agents.streams.wire import Codec, open_websocket, run_wire
from lk_agents.stt.events import RecognitionUsage, SpeechEvent, SpeechEventType
from lk_agents.stt.stream import RecognizeStream
from lk_agents.utils.audio import AudioByteStream
from lk_agents_openai.asking import FINAL_CODES
from lk_agents_openai.listener import Listener
from lk_agents_openai.live_messages import MalformedMessageError, UnknownMessage, parse_live
from lk_agents_openai.stt_options import SAMPLE_RATE, STTOptions

if TYPE_CHECKING:
    import aiohttp
    from livekit import rtc

    from lk_agents.foundation.types import APIConnectOptions
    from lk_agents.stt import STT
    from lk_agents_openai.endpoint import Endpoint

__all__ = ["SpeechStream"]

OPENAI_HOST: Final = "api.openai.com"
PIECE_SAMPLES: Final = SAMPLE_RATE // 20
LEAST_COMMIT_SECONDS: Final = 0.1
"""OpenAI refuses to recognise less."""
QUIET: Final = 150
"""Of 32,768: a piece that gets no louder is silence, in which models hear what nobody has said."""
USAGE_SECONDS: Final = 5.0
ROUNDING_SECONDS: Final = 1e-6
TYPES_NOTED: Final = 100


class SpeechStream(RecognizeStream):
    """Listens through OpenAI while audio is pushed; see :class:`lk_agents.stt.RecognizeStream`.

    A connection that breaks, that grows old, or that new options end, is followed by another one: what no final
    transcript has told of is sent again, the last 10 s of it, and times stay those of the stream.

    :param stt: whose stream it is; its listeners get the metrics.
    :param opts: how OpenAI is to listen.
    :param endpoint: whom to ask.
    :param http_session: what to connect with.
    :param conn_options: how often and how patiently it is asked.
    """

    def __init__(
        self,
        *,
        stt: STT,
        opts: STTOptions,
        endpoint: Endpoint,
        http_session: aiohttp.ClientSession,
        conn_options: APIConnectOptions,
    ) -> None:
        self._opts = opts
        self._endpoint = endpoint
        self._session = http_session
        self._noted_types: set[str] = set()
        self._unreported_seconds = 0.0
        self._begin_connection()
        super().__init__(stt=stt, conn_options=conn_options, sample_rate=SAMPLE_RATE)

    @property
    def opts(self) -> STTOptions:
        """How OpenAI is to listen; setting others opens another connection, and nothing is lost."""
        return self._opts

    @opts.setter
    def opts(self, opts: STTOptions) -> None:
        if opts != self._opts:
            self._opts = opts
            self._reconnect()

    def update_options(self, **changes: Any) -> None:
        """Change what is given, of the options of :meth:`STT.update_options`, for this stream alone.

        :raises ConfigError: a value cannot be used; then nothing has changed.
        """
        self.opts = self._opts.changed(**changes)

    async def _run(self) -> None:
        try:
            await run_wire(self, self._codec())
        except APIError:
            if not self._listener.is_over:
                raise  # else everything was said, and only the end was a bad one
        finally:
            if self._unreported_seconds:
                self._event_ch.send_nowait(self._usage())
        if self._listener.speaking:
            await self._event_ch.send(SpeechEvent(SpeechEventType.END_OF_SPEECH))

    def _codec(self) -> Codec[rtc.AudioFrame, SpeechEvent]:
        return Codec(
            connect=self._connect,
            encode=self._encode,
            decode=self._decode,
            finish=self._finish,
            acknowledged_until=self._settled_by,
            is_last=lambda event: event is self._last_event,
            close_seconds=self._conn_options.timeout,
            close_error=_close_error,
        )

    def _begin_connection(self) -> None:
        self._sent_seconds = 0.0
        self._loud_until = 0.0
        self._greeted = False
        self._last_event: SpeechEvent | None = None
        self._pieces = AudioByteStream(SAMPLE_RATE, 1, PIECE_SAMPLES)
        self._listener = Listener(
            self._opts.language,
            padding_seconds=self._opts.padding_seconds,
            sent_seconds=lambda: self._sent_seconds,
        )

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        self._begin_connection()
        headers = await self._endpoint.authorization()
        if self._opts.dialect == "beta":
            headers["OpenAI-Beta"] = "realtime=v1"
        query = [("intent", "transcription"), *self._endpoint.query]
        if OPENAI_HOST not in self._endpoint.base_url:  # which wants it in the first message alone
            query.append(("model", self._opts.model))
        return await open_websocket(
            self._session,
            self._endpoint.socket_url("/realtime"),
            headers=headers,
            timeout_seconds=self._conn_options.timeout,
            provider=self._label,
            params=query,
            request_id_header="x-request-id",
        )

    # --- on the way out ---------------------------------------------------------------------------------------------

    def _encode(self, item: rtc.AudioFrame | FlushSentinel) -> Iterator[str]:
        yield from self._greeting()
        if isinstance(item, FlushSentinel):
            yield from self._appended(self._pieces.flush())
            yield from self._committed()
        else:
            yield from self._appended(self._pieces.push(item.data.cast("B")))

    def _finish(self) -> Iterator[str]:
        yield from self._greeting()
        yield from self._appended(self._pieces.flush())
        yield from self._committed()
        yield '{"type":"input_audio_buffer.clear"}'  # the answer to it is the server's last word

    def _greeting(self) -> Iterator[str]:
        if not self._greeted:
            self._greeted = True
            yield msgspec.json.encode(self._opts.session_update()).decode()

    def _appended(self, frames: list[rtc.AudioFrame]) -> Iterator[str]:
        for frame in frames:
            seconds = frame.samples_per_channel / SAMPLE_RATE
            if self._unreported_seconds >= USAGE_SECONDS - ROUNDING_SECONDS:  # so that something is left for the end
                self._event_ch.send_nowait(self._usage())
            self._unreported_seconds += seconds
            self._sent_seconds += seconds
            samples = frame.data.cast("B").cast("h")
            if max(samples) > QUIET or min(samples) < -QUIET:
                self._loud_until = self._sent_seconds
            audio = base64.b64encode(frame.data.cast("B")).decode()
            yield f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}'

    def _committed(self) -> Iterator[str]:
        """Have recognised what is not yet; unless the server has it already, or there is nothing but silence in it."""
        begin = self._listener.cut_at
        if self._loud_until <= begin or self._sent_seconds - begin < LEAST_COMMIT_SECONDS:
            return
        event_id = short_id("event_")
        self._listener.committed(event_id)
        yield f'{{"type":"input_audio_buffer.commit","event_id":"{event_id}"}}'

    # --- on the way in ----------------------------------------------------------------------------------------------

    def _settled_by(self, event: SpeechEvent) -> float | None:
        return self._listener.settled if event.type is SpeechEventType.FINAL_TRANSCRIPT else None

    def _decode(self, message: bytes | str) -> list[SpeechEvent]:
        if isinstance(message, bytes):
            logger.warning("OpenAI has sent bytes where it sends text; passed over", extra={"bytes": len(message)})
            return []
        try:
            parsed = parse_live(message)
        except MalformedMessageError as error:
            logger.warning("a message of OpenAI cannot be understood; passed over", extra={"reason": str(error)})
            return []
        if isinstance(parsed, UnknownMessage):
            self._note_type(parsed.type)
            return []
        events = self._listener.hear(parsed)
        self._settle_silence(events)
        if self._listener.wants_renewal:
            self._reconnect()
        if self._listener.is_over and self._last_event is None:
            self._last_event = self._usage()
            events.append(self._last_event)
        return events

    def _settle_silence(self, events: list[SpeechEvent]) -> None:
        """Forget the audio in which, as is final now, nothing was said."""
        until = self._listener.settled
        if until is not None and not any(event.type is SpeechEventType.FINAL_TRANSCRIPT for event in events):
            self._input_ch.acknowledge(self._input_ch.axis.to_stream(until))

    def _note_type(self, kind: str) -> None:
        if kind in self._noted_types or len(self._noted_types) >= TYPES_NOTED:
            return
        self._noted_types.add(kind)
        logger.warning("OpenAI has sent a message of an unknown type; passed over", extra={"type": kind[:80]})

    def _usage(self) -> SpeechEvent:
        seconds, self._unreported_seconds = self._unreported_seconds, 0.0
        return SpeechEvent(
            SpeechEventType.RECOGNITION_USAGE,
            request_id=self._listener.session_id,
            recognition_usage=RecognitionUsage(audio_duration=seconds),
        )


def _close_error(code: int | None, reason: str) -> APIError:
    """Return the error for a close that nobody asked for; the reason ends with OpenAI's own code."""
    found = reason.rpartition(".")[2]
    return APIConnectionError(
        f"OpenAI closed the connection: code {code}, reason {reason or 'not given'}",
        retryable=found not in FINAL_CODES,
    ).located(phase="receive", code=found or code)
