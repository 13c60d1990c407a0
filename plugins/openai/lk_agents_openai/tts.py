"""The synthesizer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.ids import short_id
from lk_agents.streams.http import read_chunks
from lk_agents.tts import chunked, synthesizer
from lk_agents.tts.audio import SynthesizedAudio, TTSCapabilities
from lk_agents.utils.audio import AudioByteStream
from lk_agents.utils.http_context import HttpSessions
from lk_agents_openai.asking import ask, require_content
from lk_agents_openai.endpoint import TokenProvider, azure_endpoint_of, find_endpoint
from lk_agents_openai.older import older_name

if TYPE_CHECKING:
    import aiohttp
    from livekit import rtc

    from lk_agents.foundation.secret import Secret
    from lk_agents.foundation.types import APIConnectOptions
    from lk_agents_openai.endpoint import Endpoint
    from lk_agents_openai.models import TTSModels, TTSVoices

__all__ = ["TTS", "ChunkedStream", "TTSOptions"]

PATH: Final = "/audio/speech"
SAMPLE_RATE: Final = 24_000
FRAME_SAMPLES: Final = SAMPLE_RATE // 50
LONGEST_TEXT: Final = 4096
SPEEDS: Final = (0.25, 4.0)
NO_PCM: Final = (
    "application/json",
    "audio/aac",
    "audio/flac",
    "audio/mp",
    "audio/ogg",
    "audio/opus",
    "audio/wav",
    "audio/x-wav",
    "text/",
)


@dataclass(frozen=True, kw_only=True)
class TTSOptions:
    """How OpenAI is to speak.

    :param model: its model.
    :param voice: whose voice; the id of a voice of one's own is ``{"id": "voice_…"}`` there, and taken as ``voice_…``.
    :param speed: 0.25 to 4; 1 is as people speak.
    :param instructions: how to say it, such as "calmly"; not with ``tts-1``.
    :raises ConfigError: the speed is out of range, or a name is empty.
    """

    model: str
    voice: str
    speed: float = 1.0
    instructions: str | None = None

    def __post_init__(self) -> None:
        slowest, fastest = SPEEDS
        if not slowest <= self.speed <= fastest:
            raise ConfigError(f"speed is {self.speed!r}; it must be from {slowest} to {fastest:g}")
        for name in ("model", "voice"):
            if not getattr(self, name):
                raise ConfigError(f"{name} is empty; name one, such as {'tts-1' if name == 'model' else 'ash'!r}")

    def body(self, text: str) -> dict[str, Any]:
        """Return what is asked for a text."""
        is_own = self.voice.startswith("voice_")
        body = {
            "input": text,
            "model": self.model,
            "voice": {"id": self.voice} if is_own else self.voice,
            "response_format": "pcm",
            "speed": self.speed,
        }
        return {**body, "instructions": self.instructions} if self.instructions else body


class TTS(synthesizer.TTS):
    """Speech by OpenAI, text by text, at 24 kHz; an agent puts it into a :class:`lk_agents.tts.StreamAdapter`.

    :param model: OpenAI's name of the model.
    :param voice: whose voice.
    :param speed: 0.25 to 4.
    :param instructions: how to say it; not with ``tts-1``.
    :param base_url: up to ``/v1``; by default ``OPENAI_BASE_URL`` of the environment, or OpenAI's own.
    :param api_key: by default that of the environment, ``OPENAI_API_KEY``.
    :param client: a client of the package ``openai``, or the like: its key, address and headers are used; nothing is
        asked through it.
    :param http_session: by default the job's; outside of a job one of its own, which :meth:`aclose` closes.
    :raises ConfigError: there is no key, or a value cannot be used.
    """

    provider = "openai"
    max_text_characters = LONGEST_TEXT

    def __init__(
        self,
        *,
        model: TTSModels | str = "gpt-4o-mini-tts",
        voice: TTSVoices | str = "ash",
        speed: float = 1.0,
        instructions: str | None = None,
        base_url: str | None = None,
        api_key: str | Secret | None = None,
        client: Any = None,
        http_session: aiohttp.ClientSession | None = None,
    ) -> None:
        super().__init__(capabilities=TTSCapabilities(streaming=False), sample_rate=SAMPLE_RATE, num_channels=1)
        self._opts = TTSOptions(model=model, voice=voice, speed=speed, instructions=instructions)
        self.model = model
        self._endpoint = find_endpoint(api_key=api_key, base_url=base_url, client=client)
        self._http = HttpSessions(http_session)
        self._streams: WeakSet[ChunkedStream] = WeakSet()

    @staticmethod
    def with_azure(
        *,
        model: TTSModels | str = "gpt-4o-mini-tts",
        voice: TTSVoices | str = "ash",
        speed: float = 1.0,
        instructions: str | None = None,
        azure_endpoint: str | None = None,
        azure_deployment: str | None = None,
        api_version: str | None = None,
        api_key: str | Secret | None = None,
        azure_ad_token: str | Secret | None = None,
        azure_ad_token_provider: TokenProvider | None = None,
        organization: str | None = None,
        project: str | None = None,
        base_url: str | None = None,
        http_session: aiohttp.ClientSession | None = None,
    ) -> TTS:
        """Build a synthesizer that Azure runs.

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
        tts = TTS(
            model=model,
            voice=voice,
            speed=speed,
            instructions=instructions,
            client=endpoint,
            http_session=http_session,
        )
        tts.provider = "azure"
        return tts

    create_azure_client = staticmethod(older_name("TTS.create_azure_client", "TTS.with_azure", with_azure))

    @property
    def opts(self) -> TTSOptions:
        """How OpenAI is to speak."""
        return self._opts

    def update_options(
        self,
        *,
        model: TTSModels | str | None = None,
        voice: TTSVoices | str | None = None,
        speed: float | None = None,
        instructions: str | None = None,
    ) -> None:
        """Change what is given, for the texts that follow; None leaves an option as it is, "" unsets the instructions.

        :raises ConfigError: a value cannot be used; then nothing has changed.
        """
        given = {"model": model, "voice": voice, "speed": speed, "instructions": instructions}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        self._opts = replace(self._opts, **changes)
        self.model = self._opts.model

    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        """Begin to speak ``text``; see :meth:`lk_agents.tts.TTS.synthesize`."""
        stream = ChunkedStream(
            tts=self,
            input_text=text,
            opts=self._opts,
            endpoint=self._endpoint,
            http_session=self._http.get(),
            conn_options=conn_options,
        )
        self._streams.add(stream)
        return stream

    async def aclose(self) -> None:
        """Close the HTTP session that is its own, if there is one, and the texts that are spoken over it."""
        await self._http.aclose(*self._streams)


class ChunkedStream(chunked.ChunkedStream):
    """Speaks one text; see :class:`lk_agents.tts.ChunkedStream`."""

    def __init__(
        self,
        *,
        tts: TTS,
        input_text: str,
        opts: TTSOptions,
        endpoint: Endpoint,
        http_session: aiohttp.ClientSession,
        conn_options: APIConnectOptions | None = None,
    ) -> None:
        self._opts = opts
        self._endpoint = endpoint
        self._session = http_session
        super().__init__(tts=tts, input_text=input_text, conn_options=conn_options)

    async def _run(self) -> None:
        seconds = self._conn_options.timeout
        asking = ask(
            self._session,
            self._endpoint,
            PATH,
            model=self._opts.model,
            provider=self._label,
            timeout_seconds=seconds,
            json=self._opts.body(self._input_text),
        )
        async with asking as response:
            require_content(response, self._label, wanted="PCM", refused=NO_PCM)
            request_id = response.headers.get("x-request-id") or short_id("speech_")
            frames = AudioByteStream(SAMPLE_RATE, 1, FRAME_SAMPLES)
            chunks = read_chunks(response, provider=self._label, first_seconds=seconds, idle_seconds=seconds)
            async for chunk in chunks:
                await self._send(frames.push(chunk), request_id)
            await self._send(frames.flush(), request_id)

    async def _send(self, frames: list[rtc.AudioFrame], request_id: str) -> None:
        for frame in frames:
            await self._event_ch.send(SynthesizedAudio(frame, request_id))
