"""Text in, piece by piece, speech out, segment by segment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIConnectionError, APIError
from lk_agents.foundation.log import logger
from lk_agents.metrics.publish import publish
from lk_agents.metrics.records import Error, TTSMetrics
from lk_agents.streams.base import InputStream
from lk_agents.streams.watch import Owed
from lk_agents.tts.audio import MARK_SECONDS, SynthesizedAudio, seconds_of
from lk_agents.tts.segments import Segment, Segments, SpeechInput
from lk_agents.tts.spoken_stream import SpokenStream
from lk_agents.tts.text import is_speakable, require_text
from lk_agents.utils.audio import silence_frame

if TYPE_CHECKING:
    from lk_agents.foundation.types import APIConnectOptions
    from lk_agents.tts.synthesizer import TTS

__all__ = ["SynthesizeStream"]

PRELUDE_CHARACTERS: Final = 256
"""How much of a segment's beginning is kept while nothing of it can be spoken."""


class SynthesizeStream(SpokenStream, InputStream[SpeechInput, SynthesizedAudio]):
    """Speaks what is pushed. Each text up to a :meth:`flush` is a segment; iterate over it to get the audio.

    The segments come in their order, each with a ``segment_id`` of its own, and exactly the last piece of each is
    ``is_final``. A text without any letter or digit is no segment, and while there is nothing to speak the provider is
    not asked.

    A provider implements ``_run()``: it takes texts and flush marks from ``self._input_ch``, sends the audio into
    ``self._event_ch``, and returns when the input has ended and all is spoken; returning after each segment is fine.
    It may call :meth:`_mark_started` for the clock of the metrics. After an :class:`APIError` it is called again, and
    gets the text of the segments that are not finished again; not if audio of the unfinished segment came already,
    since what was heard is not repeated. A segment without audio is such an error, and so is a provider that is silent
    for ``conn_options.timeout`` seconds while a flushed segment is not finished, or that ends within one. (A provider
    that never flags a last piece may end there; the segment then gets 10 ms of silence for its last piece.)

    Emits one ``metrics_collected`` on ``tts`` for each segment that was begun, however it ended.

    :param tts: who speaks.
    :param conn_options: by default the synthesizer's own.
    """

    _measured = True
    """Whether it emits metrics; an adapter leaves that to those that it asks."""

    def __init__(self, *, tts: TTS[Any], conn_options: APIConnectOptions | None = None) -> None:
        self._ledger = Segments()
        self._prelude = ""
        self._has_finished_one = False
        self._is_cut_short = False
        self._mark: SynthesizedAudio | None = None
        super().__init__(tts=tts, conn_options=conn_options)

    def push_text(self, token: str) -> None:
        """Add text to the open segment.

        :raises ConfigError: it is no text.
        :raises StreamInputError: the input, or the stream, has ended, or more text waits than the stream holds.
        """
        self._check_open()
        require_text(token)
        text = self._prelude + token
        if not self._ledger.is_open and not is_speakable(token):
            self._prelude = text[-PRELUDE_CHARACTERS:]
            return
        self._input_ch.push(text)
        self._ledger.pushed(text)
        self._prelude = ""

    def end_input(self) -> None:
        """Flush, and say that nothing more comes; the stream ends by itself when everything is spoken.

        :raises StreamInputError: the input, or the stream, had ended before.
        """
        super().end_input()
        self._heard_at = clock.monotonic()  # from now on the provider owes its end

    def _flush(self) -> None:
        self._prelude = ""
        if self._ledger.is_open:
            self._input_ch.flush()
            self._ledger.flushed()

    def _mark_started(self) -> None:
        """For providers: say that the first text of a segment goes to the engine now; counts once for each segment."""
        self._ledger.marked()

    def _make_input(self) -> SpeechInput:
        return SpeechInput(self._event_ch, self._ledger)

    def _cut_short(self) -> None:
        """For adapters: end here, without an error. What is not spoken is forgotten, nothing more is let in."""
        first = self._ledger.first
        self._is_cut_short = True
        self._input_ch.close()
        self._input_ch.forget()
        if first is not None and first.seconds:
            self._send_mark(first)

    # --- attempts ----------------------------------------------------------------------------------------------------

    def _attempt_begins(self) -> None:
        super()._attempt_begins()
        self._has_finished_one = False

    async def _attempt(self) -> None:
        while await self._input_ch.wait_for_item():
            self._ledger.asked()
            try:
                phase = await self._run_watched()
            except APIError as error:
                if not self._is_all_spoken():
                    raise
                logger.warning(
                    "a synthesizer failed after it had spoken everything",
                    extra={"provider": self._label, "error": type(error).__name__},
                )
                return
            self._check_spoken(phase)

    def _check_spoken(self, phase: str) -> None:
        """Look at what an attempt that has returned, or was given up in some phase, has left unspoken."""
        first = self._ledger.first
        may_have_forgotten = not self._tts._flags_last_pieces  # noqa: SLF001  noted by its streams
        if not phase and first is not None and first.seconds and first.is_taken_whole and may_have_forgotten:
            self._send_mark(first)
            first = self._ledger.first
        if first is None:
            if phase:
                logger.warning("a synthesizer did not end after it had spoken everything", extra={"tts": self._label})
            return
        if phase:
            raise self._given_up(phase)
        what = "ended within" if first.seconds else "gave no audio for"
        raise APIConnectionError(f"{self._label} {what} a segment of {first.characters} characters").located(
            provider=self._label, phase="receive" if first.seconds else "first_output"
        )

    def _is_all_spoken(self) -> bool:
        return self._input_ch.closed and self._input_ch.empty() and self._ledger.first is None

    def _owed(self) -> Owed | None:
        first = self._ledger.first
        if first is None:
            return self._owed_since("close", 0.0) if self._is_all_spoken() else None
        if first.flushed_at is None:
            return None
        return self._owed_since("idle" if first.seconds else "first_output", first.flushed_at)

    def _may_retry(self, error: APIError) -> bool:  # noqa: ARG002  whatever it was
        first = self._ledger.first
        return first is None or not first.seconds

    def _was_good(self) -> bool:
        return self._has_finished_one

    # --- events ------------------------------------------------------------------------------------------------------

    def _accept(self, event: SynthesizedAudio) -> SynthesizedAudio | None:
        self._check_format(event.frame)
        if self._is_cut_short:
            return event
        segment = self._speaking(event)
        if segment is None:  # audio that nobody has asked for, such as a rest after the final piece
            return event if event.frame.samples_per_channel else None
        ends = event.is_final and segment.is_taken_whole  # one that came before the flush was of a part only
        if ends and event is not self._mark:
            self._tts._flags_last_pieces = True  # noqa: SLF001  noted for all its streams
        if not event.frame.samples_per_channel:
            if not ends:
                return None
            if not segment.seconds:
                raise APIConnectionError(
                    f"{self._label} gave no audio for a segment of {segment.characters} characters"
                ).located(provider=self._label, phase="first_output")
            event = replace(event, frame=silence_frame(MARK_SECONDS, *self._declared))
        self._hear(segment, event)
        if ends:
            self._finish_first()
        if event.is_final == ends and event.segment_id:
            return event
        return replace(event, is_final=ends, segment_id=event.segment_id or segment.id)

    def _speaking(self, event: SynthesizedAudio) -> Segment | None:
        """Return the segment that a piece belongs to; the one before is ended if it was not."""
        first = self._ledger.first
        if first is None or first.taken_at is None:
            return None
        is_next = first.provider_id and event.segment_id and event.segment_id != first.provider_id
        if is_next and first.is_taken_whole:
            self._send_mark(first)
            return self._speaking(event)
        return first

    def _send_mark(self, segment: Segment) -> None:
        """End a segment whose last piece has gone out without being flagged."""
        frame = silence_frame(MARK_SECONDS, *self._declared)
        segment_id = segment.provider_id or segment.id
        self._mark = SynthesizedAudio(frame, segment.request_id, is_final=True, segment_id=segment_id)
        self._event_ch.send_nowait(self._mark)

    def _hear(self, segment: Segment, event: SynthesizedAudio) -> None:
        self._heard_at = clock.monotonic()
        if segment.first_audio_at is None:
            segment.first_audio_at = self._heard_at
        segment.seconds += seconds_of(event)
        segment.request_id = event.request_id
        segment.provider_id = event.segment_id

    def _finish_first(self) -> None:
        segment = self._ledger.finish_first()
        self._input_ch.acknowledge_segment()
        self._has_finished_one = True
        self._measure(segment)

    # --- metrics -----------------------------------------------------------------------------------------------------

    def _finished(self, *, cancelled: bool, error: BaseException | None) -> None:
        for segment in self._ledger:
            if segment.started_at is not None:
                self._measure(segment, cancelled=cancelled, error=error)

    def _measure(self, segment: Segment, *, cancelled: bool = False, error: BaseException | None = None) -> None:
        if not self._measured:
            return
        now = clock.monotonic()
        started_at = now if segment.started_at is None else segment.started_at
        metrics = TTSMetrics(
            request_id=segment.request_id,
            timestamp=clock.wall_seconds(),
            ttfb=-1.0 if segment.first_audio_at is None else segment.first_audio_at - started_at,
            duration=now - started_at,
            audio_duration=segment.seconds,
            cancelled=cancelled,
            characters_count=segment.characters,
            label=self._label,
            streamed=True,
            error=None if error is None else Error.of(error, provider=self._label),
            segment_id=segment.provider_id or segment.id,
            provider=self._tts.provider,
            model=self._tts.model,
        )
        publish(self._tts, metrics)
