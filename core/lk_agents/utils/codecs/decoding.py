"""Decoding, as a thread does it: reads block."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from lk_agents.foundation.errors import LkAgentsError
from lk_agents.foundation.log import logger

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from livekit import rtc

__all__ = ["DecodeError", "Readable", "decode"]

_BYTES_PER_SAMPLE: Final = 2
_SAFE: Final = {"protocol_whitelist": "none"}
"""What is decoded may name files and addresses (a playlist does); FFmpeg is not to open them."""
_QUICK: Final = {"probesize": "65536", "analyzeduration": "50000"}
"""How many bytes and microseconds FFmpeg looks at before it decodes; by default it collects seconds of audio first."""

_MOST_DAMAGED: Final = 3
"""How many packets in a row may not be decodable before it is an error: each is some 20 ms."""


class DecodeError(LkAgentsError):
    """Audio could not be decoded; the text says what FFmpeg said."""


class Readable(Protocol):
    """What can be decoded: a file, which FFmpeg may also seek in if it can, or a stream."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""


def decode(
    source: Readable, *, sample_rate: int, num_channels: int, quick: bool
) -> Generator[rtc.AudioFrame, None, None]:
    """Yield the audio of ``source``, in frames as the decoder makes them; blocks while it reads.

    :param sample_rate: of the frames, in Hz.
    :param num_channels: of the frames, 1 or 2.
    :param quick: begin after a short look; for streams, of which every byte costs time.
    :raises DecodeError: it is no audio that FFmpeg knows, or it is damaged; a little damage is left out and logged.
    """
    import av

    converter = _Converter(sample_rate, num_channels)
    options = _SAFE | _QUICK if quick else dict(_SAFE)
    try:
        with av.open(source, "r", metadata_errors="ignore", container_options=options) as container:
            if not container.streams.audio:
                raise DecodeError("this cannot be decoded: there is no audio in it")
            for frame in _frames(container):
                yield from converter.convert(frame)
            yield from converter.drain()
    except av.FFmpegError as error:
        raise DecodeError(f"this cannot be decoded: {error.strerror}") from error


def _frames(container: InputContainer) -> Iterator[av.AudioFrame]:
    """Decode, passing over a little damage: where two mp3 files have been joined, for example, there always is some."""
    import av

    damaged = in_a_row = decoded = 0
    error: av.InvalidDataError | None = None
    for packet in container.demux(container.streams.audio[0]):
        try:
            frames = packet.decode()
        except av.InvalidDataError as failure:
            error = failure
            damaged, in_a_row = damaged + 1, in_a_row + 1
            if in_a_row == _MOST_DAMAGED:
                raise
            continue
        if frames:
            in_a_row = 0
            decoded += len(frames)
        yield from frames
    if error is not None and not decoded:
        raise error
    if damaged:
        logger.warning("some of the audio was damaged and has been left out", extra={"packets": damaged})


class _Converter:
    """Brings decoded frames into the form that was asked for; what comes in may change its own at any time."""

    def __init__(self, sample_rate: int, num_channels: int) -> None:
        self._sample_rate = sample_rate
        self._num_channels = num_channels
        self._resampler: av.AudioResampler | None = None
        self._input: tuple[str, str, int] | None = None

    def convert(self, frame: av.AudioFrame) -> Iterator[rtc.AudioFrame]:
        """Yield what comes out for ``frame``, perhaps nothing yet."""
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or form != self._input:
            import av

            yield from self.drain()
            layout = "mono" if self._num_channels == 1 else "stereo"
            self._resampler = av.AudioResampler("s16", layout, self._sample_rate)
            self._input = form
        for converted in self._resampler.resample(frame):
            yield self._frame(converted)

    def drain(self) -> Iterator[rtc.AudioFrame]:
        """Yield what the resampler has held back."""
        if self._resampler is not None:
            for converted in self._resampler.resample(None):
                yield self._frame(converted)
            self._resampler = None

    def _frame(self, converted: av.AudioFrame) -> rtc.AudioFrame:
        from livekit import rtc

        data = bytearray(converted.planes[0])
        del data[converted.samples * self._num_channels * _BYTES_PER_SAMPLE :]  # the rest is padding
        return rtc.AudioFrame(data, self._sample_rate, self._num_channels, converted.samples)
