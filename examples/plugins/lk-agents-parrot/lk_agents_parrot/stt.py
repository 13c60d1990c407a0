"""Parrot's recogniser: streams over a WebSocket, recordings over HTTP."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from lk_agents import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions, APIError, stt
from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.secret import Secret
from lk_agents.streams import Codec, FlushSentinel, open_websocket, request, run_wire
from lk_agents.stt import RecognitionUsage, SpeechData, SpeechEvent, SpeechEventType, STTCapabilities
from lk_agents.utils import combine_frames, http_context
from lk_agents.utils.audio import mix_to_mono

if TYPE_CHECKING:
    import aiohttp
    from livekit import rtc

    from lk_agents.utils import AudioBuffer

__all__ = ["STT", "SpeechStream"]

SAMPLE_RATE = 16_000
BOUNDS = {"speech": SpeechEventType.START_OF_SPEECH, "silence": SpeechEventType.END_OF_SPEECH}
TRANSCRIPTS = {"partial": SpeechEventType.INTERIM_TRANSCRIPT, "final": SpeechEventType.FINAL_TRANSCRIPT}

logger = logging.getLogger("lk_agents_parrot")


def encode(item: rtc.AudioFrame | FlushSentinel) -> Iterable[bytes | str]:
    """Return the messages for a frame, or for a flush."""
    return ['{"type": "flush"}'] if isinstance(item, FlushSentinel) else [bytes(item.data)]


def decode(message: bytes | str, language: str) -> list[SpeechEvent]:
    """Return the events in a message; none if it is not understood, or of a type that is not known yet.

    :raises APIError: Parrot reports an error.
    """
    try:
        told = json.loads(message)
        kind = told["type"]
        if kind in BOUNDS:
            return [SpeechEvent(BOUNDS[kind])]
        if kind in TRANSCRIPTS:
            return [SpeechEvent(TRANSCRIPTS[kind], str(told["id"]), [transcript(told, language)])]
        if kind == "done":
            usage = RecognitionUsage(float(told["seconds"]))
            return [SpeechEvent(SpeechEventType.RECOGNITION_USAGE, str(told["id"]), recognition_usage=usage)]
    except (ValueError, TypeError, KeyError) as error:
        logger.warning("a message of Parrot's is not understood", extra={"error": type(error).__name__})
        return []
    if kind == "error":
        raise APIError(f"Parrot reports: {told.get('text')}", retryable=told.get("temporary") is True).located(
            code=told.get("code")
        )
    return []


def transcript(told: dict[str, Any], language: str) -> SpeechData:
    """Return what was said, by a message that tells it."""
    return SpeechData(
        language=language,
        text=str(told["text"]),
        start_time=float(told["start"]),
        end_time=float(told["end"]),
        confidence=float(told["confidence"]),
    )


class SpeechStream(stt.SpeechStream):
    """What :meth:`STT.stream` returns."""

    def __init__(self, parrot: STT, language: str, conn_options: APIConnectOptions) -> None:
        super().__init__(stt=parrot, conn_options=conn_options, sample_rate=SAMPLE_RATE)
        self._parrot = parrot
        self._language = language

    def update_options(self, *, language: str) -> None:
        """Change the language: the stream connects anew and loses nothing."""
        self._language = language
        self._reconnect()

    async def _run(self) -> None:
        timeout_seconds = self._conn_options.timeout
        codec: Codec[rtc.AudioFrame, SpeechEvent] = Codec(
            connect=lambda: self._parrot.connect(self._language, timeout_seconds),
            encode=encode,
            decode=lambda message: decode(message, self._language),
            finish=lambda: ['{"type": "end"}'],
            is_last=lambda event: event.type is SpeechEventType.RECOGNITION_USAGE,
            close_seconds=timeout_seconds,
        )
        await run_wire(self, codec)


class STT(stt.STT[Any]):
    """Speech recognition by Parrot.

    :param model: Parrot's name of the model.
    :param language: what is spoken, such as ``"en"``.
    :param api_key: by default the environment variable ``PARROT_API_KEY``.
    :param http_session: by default that of the job; needed outside of jobs. It stays yours to close.
    :raises ConfigError: there is no key.
    """

    provider = "parrot"

    def __init__(
        self,
        *,
        model: str = "polly",
        language: str = "en",
        api_key: str | None = None,
        base_url: str = "https://api.parrot.example",
        http_session: aiohttp.ClientSession | None = None,
    ) -> None:
        super().__init__(capabilities=STTCapabilities(streaming=True, interim_results=True))
        self._key = Secret(api_key or os.environ.get("PARROT_API_KEY", ""))
        if not self._key:
            raise ConfigError("Parrot needs a key: set PARROT_API_KEY, or give api_key=")
        self.model = model
        self.language = language
        self._base_url = base_url
        self._http_session = http_session
        self._streams: WeakSet[SpeechStream] = WeakSet()

    def stream(
        self, *, language: str | None = None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> SpeechStream:
        """Begin to listen; needs a running event loop."""
        stream = SpeechStream(self, language or self.language, conn_options)
        self._streams.add(stream)
        return stream

    def update_options(self, *, language: str) -> None:
        """Change the language, of the streams that listen as well."""
        self.language = language
        for stream in self._streams:
            stream.update_options(language=language)

    async def connect(self, language: str, timeout_seconds: float) -> aiohttp.ClientWebSocketResponse:
        """Open a socket to Parrot.

        :raises APIError: Parrot refused, could not be reached, or took longer than ``timeout_seconds``.
        """
        return await open_websocket(
            self._session(),
            f"{self._base_url}/v1/listen",
            params=self._query(language, SAMPLE_RATE).items(),
            headers=self._headers(),
            timeout_seconds=timeout_seconds,
            provider=self.label,
        )

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: str | None, conn_options: APIConnectOptions
    ) -> SpeechEvent:
        language = language or self.language
        audio = mix_to_mono(combine_frames(buffer))
        async with request(
            self._session(),
            "POST",
            f"{self._base_url}/v1/recognize",
            params=self._query(language, audio.sample_rate),
            headers=self._headers(),
            data=bytes(audio.data),
            timeout_seconds=conn_options.timeout,
            total_seconds=conn_options.timeout,
            provider=self.label,
        ) as response:
            events = decode(await response.read(), language)
            if not events:
                raise APIError("Parrot's answer holds no transcript")
            return events[0]

    def _session(self) -> aiohttp.ClientSession:
        return self._http_session or http_context.http_session()

    def _query(self, language: str, sample_rate: int) -> dict[str, str]:
        return {"model": self.model, "language": language, "sample_rate": str(sample_rate)}

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key.reveal()}"}
