"""Makes a recogniser of recordings listen: a detector of voice activity cuts the speech out, one recording each."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

from lk_agents.foundation.errors import APITimeoutError, StreamInputError
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.streams.axis import TOUCHING_SECONDS
from lk_agents.streams.inputs import AUDIO_BOUND_SECONDS, FlushSentinel
from lk_agents.streams.watch import Owed
from lk_agents.stt.events import SpeechData, SpeechEvent, SpeechEventType, STTCapabilities, has_text
from lk_agents.stt.recognizer import STT
from lk_agents.stt.stream import RecognizeStream
from lk_agents.utils.aio.tasks import cancel_and_wait
from lk_agents.utils.audio import calculate_audio_duration, combine_frames, part_of_frame
from lk_agents.vad.events import VADEvent, VADEventType

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.metrics.records import STTMetrics
    from lk_agents.utils.audio import AudioBuffer
    from lk_agents.vad.detector import VAD, VADStream

__all__ = ["StreamAdapter", "StreamAdapterWrapper"]

SPEECH_BOUND_SECONDS: Final = 60.0
"""How much of a speech is kept for the case that the detector does not come to its end."""


class StreamAdapter(STT):
    """Lets a recogniser of recordings listen to a stream, with the help of a detector of voice activity.

    It gives starts, ends and final transcripts; the final comes after the end of its speech. Metrics are those of the
    recogniser, which are emitted here as well. Both engines stay their owner's to close.

    :param stt: recognises.
    :param vad: finds the speech.
    """

    _asks_others: ClassVar[bool] = True

    def __init__(self, *, stt: STT, vad: VAD) -> None:
        aligned = stt.capabilities.aligned_words
        super().__init__(
            capabilities=STTCapabilities(streaming=True, interim_results=False, aligned_words=aligned),
        )
        self._wrapped = stt
        self._detector = vad
        stt.on("metrics_collected", self._hand_on)

    @property
    def wrapped_stt(self) -> STT:
        """The recogniser."""
        return self._wrapped

    async def recognize(
        self,
        buffer: AudioBuffer,
        *,
        language: str | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> SpeechEvent:
        """Return what is said in ``buffer``: the recogniser's own ``recognize``, with its retries and metrics."""
        return await self._wrapped.recognize(buffer, language=language, conn_options=conn_options)

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: str | None, conn_options: APIConnectOptions
    ) -> SpeechEvent:
        return await self._wrapped.recognize(buffer, language=language, conn_options=conn_options)

    def stream(
        self, *, language: str | None = None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> StreamAdapterWrapper:
        """Begin to listen; needs a running event loop.

        :param language: what is spoken, if the recogniser is not to use its own setting.
        :param conn_options: how often and how patiently the recogniser is asked, for each speech.
        """
        return StreamAdapterWrapper(
            self, vad=self._detector, wrapped_stt=self._wrapped, language=language, conn_options=conn_options
        )

    def prewarm(self) -> None:
        """Prepare the recogniser and the detector."""
        self._wrapped.prewarm()
        self._detector.prewarm()

    async def aclose(self) -> None:
        """Hand on no more metrics; recogniser and detector stay open."""
        self._wrapped.off("metrics_collected", self._hand_on)

    def _hand_on(self, metrics: STTMetrics) -> None:
        self.emit("metrics_collected", metrics)


class StreamAdapterWrapper(RecognizeStream):
    """The stream of a :class:`StreamAdapter`.

    The recogniser is asked as often as ``conn_options`` say; its last error ends the stream. What is still being said
    when the input ends is recognised as well.

    :param stt: the adapter.
    :param vad: finds the speech.
    :param wrapped_stt: recognises it.
    :param language: what is spoken; None for the recogniser's own setting.
    :param conn_options: how often and how patiently the recogniser is asked.
    """

    _measures: ClassVar[bool] = False

    def __init__(
        self, stt: STT, *, vad: VAD, wrapped_stt: STT, language: str | None, conn_options: APIConnectOptions
    ) -> None:
        self._detector = vad
        self._wrapped = wrapped_stt
        self._spoken_language = language
        self._options = conn_options
        self._recognition_seconds: float | None = None
        self._recognising = False
        super().__init__(stt=stt, conn_options=replace(conn_options, max_retry=0))

    def limit_recognition(self, seconds: float) -> None:
        """Let a recognition with all its retries take no longer than that; without, ``conn_options`` alone count."""
        self._recognition_seconds = seconds

    async def _run(self) -> None:
        speech = _OpenSpeech()
        detecting = self._detector.stream()
        feeding = asyncio.create_task(self._feed_detector(detecting, speech), name=f"lk-stt-detector {self._label}")
        try:
            async for event in detecting:
                await self._judged(event, speech)
            await feeding
            if speech.open:
                await self._end(speech.with_rest(), speech.fed_seconds, 0.0)
        finally:
            await cancel_and_wait(feeding)
            await detecting.aclose()

    async def _feed_detector(self, detecting: VADStream, speech: _OpenSpeech) -> None:
        try:
            async for item in self._input_ch:
                if isinstance(item, FlushSentinel):
                    detecting.flush()
                    speech.flushed()
                else:
                    await detecting.feed(item)
                    speech.fed(item)
        finally:
            with suppress(StreamInputError):  # it has ended
                detecting.end_input()

    async def _judged(self, event: VADEvent, speech: _OpenSpeech) -> None:
        if speech.is_forgotten(event):
            await self._end(speech.frames(), speech.judged_until, 0.0)
        speech.judged(event)
        if event.type == VADEventType.START_OF_SPEECH:
            self._event_ch.send_nowait(SpeechEvent(SpeechEventType.START_OF_SPEECH))
        elif event.type == VADEventType.END_OF_SPEECH:
            await self._end(event.frames, event.timestamp, event.silence_duration)

    async def _end(self, frames: list[rtc.AudioFrame], end_seconds: float, silence_seconds: float) -> None:
        """Tell the end of a speech and then what was said.

        :param end_seconds: where the frames end, in seconds of the audio.
        :param silence_seconds: how much silence they end with.
        """
        self._event_ch.send_nowait(SpeechEvent(SpeechEventType.END_OF_SPEECH))
        if not frames:
            return
        event = await self._recognize(combine_frames(frames))
        if has_text(event):
            heard = _placed(
                event.alternatives[0],
                begin=end_seconds - calculate_audio_duration(frames),
                end=end_seconds - silence_seconds,
            )
            await self._event_ch.send(SpeechEvent(SpeechEventType.FINAL_TRANSCRIPT, alternatives=[heard]))

    def _owed(self) -> Owed | None:
        if self._recognising:
            self._progressed()  # a recognition has limits of its own
        return super()._owed()

    async def _recognize(self, speech: rtc.AudioFrame) -> SpeechEvent:
        limit = asyncio.timeout(self._recognition_seconds)
        self._recognising = True
        try:
            async with limit:
                return await self._wrapped.recognize(speech, language=self._spoken_language, conn_options=self._options)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise APITimeoutError(
                f"{self._wrapped.label} has not recognised what was said within {self._recognition_seconds:g} s"
            ).located(provider=self._wrapped.label, phase="first_output") from error
        finally:
            self._recognising = False
            self._progressed()


class _OpenSpeech:
    """Collects a speech that has begun, for the case that the detector does not come to its end.

    A detector judges whole windows only: the audio after the last one is kept as well.
    """

    def __init__(self) -> None:
        self.open = False
        self.fed_seconds = 0.0
        """How much audio the detector was given."""
        self.judged_until = 0.0
        self._flushed_at: deque[float] = deque()  # what the detector has yet to come to
        self._frames: deque[rtc.AudioFrame] = deque()
        self._frames_seconds = 0.0
        self._rest: deque[tuple[float, rtc.AudioFrame]] = deque()

    def fed(self, frame: rtc.AudioFrame) -> None:
        """Note what the detector was given."""
        self._rest.append((self.fed_seconds, frame))
        self.fed_seconds += frame.duration
        since = max(self.judged_until, self.fed_seconds - AUDIO_BOUND_SECONDS)
        while self._rest and self._rest[0][0] + self._rest[0][1].duration <= since:
            self._rest.popleft()

    def flushed(self) -> None:
        """Note that the detector was told to flush."""
        if not self._flushed_at or self._flushed_at[-1] < self.fed_seconds:
            self._flushed_at.append(self.fed_seconds)

    def is_forgotten(self, event: VADEvent) -> bool:
        """Tell whether the detector begins anew with this event, without an end: a flush may make it do that."""
        if not self.open or not self._is_past_flush(event):
            return False
        if event.type == VADEventType.INFERENCE_DONE:
            return not event.speaking
        return event.type == VADEventType.START_OF_SPEECH

    def judged(self, event: VADEvent) -> None:
        """Note what the detector has told."""
        forgotten = self.is_forgotten(event)
        while self._is_past_flush(event):
            self._flushed_at.popleft()
        self.judged_until = event.timestamp
        if event.type != VADEventType.INFERENCE_DONE:
            self.open = event.type == VADEventType.START_OF_SPEECH
            self._frames.clear()
            self._frames_seconds = 0.0
        elif forgotten:
            self.open = False
        if self.open:
            self._frames.extend(event.frames)
            self._frames_seconds += calculate_audio_duration(event.frames)
        while self._frames_seconds > SPEECH_BOUND_SECONDS and len(self._frames) > 1:
            self._frames_seconds -= self._frames.popleft().duration

    def _is_past_flush(self, event: VADEvent) -> bool:
        return bool(self._flushed_at) and event.timestamp > self._flushed_at[0] + TOUCHING_SECONDS

    def frames(self) -> list[rtc.AudioFrame]:
        """Return the speech as far as it was judged, the last minute of it at most."""
        return list(self._frames)

    def with_rest(self) -> list[rtc.AudioFrame]:
        """Return the speech to the last sample that was given."""
        frames = self.frames()
        for position, frame in self._rest:
            judged = max(round((self.judged_until - position) * frame.sample_rate), 0)
            if judged < frame.samples_per_channel:
                frames.append(part_of_frame(frame, judged, frame.samples_per_channel))
        return frames


def _placed(data: SpeechData, *, begin: float, end: float) -> SpeechData:
    """Return a transcript of a recording that lies in the stream from ``begin`` to ``end``."""
    begin = max(begin, 0.0)
    if not (data.end_time or data.words):
        return replace(data, start_time=begin, end_time=end)
    return replace(
        data,
        start_time=data.start_time + begin,
        end_time=data.end_time + begin if data.end_time else 0.0,
        words=[word.shifted(begin) for word in data.words],
    )
