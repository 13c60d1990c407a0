"""A WAV file in which everything stands at the moment at which it was heard."""

from __future__ import annotations

import asyncio
import wave
from array import array
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import PlayoutError
from lk_agents.foundation.log import logger

__all__ = ["Recorder"]

BYTES_PER_SAMPLE: Final = 2
WRITE_SECONDS: Final = 0.5
"""How often audio goes into the file."""
LATE_SECONDS: Final = 1.0
"""How much later than it was heard audio may be told."""
_JOIN_SECONDS: Final = 0.05
"""Pieces that are no further apart are one piece, told a little early or late."""


class _Channel:
    """One channel of the file: what was told and is not written yet."""

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._samples = array("h")  # from the first one that is not written
        self._begin = 0

    def add(self, position: int, samples: array[int]) -> None:
        """Put samples where they belong, but behind those that are there already."""
        end = self._begin + len(self._samples)
        if (gap := position - end) > _JOIN_SECONDS * self._rate:
            self._samples.frombytes(bytes(gap * BYTES_PER_SAMPLE))
        self._samples.extend(samples)

    def take(self, end: int) -> array[int]:
        """Return what comes before ``end``, with silence where nothing was told."""
        wanted = end - self._begin
        taken = self._samples[:wanted]
        taken.frombytes(bytes((wanted - len(taken)) * BYTES_PER_SAMPLE))
        self._samples = self._samples[wanted:]
        self._begin = end
        return taken


class _WaveFile:
    """A WAV file that is whole after each :meth:`write`. Every method blocks."""

    def __init__(self, path: Path, *, channels: int, sample_rate: int) -> None:
        self._file = path.open("wb")
        self._wave = wave.open(self._file, "wb")  # noqa: SIM115  open as long as this is
        self._wave.setnchannels(channels)
        self._wave.setsampwidth(BYTES_PER_SAMPLE)
        self._wave.setframerate(sample_rate)
        self.write(b"")

    def write(self, frames: bytes) -> None:
        """Add frames, and correct what the head of the file says of their number."""
        self._wave.writeframes(frames)
        self._file.flush()

    def close(self) -> None:
        """Close it."""
        self._wave.close()
        self._file.close()


class Recorder:
    """Writes what is heard to a file while it is heard, so that a crash costs a second at most.

    :meth:`add` may be called from any thread, everything else on the event loop.

    :param channels: of the file; each is told apart in :meth:`add`.
    :param sample_rate: Hz of the file, and of what is added.
    :param before_writing: called before audio goes into the file, to tell what was not told yet.
    """

    def __init__(
        self, path: Path, *, channels: int, sample_rate: int, before_writing: Callable[[], None] | None = None
    ) -> None:
        self._path = path
        self._rate = sample_rate
        self._channels = [_Channel(sample_rate) for _ in range(channels)]
        self._before_writing = before_writing
        self._began = 0.0
        self._written = 0
        self._lock = Lock()
        self._file: _WaveFile | None = None
        self._task: asyncio.Task[None] | None = None
        self._writing: asyncio.Future[None] | None = None  # goes on in its thread when the one who waits is cancelled

    async def start(self) -> None:
        """Begin the file, at this moment.

        :raises PlayoutError: it cannot be written.
        """
        try:
            self._file = await asyncio.to_thread(self._create)
        except OSError as error:
            raise PlayoutError(
                f"the file {str(self._path)!r} cannot be written: {error}; choose another one"
            ) from error
        self._began = clock.monotonic()
        self._task = asyncio.get_running_loop().create_task(self._write_on(), name="lk-console-recorder")

    def add(self, channel: int, at: float, samples: bytes) -> None:
        """Take what was heard from that moment on; behind what the channel has, if that is later."""
        with self._lock:
            self._channels[channel].add(round((at - self._began) * self._rate), array("h", samples))

    def add_interleaved(self, at: float, samples: bytes) -> None:
        """The same for all channels of the file at once, whose samples take turns."""
        count = len(self._channels)
        for channel in range(count):
            self.add(channel, at, memoryview(samples).cast("h")[channel::count].tobytes())

    async def aclose(self) -> None:
        """Write the rest. Any number of times; cancelled, the rest is lost and the file is whole without it."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait({task})
        await self._write(clock.monotonic())
        assert self._file is not None
        await asyncio.to_thread(self._file.close)

    def _create(self) -> _WaveFile:
        return _WaveFile(self._path, channels=len(self._channels), sample_rate=self._rate)

    async def _write_on(self) -> None:
        try:
            while True:
                await asyncio.sleep(WRITE_SECONDS)
                await self._write(clock.monotonic() - LATE_SECONDS)
        except OSError as error:
            logger.error("the recording ends early", extra={"file": str(self._path), "error": str(error)})

    async def _write(self, until: float) -> None:
        """Write what was heard before that moment, behind what is being written: a file has one writer at a time."""
        if self._writing is not None:
            await asyncio.wait({self._writing})
        if self._before_writing is not None:
            self._before_writing()
        end = round((until - self._began) * self._rate)
        if end <= self._written:
            return
        with self._lock:
            channels = [channel.take(end) for channel in self._channels]
        frames = array("h", bytes(len(channels) * (end - self._written) * BYTES_PER_SAMPLE))
        for index, samples in enumerate(channels):
            frames[index :: len(channels)] = samples
        self._written = end
        assert self._file is not None
        self._writing = asyncio.ensure_future(asyncio.to_thread(self._file.write, frames.tobytes()))
        await asyncio.shield(self._writing)
