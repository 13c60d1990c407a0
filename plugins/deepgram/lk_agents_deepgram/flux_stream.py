"""The stream of Flux: audio goes out, and turns come in, over one WebSocket after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from lk_agents.foundation.errors import APITimeoutError
from lk_agents.foundation.log import logger
from lk_agents.foundation.secret import Secret
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams.wire import Codec, open_websocket, run_wire
from lk_agents.stt.events import RecognitionUsage, SpeechEvent, SpeechEventType
from lk_agents.stt.stream import RecognizeStream
from lk_agents_deepgram.connection import authorization
from lk_agents_deepgram.errors import close_error, message_error
from lk_agents_deepgram.flux_listener import KNOWN_EVENTS, FluxListener
from lk_agents_deepgram.flux_messages import Configured, Connected, FluxWarning, TurnInfo, parse_flux
from lk_agents_deepgram.flux_options import FluxOptions, configured
from lk_agents_deepgram.flux_silence import FluxSilence
from lk_agents_deepgram.message_parts import MalformedMessageError
from lk_agents_deepgram.messages import ErrorMessage, UnknownMessage
from lk_agents_deepgram.options import websocket_url
from lk_agents_deepgram.outgoing import Outgoing, SentUsage
from lk_agents_deepgram.unusable import Unusable

if TYPE_CHECKING:
    import aiohttp
    from livekit import rtc

    from lk_agents.streams.inputs import FlushSentinel
    from lk_agents.stt import STT

__all__ = ["FluxUpdatable", "RecordingStream", "SpeechStreamv2"]

FORCE_END_TURN: Final = '{"type":"ForceEndTurn"}'
PIECE_SECONDS: Final = 0.08
"""What Deepgram asks for: Flux works in steps of that length."""
CLOSE_SECONDS: Final = 5.0
UNTOLD_SECONDS: Final = 1.0
"""So much audio may be left untold at the end: Flux tells four times a second how far it is, and holds some back."""


class FluxUpdatable:
    """Has options that can be changed."""

    def update_options(
        self,
        *,
        model: str | None = None,
        eot_threshold: float | None = None,
        eager_eot_threshold: float | None = None,
        eot_timeout_ms: int | None = None,
        keyterm: str | Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        language_hint: str | Sequence[str] | None = None,
        mip_opt_out: bool | None = None,
        numerals: bool | None = None,
    ) -> None:
        """Change what is given; None leaves an option as it is, an empty list empties it.

        Streams that listen go on and take it on the way; for another ``model``, ``tags`` or ``mip_opt_out``, and to
        switch ``eager_eot_threshold`` off (0), they open another connection, and lose nothing.

        :raises ConfigError: a value is out of range, or two do not go together; then nothing has changed.
        """
        self._change_options(
            {
                "model": model,
                "eot_threshold": eot_threshold,
                "eager_eot_threshold": eager_eot_threshold,
                "eot_timeout_ms": eot_timeout_ms,
                "keyterm": keyterm,
                "tags": tags,
                "language_hint": language_hint,
                "mip_opt_out": mip_opt_out,
                "numerals": numerals,
            }
        )

    def _change_options(self, changes: Mapping[str, Any]) -> None:
        """Change options by name, or none of them."""
        raise NotImplementedError


class SpeechStreamv2(FluxUpdatable, RecognizeStream):
    """Listens through Flux while audio is pushed; see :class:`lk_agents.stt.RecognizeStream`.

    Each turn of the user brings interims, one final transcript and ``END_OF_TURN``. ``flush()`` ends a turn at once.
    A connection that breaks is followed by another one: what no final transcript has told of is sent again, the last
    10 s of it, and times stay those of the stream.

    :param stt: whose stream it is; its listeners get the metrics.
    :param opts: how Flux is to listen.
    :param conn_options: how often and how patiently it is asked.
    :param api_key: shown to Deepgram and to nobody else.
    :param http_session: what to connect with.
    :param base_url: of the endpoint; ``http`` or ``ws``.
    """

    def __init__(
        self,
        *,
        stt: STT,
        opts: FluxOptions,
        conn_options: APIConnectOptions,
        api_key: Secret,
        http_session: aiohttp.ClientSession,
        base_url: str,
    ) -> None:
        self._opts = opts
        self._key = api_key
        self._session = http_session
        self._url = websocket_url(base_url)
        self._usage = SentUsage(self._report_sent)
        self._unusable = Unusable()
        self._begin_connection()
        super().__init__(stt=stt, conn_options=conn_options)  # each connection resamples, as its options say

    @property
    def opts(self) -> FluxOptions:
        """How Flux is to listen; setting others changes them on the way, or by another connection."""
        return self._opts

    @opts.setter
    def opts(self, opts: FluxOptions) -> None:
        if opts == self._opts:
            return
        message = configured(self._opts, opts)
        self._opts = opts
        if message is None:
            self._reconnect()
        elif self._has_asked:
            self._changes.append(message)

    @property
    def turn_is_open(self) -> bool:
        """Whether the user has begun a turn of which Flux does not say that it has ended."""
        return self._listener.turn_is_open and not self._task.done()

    def _change_options(self, changes: Mapping[str, Any]) -> None:
        self.opts = self._opts.changed(**changes)

    async def _run(self) -> None:
        try:
            await run_wire(self, self._codec())
            missing_seconds = self._outgoing.sent_seconds - self._listener.heard_until
            if missing_seconds > UNTOLD_SECONDS:
                raise close_error(None, f"and it has told nothing of the last {missing_seconds:.1f} s of audio")
        finally:
            self._usage.flush()
        for event in self._listener.end():  # Flux closes without ending the last turn
            await self._event_ch.send(event)

    def _codec(self) -> Codec[rtc.AudioFrame, SpeechEvent]:
        return Codec(
            connect=self._connect,
            encode=self._encode,
            decode=self._decode,
            finish=self._outgoing_end,
            acknowledged_until=self._settled_by,
            close_seconds=min(CLOSE_SECONDS, self._conn_options.timeout),
            close_error=close_error,
        )

    def _begin_connection(self) -> None:
        self._has_asked = False
        self._changes: list[str] = []
        self._outgoing = Outgoing(
            self._opts.sample_rate, None, self._usage, piece_seconds=PIECE_SECONDS, end_of_segment=FORCE_END_TURN
        )
        self._listener = FluxListener(self._opts.language)
        self._silence = FluxSilence()

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        self._begin_connection()
        query = self._opts.query()
        self._has_asked = True  # what changes from now on is not in the query
        return await open_websocket(
            self._session,
            self._url,
            headers=authorization(self._key),
            timeout_seconds=self._conn_options.timeout,
            provider=self._label,
            params=query,
            request_id_header="dg-request-id",
            reason_header="dg-error",
        )

    def _encode(self, item: rtc.AudioFrame | FlushSentinel) -> list[bytes | str]:
        if self._silence.sent() > self._conn_options.timeout:
            raise APITimeoutError(
                f"{self._label} takes audio and has told nothing of it for {self._conn_options.timeout:g} s"
            ).located(provider=self._label, phase="idle", request_id=self._listener.request_id or None)
        changes, self._changes = self._changes, []
        return [*changes, *self._outgoing.encode(item)]

    def _outgoing_end(self) -> list[bytes | str]:
        return self._outgoing.finish()

    def _settled_by(self, event: SpeechEvent) -> float | None:
        return self._listener.settles(event)

    def _decode(self, message: bytes | str) -> list[SpeechEvent]:
        if isinstance(message, bytes):
            self._unusable.audio(message)
            return []
        try:
            parsed = parse_flux(message)
        except MalformedMessageError as error:
            self._unusable.malformed(error)
            return []
        match parsed:
            case TurnInfo():
                self._silence.told()
                if parsed.event not in KNOWN_EVENTS:
                    self._unusable.unknown(f"TurnInfo {parsed.event}")
                return self._listener.hear(parsed)
            case Connected():
                self._listener.request_id = parsed.request_id or self._listener.request_id
            case Configured() if not parsed.is_done:
                logger.warning("Deepgram did not take the new options", extra={"code": parsed.code[:80]})
            case FluxWarning():
                logger.warning("Deepgram warns while it listens", extra={"code": parsed.code[:80]})
            case ErrorMessage():
                raise message_error(parsed, request_id=self._listener.request_id)
            case UnknownMessage():
                self._unusable.unknown(parsed.type)
        return []

    def _report_sent(self, seconds: float) -> None:
        self._event_ch.send_nowait(
            SpeechEvent(
                SpeechEventType.RECOGNITION_USAGE,
                request_id=self._listener.request_id,
                recognition_usage=RecognitionUsage(audio_duration=seconds),
            )
        )


class RecordingStream(SpeechStreamv2):
    """Listens to a recording, which is measured by who has asked for that."""

    _measures: ClassVar[bool] = False
