"""What a synthesizer gives, and what it can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lk_agents.utils.audio import part_of_frame

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.streams.words import TimedWord
    from lk_agents.tts.synthesizer import TTS

__all__ = [
    "MARK_SECONDS",
    "AvailabilityChangedEvent",
    "SynthesizedAudio",
    "TTSCapabilities",
    "seconds_of",
    "split_frame",
]

MARK_SECONDS: Final = 0.01
"""How long a frame is that does no more than end a segment."""


@dataclass
class SynthesizedAudio:
    """A piece of speech.

    :param frame: the audio, with the sample rate and the number of channels that its synthesizer declares.
    :param request_id: the provider's id of the request; the pieces of a segment may come from several.
    :param is_final: in a stream, whether it is the last piece of its segment.
    :param segment_id: in a stream, the same for all pieces of a text up to a ``flush``.
    :param delta_text: the text that begins to be spoken in this piece, where somebody knows it.
    :param words: the words that begin in this piece, their times in seconds from the start of the segment, or of the
        text where there are no segments; None where the provider does not tell.
    """

    frame: rtc.AudioFrame
    request_id: str
    is_final: bool = False
    segment_id: str = ""
    delta_text: str = ""
    words: list[TimedWord] | None = None


@dataclass
class TTSCapabilities:
    """What a synthesizer can do.

    :param streaming: it takes text piece by piece (:meth:`TTS.stream`).
    :param aligned_words: it tells when each word is spoken.
    """

    streaming: bool
    aligned_words: bool = False


@dataclass
class AvailabilityChangedEvent:
    """A member of a fallback adapter has become unavailable, or available again."""

    tts: TTS[Any]
    available: bool


def seconds_of(audio: SynthesizedAudio) -> float:
    """Return how long a piece lasts."""
    return audio.frame.samples_per_channel / audio.frame.sample_rate


def split_frame(frame: rtc.AudioFrame, tail_seconds: float) -> tuple[rtc.AudioFrame | None, rtc.AudioFrame]:
    """Cut the last ``tail_seconds`` off; the first part is None if the frame is not longer than that."""
    tail_samples = round(tail_seconds * frame.sample_rate)
    head_samples = frame.samples_per_channel - tail_samples
    if head_samples <= 0:
        return None, frame
    return part_of_frame(frame, 0, head_samples), part_of_frame(frame, head_samples, frame.samples_per_channel)
