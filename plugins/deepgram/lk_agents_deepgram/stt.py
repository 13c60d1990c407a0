"""The recogniser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Unpack
from weakref import WeakSet

from lk_agents.foundation.errors import APIError, ConfigError
from lk_agents.foundation.log import logger
from lk_agents.foundation.secret import Secret
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.streams.http import request
from lk_agents.stt import recognizer
from lk_agents.stt.events import SpeechEvent, SpeechEventType, STTCapabilities
from lk_agents.utils.audio import combine_frames
from lk_agents.utils.http_context import HttpSessions
from lk_agents_deepgram.connection import authorization, find_key
from lk_agents_deepgram.energy_filter import AudioEnergyFilter
from lk_agents_deepgram.listener import speech_data, spoken_in
from lk_agents_deepgram.live import SpeechStream
from lk_agents_deepgram.messages import MalformedMessageError, parse_recording
from lk_agents_deepgram.options import FALLBACK_MODEL, ExtraOptions, STTOptions, http_url
from lk_agents_deepgram.update import Updatable

if TYPE_CHECKING:
    import aiohttp

    from lk_agents.utils.audio import AudioBuffer
    from lk_agents_deepgram.models import DeepgramLanguages, DeepgramModels

__all__ = ["STT", "SpeechStream"]

BASE_URL: Final = "https://api.deepgram.com/v1/listen"


class STT(Updatable, recognizer.STT):
    """Deepgram, live with :meth:`stream` and for recordings with :meth:`recognize`.

    The parameters not named here are those of :class:`~lk_agents_deepgram.STTOptions`; ``extras`` are
    ``enable_diarization``, ``tags``, ``redact``, ``utterance_end_ms``, ``vad_events``, ``dictation``, ``replace`` and
    ``search``. None stands for an option's default.

    :param api_key: by default that of the environment, ``DEEPGRAM_API_KEY``.
    :param http_session: by default the job's; outside of a job one of its own, which :meth:`aclose` closes.
    :param base_url: of the endpoint, ``http`` or ``ws``.
    :param energy_filter: send no silence: judge it by this filter, or by one with its defaults.
    :raises ConfigError: there is no key, a value is out of range, or two do not go together.
    """

    provider = "deepgram"

    def __init__(
        self,
        *,
        model: DeepgramModels | str = FALLBACK_MODEL,
        language: DeepgramLanguages | str = "en-US",
        detect_language: bool = False,
        interim_results: bool = True,
        punctuate: bool = True,
        smart_format: bool = True,
        sample_rate: int = 16000,
        no_delay: bool = True,
        endpointing_ms: int = 25,
        filler_words: bool = True,
        keywords: list[tuple[str, float]] | None = None,
        keyterms: list[str] | None = None,
        profanity_filter: bool = False,
        api_key: str | Secret | None = None,
        http_session: aiohttp.ClientSession | None = None,
        base_url: str = BASE_URL,
        energy_filter: AudioEnergyFilter | bool = False,
        numerals: bool = False,
        mip_opt_out: bool = False,
        **extras: Unpack[ExtraOptions],
    ) -> None:
        super().__init__(
            capabilities=STTCapabilities(streaming=True, interim_results=interim_results, aligned_words=True)
        )
        self._key = find_key(api_key)
        self._http = HttpSessions(http_session)
        self._base_url = base_url
        self._energy_filter = AudioEnergyFilter() if energy_filter is True else energy_filter or None
        self._streams: WeakSet[SpeechStream] = WeakSet()
        self._opts = STTOptions(detect_language=detect_language)
        self.update_options(
            model=model,
            language=language,
            interim_results=interim_results,
            punctuate=punctuate,
            smart_format=smart_format,
            sample_rate=sample_rate,
            no_delay=no_delay,
            endpointing_ms=endpointing_ms,
            filler_words=filler_words,
            keywords=keywords,
            keyterms=keyterms,
            profanity_filter=profanity_filter,
            numerals=numerals,
            mip_opt_out=mip_opt_out,
            **extras,
        )

    @property
    def opts(self) -> STTOptions:
        """How Deepgram is to listen."""
        return self._opts

    def stream(
        self,
        *,
        language: DeepgramLanguages | str | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> SpeechStream:
        """Begin to listen; needs a running event loop.

        :param language: what is spoken, if it is not the recogniser's own setting.
        :param conn_options: how often and how patiently Deepgram is asked.
        :raises ConfigError: the language is to be detected, which Deepgram does in recordings only.
        """
        if self._opts.detect_language:
            raise ConfigError(
                "detect_language is True, which Deepgram does in recordings only; to listen, set language='multi', "
                "or the language that is spoken"
            )
        opts = self._opts.changed(language=language)
        if opts.model_in_use != self._opts.model_in_use:
            _warn_of_fallback(opts)
        stream = SpeechStream(
            stt=self,
            opts=opts,
            conn_options=conn_options,
            api_key=self._key,
            http_session=self._http.get(),
            base_url=self._base_url,
            energy_filter=self._energy_filter,
        )
        self._streams.add(stream)
        return stream

    async def aclose(self) -> None:
        """Close the HTTP session that is its own, if there is one, and the streams that talk over it."""
        await self._http.aclose(*self._streams)

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: str | None, conn_options: APIConnectOptions
    ) -> SpeechEvent:
        opts = self._opts.changed(language=language)
        async with request(
            self._http.get(),
            "POST",
            http_url(self._base_url),
            provider=self.label,
            timeout_seconds=conn_options.timeout,
            total_seconds=conn_options.timeout,
            params=opts.recording_query(),
            data=combine_frames(buffer).to_wav_bytes(),
            headers={**authorization(self._key), "Accept": "application/json", "Content-Type": "audio/wav"},
        ) as response:
            answer = await response.read()
        return self._event_of(answer, opts.language)

    def _event_of(self, answer: bytes, language: str) -> SpeechEvent:
        try:
            recording = parse_recording(answer)
        except MalformedMessageError as error:
            raise APIError(f"the answer of Deepgram cannot be understood: {error}").located(
                provider=self.label, phase="decode"
            ) from None
        return SpeechEvent(
            SpeechEventType.FINAL_TRANSCRIPT,
            request_id=recording.request_id,
            alternatives=[
                speech_data(each, recording.language or spoken_in(each, language)) for each in recording.alternatives
            ],
        )

    def _change_options(self, changes: Mapping[str, Any]) -> None:
        opts = self._opts.changed(**changes)
        of_streams = [(stream, stream.opts.changed(**changes)) for stream in self._streams]
        was = self._opts
        self._opts, self.model = opts, opts.model_in_use
        self._capabilities.interim_results = opts.interim_results
        if (opts.model, opts.language) != (was.model, was.language):
            _warn_of_fallback(opts)
        for stream, changed in of_streams:
            stream.opts = changed


def _warn_of_fallback(opts: STTOptions) -> None:
    if opts.model_in_use != opts.model:
        logger.warning(
            "the model of Deepgram does not know the language, another one is used",
            extra={"model": opts.model, "language": opts.language, "used": opts.model_in_use},
        )
