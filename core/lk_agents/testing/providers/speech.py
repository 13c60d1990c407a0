"""Speech for scripted recognisers: each utterance is a tone of its own, which rises a little from its start to its end.

So it is known by its sound which utterance it is, and how far it has got.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from lk_agents.foundation.errors import ConfigError
from lk_agents.streams.words import TimedWord

if TYPE_CHECKING:
    import numpy as np
    from livekit import rtc

__all__ = ["Heard", "pitch_of", "pitches_in", "place_of", "tone", "voice"]

LOWEST_HZ: Final = 200
STEP_HZ: Final = 50
RISE_HZ: Final = 40
"""How much higher an utterance ends than it begins."""
LOUD: Final = 1_000
"""What of 32,767 counts as sound."""
AMPLITUDE: Final = 8_000
BLOCK_SECONDS: Final = 0.04
TONE_HZ: Final = 300
TONE_AMPLITUDE: Final = 6_000


@dataclass(frozen=True)
class Heard:
    """Something that is said, and when.

    :param text: the words.
    :param start: when they begin, in seconds of the stream.
    :param end: when they end.
    :param language: its code.
    :param final_seconds: how much later the recogniser is sure, in seconds of audio.
    :param ends_speech: whether the recogniser tells the end of speech behind it.
    :param in_streams: whether a stream is to hear it; without, only a recording.
    """

    text: str
    start: float
    end: float
    language: str = "en"
    final_seconds: float = 0.2
    ends_speech: bool = True
    in_streams: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end or not self.text.strip():
            raise ConfigError(f"{self!r} must have a text and end after it has begun, which is at 0 or later")

    @property
    def words(self) -> list[TimedWord]:
        """The words with their times: each as long as its share of the characters."""
        words = self.text.split()
        per_character = (self.end - self.start) / sum(len(word) for word in words)
        timed, at = [], self.start
        for word in words:
            end = at + len(word) * per_character
            timed.append(TimedWord(word, round(at, 6), round(end, 6), 0.95))
            at = end
        return timed


def pitch_of(index: int) -> int:
    """Return the tone in Hz with which an utterance of the script begins."""
    return LOWEST_HZ + STEP_HZ * index


def voice(
    script: Sequence[Heard], seconds: float, *, sample_rate: int = 16_000, frame_seconds: float = 0.02
) -> list[rtc.AudioFrame]:
    """Return the audio of a script, silence between the utterances, as mono frames of equal length.

    :param seconds: how long it is in all; the last frame is filled up with silence.
    :raises ConfigError: more utterances than can be told apart at that rate.
    """
    import numpy as np
    from livekit import rtc

    if script and pitch_of(len(script) - 1) > sample_rate / 4:
        raise ConfigError(f"{len(script)} utterances cannot be told apart at {sample_rate} Hz; make several scripts")
    per_frame = round(frame_seconds * sample_rate)
    count = -(-round(seconds * sample_rate) // per_frame)
    samples = np.zeros(count * per_frame, dtype=np.int16)
    for index, each in enumerate(script):
        first, last = round(each.start * sample_rate), min(round(each.end * sample_rate), len(samples))
        at = np.arange(max(last - first, 0)) / sample_rate
        periods = pitch_of(index) * at + RISE_HZ * at**2 / (2 * (each.end - each.start))
        samples[first:last] = (AMPLITUDE * np.sin(2 * np.pi * periods)).astype(np.int16)
    return [
        rtc.AudioFrame(samples[start : start + per_frame].tobytes(), sample_rate, 1, per_frame)
        for start in range(0, len(samples), per_frame)
    ]


def pitches_in(frame: rtc.AudioFrame) -> list[int]:
    """Return which utterances a recording holds, in their order, by their index in the script."""
    import numpy as np

    samples = np.frombuffer(bytes(memoryview(frame.data).cast("B")), dtype=np.int16)[:: frame.num_channels]
    size = round(BLOCK_SECONDS * frame.sample_rate)
    found: list[int] = []
    for start in range(0, len(samples) - size + 1, size):
        block = samples[start : start + size]
        if np.abs(block[: size // 8]).max() < LOUD or np.abs(block[-size // 8 :]).max() < LOUD:
            continue  # silence, or the edge of an utterance
        place = place_of(block, frame.sample_rate)
        if place is not None and place[0] not in found:
            found.append(place[0])
    return found


def place_of(block: Sequence[int] | np.ndarray, sample_rate: int) -> tuple[int, float] | None:
    """Return which utterance a short piece of sound belongs to, and how far that has got there, 0 to 1.

    None for a sound that is none of an utterance's.
    """
    import numpy as np

    samples = np.asarray(block, dtype=np.float64)
    crossings = np.flatnonzero((samples[:-1] < 0) & (samples[1:] >= 0))
    if len(crossings) < 2:
        return None
    # Where exactly it crosses zero lies between two samples.
    exact = crossings - samples[crossings] / (samples[crossings + 1] - samples[crossings])
    above = sample_rate * (len(exact) - 1) / (exact[-1] - exact[0]) - LOWEST_HZ
    index = int((above + (STEP_HZ - RISE_HZ) / 2) // STEP_HZ)
    return (index, min(max((above - STEP_HZ * index) / RISE_HZ, 0.0), 1.0)) if index >= 0 else None


def tone(samples: int, sample_rate: int, num_channels: int = 1) -> rtc.AudioFrame:
    """Return a frame of the tone in which scripted agents speak.

    :param samples: per channel.
    """
    from livekit import rtc

    return rtc.AudioFrame(_tone_sound(samples, sample_rate, num_channels), sample_rate, num_channels, samples)


@lru_cache(maxsize=64)
def _tone_sound(samples: int, sample_rate: int, num_channels: int) -> bytes:
    step = 2 * math.pi * TONE_HZ / sample_rate
    each = (int(TONE_AMPLITUDE * math.sin(step * at)) for at in range(samples) for _ in range(num_channels))
    return array("h", each).tobytes()
