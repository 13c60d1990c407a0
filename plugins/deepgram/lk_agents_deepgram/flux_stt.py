"""The recogniser of turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack
from weakref import WeakSet

from lk_agents.foundation.secret import Secret
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.stt import recognizer
from lk_agents.stt.events import SpeechData, SpeechEvent, SpeechEventType, STTCapabilities
from lk_agents.utils.audio import combine_frames
from lk_agents.utils.http_context import HttpSessions
from lk_agents_deepgram.connection import find_key
from lk_agents_deepgram.flux_options import FluxExtras, FluxOptions
from lk_agents_deepgram.flux_stream import FluxUpdatable, RecordingStream, SpeechStreamv2

if TYPE_CHECKING:
    from lk_agents.utils.audio import AudioBuffer
    from lk_agents_deepgram.models import FluxModels

__all__ = ["FluxOptions", "STTv2", "SpeechStreamv2"]

StreamT = TypeVar("StreamT", bound=SpeechStreamv2)

BASE_URL: Final = "https://api.deepgram.com/v2/listen"


class STTv2(FluxUpdatable, recognizer.STT):
    """Deepgram's Flux, which knows turns: it says when the speaker expects an answer (``END_OF_TURN``).

    An agent that listens through it answers as soon as Flux says so. See
    :class:`~lk_agents_deepgram.FluxTurnDetector` for one that also waits as long as Flux does not say it.

    :param model: Deepgram's name of the model.
    :param sample_rate: in Hz, of the audio that is sent; what is pushed is resampled to it.
    :param eot_threshold: 0.5 to 1; how sure Flux must be that a turn has ended.
    :param eager_eot_threshold: 0.3 to 0.9; how sure it must be to tell beforehand (``PREFLIGHT_TRANSCRIPT``) that a
        turn may have ended. By default it does not.
    :param eot_timeout_ms: 500 to 60,000; after so much silence a turn has ended anyway.
    :param keyterm: a word or phrase to listen for, or several.
    :param tags: labels for Deepgram's usage reports.
    :param api_key: by default that of the environment, ``DEEPGRAM_API_KEY``.
    :param extras: ``language_hint``, ``mip_opt_out``, ``numerals`` and ``profanity_filter``, see
        :class:`~lk_agents_deepgram.FluxOptions`; ``base_url`` (of the endpoint, ``http`` or ``ws``); ``http_session``
        (by default the job's; outside of a job one of its own, which :meth:`aclose` closes).
    :raises ConfigError: there is no key, a value is out of range, or two do not go together.
    """

    provider = "deepgram"

    def __init__(
        self,
        *,
        model: FluxModels | str = "flux-general-en",
        sample_rate: int = 16_000,
        eot_threshold: float = 0.7,
        eager_eot_threshold: float | None = None,
        eot_timeout_ms: int = 3_000,
        keyterm: str | Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        api_key: str | Secret | None = None,
        **extras: Unpack[FluxExtras],
    ) -> None:
        super().__init__(
            capabilities=STTCapabilities(streaming=True, interim_results=True, end_of_turn=True, aligned_words=True)
        )
        self._http = HttpSessions(extras.pop("http_session", None))
        self._base_url = extras.pop("base_url", BASE_URL)
        self._opts = FluxOptions(sample_rate=sample_rate).changed(
            model=model,
            eot_threshold=eot_threshold,
            eager_eot_threshold=eager_eot_threshold,
            eot_timeout_ms=eot_timeout_ms,
            keyterm=keyterm,
            tags=tags,
            **extras,
        )
        self.model = model
        self._key = find_key(api_key)
        self._streams: WeakSet[SpeechStreamv2] = WeakSet()

    @property
    def opts(self) -> FluxOptions:
        """How Flux is to listen."""
        return self._opts

    @property
    def turn_is_open(self) -> bool:
        """Whether somebody whom it listens to has begun a turn of which Flux does not say that it has ended."""
        return any(stream.turn_is_open for stream in self._streams)

    def stream(
        self, *, language: str | None = None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> SpeechStreamv2:
        """Begin to listen; needs a running event loop.

        :param language: what is spoken; for a model of several languages, in place of ``language_hint``.
        :param conn_options: how often and how patiently Deepgram is asked.
        :raises ConfigError: the model does not know the language.
        """
        stream = self._open(SpeechStreamv2, language, conn_options)
        self._streams.add(stream)
        return stream

    async def aclose(self) -> None:
        """Close the HTTP session that is its own, if there is one, and the streams that talk over it."""
        await self._http.aclose(*self._streams)

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: str | None, conn_options: APIConnectOptions
    ) -> SpeechEvent:
        """Listen to the recording: Flux takes none as a whole."""
        once = APIConnectOptions(max_retry=0, timeout=conn_options.timeout)
        async with self._open(RecordingStream, language, once) as stream:
            stream.push_frame(combine_frames(buffer))
            stream.end_input()
            finals = [event async for event in stream if event.type is SpeechEventType.FINAL_TRANSCRIPT]
            spoken_in = stream.opts.language
        found = [event.alternatives[0] for event in finals]
        return SpeechEvent(
            SpeechEventType.FINAL_TRANSCRIPT,
            request_id=finals[-1].request_id if finals else "",
            alternatives=[_joined(found) if found else SpeechData(spoken_in, "")],
        )

    def _open(self, kind: type[StreamT], language: str | None, conn_options: APIConnectOptions) -> StreamT:
        return kind(
            stt=self,
            opts=self._opts.speaking(language),
            conn_options=conn_options,
            api_key=self._key,
            http_session=self._http.get(),
            base_url=self._base_url,
        )

    def _change_options(self, changes: Mapping[str, Any]) -> None:
        opts = self._opts.changed(**changes)
        of_streams = [(stream, stream.opts.changed(**changes)) for stream in self._streams]
        self._opts, self.model = opts, opts.model
        for stream, changed in of_streams:
            stream.opts = changed


def _joined(found: Sequence[SpeechData]) -> SpeechData:
    """Return several turns as one."""
    return SpeechData(
        language=found[0].language,
        text=" ".join(each.text for each in found),
        start_time=found[0].start_time,
        end_time=found[-1].end_time,
        confidence=sum(each.confidence for each in found) / len(found),
        words=[word for each in found for word in each.words],
    )
