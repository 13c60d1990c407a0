"""Audio as frames of 16-bit samples: cutting, joining, mixing down, resampling, reading files.

A frame is a ``livekit.rtc.AudioFrame``: signed 16-bit samples, those of its channels taking turns.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger

if TYPE_CHECKING:
    from livekit import rtc

    AudioBuffer: TypeAlias = list[rtc.AudioFrame] | rtc.AudioFrame

__all__ = [
    "AudioBuffer",
    "AudioByteStream",
    "Resampler",
    "ResamplerQuality",
    "audio_frames_from_file",
    "calculate_audio_duration",
    "combine_frames",
    "merge_frames",
    "mix_to_mono",
    "part_of_frame",
    "silence_frame",
]

ResamplerQuality: TypeAlias = Literal["quick", "low", "medium", "high", "very_high"]

BYTES_PER_SAMPLE: Final = 2


def __getattr__(name: str) -> Any:
    if name == "AudioBuffer":  # its parts are the media SDK's, which is not loaded for a type alone
        from livekit import rtc

        return list[rtc.AudioFrame] | rtc.AudioFrame
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def combine_frames(buffer: AudioBuffer) -> rtc.AudioFrame:
    """Join the frames of a list to one; a single frame is returned as it is.

    :raises ValueError: the list is empty, or its frames differ in sample rate or number of channels.
    """
    if not isinstance(buffer, list):
        return buffer
    if not buffer:
        raise ValueError("there is no frame to combine: the list is empty")
    from livekit import rtc

    first = buffer[0]
    for frame in buffer:
        if (frame.sample_rate, frame.num_channels) != (first.sample_rate, first.num_channels):
            raise ValueError(
                f"frames that differ cannot be combined: one has {first.num_channels} channels at {first.sample_rate} "
                f"Hz, another {frame.num_channels} at {frame.sample_rate} Hz; resample them first"
            )
    return rtc.AudioFrame(
        bytearray().join(_samples(frame) for frame in buffer),
        first.sample_rate,
        first.num_channels,
        sum(frame.samples_per_channel for frame in buffer),
    )


def part_of_frame(frame: rtc.AudioFrame, first: int, end: int) -> rtc.AudioFrame:
    """Return the samples of a frame from ``first`` to before ``end``, counted per channel, as a frame of its own."""
    size = frame.num_channels * BYTES_PER_SAMPLE
    data = frame.data.cast("B")[first * size : end * size]
    return type(frame)(bytearray(data), frame.sample_rate, frame.num_channels, end - first)


merge_frames: Final = combine_frames


def calculate_audio_duration(frames: AudioBuffer) -> float:
    """Return the seconds that a frame, or a list of frames, lasts; 0 for an empty list."""
    if isinstance(frames, list):
        return float(sum(frame.duration for frame in frames))
    return frames.duration


def silence_frame(duration: float, sample_rate: int, num_channels: int = 1) -> rtc.AudioFrame:
    """Return a frame of silence.

    :param duration: seconds, rounded to whole samples.
    :param sample_rate: in Hz.
    """
    from livekit import rtc

    return rtc.AudioFrame.create(sample_rate, num_channels, round(duration * sample_rate))


class AudioByteStream:
    """Cuts audio that comes in pieces of any size into frames of one size.

    A piece may end anywhere, also within a sample.

    :param sample_rate: in Hz.
    :param num_channels: whose samples take turns in the bytes.
    :param samples_per_channel: of each frame; by default 100 ms.
    :raises ConfigError: one of them is not positive.
    """

    def __init__(self, sample_rate: int, num_channels: int, samples_per_channel: int | None = None) -> None:
        samples = sample_rate // 10 if samples_per_channel is None else samples_per_channel
        if min(sample_rate, num_channels, samples) < 1:
            raise ConfigError(
                f"an AudioByteStream cannot cut frames of {samples} samples at {sample_rate} Hz for {num_channels} "
                f"channels: each of these must be 1 or more"
            )
        from livekit import rtc

        self._frame_type = rtc.AudioFrame  # looked up once: making the frame is most of what a push costs
        self._sample_rate = sample_rate
        self._num_channels = num_channels
        self._samples = samples
        self._sample_bytes = num_channels * BYTES_PER_SAMPLE
        self._frame_bytes = samples * self._sample_bytes
        self._buffer = bytearray()

    def push(self, data: bytes | bytearray | memoryview) -> list[rtc.AudioFrame]:
        """Take in bytes and return the frames that are complete with them; what is left waits for more."""
        buffer = self._buffer
        buffer += data
        if len(buffer) < self._frame_bytes:
            return []
        held, size = len(buffer), self._frame_bytes
        if held == size:  # most often; then the audio is copied no second time
            self._buffer = bytearray()
            return [self._frame_type(buffer, self._sample_rate, self._num_channels, self._samples)]
        frames = []
        for start in range(0, held - size + 1, size):
            part = buffer[start : start + size]
            frames.append(self._frame_type(part, self._sample_rate, self._num_channels, self._samples))
        del buffer[: held - held % size]
        return frames

    write = push

    def flush(self) -> list[rtc.AudioFrame]:
        """Return what is left as one shorter frame; an empty list if there is nothing.

        Bytes of a last sample that is not complete are kept, since the rest of it may be on its way; a warning says so.
        """
        whole = len(self._buffer) // self._sample_bytes
        rest, self._buffer = self._buffer, self._buffer[whole * self._sample_bytes :]
        if self._buffer:
            logger.warning("audio ends within a sample", extra={"bytes": len(self._buffer)})
        if not whole:
            return []
        del rest[whole * self._sample_bytes :]
        return [self._frame_type(rest, self._sample_rate, self._num_channels, whole)]

    def clear(self) -> None:
        """Forget what is left, also bytes of a sample that is not complete: what comes next begins anew."""
        self._buffer = bytearray()


def mix_to_mono(frame: rtc.AudioFrame) -> rtc.AudioFrame:
    """Return a frame whose samples are the mean of the channels'; a frame of one channel is returned as it is."""
    if frame.num_channels == 1:
        return frame
    import numpy as np
    from livekit import rtc

    samples = np.frombuffer(_samples(frame), dtype=np.int16).reshape(-1, frame.num_channels)
    mixed = np.rint(samples.mean(axis=1)).astype(np.int16)
    return rtc.AudioFrame(bytearray(mixed.data.cast("B")), frame.sample_rate, 1, frame.samples_per_channel)


class Resampler:
    """Brings frames to one sample rate, and to one channel where that is asked for.

    Frames that have that rate already pass untouched. The rate and the number of channels of what comes in may change
    at any time; what the resampler holds back then comes out first, so nothing is lost.

    :param sample_rate: of the result, in Hz.
    :param mono: mix all channels to one before resampling.
    :param quality: what to spend on it.
    :raises ConfigError: ``sample_rate`` is not positive.
    """

    def __init__(self, sample_rate: int, *, mono: bool = False, quality: ResamplerQuality = "high") -> None:
        if sample_rate < 1:
            raise ConfigError(f"the sample rate is {sample_rate!r} Hz; it must be 1 or more")
        self._sample_rate = sample_rate
        self._mono = mono
        self._quality = quality
        self._native: rtc.AudioResampler | None = None
        self._input = (0, 0)  # sample rate and channels that the native one was made for

    def push(self, frame: rtc.AudioFrame) -> list[rtc.AudioFrame]:
        """Return what comes out for ``frame``, perhaps nothing yet; the sizes of the frames are irregular."""
        if self._mono:
            frame = mix_to_mono(frame)
        tail: list[rtc.AudioFrame] = []
        if (frame.sample_rate, frame.num_channels) != self._input:
            tail = self.flush()
            self._input = (frame.sample_rate, frame.num_channels)
            self._native = None if frame.sample_rate == self._sample_rate else self._make()
        if self._native is None:
            return [*tail, frame]
        return [*tail, *self._native.push(bytearray(_samples(frame)))]

    def flush(self) -> list[rtc.AudioFrame]:
        """Return what is held back; after that, more may be pushed."""
        return [] if self._native is None else self._native.flush()

    def _make(self) -> rtc.AudioResampler:
        from livekit import rtc

        rate, channels = self._input
        quality = rtc.AudioResamplerQuality(self._quality)
        return rtc.AudioResampler(rate, self._sample_rate, num_channels=channels, quality=quality)


async def audio_frames_from_file(
    file_path: str | Path, sample_rate: int = 48000, num_channels: int = 1
) -> AsyncGenerator[rtc.AudioFrame, None]:
    """Decode an audio file, of any format that FFmpeg knows, and yield its frames.

    At most some 10 s of audio are decoded ahead. Close the iterator (``aclose``) if you do not read it to the end.

    :param sample_rate: of the frames, in Hz.
    :param num_channels: of the frames, 1 or 2.
    :raises ImportError: PyAV is missing (extra ``codecs``).
    :raises OSError: the file cannot be read.
    :raises lk_agents.utils.codecs.DecodeError: it cannot be decoded.
    """
    from lk_agents.utils.codecs import FileDecoder

    frames = FileDecoder(file_path, sample_rate=sample_rate, num_channels=num_channels)
    try:
        async for frame in frames:
            yield frame
    finally:
        await frames.aclose()


def _samples(frame: rtc.AudioFrame) -> memoryview:
    """Return the bytes of a frame's samples, without what its buffer may hold beyond them."""
    return frame.data.cast("B")[: frame.samples_per_channel * frame.num_channels * BYTES_PER_SAMPLE]
