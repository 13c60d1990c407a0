"""What a detector of voice activity tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from lk_agents.foundation.errors import ConfigError

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["VADCapabilities", "VADEvent", "VADEventType"]


class VADEventType(StrEnum):
    """What a :class:`VADEvent` is about."""

    START_OF_SPEECH = "start_of_speech"
    """Somebody speaks, since some windows already."""
    INFERENCE_DONE = "inference_done"
    """One window of audio was judged; comes for every window, before a start or end that follows from it."""
    END_OF_SPEECH = "end_of_speech"
    """It has been silent for long enough."""


@dataclass
class VADEvent:
    """One thing that was detected. Durations and times are seconds.

    :param samples_index: samples judged so far, at the rate of the model.
    :param timestamp: how far the audio has been judged, on the stream's axis: it begins at zero with the first sample
        pushed, and audio that was dropped because nobody took it in time counts as well.
    :param speech_duration: length of the speech so far. In the event of the end: of all of it, without the silence
        that ended it.
    :param silence_duration: length of the silence so far. In the event of the end: of the silence that ended it.
    :param frames: the audio, at the rate of the input. Start: what was kept from before it, and the speech so far;
        inference: the window; end: all of the utterance, with the silence that ended it.
    :param probability: that the window is speech, smoothed (only after an inference, like all that follow).
    :param inference_duration: how long the judgement took.
    :param speaking: whether somebody spoke before this window.
    :param raw_accumulated_silence: length of the run of silent windows before this one.
    :param raw_accumulated_speech: length of the run of windows with speech before this one.
    :param is_speech: the verdict on this window alone; None from a detector that gives none, and outside of inferences.
    """

    type: VADEventType
    samples_index: int
    timestamp: float
    speech_duration: float
    silence_duration: float
    frames: list[rtc.AudioFrame] = field(default_factory=list)
    probability: float = 0.0
    inference_duration: float = 0.0
    speaking: bool = False
    raw_accumulated_silence: float = 0.0
    raw_accumulated_speech: float = 0.0
    is_speech: bool | None = None


@dataclass
class VADCapabilities:
    """What a detector can do.

    :param update_interval: seconds of audio that one inference judges.
    :raises ConfigError: it is not above zero.
    """

    update_interval: float

    def __post_init__(self) -> None:
        if not self.update_interval > 0:
            raise ConfigError(
                f"VADCapabilities.update_interval is {self.update_interval!r}; it is the length of the audio that one "
                f"inference judges, in seconds, above 0"
            )
