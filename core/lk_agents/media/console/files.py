"""WAV files in the place of microphone and speaker, and nothing in their place."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger
from lk_agents.media.clock_audio import ClockAudioOut
from lk_agents.media.console.ports import FRAME_MS, INPUT_RATE, USER, OnAudio
from lk_agents.media.console.recorder import Recorder
from lk_agents.utils.audio import Resampler, mix_to_mono

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["FileSink", "FileSource", "NoSink", "NoSource", "SpokenFile", "read_wav"]

BYTES_PER_SAMPLE: Final = 2
_FRAME_SAMPLES: Final = INPUT_RATE * FRAME_MS // 1000
_FRAME_BYTES: Final = _FRAME_SAMPLES * BYTES_PER_SAMPLE
_FRAME_SECONDS: Final = FRAME_MS / 1000
WAITING_SECONDS: Final = 10.0
"""How far a reader may fall behind before frames are lost, the oldest first."""
_ROUNDING: Final = 1e-6


def read_wav(path: Path) -> bytes:
    """Return what a WAV file says, as 16-bit samples at 16 kHz, mono. Blocks.

    :raises ConfigError: it cannot be read.
    """
    from livekit import rtc

    remedy = f"ffmpeg -i {path.name} -ac 1 -ar {INPUT_RATE} -c:a pcm_s16le voice.wav makes one of anything"
    try:
        with wave.open(str(path), "rb") as file:
            rate, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise ConfigError(f"{str(path)!r} cannot be read as a WAV file: {error}; {remedy}") from error
    if width != BYTES_PER_SAMPLE:
        raise ConfigError(f"{str(path)!r} has samples of {8 * width} bits, and 16 are needed; {remedy}")
    frame = rtc.AudioFrame(data, rate, channels, len(data) // (channels * width))
    resampler = Resampler(INPUT_RATE)
    parts = [*resampler.push(mix_to_mono(frame)), *resampler.flush()] if frame.samples_per_channel else []
    return b"".join(bytes(part.data.cast("B")) for part in parts)


class SpokenFile:
    """A voice that says what is in memory, in its own time, and is silent then; an :class:`~lk_agents.media.AudioIn`.

    :param audio: 16-bit samples at 16 kHz, mono.
    :param on_heard: is told each frame that is given, with the moment at which it was spoken.
    """

    def __init__(self, audio: bytes, *, participant: str = USER, on_heard: OnAudio | None = None) -> None:
        self._audio = audio
        self._on_heard = on_heard
        self._participant = participant
        self._began: float | None = None
        self._given = 0
        self._lost = 0
        self._closed = asyncio.Event()
        self.over = asyncio.Event()
        """Set when all was said."""

    @property
    def participant(self) -> str:
        """The identity of whom it comes from."""
        return self._participant

    @property
    def sample_rate(self) -> int:
        """Hz of every frame."""
        return INPUT_RATE

    @property
    def num_channels(self) -> int:
        """Channels of every frame."""
        return 1

    def __aiter__(self) -> SpokenFile:
        return self

    async def __anext__(self) -> rtc.AudioFrame:
        """Wait until the next frame is spoken; the first one begins with the first call."""
        from livekit import rtc

        if self._began is None:
            self._began = clock.monotonic()
        while not self._closed.is_set():
            seconds = self._began + (self._given + 1) * _FRAME_SECONDS - clock.monotonic()
            if seconds > _ROUNDING:
                await self._wait(seconds)
                continue
            if (late := -seconds - WAITING_SECONDS) > 0:
                self._lose(int(late / _FRAME_SECONDS) + 1)
            start = self._given * _FRAME_BYTES
            self._given += 1
            if start + _FRAME_BYTES >= len(self._audio):
                self.over.set()
            samples = self._audio[start : start + _FRAME_BYTES].ljust(_FRAME_BYTES, b"\0")
            if self._on_heard is not None:
                self._on_heard(self._began + (self._given - 1) * _FRAME_SECONDS, samples)
            return rtc.AudioFrame(samples, INPUT_RATE, 1, _FRAME_SAMPLES)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Say no more."""
        self._closed.set()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            return

    def _lose(self, frames: int) -> None:
        self._given += frames
        self._lost += frames
        logger.warning(
            "audio of the input file is lost: it is not read in time",
            extra={"lost_seconds": round(self._lost * _FRAME_SECONDS, 3)},
        )


class FileSource:
    """A user who says what was read from a file, and is silent then.

    :param audio: as :func:`read_wav` returns it.
    """

    def __init__(self, audio: bytes) -> None:
        self._audio = audio
        self._voice: SpokenFile | None = None

    async def open(self, *, on_heard: OnAudio | None = None) -> SpokenFile:
        """Return the voice; it speaks when it is first asked for a frame."""
        self._voice = SpokenFile(self._audio, on_heard=on_heard)
        return self._voice

    @property
    def voice(self) -> SpokenFile:
        """The voice, once it is opened."""
        assert self._voice is not None, "it is opened before"
        return self._voice

    async def wait_over(self) -> None:
        """Return when all was said."""
        await self.voice.over.wait()

    async def aclose(self) -> None:
        """Say no more."""
        if self._voice is not None:
            await self._voice.aclose()


class NoSource:
    """A user who does not speak."""

    async def open(self, *, on_heard: OnAudio | None = None) -> None:
        """Return no voice."""

    async def wait_over(self) -> None:
        """Return: what is never said is over from the start."""

    async def aclose(self) -> None:
        """There is nothing to let go of."""


class NoSink:
    """Nobody hears the agent: its words pass in the time that saying them takes."""

    async def open(self, *, sample_rate: int, num_channels: int, on_played: OnAudio | None = None) -> ClockAudioOut:
        """Return a sink that plays to nobody."""
        return ClockAudioOut(sample_rate, num_channels, on_played=on_played)

    async def aclose(self) -> None:
        """There is nothing to let go of."""


class FileSink:
    """The agent's voice goes into a WAV file, with its pauses."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._recorder: Recorder | None = None

    async def open(self, *, sample_rate: int, num_channels: int, on_played: OnAudio | None = None) -> ClockAudioOut:
        """Begin the file.

        :raises PlayoutError: it cannot be written.
        """

        def keep(at: float, samples: bytes) -> None:
            recorder.add_interleaved(at, samples)
            if on_played is not None:
                on_played(at, samples)

        sink = ClockAudioOut(sample_rate, num_channels, on_played=keep)
        self._recorder = recorder = Recorder(
            self._path, channels=num_channels, sample_rate=sample_rate, before_writing=sink.flush
        )
        await recorder.start()
        return sink

    async def aclose(self) -> None:
        """Write the rest."""
        if self._recorder is not None:
            await self._recorder.aclose()
