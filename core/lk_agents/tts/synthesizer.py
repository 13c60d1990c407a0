"""The interface of speech synthesizers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Literal, Self

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.utils.events import EventEmitter

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # whose variables may have a default

    from lk_agents.tts.audio import TTSCapabilities
    from lk_agents.tts.chunked import ChunkedStream
    from lk_agents.tts.text_stream import SynthesizeStream

    EventT = TypeVar("EventT", bound=str, default=Literal["metrics_collected"])
else:
    from typing import TypeVar

    EventT = TypeVar("EventT", bound=str)

__all__ = ["TTS"]


class TTS(ABC, EventEmitter[Literal["metrics_collected"] | EventT], Generic[EventT]):
    """Makes speech of text. Emits ``metrics_collected(TTSMetrics)``: once for a text, or for a segment of a stream.

    Its type parameter names the events that a subclass emits besides, such as ``Literal["voice_changed"]``.

    :param capabilities: what it can do.
    :param sample_rate: of all its frames, in Hz.
    :param num_channels: of all its frames.
    :param conn_options: how often and how patiently the provider is asked, where a call does not say.
    :raises ConfigError: a rate or number of channels below 1.
    """

    provider: str = ""
    """The provider's short name, such as ``"elevenlabs"``; told in the metrics."""
    model: str = ""
    """The provider's name of the model; told in the metrics."""
    max_text_characters: int | None = None
    """The longest text that the provider takes at once: longer ones are synthesized in parts. None for no limit."""
    _flags_last_pieces = False
    """Whether a stream has ever flagged the last piece of a segment: from then on, one without was cut."""

    def __init__(
        self,
        *,
        capabilities: TTSCapabilities,
        sample_rate: int,
        num_channels: int,
        conn_options: APIConnectOptions | None = None,
    ) -> None:
        super().__init__()
        if min(sample_rate, num_channels) < 1:
            raise ConfigError(
                f"a synthesizer with {num_channels} channels at {sample_rate} Hz cannot be: both must be 1 or more"
            )
        self._capabilities = capabilities
        self._sample_rate = sample_rate
        self._num_channels = num_channels
        self._conn_options = conn_options or DEFAULT_API_CONNECT_OPTIONS
        self._label = f"{type(self).__module__}.{type(self).__name__}"

    @property
    def label(self) -> str:
        """Names it in metrics, errors and logs, as ``"<module>.<class>"``."""
        return self._label

    @property
    def capabilities(self) -> TTSCapabilities:
        """What it can do."""
        return self._capabilities

    @property
    def sample_rate(self) -> int:
        """Of all its frames, in Hz."""
        return self._sample_rate

    @property
    def num_channels(self) -> int:
        """Of all its frames."""
        return self._num_channels

    @abstractmethod
    def synthesize(self, text: str, *, conn_options: APIConnectOptions | None = None) -> ChunkedStream:
        """Begin to speak ``text``; needs a running event loop.

        A text without any letter or digit is silence: nobody is asked, and the stream ends at once.

        :param conn_options: by default the synthesizer's own.
        """

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
        """Return a stream that takes text piece by piece; needs a running event loop.

        :param conn_options: by default the synthesizer's own.
        :raises NotImplementedError: it does not stream; see ``capabilities``.
        """
        raise NotImplementedError(
            f"{self._label} does not take text piece by piece: put it into a tts.StreamAdapter, or use synthesize()"
        )

    def prewarm(self) -> None:
        """Begin to prepare for the first request, for example by opening a connection; by default nothing."""

    async def aclose(self) -> None:
        """Let go of what the synthesizer itself holds; by default nothing. Streams are closed on their own."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
