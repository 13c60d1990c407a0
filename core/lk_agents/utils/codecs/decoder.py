"""Decoders: a thread that decodes, and the frames as an asynchronous iterator."""

from __future__ import annotations

import asyncio
import importlib.util
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger
from lk_agents.utils.aio.threads import call_in_thread
from lk_agents.utils.codecs.decoding import Readable, decode
from lk_agents.utils.codecs.frame_queue import FrameQueue
from lk_agents.utils.codecs.stream_buffer import StreamBuffer

if TYPE_CHECKING:
    from livekit import rtc

__all__ = ["AudioStreamDecoder", "FileDecoder"]

MAX_SECONDS_AHEAD: Final = 10.0
"""How much decoded audio lies ready; the thread waits then."""
CLOSE_SECONDS: Final = 5.0


class _Decoder:
    """What both kinds have in common: a thread each, so that none waits for another."""

    def __init__(self, sample_rate: int, num_channels: int) -> None:
        if num_channels not in {1, 2}:
            raise ConfigError(f"num_channels is {num_channels!r}; audio can be decoded to 1 or 2 channels")
        if sample_rate < 1:
            raise ConfigError(f"the sample rate is {sample_rate!r} Hz; it must be 1 or more")
        if importlib.util.find_spec("av") is None:
            raise ImportError("decoding audio needs PyAV; install it with: pip install 'lk-agents[codecs]'", name="av")
        self._sample_rate = sample_rate
        self._num_channels = num_channels
        self._frames = FrameQueue(MAX_SECONDS_AHEAD)
        self._thread: asyncio.Future[None] | None = None
        self._closed = False
        weakref.finalize(self, self._frames.close).atexit = False  # dropped without aclose(), its thread ends too

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._frames.get()

    async def aclose(self) -> None:
        """Decode no more and drop what has not been read; waits for the thread, 5 s at most. Idempotent."""
        self._closed = True
        self._frames.close()
        if self._thread is not None:
            _, running = await asyncio.wait([self._thread], timeout=CLOSE_SECONDS)
            if running:
                logger.warning("a decoder did not end in time")

    def _start(self, open_source: Callable[[], AbstractContextManager[Readable]], *, quick: bool) -> None:
        if self._thread is not None or self._closed:
            return
        # The thread does not hold the decoder itself, or nobody could notice that it was dropped.
        frames = self._frames
        begin = partial(decode, sample_rate=self._sample_rate, num_channels=self._num_channels, quick=quick)

        def run() -> None:
            try:
                with open_source() as source, closing(begin(source)) as decoded:
                    for frame in decoded:
                        if not frames.put(frame):
                            break
            except Exception as error:  # noqa: BLE001  it is the reader's
                frames.end(error)
            else:
                frames.end()

        self._thread = call_in_thread(run, name="lk_decoder")


class AudioStreamDecoder(_Decoder):
    """Decodes one stream of compressed audio while it comes in: push bytes, iterate over frames.

    What it is, FFmpeg finds out by itself. Formats that must be read from several places (some mp4 files) cannot be
    decoded as a stream. When the reader is slow, decoding pauses with 10 s of audio ready. What cannot be decoded
    raises :class:`DecodeError` in the reader, after the frames before it; a little damage amid good audio is left out
    and logged. Cancelling a read loses nothing.

    To be used on an event loop.

    :param sample_rate: of the frames, in Hz.
    :param num_channels: of the frames, 1 or 2.
    :raises ImportError: PyAV is missing; the text names the extra.
    :raises ConfigError: ``num_channels`` is another number, or ``sample_rate`` is not positive.
    """

    def __init__(self, *, sample_rate: int = 48000, num_channels: int = 1) -> None:
        super().__init__(sample_rate, num_channels)
        self._input = StreamBuffer()
        weakref.finalize(self, self._input.close).atexit = False

    def push(self, chunk: bytes) -> None:
        """Add bytes, cut anywhere. After an error, and after :meth:`aclose`, they are dropped.

        :raises RuntimeError: the input has ended.
        :raises BufferError: far more was pushed than has been decoded.
        """
        self._input.write(chunk)
        if chunk:
            source = self._input
            self._start(lambda: closing(source), quick=True)  # closed at the end, it takes nothing more

    def end_input(self) -> None:
        """Nothing more comes: the frames end when all has been decoded; at once if nothing was pushed. Idempotent."""
        self._input.end_input()
        if self._thread is None:
            self._frames.end()

    async def aclose(self) -> None:
        """End the input, decode no more and drop what has not been read; takes 5 s at most. Idempotent."""
        self._input.close()
        await super().aclose()


class FileDecoder(_Decoder):
    """Decodes a file: iterate over its frames. The rest is as for :class:`AudioStreamDecoder`.

    Formats that must be read from several places can be decoded, too.

    :raises OSError: while reading: the file cannot be read.
    """

    def __init__(self, path: str | Path, *, sample_rate: int = 48000, num_channels: int = 1) -> None:
        super().__init__(sample_rate, num_channels)
        self._path = Path(path)

    async def __anext__(self) -> rtc.AudioFrame:
        path = self._path
        self._start(lambda: path.open("rb"), quick=False)
        return await super().__anext__()
