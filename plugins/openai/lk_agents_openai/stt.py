"""The recogniser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack
from weakref import WeakSet

import msgspec

from lk_agents.foundation.errors import APIError
from lk_agents.foundation.ids import short_id
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.streams.words import TimedWord
from lk_agents.stt import recognizer
from lk_agents.stt.events import SpeechData, SpeechEvent, SpeechEventType, STTCapabilities
from lk_agents.utils.audio import combine_frames
from lk_agents.utils.http_context import HttpSessions
from lk_agents_openai.asking import ask
from lk_agents_openai.endpoint import Endpoint, TokenProvider, azure_endpoint_of, find_endpoint, find_key
from lk_agents_openai.listening import SpeechStream
from lk_agents_openai.stt_options import Dialect, NoiseReduction, STTOptions, TurnDetection

if TYPE_CHECKING:
    import aiohttp

    from lk_agents.foundation.secret import Secret
    from lk_agents.stt.stream import RecognizeStream
    from lk_agents.utils.audio import AudioBuffer
    from lk_agents_openai.models import STTModels

__all__ = ["STT", "SpeechStream"]

PATH: Final = "/audio/transcriptions"


class STTExtras(TypedDict, total=False):
    """Options beyond those that every version of this plugin had; see :class:`~lk_agents_openai.stt.STT`."""

    keywords: Sequence[str] | None
    temperature: float | None
    dialect: Dialect
    http_session: aiohttp.ClientSession | None


class _Span(msgspec.Struct):
    start: float
    end: float
    word: str = ""


class _Language(msgspec.Struct):
    code: str


class _Transcription(msgspec.Struct):
    text: str
    language: str | None = None
    languages: list[_Language] | None = None
    segments: list[_Span] | None = None
    words: list[_Span] | None = None


class STT(recognizer.STT):
    """OpenAI's recognition of recordings with :meth:`recognize`, and, with ``use_realtime``, live with :meth:`stream`.

    :param language: what is spoken, such as ``"en"``.
    :param detect_language: find out what is spoken instead.
    :param model: OpenAI's name of the model.
    :param prompt: a text that says what to expect, or, for Whisper, words that may come.
    :param turn_detection: live, how OpenAI finds the pauses between which it recognises: a record in its own words,
        False for not at all (then ``flush()`` has recognised what was said), None for the model's default.
    :param noise_reduction_type: live, ``"near_field"`` for headsets, ``"far_field"`` for rooms.
    :param base_url: up to ``/v1``; by default ``OPENAI_BASE_URL`` of the environment, or OpenAI's own.
    :param api_key: by default that of the environment, ``OPENAI_API_KEY``.
    :param client: a client of the package ``openai``, or the like: its key, address and headers are used; nothing is
        asked through it.
    :param use_realtime: listen live, over the realtime connection.
    :param extras: ``keywords`` (words that may come; newer models), ``temperature`` (0 to 1; recordings), ``dialect``
        (``"beta"`` for older live servers), ``http_session`` (by default the job's; outside of a job one of its own,
        which :meth:`aclose` closes).
    :raises ConfigError: there is no key, or a value cannot be used.
    """

    provider = "openai"

    def __init__(
        self,
        *,
        language: str = "en",
        detect_language: bool = False,
        model: STTModels | str = "gpt-4o-transcribe",
        prompt: str | None = None,
        turn_detection: TurnDetection | None = None,
        noise_reduction_type: NoiseReduction | str | None = None,
        base_url: str | None = None,
        api_key: str | Secret | None = None,
        client: Any = None,
        use_realtime: bool = False,
        **extras: Unpack[STTExtras],
    ) -> None:
        super().__init__(capabilities=STTCapabilities(streaming=use_realtime, interim_results=use_realtime))
        if unknown := extras.keys() - STTExtras.__annotations__.keys():
            raise TypeError(f"STT has no option {min(unknown)!r}")
        self.model = model
        self._opts = STTOptions(
            model=model,
            language="" if detect_language else language,
            prompt=prompt or "",
            turn_detection=turn_detection,
            noise_reduction_type=noise_reduction_type,
            keywords=tuple(extras.get("keywords") or ()),
            temperature=extras.get("temperature"),
            dialect=extras.get("dialect", "ga"),
        )
        self._endpoint = find_endpoint(api_key=api_key, base_url=base_url, client=client)
        self._http = HttpSessions(extras.get("http_session"))
        self._streams: WeakSet[SpeechStream] = WeakSet()

    @staticmethod
    def with_groq(
        *,
        model: str = "whisper-large-v3-turbo",
        api_key: str | Secret | None = None,
        base_url: str | None = "https://api.groq.com/openai/v1",
        client: Any = None,
        language: str = "en",
        prompt: str | None = None,
        detect_language: bool = False,
        **extras: Unpack[STTExtras],
    ) -> STT:
        """Build a recogniser of Groq, for recordings; its key is ``api_key``, or ``GROQ_API_KEY`` of the environment.

        :raises ConfigError: there is no key.
        """
        if client is None:
            key = find_key(api_key, vendor="Groq", variable="GROQ_API_KEY")
            client = Endpoint(base_url=base_url or "https://api.groq.com/openai/v1", credential=key)
        stt = STT(
            model=model,
            api_key=api_key,
            client=client,
            language=language,
            prompt=prompt,
            detect_language=detect_language,
            **extras,
        )
        stt.provider = "groq"
        return stt

    @staticmethod
    def with_ovhcloud(
        *,
        model: str = "whisper-large-v3-turbo",
        api_key: str | Secret | None = None,
        base_url: str = "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
        language: str = "en",
        prompt: str | None = None,
        detect_language: bool = False,
        **extras: Unpack[STTExtras],
    ) -> STT:
        """Build a recogniser of OVHcloud, for recordings; its key is ``api_key``, or ``OVHCLOUD_API_KEY``.

        :raises ConfigError: there is no key.
        """
        key = find_key(api_key, vendor="OVHcloud", variable="OVHCLOUD_API_KEY")
        stt = STT(
            model=model,
            client=Endpoint(base_url=base_url, credential=key),
            language=language,
            prompt=prompt,
            detect_language=detect_language,
            **extras,
        )
        stt.provider = "ovhcloud"
        return stt

    @staticmethod
    def with_azure(
        *,
        language: str = "en",
        detect_language: bool = False,
        model: STTModels | str = "gpt-4o-mini-transcribe",
        prompt: str | None = None,
        azure_endpoint: str | None = None,
        azure_deployment: str | None = None,
        api_version: str | None = None,
        api_key: str | Secret | None = None,
        azure_ad_token: str | Secret | None = None,
        azure_ad_token_provider: TokenProvider | None = None,
        organization: str | None = None,
        project: str | None = None,
        base_url: str | None = None,
        **extras: Unpack[STTExtras],
    ) -> STT:
        """Build a recogniser that Azure runs, for recordings.

        See :func:`~lk_agents_openai.endpoint.azure_endpoint_of` for what comes from the environment.

        :raises ConfigError: the address, the version or the credential is missing, or the address is given twice.
        """
        endpoint = azure_endpoint_of(
            azure_endpoint=azure_endpoint,
            azure_deployment=azure_deployment,
            api_version=api_version,
            api_key=api_key,
            azure_ad_token=azure_ad_token,
            azure_ad_token_provider=azure_ad_token_provider,
            organization=organization,
            project=project,
            base_url=base_url,
        )
        stt = STT(
            language=language, detect_language=detect_language, model=model, prompt=prompt, client=endpoint, **extras
        )
        stt.provider = "azure"
        return stt

    @property
    def opts(self) -> STTOptions:
        """How OpenAI is to listen."""
        return self._opts

    def update_options(
        self,
        *,
        model: STTModels | str | None = None,
        language: str | None = None,
        prompt: str | None = None,
        turn_detection: TurnDetection | None = None,
        noise_reduction_type: NoiseReduction | str | None = None,
    ) -> None:
        """Change what is given; what is empty or None leaves an option as it is.

        Streams that listen open another connection with the new options, and lose nothing.

        :raises ConfigError: a value cannot be used; then nothing has changed.
        """
        changes: Mapping[str, Any] = {
            "model": model,
            "language": language,
            "prompt": prompt,
            "turn_detection": turn_detection,
            "noise_reduction_type": noise_reduction_type,
        }
        of_streams = [(stream, stream.opts.changed(**changes)) for stream in self._streams]
        self._opts = self._opts.changed(**changes)
        self.model = self._opts.model
        for stream, opts in of_streams:
            stream.opts = opts

    def stream(
        self, *, language: str | None = None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> RecognizeStream:
        """Begin to listen; needs a running event loop.

        :param language: what is spoken, if it is not the recogniser's own setting.
        :param conn_options: how often and how patiently OpenAI is asked.
        :raises NotImplementedError: it was made for recordings only, without ``use_realtime``.
        """
        if not self.capabilities.streaming:
            return super().stream(language=language, conn_options=conn_options)
        stream = SpeechStream(
            stt=self,
            opts=self._opts.changed(language=language),
            endpoint=self._endpoint,
            http_session=self._http.get(),
            conn_options=conn_options,
        )
        self._streams.add(stream)
        return stream

    async def aclose(self) -> None:
        """Close the HTTP session that is its own, if there is one, and the streams that talk over it."""
        await self._http.aclose(*self._streams)

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: str | None, conn_options: APIConnectOptions
    ) -> SpeechEvent:
        import aiohttp

        opts = self._opts.changed(language=language)
        form = aiohttp.FormData(opts.form())
        form.add_field("file", combine_frames(buffer).to_wav_bytes(), filename="file.wav", content_type="audio/wav")
        asking = ask(
            self._http.get(),
            self._endpoint,
            PATH,
            model=opts.model,
            provider=self.label,
            timeout_seconds=conn_options.timeout,
            total_seconds=conn_options.timeout,
            headers={"Accept": "application/json"},
            data=form,
        )
        async with asking as response:
            answer = await response.read()
            request_id = response.headers.get("x-request-id") or short_id("transcription_")
        try:
            found = msgspec.json.decode(answer, type=_Transcription)
        except msgspec.DecodeError as error:
            raise APIError(f"the answer of OpenAI cannot be understood: {error}").located(
                provider=self.label, phase="decode", request_id=request_id
            ) from None
        return SpeechEvent(
            SpeechEventType.FINAL_TRANSCRIPT, request_id=request_id, alternatives=[_data(found, opts.language)]
        )


def _data(found: _Transcription, language: str) -> SpeechData:
    told = found.languages[0].code if found.languages else found.language
    spans = found.segments or found.words or ()
    return SpeechData(
        language=language or told or "",
        text=found.text.strip(),
        start_time=spans[0].start if spans else 0.0,
        end_time=spans[-1].end if spans else 0.0,
        words=[TimedWord(each.word.strip(), each.start, each.end) for each in found.words or ()],
    )
