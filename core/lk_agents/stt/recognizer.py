"""The interface of recognisers."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APITimeoutError
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.metrics.hedged import has_lost
from lk_agents.metrics.publish import count, publish
from lk_agents.metrics.records import Error, STTMetrics
from lk_agents.streams.retry import with_retries
from lk_agents.stt.events import SpeechEvent, SpeechEventType, STTCapabilities
from lk_agents.utils.audio import calculate_audio_duration
from lk_agents.utils.events import EventEmitter

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from typing_extensions import TypeVar

    from lk_agents.stt.stream import RecognizeStream
    from lk_agents.utils.audio import AudioBuffer

    EventT = TypeVar("EventT", bound=str, default=Any)
else:  # a default is for type checkers: who adds no event need not say so
    from typing import TypeVar

    EventT = TypeVar("EventT", bound=str)

__all__ = ["STT"]


class STT(ABC, EventEmitter[Literal["metrics_collected", "audio_dropped"] | EventT], Generic[EventT]):
    """Turns speech into text: what was recorded, with :meth:`recognize`; what is being said, with :meth:`stream`.

    Emits ``metrics_collected(STTMetrics)``, and ``audio_dropped(AudioDropped)`` when a stream has lost audio because
    nobody took it.

    A plugin gives :meth:`_recognize_impl` and, if it can, :meth:`stream`. The names of events that it adds are the
    parameter of the class: ``STT[Literal["model_loaded"]]``.

    :param capabilities: what it can do.
    """

    provider: str = ""
    """The provider's short name, such as ``"deepgram"``; told in the metrics."""
    model: str = ""
    """The provider's name of the model; told in the metrics."""

    _asks_others: ClassVar[bool] = False
    """Whether it only hands on what others recognise: metrics and time-outs are then theirs."""

    def __init__(self, *, capabilities: STTCapabilities) -> None:
        super().__init__()
        self._capabilities = capabilities
        self._label = f"{type(self).__module__}.{type(self).__name__}"

    @property
    def label(self) -> str:
        """Names it in metrics, logs and errors, as ``"<module>.<class>"``."""
        return self._label

    @property
    def capabilities(self) -> STTCapabilities:
        """What it can do."""
        return self._capabilities

    @abstractmethod
    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: str | None, conn_options: APIConnectOptions
    ) -> SpeechEvent:
        """Recognise ``buffer`` in one attempt; after ``conn_options.timeout`` it is cancelled.

        :returns: a ``FINAL_TRANSCRIPT``.
        :raises APIError: the provider failed; retries are the caller's.
        """

    async def recognize(
        self,
        buffer: AudioBuffer,
        *,
        language: str | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> SpeechEvent:
        """Return what is said in ``buffer``.

        Without any audio nobody is asked: the transcript is empty. An attempt that takes longer than
        ``conn_options.timeout`` has failed. Cancelled, it gives up and reports nothing, unless it was cancelled because
        another recogniser was faster: that costs all the same.

        :param buffer: a frame, or a list of frames of one rate and number of channels.
        :param language: what is spoken, if the recogniser is not to use its own setting.
        :param conn_options: how often and how patiently the provider is asked.
        :returns: a ``FINAL_TRANSCRIPT``.
        :raises APIError: the provider failed, at the last attempt too.
        """
        audio_seconds = calculate_audio_duration(buffer)
        if not audio_seconds:
            return SpeechEvent(SpeechEventType.FINAL_TRANSCRIPT)
        began_at = 0.0

        async def attempt() -> SpeechEvent:
            nonlocal began_at
            began_at = clock.monotonic()
            return await self._limited(
                self._recognize_impl(buffer, language=language, conn_options=conn_options), conn_options.timeout
            )

        try:
            event = await with_retries(attempt, conn_options, label=self._label)
        except Exception as error:
            if not self._asks_others:
                self._count_failure(error, clock.monotonic() - began_at, streamed=False)
            raise
        except asyncio.CancelledError:
            if not self._asks_others and has_lost():
                self._publish("", clock.monotonic() - began_at, audio_seconds, streamed=False)
            raise
        if not self._asks_others:
            self._publish(event.request_id, clock.monotonic() - began_at, audio_seconds, streamed=False)
        return event

    def stream(
        self,
        *,
        language: str | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> RecognizeStream:
        """Begin to listen; needs a running event loop.

        :param language: what is spoken, if the recogniser is not to use its own setting.
        :param conn_options: how often and how patiently the provider is asked.
        :raises NotImplementedError: it only recognises what was recorded.
        """
        raise NotImplementedError(
            f"{self._label} recognises recordings only; wrap it in stt.StreamAdapter(stt=…, vad=…) to let it listen"
        )

    def prewarm(self) -> None:
        """Prepare for the first request, such as by connecting; by default nothing."""

    async def aclose(self) -> None:
        """Let go of what the recogniser itself holds; by default nothing. Streams are closed on their own."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _limited(self, attempt: Awaitable[SpeechEvent], seconds: float) -> SpeechEvent:
        """Await an attempt of a provider's own for so long.

        :raises APITimeoutError: it took longer.
        """
        limit = asyncio.timeout(None if self._asks_others else seconds)
        try:
            async with limit:
                return await attempt
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise APITimeoutError(f"{self._label} has recognised nothing within {seconds:g} s").located(
                provider=self._label, phase="first_output"
            ) from error

    def _publish(self, request_id: str, seconds: float, audio_seconds: float, *, streamed: bool) -> None:
        publish(self, self._metrics(request_id, seconds, audio_seconds, streamed=streamed))

    def _count_failure(self, error: BaseException, seconds: float, *, streamed: bool) -> None:
        metrics = self._metrics("", seconds, 0.0, streamed=streamed)
        metrics.error = Error.of(error, provider=self._label)
        count(metrics)

    def _metrics(self, request_id: str, seconds: float, audio_seconds: float, *, streamed: bool) -> STTMetrics:
        return STTMetrics(
            request_id=request_id,
            timestamp=clock.wall_seconds(),
            duration=seconds,
            label=self._label,
            audio_duration=audio_seconds,
            streamed=streamed,
            error=None,
            provider=self.provider,
            model=self.model,
        )
