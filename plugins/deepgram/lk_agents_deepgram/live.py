"""The stream: audio goes out and messages come in over one WebSocket after the other."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import APIError
from lk_agents.foundation.secret import Secret
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams.wire import Codec, open_websocket, run_wire
from lk_agents.stt.events import RecognitionUsage, SpeechEvent, SpeechEventType
from lk_agents.stt.stream import RecognizeStream
from lk_agents_deepgram.connection import authorization, find_key
from lk_agents_deepgram.energy_filter import AudioEnergyFilter
from lk_agents_deepgram.errors import close_error, message_error
from lk_agents_deepgram.listener import Listener
from lk_agents_deepgram.messages import ErrorMessage, MalformedMessageError, UnknownMessage, parse_live
from lk_agents_deepgram.options import STTOptions, websocket_url
from lk_agents_deepgram.outgoing import KEEP_ALIVE, Outgoing, SentUsage
from lk_agents_deepgram.unusable import Unusable
from lk_agents_deepgram.update import Updatable

if TYPE_CHECKING:
    import aiohttp
    from livekit import rtc

    from lk_agents.streams.inputs import FlushSentinel
    from lk_agents.stt import STT

__all__ = ["SpeechStream"]

KEEP_ALIVE_SECONDS: Final = 5.0
"""Deepgram closes a connection that is silent for 10 s."""
CLOSE_SECONDS: Final = 5.0
UNTOLD_SECONDS: Final = 0.1
"""Less audio than that may be without a final transcript at the end: no word fits into it."""


class SpeechStream(Updatable, RecognizeStream):
    """Listens through Deepgram while audio is pushed; see :class:`lk_agents.stt.RecognizeStream`.

    A connection that breaks, or that new options end, is followed by another one: what no final transcript has told of
    is sent again, the last 10 s of it, and times stay those of the stream.

    :param stt: whose stream it is; its listeners get the metrics.
    :param opts: how Deepgram is to listen.
    :param conn_options: how often and how patiently it is asked.
    :param api_key: shown to Deepgram and to nobody else.
    :param http_session: what to connect with.
    :param base_url: of the live endpoint; ``http`` or ``ws``.
    :param energy_filter: a copy of it judges what is silence, which is not sent.
    """

    def __init__(
        self,
        *,
        stt: STT,
        opts: STTOptions,
        conn_options: APIConnectOptions,
        api_key: str | Secret,
        http_session: aiohttp.ClientSession,
        base_url: str,
        energy_filter: AudioEnergyFilter | None = None,
    ) -> None:
        self._opts = opts
        self._key = find_key(api_key)
        self._session = http_session
        self._url = websocket_url(base_url)
        self._energy_filter = energy_filter
        self._usage = SentUsage(self._report_sent)
        self._unusable = Unusable()
        self._begin_connection()
        super().__init__(stt=stt, conn_options=conn_options)  # each connection resamples: new options change the rate

    @property
    def opts(self) -> STTOptions:
        """How Deepgram is to listen; setting others opens another connection, and nothing is lost."""
        return self._opts

    @opts.setter
    def opts(self, opts: STTOptions) -> None:
        if opts != self._opts:
            self._opts = opts
            self._reconnect()

    def _change_options(self, changes: Mapping[str, Any]) -> None:
        self.opts = self._opts.changed(**changes)

    async def _run(self) -> None:
        try:
            await run_wire(self, self._codec())
        except APIError:
            if not self._listener.summed_up:
                raise  # else everything was said, and only the end was a bad one
        else:
            self._require_all_was_said()
        finally:
            self._usage.flush()
        if self._listener.speaking:
            await self._event_ch.send(SpeechEvent(SpeechEventType.END_OF_SPEECH, request_id=self._listener.request_id))

    def _require_all_was_said(self) -> None:
        """Judge a regular close behind the end of the input: without the summary, something may be missing.

        :raises APIError: it is.
        """
        missing_seconds = self._outgoing.sent_seconds - self._listener.final_until
        if not self._listener.summed_up and missing_seconds > UNTOLD_SECONDS:
            raise close_error(None, f"without a summary, and {missing_seconds:.1f} s of audio have no final transcript")

    def _codec(self) -> Codec[rtc.AudioFrame, SpeechEvent]:
        return Codec(
            connect=self._connect,
            encode=self._encode,
            decode=self._decode,
            finish=self._finish,
            keep_alive=KEEP_ALIVE,
            keep_alive_seconds=KEEP_ALIVE_SECONDS,
            acknowledged_until=self._settled_by,
            close_seconds=min(CLOSE_SECONDS, self._conn_options.timeout),
            close_error=close_error,
        )

    def _begin_connection(self) -> None:
        self._outgoing = Outgoing(self._opts.sample_rate, copy.deepcopy(self._energy_filter), self._usage)
        self._listener = Listener(self._opts.language, to_heard=self._outgoing.axis.to_stream)

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        self._begin_connection()
        return await open_websocket(
            self._session,
            self._url,
            headers=authorization(self._key),
            timeout_seconds=self._conn_options.timeout,
            provider=self._label,
            params=self._opts.live_query(),
            request_id_header="dg-request-id",
            reason_header="dg-error",
        )

    def _encode(self, item: rtc.AudioFrame | FlushSentinel) -> list[bytes | str]:
        return self._outgoing.encode(item)

    def _finish(self) -> list[bytes | str]:
        return self._outgoing.finish()

    def _settled_by(self, event: SpeechEvent) -> float | None:
        return self._listener.settles(event)

    def _decode(self, message: bytes | str) -> list[SpeechEvent]:
        if isinstance(message, bytes):
            self._unusable.audio(message)
            return []
        try:
            parsed = parse_live(message)
        except MalformedMessageError as error:
            self._unusable.malformed(error)
            return []
        if isinstance(parsed, ErrorMessage):
            raise message_error(parsed, request_id=self._listener.request_id)
        if isinstance(parsed, UnknownMessage):
            self._unusable.unknown(parsed.type)
            return []
        events = self._listener.hear(parsed)
        until = self._listener.settled
        if until is not None and not any(self._listener.settles(event) for event in events):
            self._input_ch.acknowledge(self._input_ch.axis.to_stream(until))  # it is final that nothing was said
        return events

    def _report_sent(self, seconds: float) -> None:
        self._event_ch.send_nowait(
            SpeechEvent(
                SpeechEventType.RECOGNITION_USAGE,
                request_id=self._listener.request_id,
                recognition_usage=RecognitionUsage(audio_duration=seconds),
            )
        )
