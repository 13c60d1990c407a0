"""The way out for adapters: sentences that were synthesized one by one leave as one segment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lk_agents.tts.audio import MARK_SECONDS, SynthesizedAudio, seconds_of, split_frame
from lk_agents.utils.audio import Resampler

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.utils.aio.channel import Chan

__all__ = ["AudioResampler", "SegmentOutlet"]


class SegmentOutlet:
    """Sends the sentences of a segment so that only the very last piece is final, and nothing audible is held back.

    Where a sentence ends and nobody knows yet whether the segment goes on, its last 10 ms wait until that is known.
    Times of words are moved from the sentence's start to the segment's.

    :param event_ch: the channel of the adapter's stream.
    """

    def __init__(self, event_ch: Chan[SynthesizedAudio]) -> None:
        self._event_ch = event_ch
        self._tail: SynthesizedAudio | None = None
        self._seconds = 0.0
        self._sentence_start = 0.0

    def begin_sentence(self) -> None:
        """Count the times of words from here."""
        self._sentence_start = self._seconds

    async def send(self, audio: SynthesizedAudio) -> None:
        """Send a piece that is not the last of its sentence; waits while too much is unread."""
        await self._release()
        await self._event_ch.send(self._placed(audio))

    async def end_sentence(self, audio: SynthesizedAudio, *, is_last: bool) -> None:
        """Send the last piece of a sentence.

        :param is_last: whether the segment is known to end here; :meth:`end_segment` must follow all the same.
        """
        await self._release()
        placed = self._placed(audio)
        if is_last:
            await self._event_ch.send(replace(placed, is_final=True))
            return
        head, tail = split_frame(audio.frame, MARK_SECONDS)
        if head is not None:
            await self._event_ch.send(replace(placed, frame=head))
            placed = replace(placed, delta_text="", words=None)
        self._tail = replace(placed, frame=tail)

    def end_segment(self) -> None:
        """Send what waits as the last piece; nothing if that has gone out already."""
        tail, self._tail = self._tail, None
        self._seconds = self._sentence_start = 0.0
        if tail is not None:
            self._event_ch.send_nowait(replace(tail, is_final=True))

    async def _release(self) -> None:
        tail, self._tail = self._tail, None
        if tail is not None:
            await self._event_ch.send(tail)

    def _placed(self, audio: SynthesizedAudio) -> SynthesizedAudio:
        self._seconds += seconds_of(audio)
        words = audio.words and [word.shifted(self._sentence_start) for word in audio.words]
        return replace(audio, is_final=False, segment_id="", words=words)


class AudioResampler:
    """Brings the pieces of one synthesis to a sample rate; what they carry besides their frame stays at its place.

    :param sample_rate: in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._resampler = Resampler(sample_rate, quality="medium")
        self._carried: SynthesizedAudio | None = None

    def push(self, audio: SynthesizedAudio) -> list[SynthesizedAudio]:
        """Return what comes out for a piece, perhaps nothing yet."""
        if (before := self._carried) is not None:
            words = [*(before.words or ()), *(audio.words or ())] or audio.words
            audio = replace(audio, delta_text=before.delta_text + audio.delta_text, words=words)
        self._carried = audio
        return self._pieces(self._resampler.push(audio.frame))

    def flush(self) -> list[SynthesizedAudio]:
        """Return what is held back."""
        return self._pieces(self._resampler.flush())

    def _pieces(self, frames: list[rtc.AudioFrame]) -> list[SynthesizedAudio]:
        pieces: list[SynthesizedAudio] = []
        for frame in frames:
            if self._carried is None or not frame.samples_per_channel:
                continue
            pieces.append(replace(self._carried, frame=frame))
            self._carried = replace(self._carried, delta_text="", words=None)
        return pieces
