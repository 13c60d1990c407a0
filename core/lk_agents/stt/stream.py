"""The stream of a recogniser: audio in, transcripts out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIConnectionError, APIError, APITimeoutError, ConfigError
from lk_agents.foundation.log import logger
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams.base import InputStream
from lk_agents.streams.inputs import AudioDropped, AudioInput, FlushSentinel, Gate
from lk_agents.streams.watch import Owed, Watch
from lk_agents.stt.events import SpeechEvent, SpeechEventType
from lk_agents.stt.transcripts import TranscriptLog
from lk_agents.stt.usage import AudioUsage
from lk_agents.utils.audio import Resampler, mix_to_mono

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.stt.recognizer import STT

__all__ = ["RecognizeStream", "RecognizerInput", "SpeechStream"]

GOOD_SECONDS: Final = 60.0
"""An attempt that took audio and lasted so long was a good one, although nobody has said anything."""

RESAMPLER_SECONDS: Final = 0.5
"""More than a resampler holds back and gives out with a later frame."""


class RecognizerInput(AudioInput):
    """The audio that waits for a recogniser.

    :param on_taken: told how many seconds were handed out, again and again also of the same audio.
    """

    def __init__(self, gate: Gate, *, on_taken: Callable[[float], None]) -> None:
        super().__init__(gate)
        self._on_taken = on_taken
        self._begun = asyncio.Event()

    def push(self, frame: rtc.AudioFrame) -> float:
        """Add a frame; returns how many seconds of older audio were dropped for it."""
        self._begun.set()
        return super().push(frame)

    def close(self) -> None:
        """Let nothing more in; closing twice is fine."""
        super().close()
        self._begun.set()

    async def wait_for_audio(self) -> bool:
        """Wait for the first audio; False if there is none to be recognised and none will come."""
        await self._begun.wait()
        return not self._closed or self.has_audio()

    def has_audio(self) -> bool:
        """Tell whether audio waits."""
        return any(not isinstance(item, FlushSentinel) for item in self._values)

    async def wait_until_taken(self) -> None:
        """Wait until nothing waits any more, or nothing more is let in. For one task at a time."""
        while self._values and not self._closed:
            await self._wait(self._senders)

    def _gave(self, seconds: float) -> None:
        self._on_taken(seconds)


class RecognizeStream(InputStream[RecognizerInput, SpeechEvent]):
    """Listens while audio is pushed. Iterate over it to get the events; close it, or use it as a context manager.

    A plugin implements ``_run()``: it takes frames and flush marks from ``self._input_ch`` until that ends, and sends
    events into ``self._event_ch``. It is called when there is audio: a stream without any asks nobody. An
    :class:`APIError` that it raises is retried as ``conn_options`` say: audio that no final transcript has told of is
    then handed out again, the last 10 s of it, and times and order of the events are kept. The number of retries begins
    anew after every final transcript. It may also return because ``self._reconnecting`` was set, which
    :meth:`_reconnect` does when options change: it is then called again at once.

    Two more faults are such errors: returning while the input is open or audio is left in it, and, after the end of the
    input, taking nothing and telling nothing for ``conn_options.timeout`` seconds. Until then it may be silent for as
    long as it likes: perhaps nobody speaks.

    At most 10 s of audio wait. What is pushed beyond drops the oldest: the recogniser emits ``audio_dropped``, and
    times go on as if nothing were missing. :meth:`feed` waits instead.

    :param stt: whose stream it is; its listeners get the metrics.
    :param conn_options: how often and how patiently the provider is asked.
    :param sample_rate: what the provider wants, in Hz; audio is resampled to it. None leaves the rate as it is.
    """

    _measures: ClassVar[bool] = True
    """Whether usage becomes metrics; where others recognise, it is theirs to report."""

    def __init__(self, *, stt: STT, conn_options: APIConnectOptions, sample_rate: int | None = None) -> None:
        self._stt = stt
        self._pushed_rate = 0
        self._resampler = None if sample_rate is None else Resampler(sample_rate, mono=True, quality="high")
        self._transcript_log = TranscriptLog()
        self._audio_usage = AudioUsage(self._report_usage)
        self._finals_before = 0
        self._given_before = 0.0
        self._attempt_was_good = False
        self._warned_of_drops = False
        self._progress_at = clock.monotonic()  # once the input has ended
        self._watch: Watch | None = None
        super().__init__(conn_options=conn_options, label=stt.label)

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        """Give audio, of any length and number of channels; more than one are mixed.

        :raises StreamInputError: the input, or the stream, has ended.
        :raises ConfigError: the sample rate is not that of the first frame.
        """
        self._check_open()
        if self._pushed_rate not in {0, frame.sample_rate}:
            raise ConfigError(
                f"{self._label}: this stream began with audio at {self._pushed_rate} Hz and now gets "
                f"{frame.sample_rate} Hz; resample it, or open another stream"
            )
        self._pushed_rate = frame.sample_rate
        for each in [mix_to_mono(frame)] if self._resampler is None else self._resampler.push(frame):
            self._enqueue(each)

    async def feed(self, frame: rtc.AudioFrame) -> None:
        """Give audio as fast as it is recognised: waits for room, so that nothing is dropped. For files.

        Cancelled while it waits, it has given nothing.

        :raises StreamInputError: the input, or the stream, has ended, also while this waited.
        :raises ConfigError: the sample rate is not that of the first frame.
        """
        self._check_open()
        await self._input_ch.wait_for_room(frame.duration + RESAMPLER_SECONDS)
        self.push_frame(frame)

    def end_input(self) -> None:
        """Flush, and say that nothing more comes; the stream ends by itself when everything is worked off.

        :raises StreamInputError: the input, or the stream, had ended before.
        """
        super().end_input()
        self._progressed()
        if self._watch is not None:
            self._watch.look()

    # --- one attempt -----------------------------------------------------------------------------------------------

    async def _attempt(self) -> None:
        if not await self._input_ch.wait_for_audio():
            return
        while True:
            self._reconnecting.clear()
            await self._run_watched()
            if not self._reconnecting.is_set():
                break
            self._attempt_begins()
        if not self._input_ch.closed or self._input_ch.has_audio():
            raise APIConnectionError(f"{self._label} has ended before its input").located(
                provider=self._label, phase="receive"
            )

    async def _run_watched(self) -> None:
        self._attempt_at = clock.monotonic()
        seconds = self._conn_options.timeout
        self._watch = Watch(seconds=seconds, owed=self._owed, looks_again=False)
        if phase := await self._watch.over(self._run()):
            raise APITimeoutError(f"{self._label} did not come to its end: it told nothing for {seconds:g} s").located(
                provider=self._label, phase=phase
            )

    def _owed(self) -> Owed | None:
        """Return what the provider owes: its end, when its input has ended; None while it may be silent."""
        if not self._input_ch.closed:
            return None
        if self._event_ch.full():
            self._progressed()  # the reader holds it back
        return Owed("close", max(self._attempt_at, self._progress_at))

    def _progressed(self) -> None:
        """Note that it is on its way to its end."""
        self._progress_at = clock.monotonic()

    # --- on the way in ---------------------------------------------------------------------------------------------

    def _make_input(self) -> RecognizerInput:
        return RecognizerInput(self._event_ch, on_taken=self._taken)

    def _taken(self, seconds: float) -> None:
        self._audio_usage.given(seconds)
        if self._input_ch.closed:
            self._progressed()

    def _flush(self) -> None:
        if self._resampler is not None:
            for frame in self._resampler.flush():
                self._enqueue(frame)
        if self._input_ch.pushed_seconds:  # else there is no segment
            self._input_ch.flush()

    def _enqueue(self, frame: rtc.AudioFrame) -> None:
        seconds = self._input_ch.push(frame)
        if not seconds:
            return
        if not self._warned_of_drops:
            self._warned_of_drops = True
            logger.warning(
                "a recogniser does not take its audio; the oldest is dropped", extra={"provider": self._label}
            )
        self._stt.emit("audio_dropped", AudioDropped(seconds, self._input_ch.dropped_seconds))

    # --- on the way out --------------------------------------------------------------------------------------------

    def _accept(self, event: SpeechEvent) -> SpeechEvent | None:
        if event.type is SpeechEventType.RECOGNITION_USAGE:
            if event.recognition_usage is not None:
                self._audio_usage.told(event.request_id, event.recognition_usage.audio_duration)
            return event
        if self._input_ch.closed:
            self._progressed()
        final_before = self._transcript_log.final_end
        accepted = self._transcript_log.next(event, self._input_ch.axis.to_stream)
        self._settle(event, final_before)
        return accepted

    def _settle(self, event: SpeechEvent, final_before: float) -> None:
        """Forget the audio that would only bring the same transcript again."""
        if self._settles is not None:
            if (until := self._settles(event)) is not None:
                self._input_ch.acknowledge(self._input_ch.axis.to_stream(until))
        elif event.type is SpeechEventType.FINAL_TRANSCRIPT:
            if self._transcript_log.final_end > final_before:
                self._input_ch.acknowledge(self._transcript_log.final_end)
            else:  # it does not say until where, or nothing that can be
                self._input_ch.acknowledge_all()

    def _attempt_begins(self) -> None:
        super()._attempt_begins()
        self._end_broken_speech()
        self._transcript_log.begin_session()
        self._given_before = self._audio_usage.given_seconds

    def _attempt_failed(self, error: APIError) -> None:  # noqa: ARG002  whatever it was
        self._end_broken_speech()
        finals = self._transcript_log.finals
        lasted = clock.monotonic() - self._attempt_at >= GOOD_SECONDS
        took_audio = self._audio_usage.given_seconds > self._given_before
        self._attempt_was_good = finals > self._finals_before or (lasted and took_audio)
        self._finals_before = finals

    def _was_good(self) -> bool:
        return self._attempt_was_good

    def _end_broken_speech(self) -> None:
        if self._transcript_log.speaking:
            self._event_ch.send_nowait(SpeechEvent(SpeechEventType.END_OF_SPEECH))
            self._transcript_log.ended_in_its_place()

    def _finished(self, *, cancelled: bool, error: BaseException | None) -> None:  # noqa: ARG002  it counts either way
        self._audio_usage.end()
        if error is not None and self._measures:
            lasted = clock.monotonic() - self._created_at
            self._stt._count_failure(error, lasted, streamed=True)  # noqa: SLF001  a stream is a part of its recogniser

    def _report_usage(self, request_id: str, audio_seconds: float) -> None:
        if self._measures:
            self._stt._publish(  # noqa: SLF001  a stream is a part of its recogniser
                request_id, clock.monotonic() - self._created_at, audio_seconds, streamed=True
            )


SpeechStream = RecognizeStream
"""The older name."""
