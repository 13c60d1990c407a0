"""The interface of detectors of voice activity, and of their streams."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.metrics.publish import publish
from lk_agents.metrics.records import VADMetrics
from lk_agents.streams.base import InputStream
from lk_agents.streams.inputs import AudioDropped, AudioInput
from lk_agents.utils.events import EventEmitter
from lk_agents.vad.events import VADCapabilities, VADEvent, VADEventType

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["VAD", "VADStream"]

_ONCE: Final = APIConnectOptions(max_retry=0)


class VAD(ABC, EventEmitter[Literal["metrics_collected", "audio_dropped"]]):
    """Tells speech from everything else.

    Emits ``metrics_collected(VADMetrics)``, about once for a second of audio and at the end of a stream, and
    ``audio_dropped(AudioDropped)`` when one of its streams lags so far behind that audio had to be dropped.

    :param capabilities: what it can do.
    """

    def __init__(self, *, capabilities: VADCapabilities) -> None:
        super().__init__()
        self._capabilities = capabilities
        self._label = f"{type(self).__module__}.{type(self).__name__}"

    @property
    def capabilities(self) -> VADCapabilities:
        """What it can do."""
        return self._capabilities

    @property
    def label(self) -> str:
        """Names it in metrics and logs, as ``"<module>.<class>"``."""
        return self._label

    @abstractmethod
    def stream(self) -> VADStream:
        """Begin to listen; needs a running event loop. Any number of streams may run at the same time."""

    def prewarm(self) -> None:
        """Prepare for the first stream, before there is an event loop; by default nothing."""

    async def aclose(self) -> None:
        """Let go of what the detector itself holds; by default nothing. Streams are closed on their own."""


class VADStream(InputStream[AudioInput, VADEvent]):
    """Judges audio as it is pushed. Iterate over it to get the events; close it, or use it as a context manager.

    An implementation gives ``_main_task()``: it takes frames and flush marks from ``self._input_ch`` until that ends,
    and sends events into ``self._event_ch``. Nothing is retried: an error ends the stream, and its reader gets it.

    At most 10 s of audio wait. What is pushed beyond drops the oldest, with a warning and the detector's event
    ``audio_dropped``; :meth:`feed` waits instead.

    :param vad: whose stream it is; its listeners get the metrics.
    """

    def __init__(self, vad: VAD) -> None:
        self._vad = vad
        self._inference_count = 0
        self._inference_seconds = 0.0
        self._lagging = False
        super().__init__(conn_options=_ONCE, label=vad.label)
        self._active_at = self._created_at

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        """Give audio, of any length.

        :raises StreamInputError: the input, or the stream, has ended.
        """
        self._check_open()
        if dropped := self._input_ch.push(frame):
            self._tell_dropped(AudioDropped(dropped, self._input_ch.dropped_seconds))

    async def feed(self, frame: rtc.AudioFrame) -> None:
        """Give audio as fast as it is judged: waits for room, so that nothing is dropped. For files.

        Cancelled while it waits, it has given nothing.

        :raises StreamInputError: the input, or the stream, has ended, also while this waited.
        """
        self._check_open()
        await self._input_ch.wait_for_room(frame.duration)
        self.push_frame(frame)

    def _tell_dropped(self, dropped: AudioDropped) -> None:
        if not self._lagging:
            self._lagging = True
            logger.warning("voice activity detection lags behind: audio is dropped", extra={"vad": self._label})
        self._vad.emit("audio_dropped", dropped)

    def _make_input(self) -> AudioInput:
        return AudioInput(self._event_ch, keep=False)

    def _flush(self) -> None:
        self._input_ch.flush()

    def _accept(self, event: VADEvent) -> VADEvent:
        if event.type == VADEventType.INFERENCE_DONE:
            self._measure(event)
        else:
            self._active_at = clock.monotonic()
        at = self._input_ch.axis.to_stream(event.timestamp)
        return event if at == event.timestamp else replace(event, timestamp=at)

    def _measure(self, event: VADEvent) -> None:
        self._inference_count += 1
        self._inference_seconds += event.inference_duration
        if self._inference_count >= 1 / self._vad.capabilities.update_interval:
            self._report()

    def _finished(self, *, cancelled: bool, error: BaseException | None) -> None:  # noqa: ARG002  it counts either way
        if self._inference_count:
            self._report()

    def _report(self) -> None:
        metrics = VADMetrics(
            timestamp=clock.wall_seconds(),
            idle_time=clock.monotonic() - self._active_at,
            inference_duration_total=self._inference_seconds,
            inference_count=self._inference_count,
            label=self._label,
        )
        self._inference_count = 0
        self._inference_seconds = 0.0
        publish(self._vad, metrics)
